#include "discovery/index.h"

#include <openssl/sha.h>
#include <sodium/crypto_sign.h>
#include <string.h>

#define VERSION    1
#define ENTRY_HEAD (1 + 32 + 64)
#define LABEL      "quicether index entry"
#define ALIAS      "index"
// Claims whose ages differ by less are of the same age.
#define AGE_TIE_S 60

#define ALIAS_LABEL_SIZE (sizeof ALIAS - 1 + sizeof(struct qe_node_id))

static bool secret(const struct qe_host *host, enum qe_secret_key key, enum qe_secret_operation operation,
    const void *input, size_t input_size, void *out, size_t size)
{
    return host->secret(host->user, key, operation, qe_span(input, input_size), out, size) == 0;
}

bool qe_index_locate(
    const struct qe_host *host, bool network, enum qe_index_kind kind, struct qe_span key, struct qe_index_place *place)
{
    *place = (struct qe_index_place){.network = network};
    if (key.size > QE_INDEX_KEY_MAX) return false;
    place->label[0] = (uint8_t)kind;
    memcpy(place->label + 1, key.data, key.size);
    place->label_size = 1 + key.size;
    if (!network) {
        SHA1(place->label, place->label_size, place->target.bytes);
        return true;
    }
    if (!secret(host, QE_SECRET_NETWORK, QE_SECRET_DERIVED_KEY, place->label, place->label_size, place->authority.bytes,
            sizeof place->authority.bytes))
        return false;
    place->target = qe_node_id_from_key(&place->authority);
    return true;
}

size_t qe_index_subnet_key(const struct qe_cidr *subnet, uint8_t key[QE_INDEX_SUBNET_KEY_MAX])
{
    struct qe_cidr network = qe_cidr_network(*subnet);
    size_t size = (network.bits + 7u) / 8;
    key[0] = network.ip.family;
    key[1] = network.bits;
    memcpy(key + 2, network.ip.bytes, size);
    return 2 + size;
}

// Signs with a key derived from a secret under a label.
static bool sign(const struct qe_host *host, enum qe_secret_key key, struct qe_span label, struct qe_span message,
    uint8_t signature[64])
{
    uint8_t input[1 + 255 + QE_DHT_SIGNED_MAX];
    if (label.size > 255 || message.size > QE_DHT_SIGNED_MAX) return false;
    input[0] = (uint8_t)label.size;
    memcpy(input + 1, label.data, label.size);
    memcpy(input + 1 + label.size, message.data, message.size);
    return secret(host, key, QE_SECRET_DERIVED_SIGN, input, 1 + label.size + message.size, signature, 64);
}

// What the true owner signs: that it is behind this alias at this place, and says this.
struct entry_text {
    uint8_t bytes[sizeof LABEL + 20 + 32 + 8 + QE_INDEX_VALUE_MAX];
    size_t size;
};

static void compose(struct entry_text *text, const struct qe_node_id *target, const struct qe_key *alias, uint64_t seq,
    struct qe_span value)
{
    uint8_t *at = text->bytes;
    memcpy(at, LABEL, sizeof LABEL);
    at += sizeof LABEL;
    memcpy(at, target->bytes, sizeof target->bytes);
    at += sizeof target->bytes;
    memcpy(at, alias->bytes, sizeof alias->bytes);
    at += sizeof alias->bytes;
    qe_store64(at, seq);
    at += 8;
    if (value.size) memcpy(at, value.data, value.size);
    text->size = (size_t)(at - text->bytes) + value.size;
}

static void alias_label(const struct qe_index_place *place, uint8_t out[ALIAS_LABEL_SIZE])
{
    memcpy(out, ALIAS, sizeof ALIAS - 1);
    memcpy(out + sizeof ALIAS - 1, place->target.bytes, sizeof place->target.bytes);
}

