// What can go wrong with a machine.
#include "host/host.h"

#include "base/time.h"

bool sim_host_idle(const struct sim_host *host)
{
    return host->hosts->engine->now_ns < host->faults.idle_until_ns;
}

bool sim_host_asleep(const struct sim_host *host)
{
    return host->hosts->engine->now_ns < host->faults.asleep_until_ns;
}

uint64_t sim_host_fault_end(const struct sim_host *host, uint64_t duration_ns)
{
    uint64_t now = host->hosts->engine->now_ns;
    return duration_ns > UINT64_MAX - now ? UINT64_MAX : now + duration_ns;
}

// Of two faults of one kind at a time the longer one counts.
static void prolong(uint64_t *until_ns, uint64_t end_ns)
{
    if (end_ns > *until_ns) *until_ns = end_ns;
}

void sim_host_stall(struct sim_host *host, uint64_t duration_ns)
{
    prolong(&host->faults.idle_until_ns, sim_host_fault_end(host, duration_ns));
}

void sim_host_suspend(struct sim_host *host, uint64_t duration_ns)
{
    sim_host_stall(host, duration_ns);
    prolong(&host->faults.asleep_until_ns, sim_host_fault_end(host, duration_ns));
}

void sim_host_hold_buffers(struct sim_host *host, uint64_t duration_ns)
{
    prolong(&host->faults.buffers_held_until_ns, sim_host_fault_end(host, duration_ns));
    sim_host_wake(host); // it looks when that ends
}

static int64_t drifted_ms(const struct sim_host *host)
{
    int64_t ms = (int64_t)((host->hosts->engine->now_ns - host->faults.drift_since_ns) / QE_NS_PER_MS);
    return ms / 1000000 * host->faults.drift_ppm + ms % 1000000 * host->faults.drift_ppm / 1000000;
}

void sim_host_drift(struct sim_host *host, int64_t ppm)
{
    host->wall_offset_ms += drifted_ms(host);
    host->faults.drift_since_ns = host->hosts->engine->now_ns;
    host->faults.drift_ppm = ppm;
}

uint64_t sim_host_wall_ms(const struct sim_host *host)
{
    int64_t drift_ms = host->faults.drift_ppm ? drifted_ms(host) : 0;
    return host->hosts->wall_base_ms + (uint64_t)(host->wall_offset_ms + drift_ms) +
           host->hosts->engine->now_ns / QE_NS_PER_MS;
}

static struct sim_memory_faults *memory_faults(struct sim_host *host)
{
    host->faults.memory.now_ns = &host->hosts->engine->now_ns;
    host->memory.faults = &host->faults.memory;
    return &host->faults.memory;
}

void sim_host_fail_allocation(struct sim_host *host, uint64_t countdown)
{
    memory_faults(host)->countdown = countdown;
}

void sim_host_fail_allocations(struct sim_host *host, uint32_t share_ppb, uint64_t duration_ns)
{
    struct sim_memory_faults *faults = memory_faults(host);
    faults->share_ppb = share_ppb;
    faults->until_ns = sim_host_fault_end(host, duration_ns);
}

void sim_host_crash_in_writes(struct sim_host *host, uint64_t count, bool before, uint64_t unsynced_ns)
{
    host->faults.crash_in_writes = count;
    host->faults.crash_before_write = before;
    host->faults.unsynced_ns = unsynced_ns;
}
