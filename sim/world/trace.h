// What happened, twice: as a hash over a canonical encoding (docs/scenarios.md), by which two runs are compared, and on
// request as readable lines. The hash holds what a network could see: datagrams, packets in and out of TUNs, nodes'
// starts and stops, sockets, stored state and links. What the core says about itself (log lines, trace events) is in
// the readable trace only, so a new log line changes no hash.
#ifndef QE_SIM_TRACE_H
#define QE_SIM_TRACE_H

#include "base/bytes.h"
#include "flow/offload.h"
#include "net/packet.h"
#include "net/pipe.h"

#include <sodium.h>
#include <stdio.h>

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
};

struct sim_trace {
    crypto_generichash_state hash;
    uint8_t record[8192]; // records not yet hashed
    size_t used;
    FILE *text; // or NULL
    const uint64_t *now_ns;
};

// Who it happened to.
struct sim_trace_who {
    uint32_t index;
    const char *name;
};

// `now_ns`: where the time is to be read. `text`: where the readable trace goes, or NULL.
void sim_trace_init(struct sim_trace *trace, const uint64_t *now_ns, FILE *text);
void sim_trace_fini(struct sim_trace *trace, uint8_t hash[SIM_TRACE_HASH_SIZE]);

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
// In the readable trace only.
void sim_trace_note(struct sim_trace *trace, struct sim_trace_who who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
