// What chance does on a link, against closed forms. Each bound is at least five standard deviations away, and the
// draws are fixed by their seed.
#include "net/jitter.h"
#include "net/loss.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define DRAWS   400000
#define PACKETS 4000000
#define MS      1000000

static struct sim_stream stream_of(uint32_t purpose)
{
    return sim_stream(1, SIM_STREAM_PIPE, "chance", purpose);
}

static void near(double value, double expected, double share)
{
    CU_ASSERT(value > expected * (1 - share) && value < expected * (1 + share));
    if (value <= expected * (1 - share) || value >= expected * (1 + share))
        printf("\n    %g is not near %g\n", value, expected);
}

// Mean loss and mean run of losses of a two-state chain.
static void gilbert_elliott_has_its_closed_form(void)
{
    static const struct sim_gilbert rows[] = {
        {true, 10000000, 250000000, 0, 1000000000},        // Gilbert: runs of 1/r
        {true, 50000000, 500000000, 0, 1000000000},        //
        {true, 20000000, 100000000, 1000000, 500000000},   // loss in both states
        {true, 300000000, 300000000, 10000000, 900000000}, //
        {true, 5000000, 995000000, 20000000, 20000000},    // the state makes no difference: independent loss
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double p = rows[i].p_ppb / 1e9, r = rows[i].r_ppb / 1e9, good = rows[i].good_ppb / 1e9,
               bad = rows[i].bad_ppb / 1e9;
        double in_bad = p / (p + r), in_good = r / (p + r);
        double mean = in_good * good + in_bad * bad;
        // A loss, and the next packet lost too.
        double both = in_good * good * ((1 - p) * good + p * bad) + in_bad * bad * (r * good + (1 - r) * bad);
        double run = mean / (mean - both);
        struct sim_stream stream = stream_of((uint32_t)i);
        bool state = false, before = false;
        size_t lost = 0, runs = 0;
        for (size_t n = 0; n < PACKETS; n++) {
            bool now = sim_gilbert_lose(&rows[i], &stream, &state);
            lost += now;
            runs += now && !before;
            before = now;
        }
        // The chain remembers about 1/(p + r) packets, which makes the mean's deviation at most 0.8 % of it; there are
        // 38,000 runs or more, the deviation of their mean length is at most 0.5 %.
        near((double)lost / PACKETS, mean, 0.05);
        near((double)lost / (double)runs, run, 0.04);
        CU_ASSERT_EQUAL(stream.counter, PACKETS);
    }
}

static void bursts_come_at_their_times(void)
{
    const struct sim_bursts bursts = {.every_ns = 2000 * (uint64_t)MS, .lasts_ns = 30 * MS};
    struct sim_stream stream = stream_of(10);
    struct sim_burst_state state = {0};
    for (uint64_t ms = 0; ms < 20000; ms++)
        CU_ASSERT_EQUAL(sim_bursts_at(&bursts, &stream, &state, ms * MS), ms % 2000 >= 1970);
    CU_ASSERT_EQUAL(stream.counter, 0);
}

static void random_bursts_are_as_long_and_as_many(void)
{
    const struct sim_bursts bursts = {.every_ns = 200 * MS, .lasts_ns = 20 * MS, .random = true};
    struct sim_stream stream = stream_of(11);
    struct sim_burst_state state = {0};
    size_t on = 0, count = 0, length = 0;
    bool before = false;
    for (uint64_t ms = 0; ms < 2000000; ms++) {
        bool now = sim_bursts_at(&bursts, &stream, &state, ms * MS);
        on += now;
        count += now && !before;
        if (before && !now) {
            // As long as they say, whenever they begin (two that touch look like one).
            CU_ASSERT(length == 20 || length >= 39);
        }
        length = now ? length + 1 : 0;
        before = now;
    }
    // 10,000 of them in 2,000 s; their pauses' deviation is 104 ms, of the count 52.
    near((double)count, 10000, 0.03);
    near((double)on, 200000, 0.03);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t *draw_sorted(enum sim_jitter model, uint64_t jitter_ns, uint32_t purpose)
{
    int64_t *values = malloc(DRAWS * sizeof(*values));
    struct sim_stream stream = stream_of(purpose);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    for (size_t i = 0; i < DRAWS; i++)
        values[i] = sim_jitter_draw(model, jitter_ns, &stream);
    CU_ASSERT_EQUAL(stream.counter, DRAWS);
    qsort(values, DRAWS, sizeof(*values), compare);
    return values;
}

static void uniform_jitter_is_uniform(void)
{
    int64_t *values = draw_sorted(SIM_JITTER_UNIFORM, 10 * MS, 20);
    CU_ASSERT(values[0] >= 0 && values[DRAWS - 1] <= 10 * MS);
    for (int tenth = 1; tenth < 10; tenth++)
        near((double)values[DRAWS / 10 * tenth], tenth * (double)MS, 0.02);
    free(values);
}

static void normal_jitter_is_normal(void)
{
    // Quantiles of the standard normal distribution, from any table of it.
    static const struct {
        double share, z;
    } rows[] = {{0.6915, 0.5}, {0.8413, 1}, {0.9332, 1.5}, {0.9772, 2}, {0.99379, 2.5}, {0.99865, 3}};
    int64_t *values = draw_sorted(SIM_JITTER_NORMAL, 10 * MS, 21);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    CU_ASSERT(sum / DRAWS > -0.01 * 10 * MS && sum / DRAWS < 0.01 * 10 * MS);
    near(squares / DRAWS, 1e14, 0.02);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        near((double)values[(size_t)(rows[i].share * DRAWS)], rows[i].z * 10 * MS, 0.04);
        near(-(double)values[(size_t)((1 - rows[i].share) * DRAWS)], rows[i].z * 10 * MS, 0.04);
    }
    free(values);
}

static void wifi_jitter_has_the_published_quantiles(void)
{
    int64_t *values = draw_sorted(SIM_JITTER_WIFI, 0, 22);
    CU_ASSERT(values[0] >= 0 && values[DRAWS - 1] <= 125 * MS);
    near((double)values[DRAWS / 4], 5.0 * MS, 0.02);
    near((double)values[DRAWS / 2], 10.0 * MS, 0.02);
    near((double)values[DRAWS / 10 * 9], 50.0 * MS, 0.02);
    near((double)values[DRAWS / 100 * 95], 87.5 * MS, 0.02);
    free(values);
    // Scaled to another 90th percentile.
    values = draw_sorted(SIM_JITTER_WIFI, 5 * MS, 22);
    near((double)values[DRAWS / 10 * 9], 5.0 * MS, 0.02);
    near((double)values[DRAWS / 2], 1.0 * MS, 0.02);
    free(values);
}

static const struct unit_case cases[] = {
    {"Gilbert-Elliott has the mean loss and the mean run of its closed form", gilbert_elliott_has_its_closed_form},
    {"bursts come at their times", bursts_come_at_their_times},
    {"random bursts are as long and as many as they say", random_bursts_are_as_long_and_as_many},
    {"uniform jitter is uniform", uniform_jitter_is_uniform},
    {"normal jitter is normal", normal_jitter_is_normal},
    {"wifi jitter has the published quantiles", wifi_jitter_has_the_published_quantiles},
};
UNIT_MAIN("chance", cases)
