// Any bytes are JSON lines of a run or results of many, from which figures can be made, or one line says what is wrong.
#include "plot/groups.h"
#include "plot/run_events.h"
#include "plot/sweep_data.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_lines(const uint8_t *data, size_t size)
{
    char error[SIM_ERROR_SIZE] = "";
    struct sim_run_events events;
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "rb");
    assert(in);
    bool good = sim_run_events_read(&events, in, "fuzz", error);
    assert(good == (error[0] == '\0'));
    for (size_t i = 0; good && i < events.span_count; i++)
        assert(events.spans[i].end >= 0);
    sim_run_events_fini(&events);
    fclose(in);
}

static void read_results(const uint8_t *data, size_t size)
{
    char error[SIM_ERROR_SIZE] = "";
    struct sim_sweep_data sweep = {0};
    bool good = sim_sweep_data_add(&sweep, (const char *)data, size, "fuzz", error);
    assert(good == (error[0] == '\0'));
    for (size_t i = 0; good && i < sweep.count; i++)
        for (size_t k = 0; k < sweep.tables[i].parameter_count; k++) {
            struct sim_groups groups;
            size_t total = 0;
            sim_groups_init(&groups, &sweep.tables[i], k);
            for (size_t g = 0; g < groups.count; g++)
                total += groups.list[g].count;
            assert(total <= sweep.tables[i].count);
            sim_groups_fini(&groups);
        }
    sim_sweep_data_fini(&sweep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0; // fmemopen knows no empty files
    read_lines(data, size);
    read_results(data, size);
    return 0;
}
