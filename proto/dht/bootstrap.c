// Where a node begins: addresses that it was told, nodes of an earlier session, and nodes that it lost. Half the world
// may be cut off for a while, and the nodes of the other half are then put out of the table; those few that are kept
// here are how both halves find together again.
#include "dht/dht_internal.h"

#include "base/mutants.h"

#include "dht/network.h"

#include <string.h>

#define LOST_EVERY_NS  (4 * QE_NS_PER_S) // one of them is asked, so all in about a minute
#define LOST_FAILS_MAX 60

void qe_dht_bootstrap_fini(struct qe_dht *dht)
{
    qe_free(dht->options.mem, dht->upkeep.bootstrap);
    qe_free(dht->options.mem, dht->upkeep.cached);
    qe_free(dht->options.mem, dht->upkeep.lost);
}

void qe_dht_add_bootstrap(struct qe_dht *dht, const struct qe_addr *addr, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (!qe_dht_address_usable(addr, true)) return;
    for (unsigned i = 0; i < upkeep->bootstrap_count; i++)
        if (qe_addr_equal(&upkeep->bootstrap[i], addr)) return;
    if (upkeep->bootstrap_count == QE_DHT_BOOTSTRAP_MAX) return;
    struct qe_addr *addrs =
        qe_realloc(dht->options.mem, upkeep->bootstrap, upkeep->bootstrap_count + 1u, sizeof *addrs);
    if (!addrs) return;
    upkeep->bootstrap = addrs;
    addrs[upkeep->bootstrap_count++] = *addr;
    if (upkeep->joined) return;
    upkeep->self_ns = upkeep->self_ns < now_ns ? upkeep->self_ns : now_ns;
    qe_dht_upkeep_wake(dht, now_ns);
}

void qe_dht_clear_bootstrap(struct qe_dht *dht)
{
    qe_free(dht->options.mem, dht->upkeep.bootstrap);
    dht->upkeep.bootstrap = NULL;
    dht->upkeep.bootstrap_count = 0;
}

static void remember(struct qe_dht *dht, const struct qe_dht_contact *contact)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    for (unsigned i = 0; i < upkeep->cached_count; i++)
        if (qe_addr_equal(&upkeep->cached[i].addr, &contact->addr)) return;
    if (upkeep->cached_count == QE_DHT_CACHED_MAX) return;
    struct qe_dht_contact *cached =
        qe_realloc(dht->options.mem, upkeep->cached, upkeep->cached_count + 1u, sizeof *cached);
    if (!cached) return;
    upkeep->cached = cached;
    cached[upkeep->cached_count++] = *contact;
}

void qe_dht_add_contact(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns)
{
    if (!qe_dht_address_usable(&contact->addr, true) || qe_node_id_equal(&contact->id, &dht->options.id)) return;
    if (dht->upkeep.joined) {
        qe_dht_check(dht, contact, true, now_ns);
        return;
    }
    remember(dht, contact);
    dht->upkeep.self_ns = dht->upkeep.self_ns < now_ns ? dht->upkeep.self_ns : now_ns;
    qe_dht_upkeep_wake(dht, now_ns);
}

bool qe_dht_bootstrap_any(const struct qe_dht *dht)
{
    return dht->upkeep.bootstrap_count > 0 || dht->upkeep.cached_count > 0;
}

void qe_dht_bootstrap_seed(struct qe_dht *dht, struct qe_dht_operation *op)
{
    const struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (upkeep->joined && op->task != QE_DHT_TASK_SELF) return;
    for (unsigned i = 0; i < upkeep->cached_count; i++)
        qe_dht_shortlist_add(&op->lists[qe_dht_family(&upkeep->cached[i].addr)], &upkeep->cached[i], true, 1);
    if (upkeep->joined) return;
    for (unsigned i = 0; i < upkeep->bootstrap_count; i++) {
        struct qe_dht_contact contact = {.addr = upkeep->bootstrap[i]};
        qe_dht_shortlist_add(&op->lists[qe_dht_family(&contact.addr)], &contact, false, 1);
    }
}

void qe_dht_bootstrap_forget_cached(struct qe_dht *dht)
{
    qe_free(dht->options.mem, dht->upkeep.cached);
    dht->upkeep.cached = NULL;
    dht->upkeep.cached_count = 0;
}

static int find_lost(const struct qe_dht *dht, const struct qe_addr *addr)
{
    for (unsigned i = 0; i < dht->upkeep.lost_count; i++)
        if (qe_addr_equal(&dht->upkeep.lost[i].contact.addr, addr)) return (int)i;
    return -1;
}

static void forget(struct qe_dht *dht, unsigned index)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    upkeep->lost[index] = upkeep->lost[--upkeep->lost_count];
    if (upkeep->lost_count > 0) return;
    qe_free(dht->options.mem, upkeep->lost);
    upkeep->lost = NULL;
}

void qe_dht_lost_add(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (find_lost(dht, &contact->addr) >= 0 || QE_MUTANT(dht_lost_forgotten)) return;
    if (!upkeep->lost) {
        upkeep->lost = qe_zalloc(dht->options.mem, QE_DHT_LOST_MAX, sizeof *upkeep->lost);
        if (!upkeep->lost) return;
        upkeep->lost_ns = now_ns + LOST_EVERY_NS;
        qe_dht_upkeep_wake(dht, upkeep->lost_ns);
    }
    // Where nodes come and go all the time, most of the lost are gone for good; a new one takes the place of a random
    // one, and not always, so that a few stay for long.
    unsigned at = upkeep->lost_count;
    if (at < QE_DHT_LOST_MAX)
        upkeep->lost_count++;
    else if ((at = (unsigned)qe_dht_draw(dht, 4 * QE_DHT_LOST_MAX)) >= QE_DHT_LOST_MAX)
        return;
    upkeep->lost[at] = (struct qe_dht_lost){.contact = *contact};
}

void qe_dht_lost_run(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_upkeep *upkeep = &dht->upkeep;
    if (upkeep->lost_count == 0 || now_ns < upkeep->lost_ns) return;
    upkeep->lost_next = (uint8_t)((upkeep->lost_next + 1u) % upkeep->lost_count);
    qe_dht_check(dht, &upkeep->lost[upkeep->lost_next].contact, true, now_ns);
    upkeep->lost_ns = now_ns + LOST_EVERY_NS;
}

void qe_dht_lost_on_reply(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns)
{
    int at = find_lost(dht, &contact->addr);
    if (at < 0) return;
    forget(dht, (unsigned)at);
    // Whoever it knows may be as new to us as we are to them: the own neighbourhood is looked at through it, and again
    // once others have done the same.
    remember(dht, contact);
    dht->upkeep.self_soon = 3;
    uint64_t at_ns = now_ns + qe_dht_draw(dht, 2 * QE_NS_PER_S);
    if (at_ns < dht->upkeep.self_ns) dht->upkeep.self_ns = at_ns;
    qe_dht_upkeep_wake(dht, at_ns);
}

void qe_dht_lost_on_silence(struct qe_dht *dht, const struct qe_dht_contact *contact)
{
    int at = find_lost(dht, &contact->addr);
    if (at < 0) return;
    if (++dht->upkeep.lost[at].fails > LOST_FAILS_MAX) forget(dht, (unsigned)at);
}
