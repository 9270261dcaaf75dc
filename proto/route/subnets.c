#include "route/subnets.h"

#include "base/mutants.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qe_subnets_init(struct qe_subnets *s, const struct qe_mem *mem)
{
    *s = (struct qe_subnets){.mem = mem};
}

void qe_subnets_fini(struct qe_subnets *s)
{
    qe_free(s->mem, s->claims);
}

static bool same_subnet(const struct qe_cidr *a, const struct qe_cidr *b)
{
    return a->bits == b->bits && qe_ip_equal(&a->ip, &b->ip);
}

static int compare(const struct qe_subnet_claim *claim, const struct qe_cidr *subnet, const struct qe_node_id *owner)
{
    int order = qe_ip_compare(&claim->subnet.ip, &subnet->ip);
    if (order == 0) order = (int)claim->subnet.bits - (int)subnet->bits;
    return order != 0 ? order : qe_node_id_compare(&claim->owner, owner);
}

// Where that claim is, or belongs.
static size_t place_of(
    const struct qe_subnets *s, const struct qe_cidr *subnet, const struct qe_node_id *owner, bool *found)
{
    size_t low = 0, high = s->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&s->claims[middle], subnet, owner);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_at(struct qe_subnets *s, size_t at)
{
    memmove(&s->claims[at], &s->claims[at + 1], (s->count - at - 1) * sizeof *s->claims);
    s->count--;
}

static bool insert_at(struct qe_subnets *s, size_t at, const struct qe_subnet_claim *claim)
{
    if (s->count == QE_SUBNETS_MAX) return false;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 16;
        struct qe_subnet_claim *claims = qe_realloc(s->mem, s->claims, capacity, sizeof *claims);
        if (!claims) return false;
        s->claims = claims;
        s->capacity = capacity;
    }
    memmove(&s->claims[at + 1], &s->claims[at], (s->count - at) * sizeof *s->claims);
    s->claims[at] = *claim;
    s->count++;
    return true;
}

static bool listed(const struct qe_cidr *list, size_t count, const struct qe_cidr *subnet)
{
    for (size_t i = 0; i < count; i++) {
        struct qe_cidr network = qe_cidr_network(list[i]);
        if (same_subnet(&network, subnet)) return true;
    }
    return false;
}

bool qe_subnets_set(struct qe_subnets *s, uint32_t peer, const struct qe_node_id *owner, const struct qe_cidr *list,
    size_t count, int64_t expires_s, int64_t now_s)
{
    bool changed = false;
    if (count > QE_SUBNETS_OWNER_MAX) {
        s->passed_over += count - QE_SUBNETS_OWNER_MAX;
        count = QE_SUBNETS_OWNER_MAX;
    }
    for (size_t i = s->count; i-- > 0;) {
        const struct qe_subnet_claim *claim = &s->claims[i];
        if (!qe_node_id_equal(&claim->owner, owner) || listed(list, count, &claim->subnet)) continue;
        remove_at(s, i);
        changed = true;
    }
    for (size_t i = 0; i < count; i++) {
        bool found;
        struct qe_cidr subnet = qe_cidr_network(list[i]);
        size_t at = place_of(s, &subnet, owner, &found);
        if (found) {
            s->claims[at].expires_s = expires_s;
            s->claims[at].peer = peer;
            continue;
        }
        const struct qe_subnet_claim claim = {.subnet = subnet,
            .owner = *owner,
            .peer = peer,
            .since_s = now_s,
            .first_seen_s = now_s,
            .expires_s = expires_s,
            .verdict = QE_SUBNET_UNDECIDED,
            .told = QE_SUBNET_UNDECIDED};
        if (insert_at(s, at, &claim))
            changed = true;
        else
            s->passed_over++;
    }
    return changed;
}

void qe_subnets_witness(
    struct qe_subnets *s, const struct qe_node_id *owner, const struct qe_cidr *subnet, uint64_t age_s, int64_t now_s)
{
    bool found;
    struct qe_cidr network = qe_cidr_network(*subnet);
    size_t at = place_of(s, &network, owner, &found);
    if (!found) return;
    struct qe_subnet_claim *claim = &s->claims[at];
    int64_t since_s = age_s > INT32_MAX ? now_s - INT32_MAX : now_s - (int64_t)age_s;
    claim->witnessed = true;
    claim->since_s = since_s < claim->first_seen_s ? since_s : claim->first_seen_s;
}

bool qe_subnets_expire(struct qe_subnets *s, int64_t now_s)
{
    bool any = false;
    for (size_t i = s->count; i-- > 0;) {
        if (s->claims[i].expires_s > now_s) continue;
        remove_at(s, i);
        any = true;
    }
    return any;
}

static bool is_default(const struct qe_cidr *subnet)
{
    return subnet->bits < (subnet->ip.family == 4 ? QE_SUBNETS_BITS4_MIN : QE_SUBNETS_BITS6_MIN);
}

