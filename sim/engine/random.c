#include "engine/random.h"

#include "base/bytes.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

// Constants and round structure as in the paper, section 4.3.
#define PHILOX_M0     UINT32_C(0xD2511F53)
#define PHILOX_M1     UINT32_C(0xCD9E8D57)
#define PHILOX_W0     UINT32_C(0x9E3779B9)
#define PHILOX_W1     UINT32_C(0xBB67AE85)
#define PHILOX_ROUNDS 10

static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct sim_stream sim_stream(uint64_t seed, enum sim_stream_kind kind, const char *name, uint32_t purpose)
{
    uint8_t head[16];
    uint8_t digest[16];
    crypto_generichash_state state;
    qe_store64(head, seed);
    qe_store32(head + 8, (uint32_t)kind);
    qe_store32(head + 12, purpose);
    crypto_generichash_init(&state, NULL, 0, sizeof(digest));
    crypto_generichash_update(&state, head, sizeof(head));
    crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
    crypto_generichash_final(&state, digest, sizeof(digest));
    return (struct sim_stream){
        .key = {qe_load32(digest), qe_load32(digest + 4)}, .high = {qe_load32(digest + 8), qe_load32(digest + 12)}};
}

void sim_random_block(struct sim_stream *stream, uint32_t out[4])
{
    uint32_t counter[4] = {
        (uint32_t)stream->counter, (uint32_t)(stream->counter >> 32), stream->high[0], stream->high[1]};
    stream->counter++;
    philox(counter, stream->key, out);
}

void sim_random_fill(struct sim_stream *stream, uint8_t *out, size_t size)
{
    while (size > 0) {
        uint32_t words[4];
        uint8_t block[16];
        sim_random_block(stream, words);
        for (size_t i = 0; i < 4; i++)
            qe_store32(block + 4 * i, words[i]);
        size_t part = size < sizeof(block) ? size : sizeof(block);
        memcpy(out, block, part);
        out += part;
        size -= part;
    }
}

uint64_t sim_random_word(struct sim_stream *stream)
{
    uint32_t words[4];
    sim_random_block(stream, words);
    return (uint64_t)words[0] << 32 | words[1];
}

uint64_t sim_random_below(struct sim_stream *stream, uint64_t bound)
{
    assert(bound >= 1);
    // The upper half of the product: always one block, and no bias that 2^64 draws could show.
    return (uint64_t)(((unsigned __int128)sim_random_word(stream) * bound) >> 64);
}

bool sim_random_chance(struct sim_stream *stream, uint32_t ppb)
{
    return sim_random_below(stream, SIM_CHANCE_ONE) < ppb;
}
