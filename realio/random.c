#include "random.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

// getrandom is asked directly: it fails never for so few bytes but where the kernel does not know it.
static void system_bytes(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) abort();
        out += got;
        size -= (size_t)got;
    }
}

// The key makes a block; the block's start is the next key, so the old one is gone.
static void refill(struct qe_random_source *source)
{
    uint8_t key[QE_RANDOM_KEY_SIZE];
    memcpy(key, source->block, sizeof key);
    crypto_stream_chacha20(source->block, sizeof source->block, nonce, key);
    sodium_memzero(key, sizeof key);
    source->used = QE_RANDOM_KEY_SIZE;
}

// New key = hash of old key and system bytes: no worse than the better of the two.
static void reseed(struct qe_random_source *source)
{
    uint8_t seed[2 * QE_RANDOM_KEY_SIZE];
    memcpy(seed, source->block, QE_RANDOM_KEY_SIZE);
    system_bytes(seed + QE_RANDOM_KEY_SIZE, QE_RANDOM_KEY_SIZE);
    crypto_generichash(source->block, QE_RANDOM_KEY_SIZE, seed, sizeof seed, NULL, 0);
    sodium_memzero(seed, sizeof seed);
    source->since_seed = 0;
    refill(source);
}

void qe_random_init(struct qe_random_source *source)
{
    memset(source, 0, sizeof *source);
    system_bytes(source->block, QE_RANDOM_KEY_SIZE);
    refill(source);
}

void qe_random_fini(struct qe_random_source *source)
{
    sodium_memzero(source, sizeof *source);
}

void qe_random_fill(struct qe_random_source *source, void *out, size_t size)
{
    uint8_t *at = out;
    source->since_seed += size;
    if (source->since_seed > QE_RANDOM_RESEED_BYTES) reseed(source);
    while (size > 0) {
        if (source->used == sizeof source->block) refill(source);
        size_t take = sizeof source->block - source->used;
        if (take > size) take = size;
        memcpy(at, source->block + source->used, take);
        sodium_memzero(source->block + source->used, take);
        source->used += take;
        at += take;
        size -= take;
    }
}
