// SipHash-2-4 is a MAC of 64 bits. Guessing one takes 2^63 tries on average, each of them a packet within the rate
// limit. What is under the MAC has two sizes, so that no token to store is one for a port.
#include "dht/token.h"

#include "base/cursor.h"
#include "base/mutants.h"
#include "base/time.h"

#include <sodium/crypto_shorthash.h>
#include <sodium/utils.h>

#define EPOCH_NS (300 * QE_NS_PER_S)

struct under {
    const uint8_t *key;
    const struct qe_ip *ip;
    const struct qe_node_id *target;
    uint8_t use; // 0: to store, from any port
    uint16_t port;
};

static void make(const struct under *u, uint64_t epoch, uint8_t out[QE_DHT_TOKEN_SIZE])
{
    uint8_t text[1 + sizeof u->ip->bytes + sizeof u->target->bytes + 8 + 3];
    struct qe_writer w = qe_writer(text, sizeof text);
    qe_write8(&w, u->ip->family);
    qe_write_bytes(&w, u->ip->bytes, sizeof u->ip->bytes);
    qe_write_bytes(&w, u->target->bytes, sizeof u->target->bytes);
    qe_write64(&w, epoch);
    if (u->use != 0) {
        qe_write8(&w, u->use);
        qe_write16(&w, u->port);
    }
    crypto_shorthash(out, text, qe_writer_size(&w), u->key);
}

static bool check(const struct under *u, uint64_t now_ns, struct qe_span token)
{
    uint8_t wanted[QE_DHT_TOKEN_SIZE];
    uint64_t epoch = now_ns / EPOCH_NS;
    if (token.size != sizeof wanted) return false;
    if (QE_MUTANT(krpc_token_any)) return true;
    make(u, epoch, wanted);
    if (sodium_memcmp(wanted, token.data, sizeof wanted) == 0) return true;
    if (epoch == 0) return false;
    make(u, epoch - 1, wanted);
    return sodium_memcmp(wanted, token.data, sizeof wanted) == 0;
}

void qe_dht_token_make(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, uint8_t out[QE_DHT_TOKEN_SIZE])
{
    make(&(struct under){key, ip, target, 0, 0}, now_ns / EPOCH_NS, out);
}

bool qe_dht_token_check(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], const struct qe_ip *ip,
    const struct qe_node_id *target, uint64_t now_ns, struct qe_span token)
{
    return check(&(struct under){key, ip, target, 0, 0}, now_ns, token);
}

void qe_dht_token_make_at(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], enum qe_dht_token_use use,
    const struct qe_addr *addr, const struct qe_node_id *target, uint64_t now_ns, uint8_t out[QE_DHT_TOKEN_SIZE])
{
    make(&(struct under){key, &addr->ip, target, (uint8_t)use, addr->port}, now_ns / EPOCH_NS, out);
}

bool qe_dht_token_check_at(const uint8_t key[QE_DHT_TOKEN_KEY_SIZE], enum qe_dht_token_use use,
    const struct qe_addr *addr, const struct qe_node_id *target, uint64_t now_ns, struct qe_span token)
{
    return check(&(struct under){key, &addr->ip, target, (uint8_t)use, addr->port}, now_ns, token);
}
