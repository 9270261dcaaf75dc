#include "sweep/results.h"

#include "engine/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const stop_names[] = {NULL, "time limit", "failure", "interrupted"};

const char *sim_sweep_stop_name(enum sim_sweep_stop stop)
{
    return stop_names[stop];
}

uint64_t sim_sweep_planned(const struct sim_sweep *sweep)
{
    uint64_t planned = 0;
    for (size_t i = 0; i < sweep->shard_count; i++)
        planned += sim_shard_count(&sweep->plan, sweep->shards[i]);
    return planned;
}

char *sim_sweep_json(const struct sim_sweep *sweep, uint64_t done)
{
    json_t *files = json_array(), *shards = json_array();
    for (size_t i = 0; i < sweep->plan.files; i++)
        json_array_append_new(files, json_pack("{s:s, s:s, s:s}", "name", sweep->files[i].name, "file",
                                         sweep->files[i].path, "digest", sweep->files[i].digest));
    for (size_t i = 0; i < sweep->shard_count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%" PRIu32 "/%" PRIu32, sweep->shards[i].number, sweep->shards[i].of);
        json_array_append_new(shards, json_string(text));
    }
    json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:I, s:I}", "version", sweep->version, "lanes",
        (json_int_t)sweep->lanes, "first_seed", (json_int_t)sweep->plan.seeds.first, "seeds",
        (json_int_t)sweep->plan.seeds.count, "scenarios", files, "shards", shards, "planned",
        (json_int_t)sim_sweep_planned(sweep), "done", (json_int_t)done);
    if (sweep->stop != SIM_SWEEP_WHOLE)
        json_object_set_new(object, "stopped", json_string(sim_sweep_stop_name(sweep->stop)));
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    if (!text) abort();
    return text;
}

void sim_results_init(struct sim_results *results, const struct sim_sweep *sweep)
{
    *results = (struct sim_results){.sweep = sweep};
}

void sim_results_fini(struct sim_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        sim_release(results->runs[i].text);
    sim_release(results->runs);
}

void sim_results_add(struct sim_results *results, const struct sim_run_record *record)
{
    SIM_ROOM(results->runs, results->count, results->capacity);
    results->runs[results->count++] = *record;
}

uint64_t sim_results_failed(const struct sim_results *results)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < results->count; i++)
        failed += results->runs[i].verdict != SIM_PASS;
    return failed;
}

struct sum {
    uint64_t runs, verdicts[3];
    uint64_t *walls; // ms of its runs
};

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void say(FILE *out, int width, const char *name, struct sum *sum)
{
    uint64_t share = sum->runs ? sum->verdicts[SIM_PASS] * 10000 / sum->runs : 0; // of 10,000, rounded down
    qsort(sum->walls, sum->runs, sizeof(*sum->walls), by_size);
    fprintf(out, "%-*s %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64, width, name, sum->runs,
        sum->verdicts[SIM_PASS], sum->verdicts[SIM_FAIL], sum->verdicts[SIM_ERROR]);
    if (!sum->runs) {
        fprintf(out, " %8s %7s %7s\n", "-", "-", "-");
        return;
    }
    fprintf(out, " %4" PRIu64 ".%02" PRIu64 "%% %7" PRIu64 " %7" PRIu64 "\n", share / 100, share % 100,
        sum->walls[sum->runs / 2], sum->walls[sum->runs - 1]);
}

void sim_results_summary(const struct sim_results *results, FILE *out)
{
    size_t files = results->sweep->plan.files;
    struct sum *sums = sim_obtain(files + 1, sizeof(*sums)), *all = &sums[files];
    int width = (int)strlen("scenario");
    for (size_t i = 0; i < results->count; i++)
        sums[results->runs[i].file].runs++;
    for (size_t i = 0; i < files; i++) {
        sums[i].walls = sim_obtain(sums[i].runs, sizeof(*sums[i].walls));
        sums[i].runs = 0;
        if ((int)strlen(results->sweep->files[i].name) > width) width = (int)strlen(results->sweep->files[i].name);
    }
    all->walls = sim_obtain(results->count, sizeof(*all->walls));
    for (size_t i = 0; i < results->count; i++) {
        const struct sim_run_record *run = &results->runs[i];
        struct sum *sum = &sums[run->file];
        sum->walls[sum->runs++] = all->walls[all->runs++] = run->wall_ms;
        sum->verdicts[run->verdict]++;
        all->verdicts[run->verdict]++;
    }
    fprintf(out, "%-*s %9s %9s %7s %7s %8s %7s %7s\n", width, "scenario", "runs", "pass", "fail", "error", "passed",
        "p50 ms", "max ms");
    for (size_t i = 0; i < files; i++)
        say(out, width, results->sweep->files[i].name, &sums[i]);
    if (files > 1) say(out, width, "all", all);
    for (size_t i = 0; i <= files; i++)
        sim_release(sums[i].walls);
    sim_release(sums);
}

void sim_results_begin(FILE *out)
{
    fputs("{\"runs\": [", out);
}

void sim_results_run(FILE *out, bool first, const char *json)
{
    fprintf(out, "%s%s", first ? "" : ",\n", json);
}

void sim_results_end(FILE *out, const struct sim_sweep *sweep, uint64_t done)
{
    char *json = sweep ? sim_sweep_json(sweep, done) : NULL;
    fprintf(out, "]%s%s}\n", json ? ", \"sweep\": " : "", json ? json : "");
    free(json);
}
