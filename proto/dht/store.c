// Items, peers and records on their shelves. Certified records have a shelf of their own: no number of others takes a
// place from them.
#include "dht/store.h"

#include "base/mutants.h"
#include "base/time.h"
#include "dht/krpc.h"
#include "dht/shelf.h"

struct item {
    struct qe_dht_entry entry; // key: target
    bool mutable;
    struct qe_key key;
    uint8_t salt_size;
    uint8_t salt[QE_DHT_SALT_MAX];
    int64_t seq;
    uint8_t signature[64];
};

struct peer {
    struct qe_dht_entry entry; // key: target, address
    struct qe_addr addr;
};

struct record {
    struct qe_dht_entry entry; // key: target, owner
    struct qe_key owner, authority;
    uint64_t seq;
    uint8_t signature[64], certificate[64];
};

enum { OPEN, CERTIFIED };

struct qe_dht_store {
    const struct qe_mem *mem;
    struct qe_dht_shelf items, peers, records[2]; // records: OPEN, CERTIFIED
};

#define TARGET_SIZE sizeof(struct qe_node_id)

static const struct qe_dht_shelf_limits item_limits = {
    .key_size = TARGET_SIZE,
    .max = QE_DHT_ITEMS_MAX,
    .target_max = 1,
    .address_max = QE_DHT_ITEMS_ADDRESS_MAX,
    .target_address_max = 1,
    .life_ns = QE_DHT_ITEM_LIFE_S * QE_NS_PER_S,
};
static const struct qe_dht_shelf_limits peer_limits = {
    .key_size = TARGET_SIZE + QE_KRPC_ADDR_MAX,
    .max = QE_DHT_PEERS_MAX,
    .target_max = QE_DHT_PEERS_TARGET_MAX,
    .address_max = QE_DHT_PEERS_ADDRESS_MAX,
    .target_address_max = QE_DHT_PEERS_TARGET_ADDRESS_MAX,
    .life_ns = QE_DHT_PEER_LIFE_S * QE_NS_PER_S,
};
static const struct qe_dht_shelf_limits record_limits[2] = {
    [OPEN] =
        {
            .key_size = TARGET_SIZE + sizeof(struct qe_key),
            .max = QE_DHT_RECORDS_OPEN_MAX,
            .target_max = QE_DHT_RECORDS_OPEN_TARGET_MAX,
            .address_max = QE_DHT_RECORDS_ADDRESS_MAX,
            .target_address_max = QE_DHT_RECORDS_OPEN_TARGET_ADDRESS_MAX,
            .life_ns = QE_DHT_RECORD_LIFE_S * QE_NS_PER_S,
        },
    [CERTIFIED] =
        {
            .key_size = TARGET_SIZE + sizeof(struct qe_key),
            .max = QE_DHT_RECORDS_MAX,
            .target_max = QE_DHT_RECORDS_TARGET_MAX,
            .address_max = QE_DHT_RECORDS_ADDRESS_MAX,
            .target_address_max = QE_DHT_RECORDS_TARGET_MAX, // many members may be behind one address
            .life_ns = QE_DHT_RECORD_LIFE_S * QE_NS_PER_S,
        },
};

struct qe_dht_store *qe_dht_store_new(const struct qe_mem *mem, const uint8_t secret[16])
{
    struct qe_dht_store *store = qe_zalloc(mem, 1, sizeof *store);
    if (!store) return NULL;
    store->mem = mem;
    qe_dht_shelf_init(&store->items, mem, &item_limits, secret);
    qe_dht_shelf_init(&store->peers, mem, &peer_limits, secret);
    qe_dht_shelf_init(&store->records[OPEN], mem, &record_limits[OPEN], secret);
    qe_dht_shelf_init(&store->records[CERTIFIED], mem, &record_limits[CERTIFIED], secret);
    return store;
}

// The shelves, one by one; NULL behind the last.
static struct qe_dht_shelf *shelf_at(struct qe_dht_store *store, size_t index)
{
    struct qe_dht_shelf *shelves[] = {&store->items, &store->peers, &store->records[OPEN], &store->records[CERTIFIED]};
    return index < sizeof shelves / sizeof shelves[0] ? shelves[index] : NULL;
}

void qe_dht_store_free(struct qe_dht_store *store)
{
    struct qe_dht_shelf *shelf;
    if (!store) return;
    for (size_t i = 0; (shelf = shelf_at(store, i)); i++)
        qe_dht_shelf_fini(shelf);
    qe_free(store->mem, store);
}

