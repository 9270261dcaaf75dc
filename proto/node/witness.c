// How long third nodes have known what peers claim of networks: by the index, one question for each network that
// somebody claims, now and then.
#include "node/discovery_internal.h"

#define AGAIN_S 600
#define RETRY_S 15

static int64_t now_s(const struct qe_cplane *c)
{
    return (int64_t)(c->now_ns / QE_NS_PER_S);
}

static bool same_subnet(const struct qe_cidr *a, const struct qe_cidr *b)
{
    return a->bits == b->bits && qe_ip_equal(&a->ip, &b->ip);
}

static bool locate(struct qe_cplane *c, const struct claim_witness *w, struct qe_index_place *place)
{
    uint8_t key[QE_INDEX_SUBNET_KEY_MAX];
    size_t size = qe_index_subnet_key(&w->subnet, key);
    return qe_index_locate(c->host, w->network, QE_INDEX_SUBNET, qe_span(key, size), place);
}

static void on_answer(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct claim_witness *w = &c->claims.witness[user];
    struct qe_index_place place;
    struct qe_index_entry entry;
    uint8_t room[QE_DHT_RECORD_MAX];
    if (w->operation != answer->operation || !answer->final) return;
    w->operation = 0;
    bool located = locate(c, w, &place) && qe_node_id_equal(&place.target, &answer->target);
    for (size_t i = 0; located && i < answer->record_count; i++)
        if (qe_index_read(c->host, &place, &answer->records[i], room, &entry))
            qe_subnets_witness(&c->claims.subnets, &entry.id, &w->subnet, entry.age_s, now_s(c));
    cplane_trace(c, "subnet.witnessed", NULL, answer->record_count, w->subnet.bits);
    // What follows from it is decided when the step ends.
    c->claims.next_s = now_s(c);
}

static void ask(struct qe_cplane *c, const struct qe_cidr *subnet, size_t slot)
{
    struct claim_witness *w = &c->claims.witness[slot];
    struct qe_index_place place;
    *w = (struct claim_witness){.network = discovery_in_network(c), .subnet = *subnet};
    if (!locate(c, w, &place)) return;
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = place.target};
    w->operation = discovery_ask(c, &request, on_answer, slot);
}

// When the claim is to be asked about.
static int64_t due_s(const struct qe_subnet_claim *claim)
{
    if (claim->asked_s == 0) return 0;
    return claim->asked_s + (claim->witnessed ? AGAIN_S : RETRY_S);
}

static size_t free_slot(const struct qe_cplane *c)
{
    size_t slot = 0;
    while (slot < CPLANE_WITNESS_MAX && c->claims.witness[slot].operation)
        slot++;
    return slot;
}

void cplane_witness_expire(struct qe_cplane *c)
{
    struct qe_subnets *s = &c->claims.subnets;
    if (!c->up || c->stopping || s->count == 0 || !discovery_joined(c)) return;
    for (size_t i = 0; i < s->count; i++) {
        const struct qe_cidr *subnet = &s->claims[i].subnet;
        if (due_s(&s->claims[i]) > now_s(c)) continue;
        size_t slot = free_slot(c);
        if (slot == CPLANE_WITNESS_MAX) return;
        ask(c, subnet, slot);
        for (size_t j = i; j < s->count && same_subnet(&s->claims[j].subnet, subnet); j++)
            s->claims[j].asked_s = now_s(c) > 0 ? now_s(c) : 1;
    }
}

int64_t cplane_witness_deadline_s(const struct qe_cplane *c)
{
    const struct qe_subnets *s = &c->claims.subnets;
    int64_t deadline = INT64_MAX;
    if (s->count == 0 || free_slot(c) == CPLANE_WITNESS_MAX) return deadline;
    for (size_t i = 0; i < s->count; i++) {
        int64_t due = due_s(&s->claims[i]);
        if (due <= now_s(c)) due = now_s(c) + 1; // not possible now
        if (due < deadline) deadline = due;
    }
    return deadline;
}
