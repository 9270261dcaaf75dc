// SipHash-2-4 is a MAC of 64 bits. Guessing one takes 2^63 tries on average, each of them a packet within the rate
// limit.
#include "dht/token.h"

#include "base/cursor.h"
#include "base/mutants.h"
#include "base/time.h"

#include <sodium/crypto_shorthash.h>
#include <sodium/utils.h>

#define EPOCH_NS (300 * QE_NS_PER_S)

static void make(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip, const struct qe_node_id *target,
    uint64_t epoch, uint8_t out[QE_DHT_TOKEN_SIZE])
{
    uint8_t text[1 + sizeof ip->bytes + sizeof target->bytes + 8];
    struct qe_writer w = qe_writer(text, sizeof text);
    qe_write8(&w, ip->family);
    qe_write_bytes(&w, ip->bytes, sizeof ip->bytes);
    qe_write_bytes(&w, target->bytes, sizeof target->bytes);
    qe_write64(&w, epoch);
    crypto_shorthash(out, text, sizeof text, key);
}

void qe_dht_token_make(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, uint8_t out[QE_DHT_TOKEN_SIZE])
{
    make(key, ip, target, now_ns / EPOCH_NS, out);
}

bool qe_dht_token_check(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, struct qe_span token)
{
    uint8_t wanted[QE_DHT_TOKEN_SIZE];
    uint64_t epoch = now_ns / EPOCH_NS;
    if (token.size != sizeof wanted) return false;
    if (QE_MUTANT(krpc_token_any)) return true;
    make(key, ip, target, epoch, wanted);
    if (sodium_memcmp(wanted, token.data, sizeof wanted) == 0) return true;
    if (epoch == 0) return false;
    make(key, ip, target, epoch - 1, wanted);
    return sodium_memcmp(wanted, token.data, sizeof wanted) == 0;
}