static void fill_key(struct qe_dht_entry *entry, const struct qe_node_id *target, const void *more, size_t size)
{
    memcpy(entry->key, target->bytes, TARGET_SIZE);
    if (size > 0) memcpy(entry->key + TARGET_SIZE, more, size);
}

// Puts a new entry on its shelf, with its value; frees it where there is no room.
static int add(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, struct qe_span value, const struct qe_ip *from,
    uint64_t now_ns)
{
    if (qe_dht_shelf_set_value(shelf, entry, value) && qe_dht_shelf_add(shelf, entry, from, now_ns)) return 0;
    qe_free(shelf->mem, entry->value);
    qe_free(shelf->mem, entry);
    return QE_KRPC_ERROR_SERVER;
}

static size_t items_of(const struct qe_dht_store *store, const struct qe_key *owner)
{
    size_t count = 0, cursor = 0;
    const struct item *item;
    while (store->items.entries && (item = qe_table_each(store->items.entries, &cursor)))
        count += item->mutable && qe_key_equal(&item->key, owner);
    return count;
}

static int update_item(
    struct qe_dht_store *store, struct item *old, const struct qe_dht_item *item, const int64_t *cas, uint64_t now_ns)
{
    struct qe_span stored = qe_span(old->entry.value, old->entry.value_size);
    if (item->mutable) {
        if (cas && *cas != old->seq) return QE_KRPC_ERROR_CAS;
        if (item->seq < old->seq && !QE_MUTANT(krpc_replay_taken)) return QE_KRPC_ERROR_SEQ;
        if (item->seq == old->seq && !qe_span_equal(stored, item->value)) return QE_KRPC_ERROR_SEQ;
        if (!qe_dht_shelf_set_value(&store->items, &old->entry, item->value)) return QE_KRPC_ERROR_SERVER;
        old->seq = item->seq;
        memcpy(old->signature, item->signature, sizeof old->signature);
    }
    qe_dht_shelf_renew(&store->items, &old->entry, now_ns);
    return 0;
}

int qe_dht_store_item(struct qe_dht_store *store, const struct qe_dht_item *item, const int64_t *cas,
    const struct qe_ip *from, uint64_t now_ns)
{
    struct qe_node_id target = qe_dht_item_target(item);
    struct item *entry = (void *)qe_dht_shelf_find(&store->items, target.bytes);
    // Immutable under that target, mutable under the same: SHA-1 would be broken; what is there stays.
    if (entry && entry->mutable != item->mutable) return QE_KRPC_ERROR_SERVER;
    if (entry) return update_item(store, entry, item, cas, now_ns);
    if (item->mutable && items_of(store, &item->key) >= QE_DHT_ITEMS_OWNER_MAX) return QE_KRPC_ERROR_SERVER;
    entry = qe_zalloc(store->mem, 1, sizeof *entry);
    if (!entry) return QE_KRPC_ERROR_SERVER;
    entry->entry.size = sizeof *entry;
    fill_key(&entry->entry, &target, NULL, 0);
    entry->mutable = item->mutable;
    if (item->mutable) {
        entry->key = item->key;
        entry->seq = item->seq;
        entry->salt_size = (uint8_t)item->salt.size;
        if (item->salt.size > 0) memcpy(entry->salt, item->salt.data, item->salt.size);
        memcpy(entry->signature, item->signature, sizeof entry->signature);
    }
    return add(&store->items, &entry->entry, item->value, from, now_ns);
}

bool qe_dht_store_find_item(const struct qe_dht_store *store, const struct qe_node_id *target, struct qe_dht_item *out)
{
    const struct item *item = (void *)qe_dht_shelf_find(&store->items, target->bytes);
    if (!item) return false;
    *out = (struct qe_dht_item){
        .mutable = item->mutable,
        .key = item->key,
        .salt = qe_span(item->salt, item->salt_size),
        .seq = item->seq,
        .value = qe_span(item->entry.value, item->entry.value_size),
    };
    memcpy(out->signature, item->signature, sizeof out->signature);
    return true;
}

