// Mappings and permissions: found by hash, ended by time.
//
// A refresh only moves an entry's end; its timer stays where it is and is set anew when it fires too early. So a
// datagram costs a few look-ups, and the heap moves once a timeout and not once a datagram.
#include "net/nat_internal.h"

#include "base/time.h"
#include "engine/memory.h"

#include <assert.h>
#include <string.h>

static void write_endpoint(uint8_t *at, struct sim_endpoint endpoint)
{
    qe_store32(at, endpoint.ip);
    qe_store16(at + 4, endpoint.port);
}

static void write_inside(uint8_t key[NAT_INSIDE_KEY], bool dynamic, struct sim_endpoint a, struct sim_endpoint b)
{
    key[0] = dynamic;
    write_endpoint(key + 1, a);
    write_endpoint(key + 7, b);
}

static void write_outside(uint8_t key[NAT_OUTSIDE_KEY], struct sim_endpoint a, struct sim_endpoint b)
{
    write_endpoint(key, a);
    write_endpoint(key + 6, b);
}

struct sim_endpoint nat_part(enum sim_dependence dependence, struct sim_endpoint remote)
{
    if (dependence == SIM_ENDPOINT_INDEPENDENT) return (struct sim_endpoint){0};
    if (dependence == SIM_ADDRESS_DEPENDENT) remote.port = 0;
    return remote;
}

void nat_tables_init(struct sim_nat *nat, uint64_t seed, const char *name)
{
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_NAT, name, NAT_CHANCE_HASH);
    const struct qe_mem *mem = sim_own_memory();
    uint8_t secret[16];
    // Forwards have room of their own.
    size_t mappings_max = nat->settings->mappings_max + nat->settings->forward_count;
    sim_random_fill(&stream, secret, sizeof(secret));
    nat->by_inside = qe_table_new(mem, NAT_INSIDE_KEY, mappings_max, secret);
    nat->by_outside = qe_table_new(mem, NAT_OUTSIDE_KEY, mappings_max, secret);
    nat->permissions = qe_table_new(mem, NAT_PERMISSION_KEY, mappings_max, secret);
    nat->hosts = qe_table_new(mem, sizeof(uint32_t), mappings_max, secret);
    qe_heap_init(&nat->ends, mem);
}

static void forget_permission(struct sim_nat *nat, struct nat_permission *permission)
{
    qe_heap_set(&nat->ends, &permission->entry.timer, QE_TIME_NEVER);
    qe_table_remove(nat->permissions, permission->key);
    sim_release(permission);
}

void nat_forget(struct sim_nat *nat)
{
    struct nat_mapping *mapping;
    struct nat_permission *permission;
    size_t cursor = 0;
    while ((mapping = qe_table_each(nat->by_inside, &cursor)))
        nat_remove(nat, mapping);
    cursor = 0;
    while ((permission = qe_table_each(nat->permissions, &cursor)))
        forget_permission(nat, permission);
}

void nat_tables_fini(struct sim_nat *nat)
{
    nat_forget(nat);
    qe_table_free(nat->by_inside);
    qe_table_free(nat->by_outside);
    qe_table_free(nat->permissions);
    qe_table_free(nat->hosts);
    qe_heap_fini(&nat->ends);
}

void nat_expire(struct sim_nat *nat, uint64_t now_ns)
{
    struct qe_timer *timer;
    while ((timer = qe_heap_pop(&nat->ends, now_ns))) {
        struct nat_entry *entry = qe_container(timer, struct nat_entry, timer);
        if (entry->end_ns > now_ns) {
            qe_heap_set(&nat->ends, timer, entry->end_ns);
        } else if (entry->is_mapping) {
            nat->counts.expired++;
            nat_remove(nat, (struct nat_mapping *)entry);
        } else {
            forget_permission(nat, (struct nat_permission *)entry);
        }
    }
}

void nat_set_end(struct sim_nat *nat, struct nat_entry *entry, uint64_t end_ns)
{
    entry->end_ns = end_ns;
    if (entry->timer.at_ns > end_ns) qe_heap_set(&nat->ends, &entry->timer, end_ns);
}

// Room for one more timer.
static void reserve(struct sim_nat *nat)
{
    int reserved = qe_heap_reserve(&nat->ends, nat->ends.count + 1);
    assert(reserved == 0);
}

struct nat_mapping *nat_find_explicit(const struct sim_nat *nat, struct sim_endpoint inside)
{
    uint8_t key[NAT_INSIDE_KEY];
    if (!nat->explicit_count) return NULL;
    write_inside(key, false, inside, (struct sim_endpoint){0});
    return qe_table_get(nat->by_inside, key);
}

struct nat_mapping *nat_find_dynamic(const struct sim_nat *nat, struct sim_endpoint inside, struct sim_endpoint remote)
{
    uint8_t key[NAT_INSIDE_KEY];
    write_inside(key, true, inside, nat_part(nat->settings->mapping, remote));
    return qe_table_get(nat->by_inside, key);
}

