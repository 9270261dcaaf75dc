// Which runs a sweep has, and how shards part them.
#include "sweep/plan.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void every_scenario_has_every_seed_seed_by_seed(void)
{
    struct sim_plan plan = {3, {10, 4}};
    CU_ASSERT_EQUAL(sim_plan_total(&plan), 12);
    for (uint64_t number = 0; number < 12; number++) {
        struct sim_planned run = sim_plan_run(&plan, number);
        CU_ASSERT_EQUAL(run.file, number % 3);
        CU_ASSERT_EQUAL(run.seed, 10 + number / 3);
        CU_ASSERT_EQUAL(sim_plan_number(&plan, run.file, run.seed), number);
    }
}

// Over plans of many sizes: each run is in one shard, shards differ by one run at most, and have them in order.
static void part(const struct sim_plan *plan, uint32_t of)
{
    uint64_t total = sim_plan_total(plan), sum = 0;
    unsigned char *seen = calloc(total + 1, 1);
    for (uint32_t number = 1; number <= of; number++) {
        struct sim_shard shard = {number, of};
        uint64_t count = sim_shard_count(plan, shard), before = 0;
        CU_ASSERT(count == total / of || count == total / of + 1);
        for (uint64_t nth = 0; nth < count; nth++) {
            uint64_t run = sim_shard_run(shard, nth);
            CU_ASSERT(run < total && (nth == 0 || run > before));
            if (run < total) CU_ASSERT_EQUAL(++seen[run], 1);
            CU_ASSERT_EQUAL(sim_shard_of(run, of), number);
            before = run;
        }
        sum += count;
    }
    CU_ASSERT_EQUAL(sum, total);
    free(seen);
}

static void shards_part_the_runs_evenly_and_without_overlap(void)
{
    struct unit_random r = unit_random();
    for (int i = 0; i < 300; i++) {
        struct sim_plan plan = {
            1 + (size_t)unit_random_below(&r, 12), {unit_random_below(&r, 1000), 1 + unit_random_below(&r, 50)}};
        part(&plan, 1 + (uint32_t)unit_random_below(&r, 40));
    }
    part(&(struct sim_plan){1, {1, 1}}, 1);
    part(&(struct sim_plan){1, {1, 1}}, 100);
}

// Also where the number of shards and that of scenarios have a common factor.
static void no_shard_has_all_of_a_scenario(void)
{
    struct sim_plan plan = {4, {1, 1000}};
    for (uint32_t of = 2; of <= 8; of *= 2)
        for (uint32_t number = 1; number <= of; number++) {
            struct sim_shard shard = {number, of};
            uint64_t by_file[4] = {0}, count = sim_shard_count(&plan, shard);
            for (uint64_t nth = 0; nth < count; nth++)
                by_file[sim_plan_run(&plan, sim_shard_run(shard, nth)).file]++;
            for (int file = 0; file < 4; file++)
                CU_ASSERT(by_file[file] > 700 / of && by_file[file] < 1300 / of);
        }
}

static void shards_are_read_as_written(void)
{
    static const char *const wrong[] = {"", "/", "1", "1/", "/1", "0/1", "2/1", "1/0", "+1/2", "1/2 ", " 1/2", "1/2/3",
        "1/100001", "99999999999999999999/99999999999999999999", "a/b", "01/2"};
    struct sim_shard shard;
    CU_ASSERT_TRUE(sim_shard_parse("3/17", &shard));
    CU_ASSERT_EQUAL(shard.number, 3);
    CU_ASSERT_EQUAL(shard.of, 17);
    CU_ASSERT_TRUE(sim_shard_parse("100000/100000", &shard));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CU_ASSERT_FALSE(sim_shard_parse(wrong[i], &shard));
}

static const struct unit_case cases[] = {
    {"every scenario has every seed, seed by seed", every_scenario_has_every_seed_seed_by_seed},
    {"shards part the runs evenly and without overlap", shards_part_the_runs_evenly_and_without_overlap},
    {"no shard has all of a scenario", no_shard_has_all_of_a_scenario},
    {"shards are read as written", shards_are_read_as_written},
};
UNIT_MAIN("plan", cases)