int qe_dht_store_peer(struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_addr *peer,
    const struct qe_ip *from, uint64_t now_ns)
{
    uint8_t compact[QE_KRPC_ADDR_MAX] = {0}, key[QE_DHT_SHELF_KEY_MAX];
    qe_krpc_addr_write(peer, compact);
    memcpy(key, target->bytes, TARGET_SIZE);
    memcpy(key + TARGET_SIZE, compact, sizeof compact);
    struct qe_dht_entry *old = qe_dht_shelf_find(&store->peers, key);
    if (old) {
        qe_dht_shelf_renew(&store->peers, old, now_ns);
        return 0;
    }
    struct peer *entry = qe_zalloc(store->mem, 1, sizeof *entry);
    if (!entry) return QE_KRPC_ERROR_SERVER;
    entry->entry.size = sizeof *entry;
    fill_key(&entry->entry, target, compact, sizeof compact);
    entry->addr = *peer;
    return add(&store->peers, &entry->entry, (struct qe_span){0}, from, now_ns);
}

size_t qe_dht_store_find_peers(
    struct qe_dht_store *store, const struct qe_node_id *target, uint8_t family, struct qe_addr *out, size_t max)
{
    struct qe_dht_group *group = qe_dht_shelf_group(&store->peers, target);
    size_t count = 0;
    if (!group) return 0;
    // What was told is moved behind the others.
    for (size_t left = group->count; left > 0 && count < max; left--) {
        struct qe_list *first = group->entries.next;
        const struct peer *peer = (void *)qe_container(first, struct qe_dht_entry, in_group);
        qe_list_remove(first);
        qe_list_append(&group->entries, first);
        if (peer->addr.ip.family == family) out[count++] = peer->addr;
    }
    return count;
}

static uint64_t seconds_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? (now_ns - then_ns) / QE_NS_PER_S : 0;
}

static struct record *find_record(
    const struct qe_dht_store *store, int class, const struct qe_node_id *target, const struct qe_key *owner)
{
    struct qe_dht_entry key;
    fill_key(&key, target, owner, sizeof *owner);
    return (void *)qe_dht_shelf_find(&store->records[class], key.key);
}

static bool is_refused(const struct record *old, const struct qe_dht_record *record)
{
    if (!old || QE_MUTANT(krpc_replay_taken)) return false;
    struct qe_span stored = qe_span(old->entry.value, old->entry.value_size);
    return record->seq < old->seq || (record->seq == old->seq && !qe_span_equal(stored, record->value));
}

static int shelf_of(const struct qe_dht_record *record)
{
    return record->certified && !QE_MUTANT(krpc_crowded_out) ? CERTIFIED : OPEN;
}

static int update_record(
    struct qe_dht_shelf *shelf, struct record *old, const struct qe_dht_record *record, uint64_t now_ns)
{
    // Only its owner prolongs a record's life, by a newer one: whoever repeats what it said long ago does not.
    if (record->seq == old->seq) return 0;
    if (!qe_dht_shelf_set_value(shelf, &old->entry, record->value)) return QE_KRPC_ERROR_SERVER;
    old->seq = record->seq;
    memcpy(old->signature, record->signature, sizeof old->signature);
    memcpy(old->certificate, record->certificate, sizeof old->certificate);
    qe_dht_shelf_renew(shelf, &old->entry, now_ns);
    return 0;
}

static int add_record(struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_dht_record *record,
    const struct qe_ip *from, uint64_t now_ns)
{
    struct record *entry = qe_zalloc(store->mem, 1, sizeof *entry);
    if (!entry) return QE_KRPC_ERROR_SERVER;
    entry->entry.size = sizeof *entry;
    fill_key(&entry->entry, target, &record->owner, sizeof record->owner);
    entry->owner = record->owner;
    entry->authority = record->authority;
    entry->seq = record->seq;
    memcpy(entry->signature, record->signature, sizeof entry->signature);
    memcpy(entry->certificate, record->certificate, sizeof entry->certificate);
    return add(&store->records[shelf_of(record)], &entry->entry, record->value, from, now_ns);
}

static size_t records_of(const struct qe_dht_shelf *shelf, const struct qe_key *owner)
{
    size_t count = 0, cursor = 0;
    const struct record *record;
    while (shelf->entries && (record = qe_table_each(shelf->entries, &cursor)))
        count += qe_key_equal(&record->owner, owner);
    return count;
}

