// Every packet of the overlay from one TUN to another: what came out must have gone in, once for each time it went in,
// by a node that may send it, unchanged in what a tunnel may not change. Super-packets count as the packets they stand
// for.
//
// What identifies a packet is a 64-bit digest of its addresses, ports and content. Delivered ones are forgotten after a
// while; undelivered ones are kept for as long as a packet can reasonably be under way.
#ifndef QE_SIM_LEDGER_H
#define QE_SIM_LEDGER_H

#include "host/host.h"

struct sim_ledger_entry {
    uint64_t key;     // 0: free
    uint64_t at_ns;   // when it went in last
    uint32_t host;    // by whose TUN
    uint16_t entered; // so many times
    uint16_t left;
    uint8_t class; // TOS or traffic class, ECN in its lower two bits
    uint8_t hops;  // TTL or hop limit
    bool moved;    // stands in the newer table
};

struct sim_ledger_table {
    struct sim_ledger_entry *entries;
    size_t count, capacity; // capacity: a power of two, or 0
};

// The first bytes of packets that were too big for a TUN's MTU, whose ICMP answer quotes them.
#define SIM_LEDGER_OVERSIZE 64
struct sim_oversize {
    uint64_t quoted4, quoted6; // digests of as much as the answer quotes
    struct qe_ip source, destination;
};

struct sim_ledger_host {
    uint64_t in_segments;          // packets that went in
    uint64_t out_segments;         // packets that came out
    bool super_in;                 // a super-packet went in since the node's start
    struct sim_oversize *oversize; // ring of SIM_LEDGER_OVERSIZE; NULL until needed
    size_t oversize_count;
};

struct sim_ledger {
    struct sim_hosts *hosts; // whom to tell
    struct sim_host *const *list;
    size_t host_count;
    struct sim_ledger_host *per_host;
    struct sim_ledger_table newer, older;
    uint64_t turned_ns; // when `older` became so
    bool cut_anywhere;  // a TCP super-packet went in: its pieces cannot be told
    // Whether `host` lets packets from `from` in, by its configuration.
    bool (*allowed)(void *user, uint32_t host, uint32_t from);
    void *user;
};

void sim_ledger_init(struct sim_ledger *ledger, struct sim_hosts *hosts, struct sim_host *const *list, size_t count);
void sim_ledger_fini(struct sim_ledger *ledger);
void sim_ledger_entered(
    struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
// Checks; tells hosts->violated.
void sim_ledger_left(
    struct sim_ledger *ledger, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
// A node starts: its counts begin anew.
void sim_ledger_started(struct sim_ledger *ledger, const struct sim_host *host);

#endif
