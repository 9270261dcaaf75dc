// The inside of crossing NATs, shared by traversal.c (which peers are tried, and when), calling.c (signals) and
// probing.c (datagrams).
#ifndef QE_NODE_TRAVERSAL_INTERNAL_H
#define QE_NODE_TRAVERSAL_INTERNAL_H

#include "dht/signal.h"
#include "nat/attempt.h"
#include "nat/budget.h"
#include "nat/call.h"
#include "nat/probe.h"
#include "nat/search.h"
#include "node/cplane_internal.h"

#define TRAVERSAL_ATTEMPTS_MAX 64
// Probes that wait for a buffer; more are dropped, as a full socket drops.
#define TRAVERSAL_OUT_MAX 64
// The last attempts of callers that are no peers, so that none is heard twice.
#define TRAVERSAL_HEARD_MAX 128

// Sockets of searches, by their IDs, and the requests for them.
#define TRAVERSAL_SOCKETS_MAX  (QE_SEARCH_SOCKETS + 32)
#define TRAVERSAL_SOCKET_FIRST 1000u
#define CPLANE_REQUEST_SEARCH  (UINT64_C(2) << 32)

// What may be answered without a budget to somebody who is searched for.
#define TRAVERSAL_SEARCH_ANSWERS 32

struct traversal_socket {
    uint32_t id;
    uint64_t attempt;      // whose search it is
    struct qe_addr bound;  // family 0: not yet
    uint64_t won_ns;       // when it was found to lead to the peer; 0: it was not
    struct qe_addr remote; // where, then
    bool idle;             // it had no connection at the last look
};

struct traversal_search {
    bool begun;
    bool hard;         // it is this node's NAT that chooses ports
    uint64_t next_ns;  // of its packets
    struct qe_addr to; // the peer, or the highest of its ports that is known
    unsigned sent, answers;
    struct qe_search ports; // where not hard
};

struct traversal_attempt {
    struct qe_list link;
    struct qe_attempt attempt;
    // The side that was called leaves the dialling to the other one for a while.
    uint64_t dial_at_ns; // QE_TIME_NEVER: nothing to dial
    struct qe_addr dial;
    uint64_t call_at_ns; // when to tell the other side; QE_TIME_NEVER: done, or
                         // it waits for
    bool call_waits;     // a lookup of who can pass it on
    bool looked;         // whether to search
    struct traversal_search search;
    enum qe_call_ports ports;      // how the other side's NAT chooses them
    enum qe_call_ports said_ports; // what the last call said of this one's
    bool answered;                 // the other side has said something
    uint8_t answers;               // that were sent
};

struct traversal_out {
    uint32_t socket;
    struct qe_addr local, remote; // local: family 0: as routed
    uint8_t bytes[QE_PROBE_SIZE];
};

struct cplane_traversal {
    struct qe_budget *budget;
    uint8_t secret[16]; // of the numbers that are to be echoed
    struct qe_list attempts;
    size_t attempt_count;
    uint64_t at_ns;                              // not later than anything of them is due
    struct traversal_out out[TRAVERSAL_OUT_MAX]; // a ring
    size_t out_first, out_count;
    uint64_t heard[TRAVERSAL_HEARD_MAX]; // a ring
    size_t next_heard;
    struct traversal_socket *sockets; // TRAVERSAL_SOCKETS_MAX; NULL: none was wanted yet
    size_t socket_count;
    uint32_t next_socket;
    uint64_t look_at_ns;   // for sockets that are of no use any more
    uint64_t strangers_ns; // when the bucket of answers to nobody known is empty
};

// traversal.c
struct traversal_attempt *traversal_find(struct qe_cplane *c, uint64_t id);
// This node's own at that peer that is under way; NULL: none.
struct traversal_attempt *traversal_find_call(struct qe_cplane *c, const struct qe_node_id *peer);
// NULL where there are too many, or without memory.
struct traversal_attempt *traversal_begin(struct qe_cplane *c, const struct qe_node_id *peer, uint64_t id, bool caller);
// Ends what the peer called for.
void traversal_end_called(struct qe_cplane *c, const struct qe_node_id *peer);
// What is known of the ways to a peer, made where there is nothing yet; NULL without memory.
struct cplane_crossing *traversal_crossing(struct qe_cplane *c, struct cplane_peer *peer);
// An echo came from the candidate.
void traversal_on_proven(struct qe_cplane *c, struct traversal_attempt *a, struct qe_candidate *candidate);
void traversal_wake(struct qe_cplane *c, uint64_t at_ns);

// calling.c
// Tells the other side of the attempt. False where nobody is known that could pass it on.
bool calling_call(struct qe_cplane *c, struct traversal_attempt *a);
// How this node's NAT chooses ports, as far as holders see it.
enum qe_call_ports calling_ports(const struct qe_cplane *c);
enum qe_candidate_kind calling_kind(enum qe_endpoint_kind said);

// searching.c
void searching_work(struct qe_cplane *c, struct traversal_attempt *a, struct cplane_peer *peer);
void searching_end(struct qe_cplane *c, const struct traversal_attempt *a);
void searching_on_proven(struct qe_cplane *c, uint32_t id, const struct qe_addr *at);
void searching_look(struct qe_cplane *c);

// probing.c
// Asks without a budget: for searches, which have one of their own.
void probing_search(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to, uint32_t socket,
    const struct qe_addr *local);
// Asks the candidate. False where it may not be asked now.
bool probing_ask(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to);

#endif