// Whether any of its addresses is one that no host has. A default route is of hosts all the same.
static bool of_no_hosts(const struct qe_cidr *subnet)
{
    static const struct qe_cidr none[] = {
        {{4, {127}}, 8},
        {{4, {169, 254}}, 16},
        {{4, {224}}, 4},
        {{6, {[15] = 1}}, 128},
        {{6, {0xfe, 0x80}}, 10},
        {{6, {0xff}}, 8},
    };
    if (is_default(subnet)) return false;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (qe_cidr_overlaps(&none[i], subnet)) return true;
    return subnet->ip.family == 4 && subnet->ip.bytes[0] == 0;
}

// The first of a list that overlaps; NULL for none.
static const struct qe_cidr *overlapped(const struct qe_cidr *list, size_t count, const struct qe_cidr *subnet)
{
    for (size_t i = 0; i < count; i++)
        if (qe_cidr_overlaps(&list[i], subnet)) return &list[i];
    return NULL;
}

static bool within(const struct qe_subnet_rules *rules, const struct qe_cidr *subnet)
{
    for (size_t i = 0; i < rules->accept_count; i++)
        if (rules->accept[i].bits <= subnet->bits && qe_cidr_contains(&rules->accept[i], &subnet->ip)) return true;
    return false;
}

// What speaks against a claim whatever others claim.
static enum qe_subnet_verdict judge_alone(struct qe_subnet_claim *claim, const struct qe_subnet_rules *rules)
{
    const struct qe_cidr *subnet = &claim->subnet, *own;
    bool asked = rules->restricted && listed(rules->accept, rules->accept_count, subnet);
    bool restricted = rules->restricted;
    if (rules->exit_only && is_default(subnet)) {
        asked = rules->exit && qe_node_id_equal(rules->exit, &claim->owner);
        restricted = false;
    }
    if (of_no_hosts(subnet)) return QE_SUBNET_NO_HOSTS;
    // A default route leaves the overlay's own networks alone: what is more specific goes first.
    if (!is_default(subnet) && overlapped(rules->overlay, rules->overlay_count, subnet)) return QE_SUBNET_OVERLAY;
    if (is_default(subnet) && !asked) return QE_SUBNET_UNASKED;
    if (restricted && !within(rules, subnet)) return QE_SUBNET_NOT_ACCEPTED;
    own = asked ? NULL : overlapped(rules->own, rules->own_count, subnet);
    if (!own || QE_MUTANT(subnet_own)) return QE_SUBNET_ACCEPTED;
    claim->against = *own;
    return QE_SUBNET_OWN;
}

// Two claims that cannot both stand. Who owns a network owns what is in it; a default route takes nothing from anybody.
static bool contradict(const struct qe_subnet_claim *a, const struct qe_subnet_claim *b)
{
    if (qe_node_id_equal(&a->owner, &b->owner) || same_subnet(&a->subnet, &b->subnet)) return false;
    if (is_default(&a->subnet) || is_default(&b->subnet)) return false;
    return qe_cidr_overlaps(&a->subnet, &b->subnet);
}

static int by_age(const void *a, const void *b)
{
    const struct qe_subnet_claim *x = *(struct qe_subnet_claim *const *)a, *y = *(struct qe_subnet_claim *const *)b;
    if (x->since_s != y->since_s) return x->since_s < y->since_s ? -1 : 1;
    int order = qe_node_id_compare(&x->owner, &y->owner);
    if (order != 0) return order;
    order = qe_ip_compare(&x->subnet.ip, &y->subnet.ip);
    return order != 0 ? order : (int)x->subnet.bits - (int)y->subnet.bits;
}

static int by_owner(const void *a, const void *b)
{
    const struct qe_subnet_claim *x = *(struct qe_subnet_claim *const *)a, *y = *(struct qe_subnet_claim *const *)b;
    int order = qe_node_id_compare(&x->owner, &y->owner);
    return order != 0 ? order : by_age(a, b);
}

// The order in which claims are heard: the oldest first, and of those within a minute of the oldest not yet heard the
// lowest ID first.
static void put_in_order(struct qe_subnet_claim **list, size_t count)
{
    qsort(list, count, sizeof list[0], by_age);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && list[to]->since_s - list[from]->since_s <= QE_CLAIM_TIE_S; to++)
            ;
        qsort(list + from, to - from, sizeof list[0], by_owner);
    }
}

static void refuse(struct qe_subnet_claim *claim, enum qe_subnet_verdict verdict, const struct qe_subnet_claim *against)
{
    claim->verdict = verdict;
    claim->against = against->subnet;
    claim->against_owner = against->owner;
}

