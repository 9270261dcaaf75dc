#include "../../realio/random.h"
#include "unit.h"

#include <string.h>

static void bytes_look_uniform(void)
{
    static uint8_t bytes[1 << 20];
    struct qe_random_source source;
    size_t counts[256] = {0}, ones = 0;
    qe_random_init(&source);
    qe_random_fill(&source, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        counts[bytes[i]]++;
        for (unsigned bit = 0; bit < 8; bit++)
            ones += bytes[i] >> bit & 1;
    }
    // Expected 4096 each with a deviation of 64, and half of the bits with a deviation of 1448: ten deviations leave
    // less than one false alarm in the age of the universe.
    for (size_t i = 0; i < 256; i++)
        CU_ASSERT(counts[i] > 4096 - 640 && counts[i] < 4096 + 640);
    CU_ASSERT(ones > (4u << 20) - 14480 && ones < (4u << 20) + 14480);
    qe_random_fini(&source);
}

// Any way of cutting the same stream gives the same bytes, block borders or not.
static void the_stream_does_not_depend_on_how_it_is_drawn(void)
{
    static uint8_t whole[20000], pieces[20000];
    struct unit_random random = unit_random();
    struct qe_random_source source, copy;
    qe_random_init(&source);
    memcpy(&copy, &source, sizeof copy);
    qe_random_fill(&source, whole, sizeof whole);
    for (size_t at = 0; at < sizeof pieces;) {
        size_t size = (size_t)unit_random_below(&random, 2500);
        if (size > sizeof pieces - at) size = sizeof pieces - at;
        qe_random_fill(&copy, pieces + at, size);
        at += size;
    }
    CU_ASSERT_EQUAL(memcmp(whole, pieces, sizeof whole), 0);
}

static void what_was_given_out_is_not_kept(void)
{
    uint8_t out[512];
    struct qe_random_source source;
    qe_random_init(&source);
    qe_random_fill(&source, out, sizeof out);
    const uint8_t *state = (const uint8_t *)&source;
    for (size_t i = 0; i + 8 <= sizeof source; i++)
        for (size_t j = 0; j + 8 <= sizeof out; j += 8)
            if (memcmp(state + i, out + j, 8) == 0) CU_FAIL("output is still in the state");
    // And the key of a block is not that of the next.
    uint8_t key[QE_RANDOM_KEY_SIZE], rest[QE_RANDOM_BLOCK_SIZE];
    memcpy(key, source.block, sizeof key);
    qe_random_fill(&source, rest, sizeof rest);
    CU_ASSERT_NOT_EQUAL(memcmp(key, source.block, sizeof key), 0);
}

static void fresh_seed_comes_in_after_a_while(void)
{
    static uint8_t a[4096], b[4096];
    struct qe_random_source source, copy;
    qe_random_init(&source);
    memcpy(&copy, &source, sizeof copy);
    for (uint64_t drawn = 0; drawn <= QE_RANDOM_RESEED_BYTES; drawn += sizeof a) {
        qe_random_fill(&source, a, sizeof a);
        qe_random_fill(&copy, b, sizeof b);
    }
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
}

static void two_generators_differ(void)
{
    uint8_t a[32], b[32];
    struct qe_random_source first, second;
    qe_random_init(&first);
    qe_random_init(&second);
    qe_random_fill(&first, a, sizeof a);
    qe_random_fill(&second, b, sizeof b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
}

static const struct unit_case cases[] = {
    {"bytes look uniform", bytes_look_uniform},
    {"the stream does not depend on how it is drawn", the_stream_does_not_depend_on_how_it_is_drawn},
    {"what was given out is not kept", what_was_given_out_is_not_kept},
    {"fresh seed comes in after a while", fresh_seed_comes_in_after_a_while},
    {"two generators differ", two_generators_differ},
};
UNIT_MAIN("random", cases)
