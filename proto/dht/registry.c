// Every registration lasts equally long, so a list in the order of renewal is one in the order of expiry.
#include "dht/registry.h"

#include "base/list.h"
#include "base/mutants.h"
#include "base/table.h"
#include "base/time.h"
#include "dht/signal.h"
#include "dht/source.h"

#include <string.h>

#define CALL_NS (QE_NS_PER_S / QE_DHT_CALLS_S)

// A node has one of each family.
struct name {
    uint8_t id[20], family;
};

struct registration {
    struct qe_list link;
    struct name name;
    struct qe_addr addr;
    uint64_t until_ns;
    uint64_t calls_ns; // when its bucket of signals is empty again (limit.c)
};

struct qe_dht_registry {
    const struct qe_mem *mem;
    uint8_t secret[16];
    struct qe_table *table; // NULL: none has ever registered
    struct qe_list list;    // the one that expires first is first
};

struct qe_dht_registry *qe_dht_registry_new(const struct qe_mem *mem, const uint8_t secret[16])
{
    struct qe_dht_registry *registry = qe_zalloc(mem, 1, sizeof *registry);
    if (!registry) return NULL;
    registry->mem = mem;
    memcpy(registry->secret, secret, sizeof registry->secret);
    qe_list_init(&registry->list);
    return registry;
}

static void forget(struct qe_dht_registry *registry, struct registration *r)
{
    qe_table_remove(registry->table, &r->name);
    qe_list_remove(&r->link);
    qe_free(registry->mem, r);
}

static struct registration *first(const struct qe_dht_registry *registry)
{
    return qe_container(registry->list.next, struct registration, link);
}

void qe_dht_registry_free(struct qe_dht_registry *registry)
{
    if (!registry) return;
    while (!qe_list_empty(&registry->list))
        forget(registry, first(registry));
    qe_table_free(registry->table);
    qe_free(registry->mem, registry);
}

static struct registration *find(const struct qe_dht_registry *registry, const struct qe_node_id *id, uint8_t family)
{
    struct name name = {.family = family};
    memcpy(name.id, id->bytes, sizeof name.id);
    return registry->table ? qe_table_get(registry->table, &name) : NULL;
}

static size_t count_at(const struct qe_dht_registry *registry, const struct qe_ip *ip)
{
    size_t count = 0;
    for (const struct qe_list *at = registry->list.next; at != &registry->list; at = at->next)
        count +=
            qe_dht_source_address(&qe_container(at, struct registration, link)->addr.ip) == qe_dht_source_address(ip);
    return count;
}

static struct registration *add(
    struct qe_dht_registry *registry, const struct qe_node_id *id, const struct qe_addr *addr)
{
    if (!registry->table)
        registry->table = qe_table_new(registry->mem, sizeof(struct name), QE_DHT_REGISTRATIONS_MAX, registry->secret);
    if (!registry->table || qe_table_count(registry->table) == QE_DHT_REGISTRATIONS_MAX) return NULL;
    if (count_at(registry, &addr->ip) >= QE_DHT_REGISTRATIONS_ADDRESS_MAX && !QE_MUTANT(dht_register_unlimited))
        return NULL;
    struct registration *r = qe_zalloc(registry->mem, 1, sizeof *r);
    if (!r) return NULL;
    memcpy(r->name.id, id->bytes, sizeof r->name.id);
    r->name.family = addr->ip.family;
    qe_list_init(&r->link);
    if (qe_table_put(registry->table, &r->name, r) == 0) return r;
    qe_free(registry->mem, r);
    return NULL;
}

bool qe_dht_registry_put(
    struct qe_dht_registry *registry, const struct qe_node_id *id, const struct qe_addr *addr, uint64_t now_ns)
{
    struct registration *r = find(registry, id, addr->ip.family);
    if (!r) r = add(registry, id, addr);
    if (!r) return false;
    r->addr = *addr;
    r->until_ns = now_ns + QE_DHT_REGISTRATION_NS;
    qe_list_remove(&r->link);
    qe_list_append(&registry->list, &r->link);
    return true;
}

bool qe_dht_registry_find(
    const struct qe_dht_registry *registry, const struct qe_node_id *id, uint8_t family, struct qe_addr *out)
{
    const struct registration *r = find(registry, id, family);
    if (r) *out = r->addr;
    return r != NULL;
}

bool qe_dht_registry_call(
    struct qe_dht_registry *registry, const struct qe_node_id *id, uint8_t family, uint64_t now_ns)
{
    struct registration *r = find(registry, id, family);
    if (!r) return false;
    uint64_t empty_ns = r->calls_ns > now_ns ? r->calls_ns : now_ns;
    if (empty_ns - now_ns > (QE_DHT_CALLS_MAX - 1) * CALL_NS) return false;
    r->calls_ns = empty_ns + CALL_NS;
    return true;
}

void qe_dht_registry_expire(struct qe_dht_registry *registry, uint64_t now_ns)
{
    while (!qe_list_empty(&registry->list) && first(registry)->until_ns <= now_ns)
        forget(registry, first(registry));
}

uint64_t qe_dht_registry_deadline(const struct qe_dht_registry *registry)
{
    return qe_list_empty(&registry->list) ? QE_TIME_NEVER : first(registry)->until_ns;
}

size_t qe_dht_registry_count(const struct qe_dht_registry *registry)
{
    return registry->table ? qe_table_count(registry->table) : 0;
}

size_t qe_dht_registry_memory(const struct qe_dht_registry *registry)
{
    return sizeof *registry + qe_dht_registry_count(registry) * sizeof(struct registration);
}
