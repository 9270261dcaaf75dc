#include "sweep/plan.h"

#include <stdlib.h>

static bool parse_part(const char *text, char end, uint32_t *out, const char **rest)
{
    char *stop;
    if (*text < '1' || *text > '9') return false;
    unsigned long value = strtoul(text, &stop, 10);
    if (*stop != end || value > SIM_SHARDS_MAX) return false;
    *out = (uint32_t)value;
    *rest = stop + 1;
    return true;
}

bool sim_shard_parse(const char *text, struct sim_shard *out)
{
    struct sim_shard shard;
    const char *rest;
    if (!parse_part(text, '/', &shard.number, &rest) || !parse_part(rest, '\0', &shard.of, &rest)) return false;
    if (shard.number > shard.of) return false;
    *out = shard;
    return true;
}

uint64_t sim_plan_total(const struct sim_plan *plan)
{
    return plan->files * plan->seeds.count;
}

uint64_t sim_plan_number(const struct sim_plan *plan, size_t file, uint64_t seed)
{
    return (seed - plan->seeds.first) * plan->files + file;
}

struct sim_planned sim_plan_run(const struct sim_plan *plan, uint64_t number)
{
    return (struct sim_planned){(size_t)(number % plan->files), plan->seeds.first + number / plan->files};
}

// How far the shards are turned in a round of `of` runs (SplitMix64's finalizer).
static uint64_t turn(uint64_t round, uint32_t of)
{
    uint64_t z = round + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % of;
}

uint64_t sim_shard_run(struct sim_shard shard, uint64_t nth)
{
    return nth * shard.of + (shard.number - 1 + shard.of - turn(nth, shard.of)) % shard.of;
}

uint32_t sim_shard_of(uint64_t run, uint32_t of)
{
    return (uint32_t)((run % of + turn(run / of, of)) % of) + 1;
}

uint64_t sim_shard_count(const struct sim_plan *plan, struct sim_shard shard)
{
    uint64_t total = sim_plan_total(plan), rounds = total / shard.of;
    return rounds + (sim_shard_run(shard, rounds) < total);
}
