#include "dht/table.h"

#include "base/mutants.h"

#include "dht/network.h"
#include "dht/table_internal.h"

#include <assert.h>

#define SLOTS_STEP    4
#define AGAIN_S       60 // longer, each time, that a bad node is left alone
#define PROVIDER_PART 4  // of a bucket's k nodes, one in so many may be of one /16
#define RTT_SMOOTH    8

void qe_dht_table_init(struct qe_dht_table *table, const struct qe_dht_options *options, uint8_t family)
{
    *table = (struct qe_dht_table){
        .mem = options->mem, .id = options->id, .family = family, .exempt_private = options->exempt_private};
}

void qe_dht_table_fini(struct qe_dht_table *table)
{
    for (unsigned b = 0; b < table->bucket_count; b++)
        qe_free(table->mem, table->buckets[b].slots);
    qe_free(table->mem, table->buckets);
    table->buckets = NULL;
    table->bucket_count = 0;
    table->count = 0;
}

static struct qe_dht_bucket *bucket_of(const struct qe_dht_table *table, const struct qe_node_id *id)
{
    unsigned bits = qe_dht_common_bits(&table->id, id);
    return bits < table->bucket_count ? &table->buckets[bits] : NULL;
}

// The bucket for that ID, made if need be; NULL without memory.
static struct qe_dht_bucket *bucket_for(struct qe_dht_table *table, const struct qe_node_id *id, uint32_t now_s)
{
    unsigned bits = qe_dht_common_bits(&table->id, id);
    assert(bits < 160);
    if (bits >= table->bucket_count) {
        struct qe_dht_bucket *buckets = qe_realloc(table->mem, table->buckets, bits + 1, sizeof *buckets);
        if (!buckets) return NULL;
        table->buckets = buckets;
        for (unsigned b = table->bucket_count; b <= bits; b++)
            buckets[b] = (struct qe_dht_bucket){.touched_s = now_s};
        table->bucket_count = (uint8_t)(bits + 1);
    }
    return &table->buckets[bits];
}

// Where the contact is, replacements included; -1: nowhere.
static int find(const struct qe_dht_table *table, const struct qe_dht_bucket *bucket, const struct qe_dht_contact *c)
{
    for (unsigned i = 0; bucket && i < used(bucket); i++) {
        const struct qe_dht_entry *entry = slot(table, bucket, i);
        if (memcmp(entry->id, c->id.bytes, sizeof entry->id) != 0) continue;
        struct qe_dht_contact known = contact_of(table, entry);
        return known.addr.port == c->addr.port && qe_ip_equal(&known.addr.ip, &c->addr.ip) ? (int)i : -1;
    }
    return -1;
}

static void take_out(struct qe_dht_table *table, struct qe_dht_bucket *bucket, unsigned index)
{
    size_t stride = stride_of(table);
    if (index < bucket->count) {
        bucket->count--;
        table->count--;
    } else {
        bucket->spares--;
    }
    uint8_t *at = bucket->slots + index * stride;
    memmove(at, at + stride, (used(bucket) - index) * stride);
}

// Room for one more in the middle, uninitialised; NULL without memory.
static struct qe_dht_entry *put_in(struct qe_dht_table *table, struct qe_dht_bucket *bucket, unsigned index)
{
    size_t stride = stride_of(table);
    if (used(bucket) == bucket->capacity) {
        unsigned capacity = bucket->capacity + SLOTS_STEP;
        uint8_t *slots = qe_realloc(table->mem, bucket->slots, capacity, stride);
        if (!slots) return NULL;
        bucket->slots = slots;
        bucket->capacity = (uint8_t)capacity;
    }
    uint8_t *at = bucket->slots + index * stride;
    memmove(at + stride, at, (used(bucket) - index) * stride);
    return (struct qe_dht_entry *)(void *)at;
}

static void fill(
    const struct qe_dht_table *table, struct qe_dht_entry *entry, const struct qe_dht_contact *contact, uint32_t now_s)
{
    memset(entry, 0, stride_of(table));
    entry->heard_s = entry->since_s = now_s;
    entry->port = contact->addr.port;
    memcpy(entry->id, contact->id.bytes, sizeof entry->id);
    memcpy(entry->ip, contact->addr.ip.bytes, table->family == 4 ? 4 : 16);
}

static void note_heard(struct qe_dht_entry *entry, bool replied, uint64_t rtt_us, uint32_t now_s)
{
    entry->heard_s = now_s;
    if (!replied) return;
    entry->flags = ANSWERED;
    entry->fails = 0;
    uint64_t rtt = rtt_us / RTT_UNIT_US;
    if (rtt < 1) rtt = 1;
    if (rtt > UINT16_MAX) rtt = UINT16_MAX;
    if (entry->rtt != 0) rtt = ((uint64_t)entry->rtt * (RTT_SMOOTH - 1) + rtt) / RTT_SMOOTH;
    entry->rtt = (uint16_t)rtt;
}

