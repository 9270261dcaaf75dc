#include "dht/shortlist.h"

#include "base/mutants.h"

#include "dht/network.h"

#include <string.h>

#define CAPACITY_STEP 16

void qe_dht_shortlist_init(
    struct qe_dht_shortlist *list, const struct qe_dht_options *options, const struct qe_node_id *target)
{
    *list =
        (struct qe_dht_shortlist){.mem = options->mem, .target = *target, .exempt_private = options->exempt_private};
}

void qe_dht_shortlist_fini(struct qe_dht_shortlist *list)
{
    qe_free(list->mem, list->items);
    list->items = NULL;
    list->count = list->capacity = 0;
}

struct qe_dht_candidate *qe_dht_shortlist_at(struct qe_dht_shortlist *list, const struct qe_addr *addr)
{
    for (unsigned i = 0; i < list->count; i++)
        if (qe_addr_equal(&list->items[i].contact.addr, addr)) return &list->items[i];
    return NULL;
}

static bool closer(
    const struct qe_dht_shortlist *list, const struct qe_dht_candidate *a, const struct qe_dht_candidate *b)
{
    if (a->has_id != b->has_id) return a->has_id;
    return a->has_id && qe_dht_compare_distance(&list->target, &a->contact.id, &b->contact.id) < 0;
}

static bool crowded(const struct qe_dht_shortlist *list, const struct qe_ip *ip)
{
    if ((list->exempt_private && qe_dht_address_private(ip)) || QE_MUTANT(dht_crowd)) return false;
    unsigned of_provider = 0;
    for (unsigned i = 0; i < list->count; i++) {
        const struct qe_ip *other = &list->items[i].contact.addr.ip;
        if (qe_dht_same_network(other, ip)) return true;
        of_provider += qe_dht_same_provider(other, ip);
    }
    return of_provider >= QE_DHT_PROVIDER_MAX;
}

// Room for one more than there are, by letting go of the farthest that nobody asked. False: there is none.
static bool make_room(struct qe_dht_shortlist *list, const struct qe_dht_candidate *newcomer)
{
    if (list->count == QE_DHT_CANDIDATES_MAX) {
        unsigned i = list->count;
        while (i-- > 0)
            if (list->items[i].state == QE_DHT_NEW || list->items[i].state == QE_DHT_FAILED) break;
        if (i >= list->count) return false;
        if (list->items[i].state == QE_DHT_NEW && !closer(list, newcomer, &list->items[i])) return false;
        list->count--;
        memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof list->items[0]);
    }
    if (list->count < list->capacity) return true;
    unsigned capacity = list->capacity + CAPACITY_STEP;
    struct qe_dht_candidate *items = qe_realloc(list->mem, list->items, capacity, sizeof *items);
    if (!items) return false;
    list->items = items;
    list->capacity = (uint8_t)capacity;
    return true;
}

static unsigned insert(struct qe_dht_shortlist *list, const struct qe_dht_candidate *candidate)
{
    unsigned at = list->count++;
    for (; at > 0 && closer(list, candidate, &list->items[at - 1]); at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = *candidate;
    return at;
}

bool qe_dht_shortlist_add(
    struct qe_dht_shortlist *list, const struct qe_dht_contact *contact, bool has_id, unsigned depth)
{
    struct qe_dht_candidate candidate = {
        .contact = *contact, .has_id = has_id, .depth = (uint8_t)(depth > UINT8_MAX ? UINT8_MAX : depth)};
    for (unsigned i = 0; i < list->count; i++) {
        struct qe_dht_candidate *known = &list->items[i];
        bool same_id = has_id && known->has_id && qe_node_id_equal(&known->contact.id, &contact->id);
        bool same_addr = qe_addr_equal(&known->contact.addr, &contact->addr);
        if (same_id && same_addr && candidate.depth < known->depth) known->depth = candidate.depth;
        if (same_id || same_addr) return false;
    }
    bool exact = has_id && qe_node_id_equal(&contact->id, &list->target);
    if ((!exact && crowded(list, &contact->addr.ip)) || !make_room(list, &candidate)) return false;
    return insert(list, &candidate) == 0;
}

struct qe_dht_candidate *qe_dht_shortlist_identify(
    struct qe_dht_shortlist *list, const struct qe_addr *addr, const struct qe_node_id *id)
{
    struct qe_dht_candidate *found = qe_dht_shortlist_at(list, addr);
    if (!found || found->has_id) return found;
    struct qe_dht_candidate candidate = *found;
    candidate.has_id = true;
    candidate.contact.id = *id;
    list->count--;
    memmove(found, found + 1, (size_t)(list->items + list->count - found) * sizeof *found);
    return &list->items[insert(list, &candidate)];
}

static bool in_play(const struct qe_dht_candidate *candidate)
{
    return candidate->state != QE_DHT_FAILED && candidate->state != QE_DHT_SILENT && !candidate->foreign;
}

static unsigned count_state(const struct qe_dht_shortlist *list, enum qe_dht_candidate_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count; i++)
        count += list->items[i].state == state;
    return count;
}

struct qe_dht_candidate *qe_dht_shortlist_next(struct qe_dht_shortlist *list, size_t k)
{
    size_t limit = list->idle_answers >= QE_DHT_ALPHA ? k : QE_DHT_ALPHA;
    if (count_state(list, QE_DHT_ASKED) >= limit) return NULL;
    size_t seen = 0;
    for (unsigned i = 0; i < list->count && seen < k; i++) {
        if (!in_play(&list->items[i])) continue;
        seen++;
        if (list->items[i].state == QE_DHT_NEW) return &list->items[i];
    }
    return NULL;
}

bool qe_dht_shortlist_done(const struct qe_dht_shortlist *list, size_t k)
{
    size_t answered = 0;
    for (unsigned i = 0; i < list->count && answered < k; i++) {
        if (!in_play(&list->items[i])) continue;
        if (list->items[i].state != QE_DHT_ANSWERED) return false;
        answered++;
    }
    // With fewer than k, those that are late are waited for after all.
    return answered == k || count_state(list, QE_DHT_SILENT) == 0;
}
