// What must hold in some runs of a sweep, counted over their reports.
#include "sweep/sometimes.h"
#include "unit.h"

#include <stdio.h>

static void add(struct sim_sometimes *sometimes, const char *what, unsigned share_ppb, bool met)
{
    char report[256];
    snprintf(report, sizeof(report),
        "{\"scenario\": \"s\", \"expectations\": [{\"what\": \"always\", \"expected\": \"x\", \"verdict\": \"fail\"},"
        "{\"what\": \"%s\", \"expected\": \"y\", \"verdict\": \"%s\", \"sometimes_ppb\": %u}]}",
        what, met ? "pass" : "fail", share_ppb);
    sim_sometimes_add(sometimes, report);
}

static void one_run_is_enough(void)
{
    struct sim_sometimes sometimes = {0};
    for (int i = 0; i < 50; i++)
        add(&sometimes, "a", 0, false);
    CU_ASSERT_FALSE(sim_sometimes_judge(&sometimes, NULL));
    add(&sometimes, "a", 0, true);
    CU_ASSERT_TRUE(sim_sometimes_judge(&sometimes, NULL));
    CU_ASSERT_EQUAL(sometimes.count, 1);
    CU_ASSERT(sometimes.list[0].runs == 51 && sometimes.list[0].met == 1);
    sim_sometimes_fini(&sometimes);
}

static void a_share_is_of_enough_runs(void)
{
    struct sim_sometimes sometimes = {0};
    for (int i = 0; i < SIM_SOMETIMES_RUNS_MIN - 1; i++)
        add(&sometimes, "a", 500000000, i % 4 == 0);
    CU_ASSERT_TRUE(sim_sometimes_judge(&sometimes, NULL)); // too few to say
    add(&sometimes, "a", 500000000, false);
    CU_ASSERT_FALSE(sim_sometimes_judge(&sometimes, NULL)); // 5 of 20
    for (int i = 0; i < 10; i++)
        add(&sometimes, "a", 500000000, true);
    CU_ASSERT_TRUE(sim_sometimes_judge(&sometimes, NULL)); // 15 of 30, exactly half
    sim_sometimes_fini(&sometimes);
}

static void each_is_counted_for_itself(void)
{
    struct sim_sometimes sometimes = {0};
    add(&sometimes, "a", 0, true);
    add(&sometimes, "b", 0, false);
    CU_ASSERT_EQUAL(sometimes.count, 2);
    CU_ASSERT_FALSE(sim_sometimes_judge(&sometimes, NULL));
    sim_sometimes_fini(&sometimes);
}

static void what_is_no_report_counts_for_nothing(void)
{
    struct sim_sometimes sometimes = {0};
    sim_sometimes_add(&sometimes, "");
    sim_sometimes_add(&sometimes, "{\"sometimes_ppb\"");
    sim_sometimes_add(&sometimes, "{\"expectations\": [{\"sometimes_ppb\": 3}]}");
    CU_ASSERT_EQUAL(sometimes.count, 0);
    CU_ASSERT_TRUE(sim_sometimes_judge(&sometimes, NULL));
    sim_sometimes_fini(&sometimes);
}

static const struct unit_case cases[] = {
    {"one run is enough", one_run_is_enough},
    {"a share is of enough runs", a_share_is_of_enough_runs},
    {"each is counted for itself", each_is_counted_for_itself},
    {"what is no report counts for nothing", what_is_no_report_counts_for_nothing},
};
UNIT_MAIN("sometimes", cases)
