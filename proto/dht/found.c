#include "dht/found.h"

#include "base/mutants.h"

#include <string.h>

struct qe_dht_found_record {
    struct qe_dht_record record;
    uint8_t *value; // ours
    uint32_t heard; // a bit a voice
    uint32_t ages_s[QE_DHT_FOUND_VOICES_MAX];
};

void qe_dht_found_init(struct qe_dht_found *found, const struct qe_mem *mem)
{
    *found = (struct qe_dht_found){.mem = mem};
}

void qe_dht_found_fini(struct qe_dht_found *found)
{
    for (size_t i = 0; i < found->record_count; i++)
        qe_free(found->mem, found->records[i].value);
    qe_free(found->mem, found->records);
    qe_free(found->mem, found->told);
    qe_free(found->mem, found->peers);
    qe_free(found->mem, found->item_bytes);
}

static bool item_of(const struct qe_krpc *reply, struct qe_span salt, struct qe_dht_item *out)
{
    *out = (struct qe_dht_item){.value = reply->value};
    if (reply->value.size == 0 || reply->value.size > QE_DHT_VALUE_MAX) return false;
    if (reply->key.size == 0 && reply->signature.size == 0) return true;
    if (reply->key.size != 32 || reply->signature.size != 64 || !reply->has_seq) return false;
    out->mutable = true;
    memcpy(out->key.bytes, reply->key.data, 32);
    memcpy(out->signature, reply->signature.data, 64);
    out->salt = salt;
    out->seq = reply->seq;
    return true;
}

static bool same_item(const struct qe_dht_item *a, const struct qe_dht_item *b)
{
    return a->mutable == b->mutable && a->seq == b->seq && qe_span_equal(a->value, b->value) &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0;
}

bool qe_dht_found_item(struct qe_dht_found *found, const struct qe_node_id *target, struct qe_span salt,
    const struct qe_krpc *reply, bool *hit)
{
    *hit = false;
    struct qe_dht_item item;
    if (!item_of(reply, salt, &item)) return false;
    struct qe_node_id id = qe_dht_item_target(&item);
    if (!qe_node_id_equal(&id, target)) return false;
    // Most replies bring the same item again; a signature is checked once.
    if (found->has_item && same_item(&item, &found->item)) {
        *hit = true;
        return false;
    }
    if (!qe_dht_item_verify(&item) && !QE_MUTANT(dht_item_unverified)) return false;
    *hit = true;
    if (found->has_item && item.seq <= found->item.seq) return false;
    uint8_t *bytes = qe_alloc(found->mem, salt.size + item.value.size);
    if (!bytes) return false;
    if (salt.size) memcpy(bytes, salt.data, salt.size);
    memcpy(bytes + salt.size, item.value.data, item.value.size);
    qe_free(found->mem, found->item_bytes);
    found->item_bytes = bytes;
    found->item = item;
    found->item.salt = qe_span(bytes, salt.size);
    found->item.value = qe_span(bytes + salt.size, item.value.size);
    found->has_item = true;
    return true;
}

bool qe_dht_found_peer(struct qe_dht_found *found, const struct qe_addr *peer)
{
    for (size_t i = 0; i < found->peer_count; i++)
        if (qe_addr_equal(&found->peers[i], peer)) return false;
    if (found->peer_count == QE_DHT_FOUND_PEERS_MAX) return false;
    if (found->peer_count % 16 == 0) {
        struct qe_addr *peers = qe_realloc(found->mem, found->peers, found->peer_count + 16, sizeof *peers);
        if (!peers) return false;
        found->peers = peers;
    }
    found->peers[found->peer_count++] = *peer;
    return true;
}

// A certified record stands above any other of its owner, whatever their numbers.
static bool newer(const struct qe_dht_record *a, const struct qe_dht_record *b)
{
    if (a->certified != b->certified) return a->certified;
    return a->seq > b->seq && !QE_MUTANT(dht_index_first);
}

