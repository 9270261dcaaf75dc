// quicether-sim sweep: runs scenarios with many seeds each.
#include "cli/command.h"
#include "cli/gather.h"
#include "cli/progress.h"
#include "cli/runs.h"
#include "engine/memory.h"
#include "scenario/units.h"
#include "sweep/results.h"
#include "sweep/sometimes.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// So many runs a process: what it costs to start one is shared by them, and memory that grew is given back.
#define RUNS_A_PROCESS 64
// The first failures of a scenario are told in full, of the others the command that reruns them.
#define FULL_FAILURES    10
#define RUN_LIMIT_MS     (UINT64_C(10) * 60 * 1000)
#define SEEDS_A_DAY      UINT64_C(999999)
#define EXIT_INTERRUPTED (128 + SIGINT)

static const char usage[] =
    "Usage: quicether-sim sweep PATH... [--seeds A..B | --fresh-seeds[=DATE]] [--jobs N] [--shard I/N]\n"
    "           [--json FILE] [--junit FILE] [--time-limit TIME] [--run-limit TIME] [--fail-fast] [--lanes N]\n"
    "\n"
    "Runs scenarios, or all of a directory, with every seed, and sums up. Each failure is told with the command that\n"
    "reruns it.\n"
    "\n"
    "  --seeds A..B           the seeds (default 1..100)\n"
    "  --fresh-seeds[=DATE]   other ones each day: from DATE (YYYY-MM-DD, default today) followed by 000001 on\n"
    "  --jobs N               so many runs at a time (default 1); the results are the same\n"
    "  --shard I/N            only the I-th of N parts; quicether-sim merge puts them together\n"
    "  --json FILE            writes the results as JSON\n"
    "  --junit FILE           writes them as JUnit's XML\n"
    "  --time-limit TIME      starts no more runs after that long, such as 60s\n"
    "  --run-limit TIME       a run that takes longer is ended, and an error (default 10min)\n"
    "  --runs-per-process N   so many runs in one process (default 64)\n"
    "  --fail-fast            ends at the first run that does not pass\n"
    "  --lanes N              lanes of every node, instead of what is configured\n"
    "  --help                 this text\n"
    "\n"
    "Exit status: 0 all runs that were done pass, 1 some fail, 2 the command line or a scenario is wrong, 130\n"
    "interrupted; what was done until then is summed up.\n";

struct options {
    struct sim_seed_range seeds;
    struct sim_shard shard;
    unsigned jobs, lanes, runs_a_process;
    uint64_t time_limit_ms, run_limit_ms;
    const char *json, *junit;
    bool has_seeds, fresh, fail_fast, help;
};

struct session {
    const struct options *options;
    struct sim_sweep sweep;
    struct sim_results results;
    struct sim_sometimes sometimes;
    struct sim_progress progress;
    FILE *json;
    uint64_t failed;
    uint64_t *failed_by_file;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// The seeds of a day begin with its date, so that one sees where a seed comes from.
static bool seeds_of_day(const char *date, struct sim_seed_range *out)
{
    struct tm day = {0};
    char text[16];
    if (date) {
        const char *end = strptime(date, "%Y-%m-%d", &day);
        if (!end || *end || strlen(date) != 10) return false;
    } else {
        struct timespec now; // not of time(), which the core has replaced for OpenSSL
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &day);
    }
    strftime(text, sizeof(text), "%Y%m%d", &day);
    *out = (struct sim_seed_range){strtoull(text, NULL, 10) * (SEEDS_A_DAY + 1) + 1, SEEDS_A_DAY};
    return true;
}

static bool parse_time(const char *text, uint64_t *out_ms)
{
    uint64_t ns;
    if (!sim_duration_parse(text, &ns) || ns < 1000000) return false;
    *out_ms = ns / 1000000;
    return true;
}

static int take_seeds(struct options *o, bool fresh, const char *value)
{
    if (o->has_seeds) return sim_complain("--seeds and --fresh-seeds want to be given once, and not both", NULL);
    o->has_seeds = true;
    o->fresh = fresh;
    if (fresh && !seeds_of_day(value, &o->seeds))
        return sim_complain("--fresh-seeds wants a date such as 2026-01-31, not", value);
    if (!fresh && !sim_parse_seeds(value, &o->seeds))
        return sim_complain("--seeds wants a number or a range such as 1..100, not", value);
    return 0;
}

