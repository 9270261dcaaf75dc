// What of an item (BEP 44) and of a record of the index is signed, and whether it was.
#include "base/cursor.h"
#include "base/mutants.h"
#include "dht/bencode.h"
#include "dht/dht.h"

#include <assert.h>
#include <openssl/sha.h>
#include <sodium/crypto_sign.h>

// No item of BEP 44 and no record can be taken for another: the first byte of these is no digit.
static const char record_label[] = "quicether index record";
static const char certificate_label[] = "quicether index owner";

size_t qe_dht_item_signed(const struct qe_dht_item *item, uint8_t out[QE_DHT_SIGNED_MAX])
{
    struct qe_writer w = qe_writer(out, QE_DHT_SIGNED_MAX);
    if (item->salt.size > 0) {
        qe_bencode_write_key(&w, "salt");
        qe_bencode_write_string(&w, item->salt);
    }
    qe_bencode_write_key(&w, "seq");
    qe_bencode_write_integer(&w, item->seq);
    qe_bencode_write_key(&w, "v");
    qe_write_bytes(&w, item->value.data, item->value.size);
    return w.failed ? 0 : qe_writer_size(&w);
}

size_t qe_dht_record_signed(
    const struct qe_dht_record *record, const struct qe_node_id *target, uint8_t out[QE_DHT_SIGNED_MAX])
{
    uint8_t *at = out;
    if (record->value.size > QE_DHT_RECORD_MAX) return 0;
    memcpy(at, record_label, sizeof record_label);
    at += sizeof record_label;
    memcpy(at, target->bytes, sizeof target->bytes);
    at += sizeof target->bytes;
    qe_store64(at, record->seq);
    at += 8;
    if (record->value.size > 0) memcpy(at, record->value.data, record->value.size);
    return (size_t)(at - out) + record->value.size;
}

size_t qe_dht_certificate_signed(const struct qe_key *owner, uint8_t out[QE_DHT_SIGNED_MAX])
{
    struct qe_writer w = qe_writer(out, QE_DHT_SIGNED_MAX);
    qe_write_bytes(&w, certificate_label, sizeof certificate_label);
    qe_write_bytes(&w, owner->bytes, sizeof owner->bytes);
    return qe_writer_size(&w);
}

struct qe_node_id qe_dht_item_target(const struct qe_dht_item *item)
{
    struct qe_node_id target;
    uint8_t bytes[sizeof item->key.bytes + QE_DHT_SALT_MAX];
    struct qe_writer w = qe_writer(bytes, sizeof bytes);
    if (!item->mutable) {
        SHA1(item->value.data, item->value.size, target.bytes);
        return target;
    }
    assert(item->salt.size <= QE_DHT_SALT_MAX);
    qe_write_bytes(&w, item->key.bytes, sizeof item->key.bytes);
    qe_write_bytes(&w, item->salt.data, item->salt.size);
    SHA1(bytes, qe_writer_size(&w), target.bytes);
    return target;
}

bool qe_dht_item_verify(const struct qe_dht_item *item)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    bool canonical;
    if (item->value.size == 0 || item->value.size > QE_DHT_VALUE_MAX || item->salt.size > QE_DHT_SALT_MAX) return false;
    if (!qe_bencode_check(item->value, &canonical) || !canonical) return false;
    if (!item->mutable || QE_MUTANT(krpc_signature_unchecked)) return true;
    size_t size = qe_dht_item_signed(item, text);
    return size > 0 && crypto_sign_verify_detached(item->signature, text, size, item->key.bytes) == 0;
}

bool qe_dht_record_verify(const struct qe_dht_record *record, const struct qe_node_id *target)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    if (record->value.size > QE_DHT_RECORD_MAX) return false;
    if (record->certified) {
        struct qe_node_id certified = qe_node_id_from_key(&record->authority);
        size_t size = qe_dht_certificate_signed(&record->owner, text);
        if (!qe_node_id_equal(&certified, target)) return false;
        if (crypto_sign_verify_detached(record->certificate, text, size, record->authority.bytes) != 0) return false;
    }
    if (QE_MUTANT(krpc_signature_unchecked)) return true;
    size_t size = qe_dht_record_signed(record, target, text);
    return size > 0 && crypto_sign_verify_detached(record->signature, text, size, record->owner.bytes) == 0;
}
