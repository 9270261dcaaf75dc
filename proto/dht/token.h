// Write tokens (BEP 5): a MAC over the asker's address, the target and the time, so that only who receives at an
// address may store from it, and nothing is kept for those who ask. A token is good for 5 to 10 minutes.
#ifndef QE_DHT_TOKEN_H
#define QE_DHT_TOKEN_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"

#define QE_DHT_TOKEN_SIZE     8
#define QE_DHT_TOKEN_KEY_SIZE 16

void qe_dht_token_make(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, uint8_t out[QE_DHT_TOKEN_SIZE]);
bool qe_dht_token_check(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, struct qe_span token);

// The same for what has to do with one port of the asker's, too. A token of one use is none of another.
enum qe_dht_token_use {
    QE_DHT_TOKEN_HERE = 1, // whose ID the target is receives at this address
    QE_DHT_TOKEN_ANSWER,   // whose ID the target is may answer there
};
void qe_dht_token_make_at(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], enum qe_dht_token_use use,
    const struct qe_addr *addr, const struct qe_node_id *target, uint64_t now_ns, uint8_t out[QE_DHT_TOKEN_SIZE]);
bool qe_dht_token_check_at(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], enum qe_dht_token_use use,
    const struct qe_addr *addr, const struct qe_node_id *target, uint64_t now_ns, struct qe_span token);

#endif
