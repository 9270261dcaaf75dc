#include "plot/stats.h"

#include "engine/memory.h"
#include "engine/random.h"

#include <math.h>
#include <stdlib.h>

// Two-sided 95 % of the normal distribution.
#define Z 1.959963984540054

struct sim_interval sim_wilson(uint64_t successes, uint64_t count)
{
    if (count == 0) return (struct sim_interval){0, 0, 1};
    double n = (double)count, p = (double)successes / n;
    double center = (p + Z * Z / (2 * n)) / (1 + Z * Z / n);
    double half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    struct sim_interval out = {center - half, p, center + half};
    // Exact at the ends, where rounding may leave a trace.
    if (successes == 0) out.low = 0;
    if (successes == count) out.high = 1;
    return out;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void sim_sort_values(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
}

double sim_quantile(const double *sorted, size_t count, double share)
{
    double rank = ceil(share * (double)count);
    size_t place = rank < 1 ? 0 : (size_t)rank - 1;
    return sorted[place < count ? place : count - 1];
}

static double median(const double *sorted, size_t count)
{
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

// Draws as many places as there are values, with replacement: how often each was drawn.
static void resample(struct sim_stream *stream, uint32_t *times, size_t count)
{
    uint32_t words[4];
    for (size_t i = 0; i < count; i++)
        times[i] = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0) sim_random_block(stream, words);
        // A word of 32 bits scaled to the count is even enough for resampling.
        times[(size_t)((uint64_t)words[i % 4] * count >> 32)]++;
    }
}

// The value of the given rank (from 0) in a resample of sorted values.
static double ranked(const double *sorted, const uint32_t *times, size_t rank)
{
    size_t place = 0, passed = times[0];
    while (passed <= rank)
        passed += times[++place];
    return sorted[place];
}

static double median_of(const double *sorted, const uint32_t *times, size_t count)
{
    double upper = ranked(sorted, times, count / 2);
    return count % 2 ? upper : (ranked(sorted, times, count / 2 - 1) + upper) / 2;
}

static double mean_of(const double *values, const uint32_t *times, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] * times[i];
    return sum / (double)count;
}

static struct sim_interval bootstrap(const double *sorted, size_t count, const char *name,
    double (*statistic)(const double *sorted, const uint32_t *times, size_t count))
{
    struct sim_stream stream = sim_stream(0, SIM_STREAM_RESAMPLE, name, 0);
    double *found = sim_obtain(SIM_RESAMPLES, sizeof(*found));
    uint32_t *times = sim_obtain(count, sizeof(*times));
    for (size_t i = 0; i < SIM_RESAMPLES; i++) {
        resample(&stream, times, count);
        found[i] = statistic(sorted, times, count);
    }
    sim_sort_values(found, SIM_RESAMPLES);
    struct sim_interval out = {sim_quantile(found, SIM_RESAMPLES, 0.025), 0, sim_quantile(found, SIM_RESAMPLES, 0.975)};
    sim_release(times);
    sim_release(found);
    return out;
}

struct sim_interval sim_bootstrap_median(double *values, size_t count, const char *name)
{
    sim_sort_values(values, count);
    struct sim_interval out = bootstrap(values, count, name, median_of);
    out.value = median(values, count);
    return out;
}

struct sim_interval sim_bootstrap_mean(double *values, size_t count, const char *name)
{
    sim_sort_values(values, count);
    struct sim_interval out = bootstrap(values, count, name, mean_of);
    out.value = mean(values, count);
    return out;
}