// Hears the claims in order. Those that are accepted move to the front of the list.
static void judge_together(struct qe_subnet_claim **list, size_t count, int64_t now_s)
{
    size_t accepted = 0;
    for (size_t i = 0; i < count; i++) {
        struct qe_subnet_claim *claim = list[i];
        bool waits = !claim->witnessed && now_s - claim->first_seen_s < QE_SUBNETS_PATIENCE_S;
        claim->verdict = QE_SUBNET_ACCEPTED;
        for (size_t j = 0; j < accepted && claim->verdict == QE_SUBNET_ACCEPTED; j++)
            if (contradict(claim, list[j]) && !QE_MUTANT(subnet_taken))
                refuse(claim, waits ? QE_SUBNET_UNDECIDED : QE_SUBNET_TAKEN, list[j]);
        // One that comes first by chance only does not count before it is known to be first.
        for (size_t j = accepted; waits && j < count && claim->verdict == QE_SUBNET_ACCEPTED; j++)
            if ((j > i || list[j]->verdict == QE_SUBNET_UNDECIDED) && contradict(claim, list[j]))
                refuse(claim, QE_SUBNET_UNDECIDED, list[j]);
        if (claim->verdict == QE_SUBNET_ACCEPTED) {
            list[i] = list[accepted];
            list[accepted++] = claim;
        }
    }
}

bool qe_subnets_decide(struct qe_subnets *s, const struct qe_subnet_rules *rules, int64_t now_s)
{
    struct qe_subnet_claim **list;
    size_t count = 0;
    bool changed = false;
    if (s->count == 0) return false;
    list = qe_zalloc(s->mem, s->count, sizeof list[0] + sizeof(enum qe_subnet_verdict));
    if (!list) return false;
    enum qe_subnet_verdict *before = (enum qe_subnet_verdict *)(void *)(list + s->count);
    for (size_t i = 0; i < s->count; i++) {
        struct qe_subnet_claim *claim = &s->claims[i];
        before[i] = claim->verdict;
        memset(&claim->against, 0, sizeof claim->against);
        memset(&claim->against_owner, 0, sizeof claim->against_owner);
        claim->verdict = judge_alone(claim, rules);
        if (claim->verdict == QE_SUBNET_ACCEPTED) list[count++] = claim;
    }
    put_in_order(list, count);
    judge_together(list, count, now_s);
    for (size_t i = 0; i < s->count; i++)
        changed = changed || s->claims[i].verdict != before[i];
    qe_free(s->mem, list);
    return changed;
}

int64_t qe_subnets_deadline(const struct qe_subnets *s, int64_t now_s)
{
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const struct qe_subnet_claim *claim = &s->claims[i];
        int64_t patience = claim->first_seen_s + QE_SUBNETS_PATIENCE_S;
        if (claim->expires_s < deadline) deadline = claim->expires_s;
        if (claim->verdict == QE_SUBNET_UNDECIDED && patience > now_s && patience < deadline) deadline = patience;
    }
    return deadline;
}

const char *qe_subnet_reason(const struct qe_subnet_claim *claim, char out[160])
{
    char against[QE_ADDR_TEXT_SIZE], owner[QE_NODE_ID_TEXT_SIZE];
    switch (claim->verdict) {
    case QE_SUBNET_ACCEPTED:
        return NULL;
    case QE_SUBNET_NO_HOSTS:
        return "it has addresses that no host has";
    case QE_SUBNET_OVERLAY:
        return "it overlaps the overlay's own addresses";
    case QE_SUBNET_UNASKED:
        return "it is as good as a default route, which neither network.exit_node nor accept_subnets asks for";
    case QE_SUBNET_NOT_ACCEPTED:
        return "it is not within network.accept_subnets";
    case QE_SUBNET_OWN:
        snprintf(out, 160, "it overlaps %s, which is this host's own", qe_cidr_format(&claim->against, against));
        return out;
    case QE_SUBNET_TAKEN:
        snprintf(out, 160, "it overlaps %s, which %s has had for longer", qe_cidr_format(&claim->against, against),
            qe_node_id_format(&claim->against_owner, owner));
        return out;
    case QE_SUBNET_UNDECIDED:
        break;
    }
    if (claim->against.ip.family == 0) return "it has not been looked at yet";
    snprintf(out, 160, "it overlaps %s of %s, and who has had it for longer is being asked",
        qe_cidr_format(&claim->against, against), qe_node_id_format(&claim->against_owner, owner));
    return out;
}

size_t qe_claim_keeper(const struct qe_claimant *list, size_t count)
{
    assert(count > 0);
    int64_t oldest = list[0].since_s;
    for (size_t i = 1; i < count; i++)
        if (list[i].since_s < oldest) oldest = list[i].since_s;
    size_t keeper = count;
    for (size_t i = 0; i < count; i++) {
        if (list[i].since_s - oldest > QE_CLAIM_TIE_S) continue;
        if (keeper == count || qe_node_id_compare(&list[i].id, &list[keeper].id) < 0) keeper = i;
    }
    return keeper;
}
