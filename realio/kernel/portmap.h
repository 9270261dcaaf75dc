// Ports at the NATs before this host (QE_ACTION_MAP_PORT): each request is a process of its own without rights, which
// asks the gateway of the interface by PCP and NAT-PMP (nat/port_client.h) and then by UPnP IGD (libminiupnpc), and
// ends by itself. What was granted is remembered here, and given back when the daemon ends, in whatever way.
#ifndef QE_REALIO_KERNEL_PORTMAP_H
#define QE_REALIO_KERNEL_PORTMAP_H

#include "kernel/message.h"
#include "nat/port_client.h"

#include <poll.h>
#include <sys/types.h>

// Requests at a time; more are refused. Seconds that one may take, and that giving everything back may.
#define QE_PORTMAP_RUNNING_MAX 8
#define QE_PORTMAP_LIMIT_S     25
#define QE_PORTMAP_END_MS      3000
// Mappings to remember; those beyond are granted, and not given back after a crash of the daemon.
#define QE_PORTMAP_GRANTED_MAX 32
#define QE_PORTMAP_EPOCHS_MAX  8
#define QE_PORTMAP_URL_SIZE    128

// What a process is to ask for.
struct qe_portmap_job {
    uint64_t request;
    uint32_t interface;
    struct qe_port_request wanted; // without the client's address
    // Of the mapping that is there already; 0 and "" for none.
    uint16_t outside;
    char url[QE_PORTMAP_URL_SIZE]; // where the gateway describes itself, by UPnP
};

// What came of it, as the process says.
struct qe_portmap_outcome {
    enum qe_result_code code;
    enum qe_port_protocol protocol; // where granted
    struct qe_addr outside;         // where granted
    uint32_t lifetime_s;            // where granted
    bool has_epoch;
    uint32_t epoch_s;
    struct qe_ip gateway;
    char url[QE_PORTMAP_URL_SIZE]; // where granted by UPnP
    char text[QE_PORT_TEXT_SIZE];  // where not granted
};

struct qe_portmap {
    struct {
        pid_t pid; // 0: free
        int pipe;
        struct qe_portmap_job job;
    } running[QE_PORTMAP_RUNNING_MAX];
    struct {
        struct qe_portmap_job job; // interface 0: free
        struct qe_ip gateway;
    } granted[QE_PORTMAP_GRANTED_MAX];
    struct {
        struct qe_ip gateway;
        struct qe_port_epoch epoch;
    } epochs[QE_PORTMAP_EPOCHS_MAX];
    size_t next_epoch;
};

// Begins one for the message QE_KERNEL_MAP_PORT. 0, or -1 with `error`.
int qe_portmap_begin(
    struct qe_portmap *portmap, const struct qe_kernel_message *message, char error[QE_KERNEL_TEXT_SIZE]);
// Adds what to wait for to `out`, which has room for QE_PORTMAP_RUNNING_MAX; returns how many.
size_t qe_portmap_poll(const struct qe_portmap *portmap, struct pollfd *out);
// The next answer into `answer`: of a process that ended, or of a mapping that the NAT has lost. False: none (more).
bool qe_portmap_next(struct qe_portmap *portmap, struct qe_kernel_message *answer);
// Begins to give everything back; ends when that is done or QE_PORTMAP_END_MS are over.
void qe_portmap_give_back(struct qe_portmap *portmap);
void qe_portmap_end(struct qe_portmap *portmap);

// The work of the process (portask.c).
void qe_portmap_ask(const struct qe_portmap_job *job, struct qe_portmap_outcome *outcome);
// By UPnP IGD alone (igd.c), from that address to that gateway.
void qe_portmap_ask_igd(
    const struct qe_portmap_job *job, const struct qe_ip *client, struct qe_portmap_outcome *outcome);

#endif
