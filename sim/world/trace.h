// What happened: always as a hash over a canonical encoding (docs/scenarios.md), by which two runs are compared, and to
// whoever listens. The hash holds what a network could see: datagrams, packets in and out of TUNs, nodes' starts and
// stops, sockets, stored state and links. What the core says about itself (log lines, trace events, secrets) goes to
// listeners only, so a new log line changes no hash. A listener is a sink (files of sim/look); it cannot change a run,
// and an event that none wants costs one test.
#ifndef QE_SIM_TRACE_H
#define QE_SIM_TRACE_H

#include "base/bytes.h"
#include "flow/offload.h"
#include "net/packet.h"
#include "net/pipe.h"

#include <sodium.h>

#define SIM_TRACE_HASH_SIZE 32

// The numbers are part of the encoding.
enum sim_trace_event {
    SIM_TRACE_START = 1,
    SIM_TRACE_STOP = 2,
    SIM_TRACE_SENT = 3,
    SIM_TRACE_RECEIVED = 4,
    SIM_TRACE_FORWARDED = 5,
    SIM_TRACE_DROPPED = 6,
    SIM_TRACE_TUN_IN = 7,
    SIM_TRACE_TUN_OUT = 8,
    SIM_TRACE_SOCKET_OPEN = 9,
    SIM_TRACE_SOCKET_CLOSE = 10,
    SIM_TRACE_TUN_OPEN = 11,
    SIM_TRACE_STORE = 12,
    SIM_TRACE_ERASE = 13,
    SIM_TRACE_LINK = 14,
    SIM_TRACE_TRANSLATED = 15,
    SIM_TRACE_ROUTER = 16,
    // Not in the hash.
    SIM_TRACE_LEFT = 40, // a datagram leaves a box by an interface
    SIM_TRACE_ARRIVED,   // comes to one
    SIM_TRACE_CORE,      // a node's own trace event
    SIM_TRACE_LOG,
    SIM_TRACE_NOTE,
    SIM_TRACE_FLOW, // a flow's packet has arrived
    SIM_TRACE_SAMPLE,
    SIM_TRACE_KEYLOG,
    SIM_TRACE_QLOG,
    SIM_TRACE_EVENT_COUNT, // at most 64
};

// The name in readable traces and JSON lines: "sent", "tun-in".
const char *sim_trace_event_name(enum sim_trace_event event);

// Who it happened to.
struct sim_trace_who {
    uint32_t index;
    const char *name;
};

struct sim_host;
struct sim_interface;

#define SIM_SAMPLE_FIGURES_MAX 12

// Figures of one link direction, flow or host at one time.
struct sim_sample {
    const char *of;   // "link", "flow" or "host"
    const char *name; // the link's or flow's
    struct {
        const char *name; // with its unit
        uint64_t value;
    } figures[SIM_SAMPLE_FIGURES_MAX];
    size_t count;
};

// What a sink sees; everything is borrowed, and what an event is not about is zero.
struct sim_trace_item {
    enum sim_trace_event event;
    struct sim_trace_who who;
    const struct sim_packet *packet;       // SENT to DROPPED, TRANSLATED, LEFT, ARRIVED
    const struct sim_interface *interface; // LEFT, ARRIVED
    enum sim_drop reason;                  // DROPPED
    bool ok;                               // STOP: crashed; SOCKET: not refused; LINK, ROUTER: up; QLOG: a client's
    struct qe_span bytes;                  // TUN, STORE, QLOG
    const struct qe_offload *offload;      // TUN
    uint32_t socket;                       // SOCKET; LINK: the interface's index
    const struct qe_addr *address;         // SOCKET
    uint16_t mtu;                          // TUN_OPEN
    const struct qe_cidr *addresses;
    size_t address_count;
    const char *name; // STORE, ERASE: the key; LINK: the interface; CORE: the event; LOG: the level; FLOW: the flow
    const char *text; // LOG, NOTE, KEYLOG
    const char *peer; // CORE: a host's name, or NULL
    uint64_t a, b, c; // CORE: its two numbers; FLOW: number, latency in ns, bytes; QLOG: connection, whether it is over
    const struct sim_sample *sample;
};

#define SIM_TRACE_BIT(event) (UINT64_C(1) << (event))

struct sim_sink {
    struct sim_sink *next;
    uint64_t wants; // SIM_TRACE_BITs
    void (*see)(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item);
    // The network is built, nothing has happened yet; may be NULL.
    void (*begin)(struct sim_sink *sink, struct sim_host *const *hosts, size_t count);
};

struct sim_trace {
    crypto_generichash_state hash;
    uint8_t record[8192]; // records not yet hashed
    size_t used;
    struct sim_sink *sinks;
    uint64_t wanted; // by any sink
    const uint64_t *now_ns;
};

// `now_ns`: where the time is to be read. `sinks`: a list, or NULL; they must outlive the trace.
void sim_trace_init(struct sim_trace *trace, const uint64_t *now_ns, struct sim_sink *sinks);
void sim_trace_begin(struct sim_trace *trace, struct sim_host *const *hosts, size_t count);
// Gives the hash of all there was; from then on only qlog's last words are told to sinks.
void sim_trace_fini(struct sim_trace *trace, uint8_t hash[SIM_TRACE_HASH_SIZE]);

static inline bool sim_trace_wants(const struct sim_trace *trace, enum sim_trace_event event)
{
    return trace->wanted & SIM_TRACE_BIT(event);
}

void sim_trace_start(struct sim_trace *trace, struct sim_trace_who who);
void sim_trace_stop(struct sim_trace *trace, struct sim_trace_who who, bool crashed);
void sim_trace_sent(struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet);
// RECEIVED or FORWARDED.
void sim_trace_moved(
    struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, const struct sim_packet *packet);
void sim_trace_dropped(
    struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet, enum sim_drop reason);
// TUN_IN or TUN_OUT.
void sim_trace_tun(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, struct qe_span bytes,
    const struct qe_offload *offload);
// SOCKET_OPEN, SOCKET_CLOSE; address: the one bound, or asked for where it was refused.
void sim_trace_socket(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event, uint32_t socket,
    const struct qe_addr *address, bool ok);
void sim_trace_tun_open(struct sim_trace *trace, struct sim_trace_who who, uint16_t mtu,
    const struct qe_cidr *addresses, size_t address_count);
void sim_trace_store(struct sim_trace *trace, struct sim_trace_who who, const char *key, struct qe_span value);
void sim_trace_erase(struct sim_trace *trace, struct sim_trace_who who, const char *key);
void sim_trace_link(struct sim_trace *trace, struct sim_trace_who who, uint32_t interface, const char *name, bool up);
// A NAT has given a datagram the addresses that it has now.
void sim_trace_translated(struct sim_trace *trace, struct sim_trace_who who, const struct sim_packet *packet);
// A router has gone down or come up.
void sim_trace_router(struct sim_trace *trace, struct sim_trace_who who, bool up);

// For sinks only.
void sim_trace_note(struct sim_trace *trace, struct sim_trace_who who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// LEFT or ARRIVED.
void sim_trace_passed(struct sim_trace *trace, struct sim_trace_who who, enum sim_trace_event event,
    const struct sim_interface *interface, const struct sim_packet *packet);
// Whatever else: the item as it is, with its event and who.
void sim_trace_tell(struct sim_trace *trace, const struct sim_trace_item *item);

#endif
