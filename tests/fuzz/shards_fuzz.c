// Any bytes are either results whose every run is planned, in its shards, and there once, or one line that says what is
// wrong.
#include "sweep/shard_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sim_shard_file *file)
{
    const struct sim_sweep *sweep = &file->sweep;
    assert(file->run_count <= sim_sweep_planned(sweep));
    for (size_t i = 0; i < file->run_count; i++) {
        const struct sim_shard_run *run = &file->runs[i];
        assert(run->number < sim_plan_total(&sweep->plan) && run->record.file < sweep->plan.files);
        assert(i == 0 || run->number > run[-1].number);
        assert((run->record.verdict == SIM_PASS) == (run->record.text == NULL));
        char *json = sim_shard_run_json(run);
        assert(json);
        free(json);
    }
    struct sim_results results;
    FILE *out = fopen("/dev/null", "w");
    sim_results_init(&results, sweep);
    for (size_t i = 0; i < file->run_count; i++) {
        struct sim_run_record record = file->runs[i].record;
        record.text = record.text ? strdup(record.text) : NULL;
        sim_results_add(&results, &record);
    }
    sim_results_junit(&results, out);
    sim_results_summary(&results, out);
    sim_results_fini(&results);
    fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SIM_SHARD_FILE_ERROR_SIZE] = "";
    struct sim_shard_file *file = sim_shard_file_parse("shard.json", (const char *)data, size, error);
    if (file)
        check(file);
    else
        assert(strncmp(error, "shard.json: ", 12) == 0 && !strchr(error, '\n'));
    sim_shard_file_free(file);
    return 0;
}
