// Fault points of a host's node: which are on in this run, and when they fire. Each has streams of its own, so that
// what one does moves no other.
#include "host/host.h"

struct sim_points {
    struct sim_point_settings settings;
    bool on[QE_FAULT_COUNT];
    struct sim_stream chance[QE_FAULT_COUNT];
    uint64_t fired[QE_FAULT_COUNT];
};

static bool lend_fault(void *user, enum qe_fault_point point)
{
    struct sim_host *host = user;
    struct sim_points *points = host->points;
    uint64_t now = host->hosts->engine->now_ns;
    if (!points->on[point] || now < points->settings.after_ns || now >= points->settings.before_ns) return false;
    if (!sim_random_chance(&points->chance[point], points->settings.chance_ppb)) return false;
    points->fired[point]++;
    return true;
}

void sim_host_set_points(struct sim_host *host, const struct sim_point_settings *settings)
{
    uint64_t seed = host->hosts->seed;
    struct sim_points *points = host->points = sim_obtain(1, sizeof(*points));
    points->settings = *settings;
    for (uint32_t i = 0; i < QE_FAULT_COUNT; i++) {
        uint32_t purpose = SIM_FAULT_CHANCE_POINT + 2 * i;
        struct sim_stream drawn = sim_stream(seed, SIM_STREAM_FAULT, host->box.name, purpose);
        points->on[i] = settings->points[i] && sim_random_chance(&drawn, settings->drawn_ppb);
        points->chance[i] = sim_stream(seed, SIM_STREAM_FAULT, host->box.name, purpose + 1);
    }
    host->lent.fault = lend_fault;
}

uint64_t sim_host_point_fired(const struct sim_host *host, enum qe_fault_point point)
{
    return host->points ? host->points->fired[point] : 0;
}
