// Keys, items and records for tests of the DHT.
#ifndef QE_TESTS_DHT_SIGNER_H
#define QE_TESTS_DHT_SIGNER_H

#include "dht/dht.h"

struct dht_signer {
    struct qe_key key;
    uint8_t secret[64];
};

// The n-th key, always the same.
struct dht_signer dht_signer(unsigned n);
// Salt and value are borrowed; the value is bencoded.
struct qe_dht_item dht_item(const struct dht_signer *owner, const char *salt, int64_t seq, const char *value);
// Certified where there is an authority. The value is borrowed.
struct qe_dht_record dht_record(const struct dht_signer *owner, const struct dht_signer *authority,
    const struct qe_node_id *target, uint64_t seq, struct qe_span value);

#endif
