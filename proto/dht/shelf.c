// Of a network that must give up a place, what came last goes: whoever floods a shelf pushes out its own, and
// neighbours that were there before it stay.
#include "dht/shelf.h"

#include "base/time.h"
#include "dht/source.h"

#include <assert.h>
#include <string.h>

void qe_dht_shelf_init(struct qe_dht_shelf *shelf, const struct qe_mem *mem, const struct qe_dht_shelf_limits *limits,
    const uint8_t secret[16])
{
    assert(limits->key_size >= 20 && limits->key_size <= QE_DHT_SHELF_KEY_MAX);
    *shelf = (struct qe_dht_shelf){.mem = mem, .limits = limits};
    memcpy(shelf->secret, secret, sizeof shelf->secret);
    qe_list_init(&shelf->by_age);
}

void qe_dht_shelf_fini(struct qe_dht_shelf *shelf)
{
    while (!qe_list_empty(&shelf->by_age))
        qe_dht_shelf_remove(shelf, qe_container(shelf->by_age.next, struct qe_dht_entry, by_age));
    qe_table_free(shelf->entries);
    qe_table_free(shelf->groups);
    qe_table_free(shelf->sources);
}

static bool ensure_tables(struct qe_dht_shelf *shelf)
{
    size_t max = shelf->limits->max;
    if (!shelf->entries) shelf->entries = qe_table_new(shelf->mem, shelf->limits->key_size, max, shelf->secret);
    if (!shelf->groups) shelf->groups = qe_table_new(shelf->mem, sizeof(struct qe_node_id), max, shelf->secret);
    if (!shelf->sources) shelf->sources = qe_table_new(shelf->mem, sizeof(uint64_t), max, shelf->secret);
    return shelf->entries && shelf->groups && shelf->sources;
}

size_t qe_dht_shelf_count(const struct qe_dht_shelf *shelf)
{
    return shelf->entries ? qe_table_count(shelf->entries) : 0;
}

struct qe_dht_entry *qe_dht_shelf_find(const struct qe_dht_shelf *shelf, const uint8_t *key)
{
    return shelf->entries ? qe_table_get(shelf->entries, key) : NULL;
}

struct qe_dht_group *qe_dht_shelf_group(const struct qe_dht_shelf *shelf, const struct qe_node_id *target)
{
    return shelf->groups ? qe_table_get(shelf->groups, target) : NULL;
}

static struct qe_dht_group *group_of(struct qe_dht_shelf *shelf, const struct qe_node_id *target)
{
    struct qe_dht_group *group = qe_dht_shelf_group(shelf, target);
    if (group) return group;
    group = qe_zalloc(shelf->mem, 1, sizeof *group);
    if (!group) return NULL;
    qe_list_init(&group->entries);
    group->target = *target;
    if (qe_table_put(shelf->groups, target, group) == 0) return group;
    qe_free(shelf->mem, group);
    return NULL;
}

static struct qe_dht_source *source_of(struct qe_dht_shelf *shelf, uint64_t network)
{
    struct qe_dht_source *source = qe_table_get(shelf->sources, &network);
    if (source) return source;
    source = qe_zalloc(shelf->mem, 1, sizeof *source);
    if (!source) return NULL;
    qe_list_init(&source->entries);
    source->network = network;
    if (qe_table_put(shelf->sources, &network, source) == 0) return source;
    qe_free(shelf->mem, source);
    return NULL;
}

// Frees a group and a source that nothing is left of.
static void tidy(struct qe_dht_shelf *shelf, struct qe_dht_group *group, struct qe_dht_source *source)
{
    if (group && group->count == 0) {
        qe_table_remove(shelf->groups, &group->target);
        qe_free(shelf->mem, group);
    }
    if (source && source->count == 0) {
        qe_table_remove(shelf->sources, &source->network);
        qe_free(shelf->mem, source);
    }
}

void qe_dht_shelf_remove(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry)
{
    qe_table_remove(shelf->entries, entry->key);
    qe_list_remove(&entry->by_age);
    qe_list_remove(&entry->in_group);
    qe_list_remove(&entry->in_source);
    entry->group->count--;
    entry->source->count--;
    shelf->bytes -= entry->size + entry->value_size;
    tidy(shelf, entry->group, entry->source);
    qe_free(shelf->mem, entry->value);
    qe_free(shelf->mem, entry);
}

static void evict(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry)
{
    shelf->evicted++;
    qe_dht_shelf_remove(shelf, entry);
}

// Makes room in all: true where there is.
static bool make_room(struct qe_dht_shelf *shelf, uint64_t network)
{
    if (qe_dht_shelf_count(shelf) < shelf->limits->max) return true;
    const struct qe_dht_source *own = qe_table_get(shelf->sources, &network);
    struct qe_dht_source *most = NULL, *source;
    size_t cursor = 0;
    while ((source = qe_table_each(shelf->sources, &cursor)))
        if (!most || source->count > most->count) most = source;
    if (most->count <= (own ? own->count : 0) + 1) return false;
    evict(shelf, qe_container(most->entries.prev, struct qe_dht_entry, in_source));
    return true;
}

