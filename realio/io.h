// The node's hands and ears: turns what the kernel says into events, and the node's actions into system calls.
#ifndef QE_REALIO_IO_H
#define QE_REALIO_IO_H

#include "bufpool.h"
#include "identity.h"
#include "kernel/kernel.h"
#include "links.h"
#include "log.h"
#include "loop.h"
#include "netkey.h"
#include "node/node.h"
#include "random.h"
#include "record.h"
#include "store.h"
#include "tun.h"
#include "udp.h"

// Sockets that the node may hold open; more are refused.
#define QE_IO_SOCKETS_MAX 384
// Addresses of the TUN that are told from others.
#define QE_IO_OVERLAY_MAX 16
// Packets of one event from the TUN, and about how many bytes.
#define QE_IO_PACKETS_MAX       64
#define QE_IO_PACKETS_BYTES_MAX (512 * 1024)
// Bytes that actions may move before the inputs are looked at again: a packet that just came in waits no longer.
#define QE_IO_ROUND_BYTES (512 * 1024)
// Small sends are kept for one call together until there are this many bytes.
#define QE_IO_FLUSH_BYTES (32 * 1024)
// How often unused memory is looked for while there is any.
#define QE_IO_TRIM_NS (2 * QE_NS_PER_S)

struct qe_io;

struct qe_io_socket {
    struct qe_udp udp;
    bool used;
    bool readable;
    bool writable;
    bool dirty;     // something was queued
    bool wants_out; // EPOLLOUT is asked for
    struct qe_loop_source source;
};

struct qe_io_options {
    const struct qe_config *config;
    const struct qe_identity *identity;
    struct qe_network *network;
    struct qe_store *store;
    struct qe_loop *loop;
    struct qe_log *log;
    struct qe_recording *recording; // or NULL
    struct qe_kernel *kernel;       // or NULL: nothing changes the system but for the TUN
    void *user;
    void (*reply)(void *user, uint64_t command, int status, struct qe_span body);
};

struct qe_io {
    struct qe_io_options options;
    struct qe_host host;
    struct qe_node *node;
    struct qe_recorder *recorder; // NULL: nothing is recorded
    uint64_t record_ns;           // when what it holds goes to the file at the latest
    struct qe_random_source random;
    struct qe_bufpool pool;
    uint32_t credit_back; // buffers that are done with, not yet told
    struct qe_tun tun;
    struct qe_loop_source tun_source;
    bool tun_readable;
    bool tun_paused; // no buffers to read into
    struct qe_links *links;
    struct qe_loop_source links_source;
    bool links_readable;
    struct qe_loop_source kernel_source; // fd -1: not in the loop
    bool kernel_readable;
    struct qe_cidr overlay[QE_IO_OVERLAY_MAX]; // the TUN's addresses
    size_t overlay_count;
    struct qe_cidr beside[QE_IO_OVERLAY_MAX]; // networks of the underlay within the overlay's, as the helper knows
    size_t beside_count;
    struct qe_io_socket *sockets; // QE_IO_SOCKETS_MAX
    size_t socket_count;          // places ever used
    struct qe_udp_receiver *receiver;
    struct qe_udp_counters udp;
    uint64_t trim_ns; // QE_TIME_NEVER: nothing to trim
    bool busy;        // actions are left
    bool started;     // it is up; what needs rights is the helper's from now on
    bool stopped;     // QE_ACTION_STOPPED came
    bool failed;      // `fault` says why the node cannot run
    bool store_refused;
    struct qe_fault fault;
    struct qe_fault missing; // the last address to listen on that is not there; exit 0: all are
};

// Makes the node and gives it what was stored. 0, or -1 with `fault`.
int qe_io_init(struct qe_io *io, const struct qe_io_options *options, struct qe_fault *fault);
// Starts the node: sockets and TUN come up, or not: -1 with `fault`.
int qe_io_start(struct qe_io *io, struct qe_fault *fault);
void qe_io_fini(struct qe_io *io);

// Hands a command to the node; its answer comes by `reply`, during a later turn.
void qe_io_command(struct qe_io *io, const struct qe_command *command);
// After each wait: events of whatever is ready or due, then actions, for a bounded time.
void qe_io_turn(struct qe_io *io);
// When to take a turn at the latest; 0: at once.
uint64_t qe_io_deadline(const struct qe_io *io);

// Fills io->host, and frees what it holds. 0, or -1 where TLS does not start.
int qe_io_lend(struct qe_io *io);
void qe_io_unlend(struct qe_io *io);
// Logs what was counted, where it is not zero.
void qe_io_log_counters(struct qe_io *io);

#endif