static int take_option(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 's':
        return take_seeds(o, false, value);
    case 'f':
        return take_seeds(o, true, value);
    case 'j':
        if (sim_parse_count(value, SIM_RUNS_AT_ONCE_MAX, &o->jobs)) return 0;
        return sim_complain("--jobs wants 1 to 256, not", value);
    case 'l':
        if (sim_parse_count(value, QE_CONFIG_LANES_MAX, &o->lanes)) return 0;
        return sim_complain("--lanes wants 1 to 32, not", value);
    case 'p':
        if (sim_parse_count(value, 1000000, &o->runs_a_process)) return 0;
        return sim_complain("--runs-per-process wants 1 to 1000000, not", value);
    case 'i':
        if (sim_shard_parse(value, &o->shard)) return 0;
        return sim_complain("--shard wants one of so many, such as 2/8, not", value);
    case 't':
        if (parse_time(value, &o->time_limit_ms)) return 0;
        return sim_complain("--time-limit wants a time such as 60s, not", value);
    case 'r':
        if (parse_time(value, &o->run_limit_ms)) return 0;
        return sim_complain("--run-limit wants a time such as 60s, not", value);
    case 'o':
        o->json = value;
        return 0;
    case 'u':
        o->junit = value;
        return 0;
    case 'x':
        o->fail_fast = true;
        return 0;
    case 'h':
        o->help = true;
        return 0;
    default:
        return sim_complain("unknown or incomplete option", NULL);
    }
}

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"seeds", required_argument, NULL, 's'},
        {"fresh-seeds", optional_argument, NULL, 'f'}, {"jobs", required_argument, NULL, 'j'},
        {"lanes", required_argument, NULL, 'l'}, {"shard", required_argument, NULL, 'i'},
        {"json", required_argument, NULL, 'o'}, {"junit", required_argument, NULL, 'u'},
        {"time-limit", required_argument, NULL, 't'}, {"run-limit", required_argument, NULL, 'r'},
        {"runs-per-process", required_argument, NULL, 'p'}, {"fail-fast", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        int status = take_option(o, letter, optarg);
        if (status || o->help) return status;
    }
    if (optind == argc) return sim_complain("sweep wants scenarios, or directories of them", NULL);
    return 0;
}

static void take(void *user, const struct sim_run_report *report)
{
    struct session *s = user;
    bool passed = report->verdict == SIM_PASS;
    struct sim_run_record record = {.file = report->file,
        .seed = report->seed,
        .verdict = report->verdict,
        .wall_ms = report->wall_us / 1000,
        .text = passed ? NULL : sim_copy_text(report->text)};
    if (s->json) sim_results_run(s->json, s->results.count == 0, report->json);
    sim_results_add(&s->results, &record);
    sim_sometimes_add(&s->sometimes, report->json);
    if (passed) return;
    s->failed++;
    sim_progress_clear(&s->progress);
    if (++s->failed_by_file[report->file] <= FULL_FAILURES)
        fputs(report->text, stdout);
    else
        printf("rerun: quicether-sim run %s --seed %" PRIu64 "\n", s->sweep.files[report->file].path, report->seed);
    fflush(stdout);
}

static enum sim_jobs_next next(void *user)
{
    struct session *s = user;
    sim_progress_update(&s->progress, s->results.count, s->failed);
    if (interrupted) s->sweep.stop = SIM_SWEEP_INTERRUPTED;
    if (s->sweep.stop == SIM_SWEEP_INTERRUPTED) return SIM_JOBS_STOP;
    if (s->options->fail_fast && s->failed) {
        if (s->results.count < sim_sweep_planned(&s->sweep)) s->sweep.stop = SIM_SWEEP_FAILURE;
        return SIM_JOBS_STOP;
    }
    uint64_t limit = s->options->time_limit_ms;
    if (!limit || sim_wall_clock_ms() - s->progress.began_ms < limit) return SIM_JOBS_GO_ON;
    if (s->results.count < sim_sweep_planned(&s->sweep)) s->sweep.stop = SIM_SWEEP_TIME_LIMIT;
    return SIM_JOBS_START_NO_MORE;
}