static bool seal_entry(const struct qe_host *host, const struct qe_index_place *place, struct qe_span value,
    uint8_t room[QE_DHT_RECORD_MAX], struct qe_dht_record *record)
{
    uint8_t plain[QE_SECRET_NONCE_SIZE + ENTRY_HEAD + QE_INDEX_VALUE_MAX];
    uint8_t *entry = plain + QE_SECRET_NONCE_SIZE;
    struct entry_text text;
    compose(&text, &place->target, &record->owner, record->seq, value);
    entry[0] = VERSION;
    memcpy(entry + 1, host->identity.bytes, sizeof host->identity.bytes);
    if (!secret(host, QE_SECRET_IDENTITY, QE_SECRET_SIGN, text.bytes, text.size, entry + 33, 64)) return false;
    if (value.size) memcpy(entry + ENTRY_HEAD, value.data, value.size);
    host->random(host->user, QE_RANDOM_DHT, plain, QE_SECRET_NONCE_SIZE);
    size_t size = QE_SECRET_NONCE_SIZE + ENTRY_HEAD + value.size;
    record->value = qe_span(room, size + QE_SECRET_TAG_SIZE);
    return secret(host, QE_SECRET_NETWORK, QE_SECRET_SEAL, plain, size, room, size + QE_SECRET_TAG_SIZE);
}

bool qe_index_write(const struct qe_host *host, const struct qe_index_place *place, uint64_t seq, struct qe_span value,
    uint8_t room[QE_DHT_RECORD_MAX], struct qe_dht_record *record)
{
    uint8_t message[QE_DHT_SIGNED_MAX], label[ALIAS_LABEL_SIZE];
    *record = (struct qe_dht_record){.seq = seq, .certified = place->network, .authority = place->authority};
    if (value.size > QE_INDEX_VALUE_MAX) return false;
    if (!place->network) {
        record->owner = host->identity;
        if (value.size) memcpy(room, value.data, value.size);
        record->value = qe_span(room, value.size);
        size_t size = qe_dht_record_signed(record, &place->target, message);
        return secret(host, QE_SECRET_IDENTITY, QE_SECRET_SIGN, message, size, record->signature, 64);
    }
    alias_label(place, label);
    if (!secret(host, QE_SECRET_IDENTITY, QE_SECRET_DERIVED_KEY, label, sizeof label, record->owner.bytes, 32))
        return false;
    if (!seal_entry(host, place, value, room, record)) return false;
    size_t size = qe_dht_certificate_signed(&record->owner, message);
    if (!sign(host, QE_SECRET_NETWORK, qe_span(place->label, place->label_size), qe_span(message, size),
            record->certificate))
        return false;
    size = qe_dht_record_signed(record, &place->target, message);
    return sign(host, QE_SECRET_IDENTITY, qe_span(label, sizeof label), qe_span(message, size), record->signature);
}

bool qe_index_read(const struct qe_host *host, const struct qe_index_place *place, const struct qe_dht_record *record,
    uint8_t room[QE_DHT_RECORD_MAX], struct qe_index_entry *entry)
{
    struct entry_text text;
    *entry = (struct qe_index_entry){.owner = record->owner, .seq = record->seq, .age_s = record->age_s};
    if (record->value.size > QE_DHT_RECORD_MAX || record->certified != place->network) return false;
    if (!place->network) {
        if (record->value.size) memcpy(room, record->value.data, record->value.size);
        entry->value = qe_span(room, record->value.size);
        entry->id = qe_node_id_from_key(&entry->owner);
        return true;
    }
    if (!qe_key_equal(&record->authority, &place->authority)) return false;
    size_t extra = QE_SECRET_NONCE_SIZE + QE_SECRET_TAG_SIZE;
    if (record->value.size < extra + ENTRY_HEAD) return false;
    size_t size = record->value.size - extra;
    if (!secret(host, QE_SECRET_NETWORK, QE_SECRET_OPEN, record->value.data, record->value.size, room, size))
        return false;
    if (room[0] != VERSION || size - ENTRY_HEAD > QE_INDEX_VALUE_MAX) return false;
    memcpy(entry->owner.bytes, room + 1, sizeof entry->owner.bytes);
    entry->id = qe_node_id_from_key(&entry->owner);
    entry->value = qe_span(room + ENTRY_HEAD, size - ENTRY_HEAD);
    compose(&text, &place->target, &record->owner, record->seq, entry->value);
    return crypto_sign_verify_detached(room + 33, text.bytes, text.size, entry->owner.bytes) == 0;
}

bool qe_index_precedes(const struct qe_index_entry *a, const struct qe_index_entry *b)
{
    uint64_t apart = a->age_s > b->age_s ? a->age_s - b->age_s : b->age_s - a->age_s;
    if (apart > AGE_TIE_S) return a->age_s > b->age_s;
    return qe_node_id_compare(&a->id, &b->id) < 0;
}
