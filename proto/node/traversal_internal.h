// The inside of crossing NATs, shared by traversal.c (which peers are tried, and when), calling.c (signals) and
// probing.c (datagrams).
#ifndef QE_NODE_TRAVERSAL_INTERNAL_H
#define QE_NODE_TRAVERSAL_INTERNAL_H

#include "dht/signal.h"
#include "nat/attempt.h"
#include "nat/budget.h"
#include "nat/call.h"
#include "nat/probe.h"
#include "node/cplane_internal.h"

#define TRAVERSAL_ATTEMPTS_MAX 64
// Probes that wait for a buffer; more are dropped, as a full socket drops.
#define TRAVERSAL_OUT_MAX 64
// The last attempts of callers that are no peers, so that none is heard twice.
#define TRAVERSAL_HEARD_MAX 128

struct traversal_attempt {
    struct qe_list link;
    struct qe_attempt attempt;
    // The side that was called leaves the dialling to the other one for a while.
    uint64_t dial_at_ns; // QE_TIME_NEVER: nothing to dial
    struct qe_addr dial;
    uint64_t call_at_ns; // when to tell the other side; QE_TIME_NEVER: done, or
                         // it waits for
    bool call_waits;     // a lookup of who can pass it on
    bool answered;       // the other side has said something
    uint8_t answers;     // that were sent
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

// calling.c Tells the other side of the attempt. False where nobody is known that could pass it on.
bool calling_call(struct qe_cplane *c, struct traversal_attempt *a);
enum qe_candidate_kind calling_kind(enum qe_endpoint_kind said);

// probing.c Asks the candidate. False where it may not be asked now.
bool probing_ask(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to);

#endif
