#include "nat/attempt.h"

#include <string.h>

static const uint64_t asks_ns[QE_ATTEMPT_ASKS] = {0, QE_ATTEMPT_SECOND_NS, QE_ATTEMPT_THIRD_NS};

void qe_attempt_init(struct qe_attempt *a, uint64_t id, const struct qe_node_id *peer, bool caller, uint64_t now_ns)
{
    *a = (struct qe_attempt){.id = id,
        .peer = *peer,
        .caller = caller,
        .asks = QE_ATTEMPT_ASKS,
        .since_ns = now_ns,
        .until_ns = now_ns + QE_ATTEMPT_NS};
}

struct qe_candidate *qe_attempt_find(struct qe_attempt *a, const struct qe_addr *addr)
{
    for (size_t i = 0; i < a->count; i++)
        if (qe_addr_equal(&a->list[i].addr, addr)) return &a->list[i];
    return NULL;
}

// What was learned by hearing from there is worth more than what somebody said.
static struct qe_candidate *least(struct qe_attempt *a)
{
    struct qe_candidate *worst = NULL;
    for (size_t i = 0; i < a->count; i++) {
        struct qe_candidate *c = &a->list[i];
        if (c->heard || c->proven) continue;
        if (!worst || c->kind >= worst->kind) worst = c;
    }
    return worst;
}

struct qe_candidate *qe_attempt_add(
    struct qe_attempt *a, const struct qe_addr *addr, enum qe_candidate_kind kind, uint64_t now_ns)
{
    struct qe_candidate *known = qe_attempt_find(a, addr);
    if (known) {
        if (kind < known->kind) known->kind = kind;
        return known;
    }
    struct qe_candidate *room = a->count < QE_ATTEMPT_CANDIDATES_MAX ? &a->list[a->count++]
                                : kind == QE_CANDIDATE_MET           ? least(a)
                                                                     : NULL;
    if (!room) return NULL;
    uint64_t after_ns = 0;
    // One that the peer is at, as far as anybody knows, need not wait for its turn.
    if (kind != QE_CANDIDATE_SEEN && kind != QE_CANDIDATE_MET)
        after_ns = (uint64_t)(room - a->list) * QE_ATTEMPT_STAGGER_NS;
    *room = (struct qe_candidate){.addr = *addr, .kind = kind, .from_ns = now_ns, .at_ns = now_ns + after_ns};
    return room;
}

struct qe_candidate *qe_attempt_due(struct qe_attempt *a, uint64_t now_ns)
{
    struct qe_candidate *best = NULL;
    for (size_t i = 0; i < a->count; i++) {
        struct qe_candidate *c = &a->list[i];
        if (c->at_ns > now_ns || c->proven || c->asked >= a->asks) continue;
        if (!best || c->at_ns < best->at_ns || (c->at_ns == best->at_ns && c->kind < best->kind)) best = c;
    }
    return best;
}

static void plan(struct qe_candidate *c, uint64_t now_ns)
{
    if (c->asked >= QE_ATTEMPT_ASKS) {
        c->at_ns = QE_TIME_NEVER;
        return;
    }
    c->at_ns = c->from_ns + asks_ns[c->asked];
    if (c->at_ns <= now_ns) c->at_ns = now_ns + QE_ATTEMPT_SECOND_NS;
}

void qe_attempt_on_asked(struct qe_attempt *a, struct qe_candidate *candidate, uint64_t now_ns)
{
    (void)a;
    if (candidate->asked == 0) candidate->from_ns = now_ns;
    candidate->asked++;
    plan(candidate, now_ns);
}

void qe_attempt_on_refused(struct qe_attempt *a, struct qe_candidate *candidate)
{
    (void)a;
    candidate->at_ns = QE_TIME_NEVER;
}

void qe_attempt_on_heard(struct qe_attempt *a, struct qe_candidate *candidate, uint64_t now_ns)
{
    (void)a;
    candidate->heard = true;
    if (candidate->at_ns == QE_TIME_NEVER) return;
    // The answer asks as well. Where it is lost, the other side asks again, or this one does.
    if (candidate->at_ns < now_ns + QE_ATTEMPT_THIRD_NS) candidate->at_ns = now_ns + QE_ATTEMPT_THIRD_NS;
}

bool qe_attempt_same_voucher(const struct qe_ip *a, const struct qe_ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 8) == 0;
}

void qe_attempt_on_vouched(struct qe_candidate *candidate, const struct qe_ip *by)
{
    if (candidate->vouchers == 0) {
        candidate->voucher = *by;
        candidate->vouchers = 1;
    } else if (!qe_attempt_same_voucher(&candidate->voucher, by)) {
        candidate->vouchers = 2;
    }
}

void qe_attempt_allow(struct qe_attempt *a, uint8_t asks, uint64_t now_ns)
{
    if (asks <= a->asks) return;
    for (size_t i = 0; i < a->count; i++) {
        struct qe_candidate *c = &a->list[i];
        if (c->at_ns == QE_TIME_NEVER || c->asked == 0 || c->asked < a->asks || c->proven) continue;
        c->from_ns = c->at_ns = now_ns;
    }
    a->asks = asks;
}

void qe_attempt_on_proven(struct qe_attempt *a, struct qe_candidate *candidate)
{
    candidate->proven = a->proven = true;
    candidate->at_ns = QE_TIME_NEVER;
}

uint64_t qe_attempt_deadline(const struct qe_attempt *a)
{
    uint64_t deadline = a->until_ns;
    for (size_t i = 0; i < a->count; i++)
        if (!a->list[i].proven && a->list[i].asked < a->asks) deadline = qe_time_min(deadline, a->list[i].at_ns);
    return deadline;
}
