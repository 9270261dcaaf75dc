#include "sweep/shard_file.h"

#include "engine/memory.h"
#include "world/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// What is read is written by `sweep` and 1 GiB is a million runs.
#define FILE_SIZE_MAX  (INT64_C(1) << 30)
#define NAME_SIZE_MAX  64
#define EXPECTS_OF_RUN 4096

struct reader {
    struct sim_shard_file *file;
    char *error;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct reader *r, const char *format, ...)
{
    if (r->failed) return;
    r->failed = true;
    int used = snprintf(r->error, SIM_SHARD_FILE_ERROR_SIZE, "%s: ", r->file->path);
    if (used < 0 || used >= SIM_SHARD_FILE_ERROR_SIZE) return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->error + used, SIM_SHARD_FILE_ERROR_SIZE - (size_t)used, format, args);
    va_end(args);
}

static const char *text_of(struct reader *r, const json_t *object, const char *key, size_t size_max)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text && strlen(text) <= size_max) return text;
    refuse(r, "\"%s\" is missing or wrong; expected a text", key);
    return "";
}

static uint64_t number_of(struct reader *r, const json_t *object, const char *key, uint64_t max)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number <= max) return (uint64_t)number;
    refuse(r, "\"%s\" is missing or wrong; expected a number up to %" PRIu64, key, max);
    return 0;
}

static const json_t *array_of(struct reader *r, const json_t *object, const char *key, size_t min, size_t max)
{
    const json_t *array = json_object_get(object, key);
    if (json_is_array(array) && json_array_size(array) >= min && json_array_size(array) <= max) return array;
    refuse(r, "\"%s\" is missing or wrong; expected a list of %zu to %zu", key, min, max);
    return NULL;
}

static bool is_hex(const char *text, size_t size)
{
    return strlen(text) == size && strspn(text, "0123456789abcdef") == size;
}

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size < NAME_SIZE_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static size_t find(const struct sim_sweep *sweep, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(sweep->files[i].name, name) == 0) return i;
    return SIM_NONE;
}

static void read_scenarios(struct reader *r, const json_t *object)
{
    struct sim_sweep *sweep = &r->file->sweep;
    const json_t *list = array_of(r, object, "scenarios", 1, SIM_SWEEP_FILES_MAX);
    size_t count = json_array_size(list);
    sweep->files = sim_obtain(count, sizeof(*sweep->files));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const json_t *one = json_array_get(list, i);
        const char *digest = text_of(r, one, "digest", SIM_DIGEST_TEXT_SIZE - 1);
        const char *name = text_of(r, one, "name", NAME_SIZE_MAX);
        const char *path = text_of(r, one, "file", 4096);
        if (!is_name(name)) refuse(r, "\"name\" of a scenario is wrong");
        if (!is_hex(digest, SIM_DIGEST_TEXT_SIZE - 1)) refuse(r, "\"digest\" of a scenario is wrong");
        if (find(sweep, i, name) != SIM_NONE) refuse(r, "scenario '%s' is listed twice", name);
        struct sim_sweep_file *file = &sweep->files[sweep->plan.files++];
        file->name = sim_copy_text(name);
        file->path = sim_copy_text(path);
        snprintf(file->digest, sizeof(file->digest), "%s", digest);
    }
}

static void read_shards(struct reader *r, const json_t *object)
{
    struct sim_sweep *sweep = &r->file->sweep;
    const json_t *list = array_of(r, object, "shards", 1, SIM_SHARDS_MAX);
    size_t count = json_array_size(list);
    sweep->shards = sim_obtain(count, sizeof(*sweep->shards));
    for (size_t i = 0; i < count && !r->failed; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct sim_shard *shard = &sweep->shards[i];
        if (!text || !sim_shard_parse(text, shard)) {
            refuse(r, "\"shards\" is wrong; expected texts such as \"2/8\"");
            return;
        }
        sweep->shard_count++;
        // Ascending, so none twice.
        if (i > 0 && (shard->of != shard[-1].of || shard->number <= shard[-1].number))
            refuse(r, "\"shards\" is wrong; expected different ones of the same number");
    }
}

static void read_stop(struct reader *r, const json_t *object)
{
    const json_t *value = json_object_get(object, "stopped");
    if (!value) return;
    for (enum sim_sweep_stop stop = SIM_SWEEP_TIME_LIMIT; stop <= SIM_SWEEP_INTERRUPTED; stop++) {
        if (!json_is_string(value) || strcmp(json_string_value(value), sim_sweep_stop_name(stop)) != 0) continue;
        r->file->sweep.stop = stop;
        return;
    }
    refuse(r, "\"stopped\" is wrong");
}

