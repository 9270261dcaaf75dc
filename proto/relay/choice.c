#include "relay/choice.h"

#include "base/time.h"

#include <string.h>

#define BY_USER (QE_GATEWAY_PREFERRED | QE_GATEWAY_ALLOWED)

// What it is first to be judged by; less is better.
enum rank { RANK_PREFERRED, RANK_NAMED, RANK_KNOWN, RANK_EMERGENCY };

struct qe_gateway *qe_gateways_find(struct qe_gateways *g, const struct qe_node_id *id)
{
    for (size_t i = 0; i < g->count; i++)
        if (qe_node_id_equal(&g->list[i].id, id)) return &g->list[i];
    return NULL;
}

static enum rank rank_of(const struct qe_gateway *gateway, bool named)
{
    if (gateway->why & QE_GATEWAY_PREFERRED) return RANK_PREFERRED;
    if (named) return RANK_NAMED;
    return gateway->why & (QE_GATEWAY_ALLOWED | QE_GATEWAY_LISTED) ? RANK_KNOWN : RANK_EMERGENCY;
}

// What stays when there is no room: less is more worth staying. The user's come first in any case.
static unsigned worth(const struct qe_gateway *gateway)
{
    if (gateway->why & BY_USER) return 0;
    unsigned kind = gateway->why & QE_GATEWAY_NAMED ? 0 : gateway->why & QE_GATEWAY_LISTED ? 1 : 2;
    return 1 + kind + (gateway->present ? 0 : 3) + (gateway->failures ? 6 : 0);
}

struct qe_gateway *qe_gateways_add(struct qe_gateways *g, const struct qe_node_id *id, enum qe_gateway_why why)
{
    struct qe_gateway *place = qe_gateways_find(g, id);
    const struct qe_gateway fresh = {.id = *id, .why = why};
    if (place) {
        place->why |= why;
        return place;
    }
    if (g->count < QE_GATEWAYS_MAX) {
        place = &g->list[g->count++];
    } else {
        place = &g->list[0];
        for (size_t i = 1; i < g->count; i++)
            if (worth(&g->list[i]) > worth(place)) place = &g->list[i];
        if (worth(place) <= worth(&fresh)) return NULL;
    }
    *place = fresh;
    return place;
}

bool qe_gateways_drop(struct qe_gateways *g, const struct qe_node_id *id, enum qe_gateway_why why)
{
    struct qe_gateway *gateway = qe_gateways_find(g, id);
    if (!gateway) return false;
    gateway->why &= ~(unsigned)why;
    if (gateway->why) return false;
    *gateway = g->list[--g->count];
    return true;
}

void qe_gateway_on_failed(struct qe_gateway *gateway, uint32_t jitter, uint64_t now_ns)
{
    uint64_t wait = QE_GATEWAY_UNWELL_FIRST_NS;
    for (unsigned i = 0; i < gateway->failures && wait < QE_GATEWAY_UNWELL_LAST_NS; i++)
        wait *= 2;
    if (wait > QE_GATEWAY_UNWELL_LAST_NS) wait = QE_GATEWAY_UNWELL_LAST_NS;
    wait = wait - wait / 4 + wait / 2 * (jitter >> 8) / (UINT32_MAX >> 8);
    gateway->failures++;
    gateway->present = false;
    gateway->asked_ns = 0;
    gateway->well_at_ns = now_ns + wait;
}

void qe_gateway_on_present(struct qe_gateway *gateway, uint64_t rtt_us)
{
    gateway->present = true;
    gateway->asked_ns = 0;
    gateway->failures = 0;
    gateway->well_at_ns = 0;
    if (rtt_us) gateway->rtt_us = rtt_us;
}

bool qe_gateway_is_well(const struct qe_gateway *gateway, uint64_t now_ns)
{
    return gateway->well_at_ns <= now_ns;
}

uint64_t qe_gateways_deadline(const struct qe_gateways *g, uint64_t now_ns)
{
    uint64_t deadline = QE_TIME_NEVER;
    for (size_t i = 0; i < g->count; i++)
        if (g->list[i].well_at_ns > now_ns) deadline = qe_time_min(deadline, g->list[i].well_at_ns);
    return deadline;
}

struct candidate {
    const struct qe_gateway *gateway;
    enum rank rank;
};

static bool goes_before(const struct candidate *a, const struct candidate *b)
{
    const struct qe_gateway *x = a->gateway, *y = b->gateway;
    if (a->rank != b->rank) return a->rank < b->rank;
    if (a->rank == RANK_PREFERRED && x->place != y->place) return x->place < y->place;
    if (x->present != y->present) return x->present;
    // One that was never measured comes after those that were.
    uint64_t near = x->rtt_us ? x->rtt_us : UINT64_MAX, far = y->rtt_us ? y->rtt_us : UINT64_MAX;
    if (near != far) return near < far;
    return qe_node_id_compare(&x->id, &y->id) < 0;
}

static bool is_named(const struct qe_gateway *gateway, const struct qe_node_id *named, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (qe_node_id_equal(&gateway->id, &named[i])) return true;
    return false;
}

size_t qe_gateways_order(const struct qe_gateways *g, const struct qe_node_id *named, size_t named_count,
    uint64_t now_ns, const struct qe_gateway **order)
{
    struct candidate sorted[QE_GATEWAYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct qe_gateway *gateway = &g->list[i];
        bool here = is_named(gateway, named, named_count);
        // What another peer's record names is no gateway for this one.
        if (!qe_gateway_is_well(gateway, now_ns) || (gateway->why == QE_GATEWAY_NAMED && !here)) continue;
        struct candidate next = {gateway, rank_of(gateway, here)};
        size_t at = count++;
        for (; at > 0 && goes_before(&next, &sorted[at - 1]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = next;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = sorted[i].gateway;
    return count;
}