static size_t of_network(const struct qe_dht_group *group, uint64_t network)
{
    size_t count = 0;
    for (const struct qe_list *at = group->entries.next; at != &group->entries; at = at->next)
        count += qe_container(at, struct qe_dht_entry, in_group)->source->network == network;
    return count;
}

// The newest entry of the network that has most under a target, and how many that has.
static struct qe_dht_entry *most_crowded(const struct qe_dht_group *group, size_t *most)
{
    struct qe_dht_entry *victim = NULL;
    *most = 0;
    for (const struct qe_list *at = group->entries.next; at != &group->entries; at = at->next) {
        struct qe_dht_entry *entry = qe_container(at, struct qe_dht_entry, in_group);
        size_t count = of_network(group, entry->source->network);
        bool later = victim && count == *most && entry->source == victim->source && entry->first_ns >= victim->first_ns;
        if (count <= *most && !later) continue;
        victim = entry;
        *most = count;
    }
    return victim;
}

static bool make_room_at(struct qe_dht_shelf *shelf, struct qe_dht_group *group, uint64_t network)
{
    size_t most;
    if (group->count < shelf->limits->target_max) return true;
    struct qe_dht_entry *victim = most_crowded(group, &most);
    if (most <= of_network(group, network) + 1) return false;
    evict(shelf, victim);
    return true;
}

// Whether that address may have one more, in all and under this target.
static bool within_address(
    const struct qe_dht_shelf *shelf, const struct qe_dht_source *source, uint64_t address, const uint8_t *target)
{
    size_t count = 0, here = 0;
    for (const struct qe_list *at = source->entries.next; at != &source->entries; at = at->next) {
        const struct qe_dht_entry *entry = qe_container(at, struct qe_dht_entry, in_source);
        if (entry->address != address) continue;
        count++;
        here += memcmp(entry->key, target, sizeof(struct qe_node_id)) == 0;
    }
    return count < shelf->limits->address_max && here < shelf->limits->target_address_max;
}

static bool admit(struct qe_dht_shelf *shelf, const struct qe_node_id *target, const struct qe_ip *from)
{
    uint64_t network = qe_dht_source_network(from);
    const struct qe_dht_source *source = qe_table_get(shelf->sources, &network);
    if (source && !within_address(shelf, source, qe_dht_source_address(from), target->bytes)) return false;
    struct qe_dht_group *group = qe_dht_shelf_group(shelf, target);
    if (group && !make_room_at(shelf, group, network)) return false;
    return make_room(shelf, network);
}

bool qe_dht_shelf_add(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, const struct qe_ip *from, uint64_t now_ns)
{
    struct qe_node_id target;
    memcpy(target.bytes, entry->key, sizeof target.bytes);
    if (!ensure_tables(shelf)) return false;
    if (!admit(shelf, &target, from)) {
        shelf->refused++;
        return false;
    }
    struct qe_dht_group *group = group_of(shelf, &target);
    struct qe_dht_source *source = source_of(shelf, qe_dht_source_network(from));
    if (!group || !source || qe_table_put(shelf->entries, entry->key, entry) != 0) {
        tidy(shelf, group, source);
        return false;
    }
    entry->group = group;
    entry->source = source;
    entry->address = qe_dht_source_address(from);
    entry->first_ns = entry->renewed_ns = now_ns;
    qe_list_append(&group->entries, &entry->in_group);
    qe_list_append(&source->entries, &entry->in_source);
    qe_list_append(&shelf->by_age, &entry->by_age);
    group->count++;
    source->count++;
    shelf->bytes += entry->size + entry->value_size;
    return true;
}

bool qe_dht_shelf_set_value(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, struct qe_span value)
{
    uint8_t *copy = qe_alloc(shelf->mem, value.size ? value.size : 1);
    if (!copy) return false;
    if (value.size > 0) memcpy(copy, value.data, value.size);
    qe_free(shelf->mem, entry->value);
    // Of an entry that is not on the shelf yet nothing counts.
    if (entry->group) shelf->bytes += value.size - entry->value_size;
    entry->value = copy;
    entry->value_size = value.size;
    return true;
}

void qe_dht_shelf_renew(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, uint64_t now_ns)
{
    entry->renewed_ns = now_ns;
    qe_list_remove(&entry->by_age);
    qe_list_append(&shelf->by_age, &entry->by_age);
}

uint64_t qe_dht_shelf_deadline(const struct qe_dht_shelf *shelf)
{
    if (qe_list_empty(&shelf->by_age)) return QE_TIME_NEVER;
    return qe_container(shelf->by_age.next, struct qe_dht_entry, by_age)->renewed_ns + shelf->limits->life_ns;
}

void qe_dht_shelf_expire(struct qe_dht_shelf *shelf, uint64_t now_ns)
{
    while (qe_dht_shelf_deadline(shelf) <= now_ns) {
        shelf->expired++;
        qe_dht_shelf_remove(shelf, qe_container(shelf->by_age.next, struct qe_dht_entry, by_age));
    }
}