static void read_sweep(struct reader *r, const json_t *object, size_t run_count)
{
    struct sim_sweep *sweep = &r->file->sweep;
    if (!json_is_object(object)) {
        refuse(r, "there is no \"sweep\" in it; expected what quicether-sim sweep --json wrote");
        return;
    }
    sweep->version = text_of(r, object, "version", NAME_SIZE_MAX);
    sweep->lanes = (unsigned)number_of(r, object, "lanes", 1024);
    sweep->plan.seeds.first = number_of(r, object, "first_seed", INT64_MAX);
    sweep->plan.seeds.count = number_of(r, object, "seeds", SIM_SEEDS_MAX);
    if (sweep->plan.seeds.count == 0 || sweep->plan.seeds.count - 1 > INT64_MAX - sweep->plan.seeds.first)
        refuse(r, "\"seeds\" is wrong; expected at least one, and none past 2^63-1");
    read_scenarios(r, object);
    if (!r->failed) read_shards(r, object);
    read_stop(r, object);
    uint64_t planned = number_of(r, object, "planned", SIM_RUNS_MAX), done = number_of(r, object, "done", SIM_RUNS_MAX);
    if (r->failed) return;
    if (sim_plan_total(&sweep->plan) > SIM_RUNS_MAX || sim_sweep_planned(sweep) != planned)
        refuse(r, "\"planned\" does not agree with seeds, scenarios and shards");
    if (done != run_count) refuse(r, "it has %zu runs; expected %" PRIu64, run_count, done);
    if (done < planned && sweep->stop == SIM_SWEEP_WHOLE)
        refuse(r, "%" PRIu64 " of its runs are missing", planned - done);
}

static enum sim_verdict verdict_of(struct reader *r, const json_t *object)
{
    const char *text = text_of(r, object, "verdict", NAME_SIZE_MAX);
    for (enum sim_verdict verdict = SIM_PASS; verdict <= SIM_ERROR; verdict++)
        if (strcmp(text, sim_verdict_name(verdict)) == 0) return verdict;
    refuse(r, "\"verdict\" is wrong; expected \"pass\", \"fail\" or \"error\"");
    return SIM_ERROR;
}

// The result as far as its report says it.
static void read_result(struct reader *r, const json_t *object, struct sim_result *result)
{
    const json_t *list = array_of(r, object, "expectations", 0, EXPECTS_OF_RUN);
    const char *hash = text_of(r, object, "trace_hash", SIM_TRACE_HASH_SIZE * 2);
    result->verdict = verdict_of(r, object);
    if (!is_hex(hash, SIM_TRACE_HASH_SIZE * 2)) refuse(r, "\"trace_hash\" is wrong; expected 64 hexadecimal digits");
    if (json_object_get(object, "failure"))
        snprintf(result->signature, sizeof(result->signature), "%s",
            text_of(r, object, "failure", sizeof(result->signature) - 1));
    if (json_object_get(object, "violation"))
        snprintf(result->violation, sizeof(result->violation), "%s",
            text_of(r, object, "violation", sizeof(result->violation) - 1));
    if (r->failed) return;
    sodium_hex2bin(result->hash, sizeof(result->hash), hash, strlen(hash), NULL, NULL, NULL);
    result->outcomes = sim_obtain(json_array_size(list), sizeof(*result->outcomes));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        result->outcomes[result->outcome_count++] =
            (struct sim_outcome){.what = sim_copy_text(text_of(r, one, "what", 4096)),
                .bound = sim_copy_text(text_of(r, one, "expected", 4096)),
                .measured = sim_copy_text(text_of(r, one, "measured", 4096)),
                .passed = verdict_of(r, one) == SIM_PASS};
    }
}

static void read_run(struct reader *r, const json_t *object, struct sim_shard_run *run)
{
    const struct sim_sweep *sweep = &r->file->sweep;
    const struct sim_seed_range *seeds = &sweep->plan.seeds;
    struct sim_result result = {0};
    const char *name = text_of(r, object, "scenario", NAME_SIZE_MAX);
    uint64_t seed = number_of(r, object, "seed", INT64_MAX);
    uint64_t wall_ms = number_of(r, object, "wall_ms", UINT32_MAX);
    size_t file = find(sweep, sweep->plan.files, name);
    if (file == SIM_NONE) refuse(r, "a run is of scenario '%s', which the sweep has not", name);
    if (seed < seeds->first || seed - seeds->first >= seeds->count)
        refuse(r, "a run has seed %" PRIu64 ", which the sweep has not", seed);
    if (r->failed) return;
    read_result(r, object, &result);
    run->json = object;
    run->number = sim_plan_number(&sweep->plan, file, seed);
    run->record = (struct sim_run_record){.file = file, .seed = seed, .verdict = result.verdict, .wall_ms = wall_ms};
    if (!r->failed && result.verdict != SIM_PASS) {
        const struct sim_scenario names = {.name = sweep->files[file].name, .file = sweep->files[file].path};
        run->record.text = sim_report_text(&names, seed, &result);
    }
    sim_result_fini(&result);
}

