// Which gateways did not lead to one peer, and when each may be asked again: another one is asked at once, the same one
// only after a growing wait. The oldest makes room.
#ifndef QE_RELAY_REFUSALS_H
#define QE_RELAY_REFUSALS_H

#include "relay/choice.h"

// As many as there are gateways: with fewer, those that refuse one after the other would push each other out, and be
// asked without end.
#define QE_REFUSALS_MAX QE_GATEWAYS_MAX
// A peer may be about to connect to a gateway that does not have it yet.
#define QE_REFUSAL_WAIT_FIRST_NS (UINT64_C(500) * 1000000)
#define QE_REFUSAL_WAIT_LAST_NS  (UINT64_C(60) * 1000000000)

struct qe_refusal {
    struct qe_node_id gateway;
    uint64_t at_ns;    // when it was noted
    uint64_t until_ns; // not to be asked before
    unsigned count;    // in a row
};

struct qe_refusals {
    struct qe_refusal list[QE_REFUSALS_MAX];
    size_t count;
};

// It refused, or what it led to did not work. `jitter`: 32 random bits.
void qe_refusals_note(struct qe_refusals *r, const struct qe_node_id *gateway, uint32_t jitter, uint64_t now_ns);
bool qe_refusals_allow(const struct qe_refusals *r, const struct qe_node_id *gateway, uint64_t now_ns);
// When the next one may be asked again; QE_TIME_NEVER for none.
uint64_t qe_refusals_deadline(const struct qe_refusals *r, uint64_t now_ns);

#endif
