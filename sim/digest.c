#include "digest.h"

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

// Two chains over blocks of 16 bytes; either alone would see every byte, and neither waits for the other.
void sim_digest(const uint8_t *bytes, size_t size, uint8_t out[SIM_DIGEST_SIZE])
{
    uint64_t a = K0 ^ size, b = K1 + size;
    for (size_t left = size; left > 0;) {
        uint8_t last[16] = {0};
        const uint8_t *block = bytes;
        if (left < sizeof(last)) {
            memcpy(last, bytes, left);
            block = last;
            left = 0;
        } else {
            bytes += sizeof(last);
            left -= sizeof(last);
        }
        uint64_t low = load_little(block), high = load_little(block + 8);
        a = fold(low ^ K2, high ^ a) + low;
        b = fold(high ^ K3, low ^ b) + high;
    }
    qe_store64(out, fold(a ^ K1, b ^ K2));
    qe_store64(out + 8, fold(a ^ K3, b ^ K0) ^ a);
}