static void conclude(const struct session *s)
{
    uint64_t took_ms = sim_wall_clock_ms() - s->progress.began_ms, planned = sim_sweep_planned(&s->sweep);
    const struct sim_seed_range *seeds = &s->sweep.plan.seeds;
    sim_results_summary(&s->results, stdout);
    printf("%zu runs in %" PRIu64 ".%01" PRIu64 " s, %" PRIu64 " a minute; seeds %" PRIu64 "..%" PRIu64,
        s->results.count, took_ms / 1000, took_ms / 100 % 10, took_ms ? s->results.count * 60000 / took_ms : 0,
        seeds->first, seeds->first + seeds->count - 1);
    if (s->options->shard.of > 1) printf("; shard %u/%u", s->options->shard.number, s->options->shard.of);
    if (s->sweep.stop != SIM_SWEEP_WHOLE)
        printf("; ended by %s, %" PRIu64 " runs were not done", sim_sweep_stop_name(s->sweep.stop),
            planned - s->results.count);
    putchar('\n');
}

static int write_junit(const struct session *s)
{
    FILE *out = fopen(s->options->junit, "w");
    if (!out) return sim_complain_file(s->options->junit);
    sim_results_junit(&s->results, out);
    return fclose(out) == 0 ? 0 : sim_complain_file(s->options->junit);
}

static int sweep(struct session *s, const struct sim_runs *runs)
{
    const struct options *o = s->options;
    struct sigaction on = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    if (o->json && !(s->json = fopen(o->json, "w"))) return sim_complain_file(o->json);
    if (s->json) sim_results_begin(s->json);
    sim_progress_init(&s->progress, sim_sweep_planned(&s->sweep), o->time_limit_ms);
    int status = sim_runs_do(runs);
    sim_progress_clear(&s->progress);
    conclude(s);
    // A shard, or a sweep that was ended, has not seen all there is.
    bool whole = o->shard.of == 1 && s->sweep.stop == SIM_SWEEP_WHOLE;
    bool often = sim_sometimes_judge(&s->sometimes, stdout) || !whole;
    if (s->json) {
        sim_results_end(s->json, &s->sweep, s->results.count);
        if (fclose(s->json) != 0) return sim_complain_file(o->json);
    }
    if (o->junit && write_junit(s) != 0) return SIM_EXIT_USAGE;
    if (s->sweep.stop == SIM_SWEEP_INTERRUPTED) return EXIT_INTERRUPTED;
    return s->failed || !often ? SIM_EXIT_FAIL : status;
}

static int sweep_gathered(const struct options *o, const struct sim_gathered *gathered)
{
    struct sim_shard shard = o->shard;
    struct session s = {.options = o,
        .sweep = {.version = QE_VERSION,
            .lanes = o->lanes,
            .plan = {gathered->count, o->seeds},
            .files = gathered->files,
            .shards = &shard,
            .shard_count = 1}};
    struct sim_runs runs = {.templates = gathered->templates,
        .plan = s.sweep.plan,
        .shard = shard,
        .jobs = o->jobs,
        .lanes = o->lanes,
        .runs_a_process = o->runs_a_process,
        .measures = o->json,
        .limit_ms = o->run_limit_ms,
        .user = &s,
        .done = take,
        .next = next};
    if (sim_plan_total(&s.sweep.plan) > SIM_RUNS_MAX)
        return sim_complain("a sweep is of at most 100,000,000 runs", NULL);
    s.failed_by_file = sim_obtain(gathered->count, sizeof(*s.failed_by_file));
    sim_results_init(&s.results, &s.sweep);
    int status = sweep(&s, &runs);
    sim_results_fini(&s.results);
    sim_sometimes_fini(&s.sometimes);
    sim_release(s.failed_by_file);
    return status;
}

int sim_command_sweep(int argc, char **argv)
{
    struct options o = {
        .seeds = {1, 100}, .shard = {1, 1}, .jobs = 1, .runs_a_process = RUNS_A_PROCESS, .run_limit_ms = RUN_LIMIT_MS};
    struct sim_gathered gathered = {0};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    status = SIM_EXIT_USAGE;
    if (sim_gather(&gathered, argv + optind, argc - optind, o.lanes)) {
        if (o.fresh) printf("seeds from %" PRIu64 " on\n", o.seeds.first);
        status = sweep_gathered(&o, &gathered);
    }
    sim_gathered_fini(&gathered);
    return status;
}
