#include "around.h"

#include "unit.h"

#include <string.h>

struct sim_result result;

void run(const char *text)
{
    char error[SIM_ERROR_SIZE] = "";
    struct sim_scenario *scenario = sim_scenario_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    struct sim_run_options options = {.scenario = scenario, .seed = 1, .core = &standin_core};
    standin_reset();
    sim_result_fini(&result);
    sim_run(&options, &result);
    CU_ASSERT_STRING_EQUAL(result.violation, "");
    sim_scenario_free(scenario);
}

void measures(const char *text, const char *const *measured)
{
    run(text);
    for (size_t i = 0; i < result.outcome_count; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(measured[i]);
        CU_ASSERT_STRING_EQUAL(result.outcomes[i].measured, measured[i]);
        if (strcmp(result.outcomes[i].measured, measured[i]) != 0)
            fprintf(
                stderr, "%s: got %s, expected %s\n", result.outcomes[i].what, result.outcomes[i].measured, measured[i]);
    }
    CU_ASSERT_PTR_NULL(measured[result.outcome_count]);
}
