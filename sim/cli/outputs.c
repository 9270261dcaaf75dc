#include "cli/outputs.h"

#include "cli/command.h"
#include "engine/memory.h"
#include "look/capture.h"
#include "look/jsonl.h"
#include "look/keylog.h"
#include "look/qlog.h"
#include "look/readable.h"
#include "scenario/units.h"
#include "world/report.h"

#include "commit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_SIZE     4096
#define SAMPLE_NS     UINT64_C(100000000) // where --all asks for everything
#define SAMPLE_NS_MIN UINT64_C(1000000)
#define APPLICATION   "quicether-sim " QE_VERSION " " QE_COMMIT

enum { FILE_TRACE, FILE_JSONL, FILE_PCAP, FILE_OVERLAY, FILE_KEYLOG, FILE_COUNT };

struct sim_outputs {
    const struct sim_outputs_options *options;
    struct sim_sink *sinks;
    char paths[FILE_COUNT][PATH_SIZE];
    char qlog_path[PATH_SIZE];
    FILE *files[FILE_COUNT];
    bool logs_connections;
    struct sim_readable trace;
    struct sim_jsonl jsonl;
    struct sim_capture pcap, overlay;
    struct sim_keylog keylog;
    struct sim_qlog qlog;
};

void sim_outputs_options_init(struct sim_outputs_options *options)
{
    *options = (struct sim_outputs_options){0};
    sim_filter_init(&options->filter);
}

static int take_filter(struct sim_outputs_options *options, const char *value)
{
    char error[SIM_FILTER_ERROR_SIZE];
    if (sim_filter_parse(&options->filter, value, error)) return 0;
    return sim_complain("--trace-filter:", error);
}

static int take_sample(struct sim_outputs_options *options, const char *value)
{
    if (sim_duration_parse(value, &options->sample_ns) && options->sample_ns >= SAMPLE_NS_MIN) return 0;
    return sim_complain("--sample wants a duration of 1ms or more, such as 100ms, not", value);
}

int sim_outputs_option(struct sim_outputs_options *options, int letter, const char *value)
{
    const char **const names[] = {[SIM_OUTPUT_TRACE - SIM_OUTPUT_TRACE] = &options->trace,
        [SIM_OUTPUT_JSONL - SIM_OUTPUT_TRACE] = &options->jsonl,
        [SIM_OUTPUT_PCAP - SIM_OUTPUT_TRACE] = &options->pcap,
        [SIM_OUTPUT_OVERLAY - SIM_OUTPUT_TRACE] = &options->overlay,
        [SIM_OUTPUT_KEYLOG - SIM_OUTPUT_TRACE] = &options->keylog,
        [SIM_OUTPUT_QLOG - SIM_OUTPUT_TRACE] = &options->qlog,
        [SIM_OUTPUT_ALL - SIM_OUTPUT_TRACE] = &options->all};
    if (letter == SIM_OUTPUT_FILTER) return take_filter(options, value);
    if (letter == SIM_OUTPUT_SAMPLE) return take_sample(options, value);
    if (letter == SIM_OUTPUT_MESSAGES) {
        options->messages = true;
        return 0;
    }
    if (letter < SIM_OUTPUT_TRACE || letter > SIM_OUTPUT_ALL) return sim_complain("unknown or incomplete option", NULL);
    if (!*value) return sim_complain("an output wants a name, not an empty one", NULL);
    *names[letter - SIM_OUTPUT_TRACE] = value;
    return 0;
}

int sim_outputs_settle(struct sim_outputs_options *options, bool each_seed)
{
    options->each_seed = each_seed;
    if (options->all && !options->sample_ns) options->sample_ns = SAMPLE_NS;
    if (options->all || options->filter.carries) options->messages = true;
    if (options->trace && strcmp(options->trace, "-") == 0 && each_seed)
        return sim_complain("--trace - wants a single seed", NULL);
    if (options->sample_ns && !options->trace && !options->jsonl && !options->all)
        return sim_complain("--sample wants --jsonl or --trace to write to", NULL);
    if (options->messages && !options->trace && !options->jsonl && !options->all)
        return sim_complain("--messages wants --jsonl or --trace to write to", NULL);
    return 0;
}

// Where an output goes: the name it was given, in the folder of all where it was given none, or "" for nowhere.
static bool name_output(
    char path[PATH_SIZE], const struct sim_outputs_options *o, const char *given, const char *usual, uint64_t seed)
{
    char suffix[32] = "";
    int size = 0;
    if (o->each_seed) snprintf(suffix, sizeof(suffix), ".%" PRIu64, seed);
    path[0] = '\0';
    if (given)
        size = snprintf(path, PATH_SIZE, "%s%s", given, strcmp(given, "-") == 0 ? "" : suffix);
    else if (o->all)
        size = snprintf(path, PATH_SIZE, "%s%s%s%s", o->all, suffix, *usual ? "/" : "", usual);
    if (size < PATH_SIZE) return true;
    errno = ENAMETOOLONG;
    path[PATH_SIZE - 1] = '\0';
    return false;
}

