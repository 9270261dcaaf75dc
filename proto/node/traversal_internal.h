// The inside of crossing NATs, shared by traversal.c (which peers are tried, and when) and probing.c (datagrams).
#ifndef QE_NODE_TRAVERSAL_INTERNAL_H
#define QE_NODE_TRAVERSAL_INTERNAL_H

#include "nat/attempt.h"
#include "nat/budget.h"
#include "nat/probe.h"
#include "node/cplane_internal.h"

#define TRAVERSAL_ATTEMPTS_MAX 64
// Probes that wait for a buffer; more are dropped, as a full socket drops.
#define TRAVERSAL_OUT_MAX 64

struct traversal_attempt {
    struct qe_list link;
    struct qe_attempt attempt;
    // The side that was called leaves the dialling to the other one for a while.
    uint64_t dial_at_ns; // QE_TIME_NEVER: nothing to dial
    struct qe_addr dial;
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
    uint64_t strangers_ns; // when the bucket of answers to nobody known is empty
};

// traversal.c
struct traversal_attempt *traversal_find(struct qe_cplane *c, uint64_t id);
// An echo came from the candidate.
void traversal_on_proven(struct qe_cplane *c, struct traversal_attempt *a, struct qe_candidate *candidate);
void traversal_wake(struct qe_cplane *c, uint64_t at_ns);

// probing.c
// Asks the candidate. False where it may not be asked now.
bool probing_ask(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to);

#endif
