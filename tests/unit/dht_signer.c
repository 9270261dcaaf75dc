#include "dht_signer.h"

#include <sodium.h>
#include <string.h>

struct dht_signer dht_signer(unsigned n)
{
    struct dht_signer signer;
    uint8_t seed[32] = {0x71};
    qe_store32(seed + 4, n);
    crypto_sign_seed_keypair(signer.key.bytes, signer.secret, seed);
    return signer;
}

struct qe_dht_item dht_item(const struct dht_signer *owner, const char *salt, int64_t seq, const char *value)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    struct qe_dht_item item = {
        .mutable = true,
        .key = owner->key,
        .salt = qe_span(salt, strlen(salt)),
        .seq = seq,
        .value = qe_span(value, strlen(value)),
    };
    crypto_sign_detached(item.signature, NULL, text, qe_dht_item_signed(&item, text), owner->secret);
    return item;
}

struct qe_dht_record dht_record(const struct dht_signer *owner, const struct dht_signer *authority,
    const struct qe_node_id *target, uint64_t seq, struct qe_span value)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    struct qe_dht_record record = {.owner = owner->key, .seq = seq, .certified = authority, .value = value};
    if (authority) {
        record.authority = authority->key;
        crypto_sign_detached(
            record.certificate, NULL, text, qe_dht_certificate_signed(&owner->key, text), authority->secret);
    }
    crypto_sign_detached(record.signature, NULL, text, qe_dht_record_signed(&record, target, text), owner->secret);
    return record;
}
