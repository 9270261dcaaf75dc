// The simulator's randomness.
#include "engine/random.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void the_generator_is_philox(void)
{
    // Known answers of the authors' Random123, kat_vectors: philox4x32 10.
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
            {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct sim_stream stream = {.key = {known[i].key[0], known[i].key[1]},
            .high = {known[i].counter[2], known[i].counter[3]},
            .counter = (uint64_t)known[i].counter[1] << 32 | known[i].counter[0]};
        uint32_t out[4];
        sim_random_block(&stream, out);
        CU_ASSERT_EQUAL(memcmp(out, known[i].expected, sizeof(out)), 0);
    }
}

// The same numbers for ever: a change of them changes every run of every scenario.
static void the_streams_are_what_they_were(void)
{
    struct sim_stream stream = sim_stream(1, SIM_STREAM_HOST, "a", 3);
    uint64_t first = sim_random_word(&stream), second = sim_random_word(&stream);
    CU_ASSERT_EQUAL(first, UINT64_C(0x8F81BF7D97E08AAB));
    CU_ASSERT_EQUAL(second, UINT64_C(0xA64611A200BB442A));
}

static void every_part_of_a_name_makes_another_stream(void)
{
    const struct sim_stream streams[] = {sim_stream(1, SIM_STREAM_HOST, "a", 0), sim_stream(2, SIM_STREAM_HOST, "a", 0),
        sim_stream(1, SIM_STREAM_PIPE, "a", 0), sim_stream(1, SIM_STREAM_HOST, "b", 0),
        sim_stream(1, SIM_STREAM_HOST, "a", 1), sim_stream(UINT64_C(1) << 32, SIM_STREAM_HOST, "a", 0)};
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        for (size_t k = 0; k < i; k++)
            CU_ASSERT(memcmp(streams[i].key, streams[k].key, sizeof(streams[i].key)) != 0 ||
                      memcmp(streams[i].high, streams[k].high, sizeof(streams[i].high)) != 0);
}

static int compare_words(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void streams_do_not_overlap(void)
{
    enum { STREAMS = 64, DRAWS = 1024 };
    static uint64_t words[STREAMS * DRAWS];
    for (size_t i = 0; i < STREAMS; i++) {
        char name[8] = {(char)('a' + i % 8), (char)('a' + i / 8)};
        struct sim_stream stream = sim_stream(7, SIM_STREAM_HOST, name, 0);
        for (size_t k = 0; k < DRAWS; k++)
            words[i * DRAWS + k] = sim_random_word(&stream);
    }
    qsort(words, STREAMS * DRAWS, sizeof(words[0]), compare_words);
    size_t twice = 0;
    for (size_t i = 1; i < STREAMS * DRAWS; i++)
        twice += words[i] == words[i - 1];
    CU_ASSERT_EQUAL(twice, 0);
}

static void how_long_one_draw_is_does_not_show_in_the_next(void)
{
    uint8_t one[1], many[16], after_one[8], after_many[8];
    struct sim_stream a = sim_stream(1, SIM_STREAM_HOST, "a", 0), b = a;
    sim_random_fill(&a, one, sizeof(one));
    sim_random_fill(&a, after_one, sizeof(after_one));
    sim_random_fill(&b, many, sizeof(many));
    sim_random_fill(&b, after_many, sizeof(after_many));
    CU_ASSERT_EQUAL(one[0], many[0]);
    CU_ASSERT_EQUAL(memcmp(after_one, after_many, sizeof(after_one)), 0);
}

static void a_chance_is_what_it_says(void)
{
    // 5 % of 100,000: 5,000, standard deviation 69. Six of them are one in 500 million.
    struct sim_stream stream = sim_stream(3, SIM_STREAM_PIPE, "a", 0);
    unsigned happened = 0;
    for (int i = 0; i < 100000; i++)
        happened += sim_random_chance(&stream, SIM_CHANCE_ONE / 20);
    CU_ASSERT(happened > 5000 - 6 * 69 && happened < 5000 + 6 * 69);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_TRUE(sim_random_chance(&stream, SIM_CHANCE_ONE));
        CU_ASSERT_FALSE(sim_random_chance(&stream, 0));
    }
}

static void numbers_below_a_bound_reach_all_of_it_evenly(void)
{
    struct sim_stream stream = sim_stream(4, SIM_STREAM_PIPE, "a", 0);
    unsigned counts[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t value = sim_random_below(&stream, 10);
        CU_ASSERT_FATAL(value < 10);
        counts[value]++;
    }
    for (int i = 0; i < 10; i++) // 10,000 each, standard deviation 95
        CU_ASSERT(counts[i] > 10000 - 6 * 95 && counts[i] < 10000 + 6 * 95);
    CU_ASSERT_EQUAL(sim_random_below(&stream, 1), 0);
}

static const struct unit_case cases[] = {
    {"the generator is Philox4x32-10", the_generator_is_philox},
    {"the streams are what they were", the_streams_are_what_they_were},
    {"every part of a name makes another stream", every_part_of_a_name_makes_another_stream},
    {"streams do not overlap", streams_do_not_overlap},
    {"how long one draw is does not show in the next", how_long_one_draw_is_does_not_show_in_the_next},
    {"a chance is what it says", a_chance_is_what_it_says},
    {"numbers below a bound reach all of it evenly", numbers_below_a_bound_reach_all_of_it_evenly},
};
UNIT_MAIN("stream", cases)
