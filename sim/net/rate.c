#include "net/rate.h"

#include "engine/memory.h"

#include <assert.h>

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS     UINT64_C(1000000)

void sim_rate_plan_free(struct sim_rate_plan *plan)
{
    if (!plan) return;
    sim_release(plan->steps);
    sim_release(plan->moments_ms);
    sim_release(plan);
}

static uint64_t moment_ns(const struct sim_rate_plan *plan, const struct sim_rate_cursor *cursor)
{
    return cursor->lap_ns + plan->moments_ms[cursor->place] * MS_NS;
}

static void next_moment(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor)
{
    cursor->used = 0;
    if (++cursor->place < plan->count) return;
    cursor->place = 0;
    cursor->lap_ns += plan->period_ns;
}

// Whole laps at once, however long the link was idle.
static void skip_laps(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t at_ns)
{
    if (!plan->period_ns || at_ns < cursor->lap_ns + plan->period_ns) return;
    uint64_t laps = (at_ns - cursor->lap_ns) / plan->period_ns;
    // One less: the moment at the very end of a lap belongs to it.
    if (plan->moments_ms && at_ns == cursor->lap_ns + laps * plan->period_ns) laps--;
    if (!laps) return;
    *cursor = (struct sim_rate_cursor){.lap_ns = cursor->lap_ns + laps * plan->period_ns};
}

// The end of the step that the cursor is in.
static uint64_t step_end(const struct sim_rate_plan *plan, const struct sim_rate_cursor *cursor)
{
    if (cursor->place + 1 < plan->count) return cursor->lap_ns + plan->steps[cursor->place + 1].at_ns;
    return plan->period_ns ? cursor->lap_ns + plan->period_ns : UINT64_MAX;
}

static void next_step(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor)
{
    if (++cursor->place < plan->count) return;
    cursor->place = 0;
    cursor->lap_ns += plan->period_ns;
}

uint64_t sim_rate_plan_start(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t ready_ns)
{
    skip_laps(plan, cursor, ready_ns);
    if (plan->moments_ms) {
        while (moment_ns(plan, cursor) < ready_ns || cursor->used == SIM_RATE_MOMENT_BYTES)
            next_moment(plan, cursor);
        return moment_ns(plan, cursor);
    }
    while (ready_ns >= step_end(plan, cursor))
        next_step(plan, cursor);
    while (plan->steps[cursor->place].rate_bits == 0) {
        ready_ns = step_end(plan, cursor);
        next_step(plan, cursor);
    }
    return ready_ns;
}

static uint64_t send_by_moments(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t bytes)
{
    for (;;) {
        uint64_t room = SIM_RATE_MOMENT_BYTES - cursor->used;
        if (bytes <= room) {
            cursor->used += bytes;
            return moment_ns(plan, cursor);
        }
        bytes -= room;
        next_moment(plan, cursor);
    }
}

uint64_t sim_rate_plan_send(
    const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t start_ns, uint64_t bytes)
{
    if (plan->moments_ms) return send_by_moments(plan, cursor, bytes);
    // What is left to do, in bits × ns in a second; a step does (rate × its time) of it.
    unsigned __int128 left = (unsigned __int128)bytes * 8 * SECOND_NS;
    for (;;) {
        uint64_t rate = plan->steps[cursor->place].rate_bits, end = step_end(plan, cursor);
        unsigned __int128 done = (unsigned __int128)rate * (end - start_ns);
        if (rate && left <= done) return start_ns + (uint64_t)(left / rate);
        left -= done;
        start_ns = end;
        next_step(plan, cursor);
    }
}

uint64_t sim_rate_plan_rate(const struct sim_rate_plan *plan, uint64_t at_ns)
{
    if (plan->moments_ms) {
        unsigned __int128 bits = (unsigned __int128)plan->count * SIM_RATE_MOMENT_BYTES * 8 * SECOND_NS;
        return (uint64_t)(bits / plan->period_ns);
    }
    if (plan->period_ns) at_ns %= plan->period_ns;
    size_t low = 0, high = plan->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (plan->steps[middle].at_ns <= at_ns)
            low = middle;
        else
            high = middle;
    }
    return plan->steps[low].rate_bits;
}
