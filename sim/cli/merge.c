// quicether-sim merge: puts the results of a sweep's shards together.
#include "cli/command.h"
#include "engine/memory.h"
#include "sweep/results.h"
#include "sweep/shard_file.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "Usage: quicether-sim merge OUT FILE... [--partial] [--junit FILE]\n"
    "\n"
    "Puts the results that the shards of a sweep wrote with --json together into OUT, which is what the whole sweep\n"
    "would have written, and sums up. A file that is damaged, of another sweep, or has what another one has is "
    "refused.\n"
    "\n"
    "  --partial     although shards are missing\n"
    "  --junit FILE  writes the results as JUnit's XML, too\n"
    "  --help        this text\n"
    "\n"
    "Exit status: 0 all runs pass, 1 some fail, 2 the command line or a file is wrong.\n";

struct options {
    const char *out, *junit;
    bool partial, help;
};

struct session {
    const struct options *options;
    struct sim_shard_file **files;
    size_t count;
    struct sim_sweep sweep;
    struct sim_shard_run *runs; // of all files, by number
    size_t run_count;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"partial", no_argument, NULL, 'p'}, {"junit", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'p':
            o->partial = true;
            break;
        case 'u':
            o->junit = optarg;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (argc - optind < 2) return sim_complain("merge wants a file to write and files to read", NULL);
    o->out = argv[optind];
    return 0;
}

static bool load(struct session *s, char *const *paths)
{
    char error[SIM_SHARD_FILE_ERROR_SIZE];
    for (size_t i = 0; i < s->count; i++) {
        bool good = (s->files[i] = sim_shard_file_load(paths[i], error)) != NULL;
        for (size_t k = 0; good && k < i; k++)
            good = sim_shard_files_fit(s->files[k], s->files[i], error);
        if (good) continue;
        fprintf(stderr, "quicether-sim: %s\n", error);
        return false;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct sim_shard *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_run(const void *a, const void *b)
{
    const struct sim_shard_run *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

// One sweep of all their shards; of all there are it is the whole one.
static bool unite(struct session *s)
{
    struct sim_sweep *sweep = &s->sweep;
    size_t shards = 0, runs = 0;
    *sweep = s->files[0]->sweep;
    for (size_t i = 0; i < s->count; i++) {
        shards += s->files[i]->sweep.shard_count;
        runs += s->files[i]->run_count;
    }
    sweep->shards = sim_obtain(shards, sizeof(*sweep->shards));
    sweep->shard_count = 0;
    s->runs = sim_obtain(runs, sizeof(*s->runs));
    for (size_t i = 0; i < s->count; i++) {
        const struct sim_shard_file *file = s->files[i];
        for (size_t k = 0; k < file->sweep.shard_count; k++)
            sweep->shards[sweep->shard_count++] = file->sweep.shards[k];
        for (size_t k = 0; k < file->run_count; k++)
            s->runs[s->run_count++] = file->runs[k];
        if (sweep->stop == SIM_SWEEP_WHOLE) sweep->stop = file->sweep.stop;
    }
    qsort(sweep->shards, shards, sizeof(*sweep->shards), by_number);
    qsort(s->runs, runs, sizeof(*s->runs), by_run);
    uint32_t of = sweep->shards[0].of;
    if (shards == of) {
        sweep->shards[0] = (struct sim_shard){1, 1};
        sweep->shard_count = 1;
    } else if (!s->options->partial) {
        fprintf(stderr, "quicether-sim: %" PRIu32 " of %" PRIu32 " shards are missing", of - (uint32_t)shards, of);
        for (uint32_t number = 1, at = 0, said = 0; number <= of && said < 10; number++) {
            if (at < shards && sweep->shards[at].number == number)
                at++;
            else
                fprintf(stderr, "%s %" PRIu32, said++ ? "," : ":", number);
        }
        fputs("; --partial merges all the same\n", stderr);
        return false;
    }
    return true;
}

static int write_json(const struct session *s)
{
    FILE *out = fopen(s->options->out, "w");
    if (!out) return sim_complain_file(s->options->out);
    sim_results_begin(out);
    for (size_t i = 0; i < s->run_count; i++) {
        char *json = sim_shard_run_json(&s->runs[i]);
        if (!json) abort();
        sim_results_run(out, i == 0, json);
        free(json);
    }
    sim_results_end(out, &s->sweep, s->run_count);
    return fclose(out) == 0 ? 0 : sim_complain_file(s->options->out);
}

static int write_junit(const struct session *s, const struct sim_results *results)
{
    FILE *out = fopen(s->options->junit, "w");
    if (!out) return sim_complain_file(s->options->junit);
    sim_results_junit(results, out);
    return fclose(out) == 0 ? 0 : sim_complain_file(s->options->junit);
}

static int conclude(const struct session *s)
{
    struct sim_results results;
    sim_results_init(&results, &s->sweep);
    for (size_t i = 0; i < s->run_count; i++) {
        struct sim_run_record record = s->runs[i].record;
        record.text = record.text ? sim_copy_text(record.text) : NULL;
        if (record.text) fputs(record.text, stdout);
        sim_results_add(&results, &record);
    }
    sim_results_summary(&results, stdout);
    int status = s->options->junit ? write_junit(s, &results) : 0;
    if (!status && sim_results_failed(&results)) status = SIM_EXIT_FAIL;
    sim_results_fini(&results);
    return status;
}

static int merge(struct session *s, char *const *paths)
{
    if (!load(s, paths) || !unite(s)) return SIM_EXIT_USAGE;
    int status = write_json(s);
    return status ? status : conclude(s);
}

int sim_command_merge(int argc, char **argv)
{
    struct options o = {0};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    struct session s = {.options = &o, .count = (size_t)(argc - optind - 1)};
    s.files = sim_obtain(s.count, sizeof(struct sim_shard_file *));
    status = merge(&s, argv + optind + 1);
    if (s.sweep.shards) sim_release(s.sweep.shards);
    sim_release(s.runs);
    for (size_t i = 0; i < s.count; i++)
        sim_shard_file_free(s.files[i]);
    sim_release(s.files);
    return status;
}