struct nat_mapping *nat_find_outside(const struct sim_nat *nat, struct sim_endpoint outside, struct sim_endpoint remote)
{
    uint8_t key[NAT_OUTSIDE_KEY];
    if (nat->settings->share_ports) {
        write_outside(key, outside, nat_part(nat->settings->mapping, remote));
        struct nat_mapping *shared = qe_table_get(nat->by_outside, key);
        if (shared) return shared;
    }
    write_outside(key, outside, (struct sim_endpoint){0});
    return qe_table_get(nat->by_outside, key);
}

// The remote part of the outside key: only shared ports are told apart by it.
static struct sim_endpoint outside_remote(const struct sim_nat *nat, const struct nat_mapping *mapping)
{
    return nat->settings->share_ports ? mapping->remote : (struct sim_endpoint){0};
}

bool nat_full(const struct sim_nat *nat)
{
    return nat->counts.mappings >= nat->settings->mappings_max;
}

void nat_add(struct sim_nat *nat, struct nat_mapping *mapping, uint64_t end_ns)
{
    uint8_t key[NAT_INSIDE_KEY];
    mapping->id = ++nat->ids;
    mapping->entry.is_mapping = true;
    qe_timer_init(&mapping->entry.timer);
    write_inside(key, mapping->kind == NAT_DYNAMIC, mapping->inside, mapping->remote);
    int put = qe_table_put(nat->by_inside, key, mapping);
    assert(put == 0);
    write_outside(key, mapping->outside, outside_remote(nat, mapping));
    put = qe_table_put(nat->by_outside, key, mapping);
    assert(put == 0);
    mapping->host->mappings++;
    mapping->host->explicit_count += mapping->kind == NAT_EXPLICIT;
    nat->explicit_count += mapping->kind != NAT_DYNAMIC;
    if (mapping->kind != NAT_FORWARD) {
        nat->counts.mappings++;
        nat->counts.created++;
        if (nat->counts.mappings > nat->counts.mappings_peak) nat->counts.mappings_peak = nat->counts.mappings;
    }
    reserve(nat);
    nat_set_end(nat, &mapping->entry, end_ns);
}

void nat_remove(struct sim_nat *nat, struct nat_mapping *mapping)
{
    uint8_t key[NAT_INSIDE_KEY];
    write_inside(key, mapping->kind == NAT_DYNAMIC, mapping->inside, mapping->remote);
    qe_table_remove(nat->by_inside, key);
    write_outside(key, mapping->outside, outside_remote(nat, mapping));
    qe_table_remove(nat->by_outside, key);
    qe_heap_set(&nat->ends, &mapping->entry.timer, QE_TIME_NEVER);
    nat_give_port(nat, mapping);
    mapping->host->mappings--;
    mapping->host->explicit_count -= mapping->kind == NAT_EXPLICIT;
    nat->explicit_count -= mapping->kind != NAT_DYNAMIC;
    if (mapping->kind != NAT_FORWARD) nat->counts.mappings--;
    nat_release_host(nat, mapping->host);
    sim_release(mapping);
}

void nat_make_explicit(struct sim_nat *nat, struct nat_mapping *mapping, const uint8_t *nonce)
{
    uint8_t key[NAT_INSIDE_KEY];
    assert(mapping->kind == NAT_DYNAMIC && !mapping->remote.ip);
    write_inside(key, true, mapping->inside, mapping->remote);
    qe_table_remove(nat->by_inside, key);
    key[0] = false;
    int put = qe_table_put(nat->by_inside, key, mapping);
    assert(put == 0);
    mapping->kind = NAT_EXPLICIT;
    memcpy(mapping->nonce, nonce, SIM_NAT_NONCE_SIZE);
    mapping->host->explicit_count++;
    nat->explicit_count++;
}

struct nat_permission *nat_permission(
    struct sim_nat *nat, const struct nat_mapping *mapping, struct sim_endpoint remote, bool make)
{
    uint8_t key[NAT_PERMISSION_KEY] = {0};
    key[0] = nat->settings->filter_by_endpoint;
    if (nat->settings->filter_by_endpoint)
        write_endpoint(key + 1, mapping->inside);
    else
        qe_store64(key + 1, mapping->id);
    write_endpoint(key + 9, nat_part(nat->settings->filtering, remote));
    struct nat_permission *permission = qe_table_get(nat->permissions, key);
    if (permission || !make || qe_table_count(nat->permissions) >= nat->settings->mappings_max) return permission;
    permission = sim_obtain(1, sizeof(*permission));
    memcpy(permission->key, key, sizeof(key));
    qe_timer_init(&permission->entry.timer);
    reserve(nat);
    int put = qe_table_put(nat->permissions, key, permission);
    assert(put == 0);
    return permission;
}