static bool make_folder(const char *path)
{
    struct stat there;
    if (mkdir(path, 0777) == 0) return true;
    if (errno != EEXIST || stat(path, &there) != 0) return false;
    if (S_ISDIR(there.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

static bool open_files(struct sim_outputs *outputs, uint64_t seed, const char **failed)
{
    const struct sim_outputs_options *o = outputs->options;
    const struct {
        const char *given, *usual;
    } names[FILE_COUNT] = {{o->trace, "trace.txt"}, {o->jsonl, "events.jsonl"}, {o->pcap, "underlay.pcapng"},
        {o->overlay, "overlay.pcapng"}, {o->keylog, "keys.log"}};
    *failed = outputs->qlog_path;
    if (o->all && !(name_output(outputs->qlog_path, o, NULL, "", seed) && make_folder(outputs->qlog_path)))
        return false;
    if (!name_output(outputs->qlog_path, o, o->qlog, "qlog", seed)) return false;
    if (outputs->qlog_path[0] && !make_folder(outputs->qlog_path)) return false;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        char *path = outputs->paths[i];
        *failed = path;
        if (!name_output(path, o, names[i].given, names[i].usual, seed)) return false;
        if (!*path) continue;
        outputs->files[i] = i == FILE_TRACE && strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
        if (!outputs->files[i]) return false;
    }
    return true;
}

static void add(struct sim_outputs *outputs, struct sim_sink *sink)
{
    sink->next = outputs->sinks;
    outputs->sinks = sink;
}

static bool start_sinks(struct sim_outputs *outputs, const struct sim_scenario *scenario, uint64_t seed)
{
    FILE *const *files = outputs->files;
    const struct sim_filter *filter = &outputs->options->filter;
    char comment[256];
    snprintf(comment, sizeof(comment), "scenario %s seed %" PRIu64, scenario->name, seed);
    if (files[FILE_TRACE]) {
        sim_readable_init(&outputs->trace, files[FILE_TRACE], filter);
        add(outputs, &outputs->trace.sink);
    }
    if (files[FILE_JSONL]) {
        struct sim_jsonl_run run = {.scenario = scenario->name,
            .version = QE_VERSION,
            .commit = QE_COMMIT,
            .seed = seed,
            .duration_ns = scenario->duration_ns};
        sim_jsonl_init(&outputs->jsonl, files[FILE_JSONL], filter, &run);
        add(outputs, &outputs->jsonl.sink);
    }
    if (files[FILE_PCAP]) {
        if (sim_capture_underlay_init(&outputs->pcap, files[FILE_PCAP], APPLICATION, comment) != 0) return false;
        add(outputs, &outputs->pcap.sink);
    }
    if (files[FILE_OVERLAY]) {
        sim_capture_overlay_init(&outputs->overlay, files[FILE_OVERLAY], APPLICATION, comment);
        add(outputs, &outputs->overlay.sink);
    }
    if (files[FILE_KEYLOG]) {
        sim_keylog_init(&outputs->keylog, files[FILE_KEYLOG]);
        add(outputs, &outputs->keylog.sink);
    }
    if (outputs->qlog_path[0]) {
        sim_qlog_init(&outputs->qlog, outputs->qlog_path);
        outputs->logs_connections = true;
        add(outputs, &outputs->qlog.sink);
    }
    return true;
}

struct sim_outputs *sim_outputs_open(
    const struct sim_outputs_options *options, const struct sim_scenario *scenario, uint64_t seed)
{
    struct sim_outputs *outputs = sim_obtain(1, sizeof(*outputs));
    const char *failed;
    outputs->options = options;
    if (!open_files(outputs, seed, &failed)) goto out;
    failed = outputs->paths[FILE_PCAP];
    if (start_sinks(outputs, scenario, seed)) return outputs;
    outputs->sinks = NULL;
out:
    sim_complain_file(failed);
    sim_outputs_close(outputs, NULL);
    return NULL;
}

struct sim_sink *sim_outputs_sinks(struct sim_outputs *outputs)
{
    return outputs->sinks;
}

// Writes the rest of what one sink has. 0, or -1 with errno.
static int finish(struct sim_outputs *outputs, int file, const struct sim_result *result)
{
    char hash[SIM_TRACE_HASH_SIZE * 2 + 1] = "";
    switch (file) {
    case FILE_TRACE:
        return sim_out_flush(&outputs->trace.out);
    case FILE_JSONL:
        if (result) {
            sodium_bin2hex(hash, sizeof(hash), result->hash, sizeof(result->hash));
            sim_jsonl_end(&outputs->jsonl, result->virtual_ns, sim_verdict_name(result->verdict), hash);
        }
        return sim_out_flush(&outputs->jsonl.out);
    case FILE_PCAP:
        return sim_capture_fini(&outputs->pcap);
    case FILE_OVERLAY:
        return sim_capture_fini(&outputs->overlay);
    default:
        return sim_keylog_fini(&outputs->keylog);
    }
}

int sim_outputs_close(struct sim_outputs *outputs, const struct sim_result *result)
{
    int status = 0;
    for (int i = 0; i < FILE_COUNT; i++) {
        FILE *file = outputs->files[i];
        if (!file) continue;
        bool ok = !outputs->sinks || finish(outputs, i, result) == 0;
        if (file != stdout && fclose(file) != 0) ok = false;
        if (!ok) status = sim_complain_file(outputs->paths[i]);
    }
    if (outputs->logs_connections && sim_qlog_fini(&outputs->qlog) != 0) status = sim_complain_file(outputs->qlog_path);
    sim_release(outputs);
    return status;
}
