// Reading a table: the closest to a target, a sample, all of it.
#include "dht/network.h"
#include "dht/table_internal.h"

struct selection {
    const struct qe_dht_table *table;
    const struct qe_node_id *target;
    struct qe_dht_contact *out;
    size_t count, max;
    size_t settled; // of `out`: whatever comes is farther away
};

static void select_entry(struct selection *s, const struct qe_dht_entry *entry)
{
    struct qe_node_id id = entry_id(entry);
    if (s->count == s->max && qe_dht_compare_distance(s->target, &id, &s->out[s->max - 1].id) >= 0) return;
    size_t at = s->count < s->max ? s->count++ : s->max - 1;
    for (; at > s->settled && qe_dht_compare_distance(s->target, &id, &s->out[at - 1].id) < 0; at--)
        s->out[at] = s->out[at - 1];
    s->out[at] = contact_of(s->table, entry);
}

enum filter {
    FILTER_GOOD,
    FILTER_ALIVE, // nothing speaks against it
    FILTER_FAILED,
};

static bool passes(const struct qe_dht_entry *entry, enum filter filter, uint32_t now_s)
{
    switch (filter) {
    case FILTER_GOOD:
        return is_good(entry, now_s);
    case FILTER_ALIVE:
        return entry->fails == 0;
    default:
        return entry->fails != 0;
    }
}

static void select_bucket(struct selection *s, unsigned b, enum filter filter, uint32_t now_s)
{
    const struct qe_dht_bucket *bucket = &s->table->buckets[b];
    for (unsigned i = 0; i < bucket->count; i++) {
        const struct qe_dht_entry *entry = slot(s->table, bucket, i);
        if (passes(entry, filter, now_s)) select_entry(s, entry);
    }
}

// Nodes in the target's own bucket are closer to it than any others, those in deeper ones (which share as much with it
// as the own ID does) come next, and then the shallower ones, one bucket after the other.
static size_t closest(const struct qe_dht_table *table, const struct qe_node_id *target, enum filter filter,
    uint32_t now_s, struct qe_dht_contact *out, size_t max)
{
    struct selection s = {.table = table, .target = target, .out = out, .max = max};
    unsigned home = qe_dht_common_bits(&table->id, target);
    if (home < table->bucket_count) select_bucket(&s, home, filter, now_s);
    s.settled = s.count;
    if (s.count < max) {
        for (unsigned b = home + 1; b < table->bucket_count; b++)
            select_bucket(&s, b, filter, now_s);
        s.settled = s.count;
    }
    unsigned b = home < table->bucket_count ? home : table->bucket_count;
    while (b-- > 0 && s.count < max) {
        select_bucket(&s, b, filter, now_s);
        s.settled = s.count;
    }
    return s.count;
}

size_t qe_dht_table_closest(const struct qe_dht_table *table, const struct qe_node_id *target,
    enum qe_dht_choice choice, uint32_t now_s, struct qe_dht_contact *out, size_t max)
{
    if (choice == QE_DHT_GOOD_ONLY) return closest(table, target, FILTER_GOOD, now_s, out, max);
    size_t count = closest(table, target, FILTER_ALIVE, now_s, out, max);
    if (count < max) count += closest(table, target, FILTER_FAILED, now_s, out + count, max - count);
    return count;
}

size_t qe_dht_table_sample(const struct qe_dht_table *table, const struct qe_dht_options *options, uint32_t now_s,
    struct qe_dht_contact *out, size_t max)
{
    // Reservoir sampling (Vitter's algorithm R).
    size_t seen = 0;
    for (unsigned b = 0; b < table->bucket_count; b++)
        for (unsigned i = 0; i < table->buckets[b].count; i++) {
            const struct qe_dht_entry *entry = slot(table, &table->buckets[b], i);
            if (!is_good(entry, now_s)) continue;
            size_t at = seen++;
            if (at >= max) {
                uint8_t drawn[4];
                options->random(options->user, drawn, sizeof drawn);
                at = qe_load32(drawn) % seen;
                if (at >= max) continue;
            }
            out[at] = contact_of(table, entry);
        }
    return seen < max ? seen : max;
}

size_t qe_dht_table_good(const struct qe_dht_table *table, uint32_t now_s)
{
    size_t count = 0;
    for (unsigned b = 0; b < table->bucket_count; b++)
        for (unsigned i = 0; i < table->buckets[b].count; i++)
            count += is_good(slot(table, &table->buckets[b], i), now_s);
    return count;
}

size_t qe_dht_table_contacts(const struct qe_dht_table *table, uint32_t now_s, struct qe_dht_contact *out, size_t max)
{
    // One pass for each place: it is seldom asked, and a table has a few hundred nodes.
    uint64_t last = 0;
    size_t count = 0;
    while (count < max) {
        const struct qe_dht_entry *found = NULL;
        uint64_t found_order = 0;
        uint64_t order = 0;
        for (unsigned b = 0; b < table->bucket_count; b++)
            for (unsigned i = 0; i < table->buckets[b].count; i++) {
                const struct qe_dht_entry *entry = slot(table, &table->buckets[b], i);
                order = (uint64_t)entry->since_s << 16 | (uint64_t)b << 8 | (i + 1);
                if (!is_good(entry, now_s) || order <= last || (found && order >= found_order)) continue;
                found = entry;
                found_order = order;
            }
        if (!found) break;
        last = found_order;
        out[count++] = contact_of(table, found);
    }
    return count;
}

size_t qe_dht_table_nodes(const struct qe_dht_table *table, uint32_t now_s, struct qe_dht_node_info *out, size_t max)
{
    size_t count = 0;
    for (unsigned b = 0; b < table->bucket_count; b++)
        for (unsigned i = 0; i < used(&table->buckets[b]) && count < max; i++) {
            const struct qe_dht_entry *entry = slot(table, &table->buckets[b], i);
            out[count++] = (struct qe_dht_node_info){.contact = contact_of(table, entry),
                .bucket = b,
                .good = is_good(entry, now_s),
                .replacement = i >= table->buckets[b].count,
                .rtt_us = (uint64_t)entry->rtt * RTT_UNIT_US,
                .last_heard_ns = (uint64_t)entry->heard_s * UINT64_C(1000000000)};
        }
    return count;
}
