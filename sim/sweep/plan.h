// Which runs there are, and which of them are whose: every scenario with every seed, seed by seed, so that wherever a
// sweep is cut off all scenarios had about the same number of runs. Shards part them evenly and without overlap.
#ifndef QE_SIM_SWEEP_PLAN_H
#define QE_SIM_SWEEP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SEEDS_MAX  UINT64_C(10000000)
#define SIM_RUNS_MAX   UINT64_C(100000000) // scenarios × seeds
#define SIM_SHARDS_MAX 100000

struct sim_seed_range {
    uint64_t first, count;
};

struct sim_shard {
    uint32_t number; // from 1
    uint32_t of;
};

struct sim_plan {
    size_t files;
    struct sim_seed_range seeds;
};

struct sim_planned {
    size_t file;
    uint64_t seed;
};

// "2/4".
bool sim_shard_parse(const char *text, struct sim_shard *out);

// All runs; they have numbers from 0.
uint64_t sim_plan_total(const struct sim_plan *plan);
// The number of the run of this file and seed, which must be in the plan.
uint64_t sim_plan_number(const struct sim_plan *plan, size_t file, uint64_t seed);
struct sim_planned sim_plan_run(const struct sim_plan *plan, uint64_t number);

// How many runs a shard has, the number of its n-th, and the shard that has a run. Shards differ by at most one run;
// who gets which of each `of` runs changes from one round to the next, so that no shard gets all of a slow scenario.
uint64_t sim_shard_count(const struct sim_plan *plan, struct sim_shard shard);
uint64_t sim_shard_run(struct sim_shard shard, uint64_t nth);
uint32_t sim_shard_of(uint64_t run, uint32_t of);

#endif
