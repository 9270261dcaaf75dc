#include "relay/refusals.h"

#include "base/time.h"

static struct qe_refusal *place_of(struct qe_refusals *r, const struct qe_node_id *gateway)
{
    struct qe_refusal *oldest = &r->list[0];
    for (size_t i = 0; i < r->count; i++) {
        if (qe_node_id_equal(&r->list[i].gateway, gateway)) return &r->list[i];
        if (r->list[i].at_ns < oldest->at_ns) oldest = &r->list[i];
    }
    struct qe_refusal *place = r->count < QE_REFUSALS_MAX ? &r->list[r->count++] : oldest;
    *place = (struct qe_refusal){.gateway = *gateway};
    return place;
}

void qe_refusals_note(struct qe_refusals *r, const struct qe_node_id *gateway, uint32_t jitter, uint64_t now_ns)
{
    struct qe_refusal *refusal = place_of(r, gateway);
    uint64_t wait = QE_REFUSAL_WAIT_FIRST_NS;
    for (unsigned i = 0; i < refusal->count && wait < QE_REFUSAL_WAIT_LAST_NS; i++)
        wait *= 2;
    if (wait > QE_REFUSAL_WAIT_LAST_NS) wait = QE_REFUSAL_WAIT_LAST_NS;
    wait = wait - wait / 4 + wait / 2 * (jitter >> 8) / (UINT32_MAX >> 8);
    refusal->count++;
    refusal->at_ns = now_ns;
    refusal->until_ns = now_ns + wait;
}

bool qe_refusals_allow(const struct qe_refusals *r, const struct qe_node_id *gateway, uint64_t now_ns)
{
    for (size_t i = 0; i < r->count; i++)
        if (qe_node_id_equal(&r->list[i].gateway, gateway)) return r->list[i].until_ns <= now_ns;
    return true;
}

uint64_t qe_refusals_deadline(const struct qe_refusals *r, uint64_t now_ns)
{
    uint64_t deadline = QE_TIME_NEVER;
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].until_ns > now_ns) deadline = qe_time_min(deadline, r->list[i].until_ns);
    return deadline;
}