static int by_number(const void *a, const void *b)
{
    const struct sim_shard_run *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static bool has_shard(const struct sim_sweep *sweep, uint32_t number)
{
    size_t low = 0, high = sweep->shard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sweep->shards[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sweep->shard_count && sweep->shards[low].number == number;
}

static void read_runs(struct reader *r, const json_t *list)
{
    struct sim_shard_file *file = r->file;
    size_t count = json_array_size(list);
    file->runs = sim_obtain(count, sizeof(*file->runs));
    for (size_t i = 0; i < count && !r->failed; i++)
        read_run(r, json_array_get(list, i), &file->runs[file->run_count++]);
    if (r->failed) return;
    qsort(file->runs, count, sizeof(*file->runs), by_number);
    for (size_t i = 0; i < count && !r->failed; i++) {
        const struct sim_shard_run *run = &file->runs[i];
        const char *name = file->sweep.files[run->record.file].name;
        if (i > 0 && run->number == run[-1].number)
            refuse(r, "scenario '%s' seed %" PRIu64 " is in it twice", name, run->record.seed);
        if (!has_shard(&file->sweep, sim_shard_of(run->number, file->sweep.shards[0].of)))
            refuse(r, "scenario '%s' seed %" PRIu64 " is not in its shards", name, run->record.seed);
    }
}

struct sim_shard_file *sim_shard_file_parse(
    const char *path, const char *text, size_t size, char error[SIM_SHARD_FILE_ERROR_SIZE])
{
    struct sim_shard_file *file = sim_obtain(1, sizeof(*file));
    struct reader r = {.file = file, .error = error};
    json_error_t mistake;
    file->path = sim_copy_text(path);
    file->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &mistake);
    if (!file->root) {
        refuse(&r, "damaged: line %d: %s", mistake.line, mistake.text);
    } else {
        const json_t *runs = json_object_get(file->root, "runs");
        if (!json_is_array(runs)) refuse(&r, "there are no \"runs\" in it");
        if (!r.failed) read_sweep(&r, json_object_get(file->root, "sweep"), json_array_size(runs));
        if (!r.failed) read_runs(&r, runs);
    }
    if (!r.failed) return file;
    sim_shard_file_free(file);
    return NULL;
}

struct sim_shard_file *sim_shard_file_load(const char *path, char error[SIM_SHARD_FILE_ERROR_SIZE])
{
    FILE *in = fopen(path, "r");
    char *text = NULL;
    size_t size = 0, capacity = 0;
    while (in && size <= FILE_SIZE_MAX) {
        if (capacity - size < 65536) text = sim_resize(text, capacity = capacity ? capacity * 2 : 1 << 20, 1);
        size_t n = fread(text + size, 1, capacity - size, in);
        if (n == 0) break;
        size += n;
    }
    struct sim_shard_file *file = NULL;
    if (!in || ferror(in))
        snprintf(error, SIM_SHARD_FILE_ERROR_SIZE, "%s: %s", path, strerror(errno));
    else if (size > FILE_SIZE_MAX)
        snprintf(error, SIM_SHARD_FILE_ERROR_SIZE, "%s: larger than 1 GiB", path);
    else
        file = sim_shard_file_parse(path, text, size, error);
    if (in) fclose(in);
    sim_release(text);
    return file;
}

void sim_shard_file_free(struct sim_shard_file *file)
{
    if (!file) return;
    for (size_t i = 0; i < file->run_count; i++)
        sim_release(file->runs[i].record.text);
    for (size_t i = 0; i < file->sweep.plan.files; i++) {
        sim_release(file->sweep.files[i].name);
        sim_release(file->sweep.files[i].path);
    }
    sim_release(file->sweep.files);
    sim_release(file->sweep.shards);
    sim_release(file->runs);
    sim_release(file->path);
    json_decref(file->root);
    sim_release(file);
}

static bool same_scenarios(const struct sim_sweep *a, const struct sim_sweep *b)
{
    if (a->plan.files != b->plan.files) return false;
    for (size_t i = 0; i < a->plan.files; i++)
        if (strcmp(a->files[i].name, b->files[i].name) != 0 || strcmp(a->files[i].digest, b->files[i].digest) != 0)
            return false;
    return true;
}

bool sim_shard_files_fit(
    const struct sim_shard_file *first, const struct sim_shard_file *other, char error[SIM_SHARD_FILE_ERROR_SIZE])
{
    const struct sim_sweep *a = &first->sweep, *b = &other->sweep;
    const char *what = NULL;
    if (strcmp(a->version, b->version) != 0)
        what = "of another version";
    else if (a->plan.seeds.first != b->plan.seeds.first || a->plan.seeds.count != b->plan.seeds.count)
        what = "of other seeds";
    else if (a->lanes != b->lanes)
        what = "of another number of lanes";
    else if (!same_scenarios(a, b))
        what = "of other scenarios";
    else if (a->shards[0].of != b->shards[0].of)
        what = "of another number of shards";
    for (size_t i = 0; !what && i < b->shard_count; i++) {
        if (!has_shard(a, b->shards[i].number)) continue;
        snprintf(error, SIM_SHARD_FILE_ERROR_SIZE, "%s: it is of shard %" PRIu32 "/%" PRIu32 ", as %s is", other->path,
            b->shards[i].number, b->shards[i].of, first->path);
        return false;
    }
    if (what) snprintf(error, SIM_SHARD_FILE_ERROR_SIZE, "%s: it is %s than %s", other->path, what, first->path);
    return !what;
}

char *sim_shard_run_json(const struct sim_shard_run *run)
{
    return json_dumps(run->json, JSON_INDENT(2));
}
