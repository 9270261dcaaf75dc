#include "crowd/tally.h"

#include "engine/memory.h"

#include <stdlib.h>

void sim_samples_add(struct sim_samples *samples, uint64_t value)
{
    SIM_ROOM(samples->list, samples->count, samples->capacity);
    samples->list[samples->count++] = value;
}

void sim_samples_fini(struct sim_samples *samples)
{
    sim_release(samples->list);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t sim_samples_at(struct sim_samples *samples, unsigned thousandths)
{
    if (samples->count == 0) return 0;
    qsort(samples->list, samples->count, sizeof(*samples->list), by_size);
    size_t rank = (samples->count * thousandths + 999) / 1000;
    return samples->list[rank > 0 ? rank - 1 : 0];
}

uint64_t sim_samples_mean(const struct sim_samples *samples)
{
    unsigned __int128 sum = 0;
    for (size_t i = 0; i < samples->count; i++)
        sum += samples->list[i];
    return samples->count ? (uint64_t)(sum / samples->count) : 0;
}

void sim_tally_fini(struct sim_tally *tally)
{
    sim_samples_fini(&tally->first);
    sim_samples_fini(&tally->finish);
}

static uint64_t milli(uint64_t sum, uint64_t count)
{
    return count ? sum * 1000 / count : 0;
}

void sim_tally_figures(
    struct sim_tally *tally, const char *of, uint64_t from_ns, bool lookup, struct sim_crowd_figures *out)
{
    uint64_t judged = tally->right + tally->failed;
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_STARTED, tally->begun);
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_SUCCESS,
        judged ? (uint64_t)((unsigned __int128)tally->right * 1000000000 / judged) : 0);
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_FAILED, tally->failed);
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_ABORTED, tally->aborted);
    if (lookup) {
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_STALE, tally->stale);
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_FORGED, tally->forged);
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_HOPS, milli(tally->hops, tally->hops_of));
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_LATENCY_P50, sim_samples_at(&tally->first, 500));
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_LATENCY_P99, sim_samples_at(&tally->first, 990));
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_LATENCY_MAX, sim_samples_at(&tally->first, 1000));
        sim_crowd_figures_add(
            out, of, SIM_CROWD_FIGURE_RECOVERED, tally->last_failed_ns > from_ns ? tally->last_failed_ns - from_ns : 0);
    } else {
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_STORED_ON, milli(tally->stored, tally->ended));
    }
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_FINISH_P50, sim_samples_at(&tally->finish, 500));
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_FINISH_P99, sim_samples_at(&tally->finish, 990));
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_QUERIES, milli(tally->queries, tally->ended));
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_TIMEOUTS, milli(tally->timeouts, tally->ended));
    uint64_t messages = milli(2 * tally->queries - tally->timeouts, tally->ended);
    sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_MESSAGES, messages);
    if (tally->datagram_bytes)
        sim_crowd_figures_add(out, of, SIM_CROWD_FIGURE_BYTES, messages * tally->datagram_bytes / 1000);
}
