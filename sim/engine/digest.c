#include "engine/digest.h"

#include "base/bytes.h"

#include <string.h>

// The first 64 fractional bits of the square roots of 2, 3, 5 and 7.
#define K0 UINT64_C(0x6A09E667F3BCC908)
#define K1 UINT64_C(0xBB67AE8584CAA73B)
#define K2 UINT64_C(0x3C6EF372FE94F82B)
#define K3 UINT64_C(0xA54FF53A5F1D36F1)

static uint64_t load_little(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

struct chains {
    uint64_t a, b, c, d;
};

static inline void absorb(struct chains *x, const uint8_t block[64])
{
    x->a = fold(load_little(block) ^ K0, load_little(block + 8) ^ x->a) + load_little(block);
    x->b = fold(load_little(block + 16) ^ K1, load_little(block + 24) ^ x->b) + load_little(block + 16);
    x->c = fold(load_little(block + 32) ^ K2, load_little(block + 40) ^ x->c) + load_little(block + 32);
    x->d = fold(load_little(block + 48) ^ K3, load_little(block + 56) ^ x->d) + load_little(block + 48);
}

// Four chains over blocks of 64 bytes, so that no multiplication waits for another.
void sim_digest(const uint8_t *bytes, size_t size, uint8_t out[SIM_DIGEST_SIZE])
{
    struct chains x = {K1 ^ size, K2 ^ size, K3 ^ size, K0 ^ size};
    size_t left = size;
    for (; left >= 64; bytes += 64, left -= 64)
        absorb(&x, bytes);
    if (left > 0) {
        uint8_t last[64] = {0};
        memcpy(last, bytes, left);
        absorb(&x, last);
    }
    uint64_t low = fold(x.a ^ K1, x.b ^ K2), high = fold(x.c ^ K3, x.d ^ K0);
    qe_store64(out, fold(low ^ K0, high ^ K1) + x.a);
    qe_store64(out + 8, fold(low ^ K2, high ^ K3) + x.c);
}