// Why a node may not be in a bucket although there is a place: -1: it may; else who stands against it.
static int rival(const struct qe_dht_table *table, const struct qe_dht_bucket *bucket, const struct qe_ip *ip)
{
    if ((table->exempt_private && qe_dht_address_private(ip)) || QE_MUTANT(dht_crowd)) return -1;
    unsigned of_provider = 0;
    for (unsigned i = 0; i < bucket->count; i++) {
        struct qe_ip other = ip_of(table, slot(table, bucket, i));
        if (qe_dht_same_network(&other, ip)) return (int)i;
        if (qe_dht_same_provider(&other, ip) && ++of_provider == QE_DHT_K / PROVIDER_PART) return (int)i;
    }
    return -1;
}

// The one of a full bucket that gives way to a newcomer: a bad one. -1: none.
static int replaceable(const struct qe_dht_table *table, const struct qe_dht_bucket *bucket)
{
    for (unsigned i = 0; i < bucket->count; i++)
        if (is_bad(slot(table, bucket, i))) return (int)i;
    return -1;
}

// Who of them may be gone, if anybody: not good any more, silent for the longest time, and not being asked already.
static void doubtful(
    const struct qe_dht_table *table, const struct qe_dht_bucket *bucket, uint32_t now_s, struct qe_dht_contact *ask)
{
    const struct qe_dht_entry *found = NULL;
    for (unsigned i = 0; i < bucket->count; i++) {
        const struct qe_dht_entry *entry = slot(table, bucket, i);
        if (is_good(entry, now_s) || (entry->flags & ASKED)) continue;
        if (!found || entry->heard_s < found->heard_s) found = entry;
    }
    if (found) *ask = contact_of(table, found);
}

static void keep_spare(struct qe_dht_table *table, struct qe_dht_bucket *bucket, const struct qe_dht_contact *contact,
    bool replied, uint64_t rtt_us, uint32_t now_s)
{
    if (bucket->spares == QE_DHT_SPARES_MAX) {
        // The newest take the places of the oldest, but who never answered puts out nobody who did.
        unsigned out = bucket->count;
        if (!replied)
            while (out < used(bucket) && (slot(table, bucket, out)->flags & ANSWERED))
                out++;
        if (out == used(bucket)) return;
        take_out(table, bucket, out);
    }
    struct qe_dht_entry *entry = put_in(table, bucket, used(bucket));
    if (!entry) return;
    bucket->spares++;
    fill(table, entry, contact, now_s);
    note_heard(entry, replied, rtt_us, now_s);
}

enum qe_dht_heard qe_dht_table_heard(struct qe_dht_table *table, const struct qe_dht_contact *contact, bool replied,
    uint64_t rtt_us, uint32_t now_s, struct qe_dht_contact *ask)
{
    *ask = (struct qe_dht_contact){0};
    assert(contact->addr.ip.family == table->family);
    if (qe_node_id_equal(&contact->id, &table->id)) return QE_DHT_HEARD_REFUSED;
    struct qe_dht_bucket *bucket = bucket_for(table, &contact->id, now_s);
    if (!bucket) return QE_DHT_HEARD_REFUSED;

    int at = find(table, bucket, contact);
    if (at >= 0 && (unsigned)at < bucket->count) {
        note_heard(slot(table, bucket, (unsigned)at), replied, rtt_us, now_s);
        if (replied) bucket->touched_s = now_s;
        return QE_DHT_HEARD_KNOWN;
    }
    if (at >= 0) take_out(table, bucket, (unsigned)at);
    // The ID of somebody who is at another address: whoever was there first stays while it answers.
    for (unsigned i = 0; i < used(bucket); i++) {
        struct qe_dht_entry *entry = slot(table, bucket, i);
        if (memcmp(entry->id, contact->id.bytes, sizeof entry->id) != 0) continue;
        if (entry->fails == 0 && i < bucket->count) {
            if (!is_good(entry, now_s)) *ask = contact_of(table, entry);
            return QE_DHT_HEARD_REFUSED;
        }
        take_out(table, bucket, i);
        break;
    }

    int against = rival(table, bucket, &contact->addr.ip);
    if (against >= 0) {
        struct qe_dht_entry *entry = slot(table, bucket, (unsigned)against);
        if (!is_bad(entry)) {
            if (!is_good(entry, now_s) && !(entry->flags & ASKED)) *ask = contact_of(table, entry);
            return QE_DHT_HEARD_REFUSED;
        }
    } else if (bucket->count == QE_DHT_K) {
        against = replaceable(table, bucket);
        if (against < 0) {
            doubtful(table, bucket, now_s, ask);
            keep_spare(table, bucket, contact, replied, rtt_us, now_s);
            return QE_DHT_HEARD_SPARE;
        }
    }
    if (!replied && !QE_MUTANT(dht_asker_let_in)) return QE_DHT_HEARD_WANTED;
    if (against >= 0) take_out(table, bucket, (unsigned)against);
    struct qe_dht_entry *entry = put_in(table, bucket, bucket->count);
    if (!entry) return QE_DHT_HEARD_REFUSED;
    bucket->count++;
    table->count++;
    fill(table, entry, contact, now_s);
    note_heard(entry, true, rtt_us, now_s);
    bucket->touched_s = now_s;
    return QE_DHT_HEARD_NEW;
}