int qe_dht_store_record(struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_dht_record *record,
    const struct qe_ip *from, uint64_t now_ns, uint64_t *age_s)
{
    int class = shelf_of(record), other = class == CERTIFIED ? OPEN : CERTIFIED;
    struct qe_dht_shelf *shelf = &store->records[class];
    struct record *old = find_record(store, class, target, &record->owner);
    struct record *elsewhere = find_record(store, other, target, &record->owner);
    *age_s = 0;
    if (is_refused(old, record) || is_refused(elsewhere, record)) return QE_KRPC_ERROR_SEQ;
    if (old) {
        *age_s = seconds_since(old->entry.first_ns, now_ns);
        return update_record(shelf, old, record, now_ns);
    }
    if (records_of(shelf, &record->owner) >= QE_DHT_RECORDS_OWNER_MAX) return QE_KRPC_ERROR_SERVER;
    return add_record(store, target, record, from, now_ns);
}

// The record of a class that is first by owner, at `from` or behind it.
static const struct record *first_from(
    const struct qe_dht_shelf *shelf, const struct qe_node_id *target, const uint8_t from[32])
{
    const struct qe_dht_group *group = qe_dht_shelf_group(shelf, target);
    const struct record *first = NULL;
    if (!group) return NULL;
    for (const struct qe_list *at = group->entries.next; at != &group->entries; at = at->next) {
        const struct record *record = (const void *)qe_container(at, struct qe_dht_entry, in_group);
        if (memcmp(record->owner.bytes, from, 32) < 0) continue;
        if (!first || memcmp(record->owner.bytes, first->owner.bytes, 32) < 0) first = record;
    }
    return first;
}

bool qe_dht_store_next_record(const struct qe_dht_store *store, const struct qe_node_id *target, struct qe_span next,
    struct qe_dht_record *out, uint64_t now_ns)
{
    uint8_t from[QE_DHT_CURSOR_SIZE] = {0};
    const struct record *record = NULL;
    if (next.size == sizeof from) memcpy(from, next.data, sizeof from);
    bool certified = from[0] == 0;
    if (certified) record = first_from(&store->records[CERTIFIED], target, from + 1);
    if (!record) {
        static const uint8_t zero[32];
        certified = false;
        record = first_from(&store->records[OPEN], target, from[0] == 0 ? zero : from + 1);
    }
    if (!record || from[0] > 1) return false;
    *out = (struct qe_dht_record){
        .owner = record->owner,
        .seq = record->seq,
        .certified = certified,
        .authority = record->authority,
        .value = qe_span(record->entry.value, record->entry.value_size),
        .age_s = seconds_since(record->entry.first_ns, now_ns),
    };
    memcpy(out->signature, record->signature, sizeof out->signature);
    memcpy(out->certificate, record->certificate, sizeof out->certificate);
    return true;
}

void qe_dht_store_cursor(const struct qe_dht_record *record, bool behind, uint8_t out[QE_DHT_CURSOR_SIZE])
{
    out[0] = record->certified ? 0 : 1;
    memcpy(out + 1, record->owner.bytes, sizeof record->owner.bytes);
    // The next larger number.
    for (size_t i = QE_DHT_CURSOR_SIZE; behind && i-- > 0;)
        if (++out[i] != 0) break;
}

void qe_dht_store_expire(struct qe_dht_store *store, uint64_t now_ns)
{
    struct qe_dht_shelf *shelf;
    for (size_t i = 0; (shelf = shelf_at(store, i)); i++)
        qe_dht_shelf_expire(shelf, now_ns);
}

uint64_t qe_dht_store_deadline(const struct qe_dht_store *store)
{
    uint64_t items = qe_dht_shelf_deadline(&store->items), peers = qe_dht_shelf_deadline(&store->peers);
    uint64_t open = qe_dht_shelf_deadline(&store->records[OPEN]);
    uint64_t certified = qe_dht_shelf_deadline(&store->records[CERTIFIED]);
    return qe_time_min(qe_time_min(items, peers), qe_time_min(open, certified));
}

void qe_dht_store_stats(const struct qe_dht_store *store, struct qe_dht_store_stats *out)
{
    const struct qe_dht_shelf *shelves[] = {
        &store->items, &store->peers, &store->records[OPEN], &store->records[CERTIFIED]};
    *out = (struct qe_dht_store_stats){
        .items = qe_dht_shelf_count(&store->items),
        .peers = qe_dht_shelf_count(&store->peers),
        .records = qe_dht_shelf_count(&store->records[OPEN]) + qe_dht_shelf_count(&store->records[CERTIFIED]),
    };
    for (size_t i = 0; i < sizeof shelves / sizeof shelves[0]; i++) {
        out->bytes += shelves[i]->bytes;
        out->refused += shelves[i]->refused;
        out->evicted += shelves[i]->evicted;
        out->expired += shelves[i]->expired;
    }
}