static bool same_record(const struct qe_dht_record *a, const struct qe_dht_record *b)
{
    return a->seq == b->seq && a->certified == b->certified && qe_span_equal(a->value, b->value) &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0 &&
           (!a->certified || (qe_key_equal(&a->authority, &b->authority) &&
                                 memcmp(a->certificate, b->certificate, sizeof a->certificate) == 0));
}

static struct qe_dht_found_record *of_owner(struct qe_dht_found *found, const struct qe_key *owner)
{
    for (size_t i = 0; i < found->record_count; i++)
        if (qe_key_equal(&found->records[i].record.owner, owner)) return &found->records[i];
    return NULL;
}

static struct qe_dht_found_record *add_owner(struct qe_dht_found *found)
{
    if (found->record_count == QE_DHT_FOUND_RECORDS_MAX) return NULL;
    if (found->record_count == found->record_capacity) {
        size_t capacity = found->record_capacity ? found->record_capacity * 2 : 4;
        struct qe_dht_record *told = qe_realloc(found->mem, found->told, capacity, sizeof *told);
        if (!told) return NULL;
        found->told = told;
        struct qe_dht_found_record *records = qe_realloc(found->mem, found->records, capacity, sizeof *records);
        if (!records) return NULL;
        found->records = records;
        found->record_capacity = capacity;
    }
    struct qe_dht_found_record *added = &found->records[found->record_count++];
    *added = (struct qe_dht_found_record){0};
    return added;
}

static bool set_record(
    struct qe_dht_found *found, struct qe_dht_found_record *known, const struct qe_dht_record *record)
{
    uint8_t *value = qe_alloc(found->mem, record->value.size);
    if (!value) return false;
    if (record->value.size) memcpy(value, record->value.data, record->value.size);
    struct qe_dht_found_record *into = known ? known : add_owner(found);
    if (!into) {
        qe_free(found->mem, value);
        return false;
    }
    qe_free(found->mem, into->value);
    into->value = value;
    into->record = *record;
    into->record.value = qe_span(value, record->value.size);
    return true;
}

bool qe_dht_found_take_records(
    struct qe_dht_found *found, const struct qe_node_id *target, const struct qe_krpc *reply, unsigned voice, bool *hit)
{
    bool better = false;
    *hit = false;
    struct qe_reader r = qe_reader(reply->records);
    struct qe_dht_record record;
    while (qe_krpc_each_record(&r, reply, &record)) {
        struct qe_dht_found_record *known = of_owner(found, &record.owner);
        if (!known || !same_record(&record, &known->record)) {
            if (!qe_dht_record_verify(&record, target)) continue;
            if (!known || newer(&record, &known->record)) {
                if (!set_record(found, known, &record)) continue;
                better = true;
                known = of_owner(found, &record.owner);
            }
        }
        *hit = true;
        if (voice >= QE_DHT_FOUND_VOICES_MAX || (known->heard >> voice & 1)) continue;
        known->heard |= UINT32_C(1) << voice;
        known->ages_s[voice] = record.age_s < UINT32_MAX ? (uint32_t)record.age_s : UINT32_MAX;
    }
    return better;
}

static uint32_t median(const struct qe_dht_found_record *known, unsigned voices)
{
    // Of those who answered and did not have it: 0, as ages_s says already.
    uint32_t sorted[QE_DHT_FOUND_VOICES_MAX];
    if (voices > QE_DHT_FOUND_VOICES_MAX) voices = QE_DHT_FOUND_VOICES_MAX;
    if (voices == 0) return 0;
    for (unsigned i = 0; i < voices; i++) {
        unsigned at = i;
        for (; at > 0 && sorted[at - 1] > known->ages_s[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = known->ages_s[i];
    }
    // Of an even number the upper one: where half have come since, as in a small network, age is not forgotten.
    return sorted[voices / 2];
}

const struct qe_dht_record *qe_dht_found_records(struct qe_dht_found *found)
{
    for (size_t i = 0; i < found->record_count; i++) {
        found->told[i] = found->records[i].record;
        found->told[i].age_s = median(&found->records[i], found->voices);
    }
    return found->told;
}