// The newest replacement that ever answered takes the place of `at`, if its network has none there.
static bool replace(struct qe_dht_table *table, struct qe_dht_bucket *bucket, unsigned at)
{
    for (unsigned i = used(bucket); i-- > bucket->count;) {
        struct qe_dht_entry *spare = slot(table, bucket, i);
        if (!(spare->flags & ANSWERED)) continue;
        struct qe_ip ip = ip_of(table, spare);
        int against = rival(table, bucket, &ip);
        if (against >= 0 && (unsigned)against != at) continue;
        uint8_t copy[64];
        size_t stride = stride_of(table);
        memcpy(copy, spare, stride);
        take_out(table, bucket, i);
        take_out(table, bucket, at);
        memcpy(put_in(table, bucket, bucket->count), copy, stride);
        bucket->count++;
        table->count++;
        return true;
    }
    return false;
}

enum qe_dht_failed qe_dht_table_failed(struct qe_dht_table *table, const struct qe_dht_contact *contact)
{
    struct qe_dht_bucket *bucket = bucket_of(table, &contact->id);
    int at = find(table, bucket, contact);
    if (at < 0) return QE_DHT_FAILED_UNKNOWN;
    if ((unsigned)at >= bucket->count) {
        take_out(table, bucket, (unsigned)at);
        return QE_DHT_FAILED_UNKNOWN;
    }
    struct qe_dht_entry *entry = slot(table, bucket, (unsigned)at);
    entry->flags &= (uint8_t)~ASKED;
    entry->fails++;
    if (entry->fails < QE_DHT_FAILS_BAD || QE_MUTANT(dht_bad_stays)) return QE_DHT_FAILED_ONCE;
    bool first = entry->fails == QE_DHT_FAILS_BAD;
    if (!replace(table, bucket, (unsigned)at) && entry->fails >= QE_DHT_FAILS_MAX)
        take_out(table, bucket, (unsigned)at);
    return first ? QE_DHT_FAILED_BAD : QE_DHT_FAILED_STILL;
}

bool qe_dht_table_has(const struct qe_dht_table *table, const struct qe_dht_contact *contact)
{
    const struct qe_dht_bucket *bucket = bucket_of(table, &contact->id);
    int at = find(table, bucket, contact);
    return at >= 0 && (unsigned)at < bucket->count;
}

void qe_dht_table_remove(struct qe_dht_table *table, const struct qe_dht_contact *contact)
{
    struct qe_dht_bucket *bucket = bucket_of(table, &contact->id);
    int at = find(table, bucket, contact);
    if (at >= 0) take_out(table, bucket, (unsigned)at);
}

void qe_dht_table_asked(struct qe_dht_table *table, const struct qe_dht_contact *contact)
{
    struct qe_dht_bucket *bucket = bucket_of(table, &contact->id);
    int at = find(table, bucket, contact);
    if (at >= 0) slot(table, bucket, (unsigned)at)->flags |= ASKED;
}

static uint32_t due_of(const struct qe_dht_entry *entry, uint32_t check_s, uint32_t suspect_s)
{
    uint32_t due = entry->heard_s < suspect_s ? suspect_s : entry->heard_s + check_s;
    return entry->fails < QE_DHT_FAILS_BAD ? due : due + (entry->fails - 1u) * AGAIN_S;
}

bool qe_dht_table_due(
    const struct qe_dht_table *table, uint32_t check_s, uint32_t suspect_s, struct qe_dht_contact *out, uint32_t *due_s)
{
    const struct qe_dht_entry *found = NULL;
    for (unsigned b = 0; b < table->bucket_count; b++)
        for (unsigned i = 0; i < table->buckets[b].count; i++) {
            const struct qe_dht_entry *entry = slot(table, &table->buckets[b], i);
            if (entry->flags & ASKED) continue;
            uint32_t due = due_of(entry, check_s, suspect_s);
            if (found && due >= *due_s) continue;
            found = entry;
            *due_s = due;
        }
    if (found) *out = contact_of(table, found);
    return found != NULL;
}

bool qe_dht_table_untouched(const struct qe_dht_table *table, unsigned *bucket, uint32_t *touched_s)
{
    bool found = false;
    for (unsigned b = 0; b < table->bucket_count; b++) {
        uint32_t at = table->buckets[b].touched_s;
        if (found && at >= *touched_s) continue;
        found = true;
        *bucket = b;
        *touched_s = at;
    }
    return found;
}

void qe_dht_table_touch(struct qe_dht_table *table, const struct qe_node_id *target, uint32_t now_s)
{
    struct qe_dht_bucket *bucket = bucket_of(table, target);
    if (bucket) bucket->touched_s = now_s;
}

size_t qe_dht_table_memory(const struct qe_dht_table *table)
{
    size_t bytes = table->bucket_count * sizeof table->buckets[0];
    for (unsigned b = 0; b < table->bucket_count; b++)
        bytes += table->buckets[b].capacity * stride_of(table);
    return bytes;
}
