// quicether-sim shrink: the smallest literal scenario that still fails in the same way.
#include "shrink/shrink.h"
#include "cli/command.h"
#include "engine/memory.h"
#include "host/core.h"
#include "scenario/units.h"
#include "world/jobs.h"
#include "world/verdict.h"

#include "quic/library.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIME_LIMIT_MS UINT64_C(60000)
#define RUN_LIMIT_MS  UINT64_C(30000)
// A candidate may take so many times as long as the original, and never less than a moment.
#define RUN_FACTOR 5
#define RUN_MIN_MS UINT64_C(2000)

static const char usage[] =
    "Usage: quicether-sim shrink FILE [--seed N] [--output OUT] [--jobs N] [--time-limit TIME] [--run-limit TIME]\n"
    "           [--lanes N]\n"
    "\n"
    "Takes hosts, links, flows, faults, expectations, settings and time out of a scenario that fails, as long as it "
    "fails\n"
    "in the same way, and writes what is left as a literal scenario.\n"
    "\n"
    "  --seed N            the seed that fails (default: the scenario's, or 1)\n"
    "  --output OUT        where to (default: standard output)\n"
    "  --jobs N            so many runs at a time (default 1); the result is the same\n"
    "  --time-limit TIME   ends with what there is after that long (default 60s)\n"
    "  --run-limit TIME    a run that takes longer hangs (default 30s)\n"
    "  --lanes N           lanes of every node, instead of what is configured\n"
    "  --help              this text\n"
    "\n"
    "Exit status: 0 it was shrunk, 1 it was not, 2 the command line or the scenario is wrong, or it passes.\n";

struct options {
    const char *file, *output;
    uint64_t seed, time_limit_ms, run_limit_ms;
    unsigned jobs, lanes;
    bool has_seed, help;
};

struct judge {
    const struct options *options;
    struct qe_tls_library *tls;
    uint64_t began_ms, limit_ms; // limit: of one run
    char wanted[SIM_SIGNATURE_SIZE];
    struct sim_shrink_size size;
    uint64_t runs;
    bool broken, shown; // broken: no run can be started
    // The batch at hand.
    struct sim_scenario *scenarios[SIM_SHRINK_BATCH];
    size_t count, found;
    char signature[SIM_SIGNATURE_SIZE]; // of the last run
    uint64_t wall_us;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static bool over(void *user)
{
    const struct judge *j = user;
    return interrupted || j->broken || sim_wall_clock_ms() - j->began_ms >= j->options->time_limit_ms;
}

static enum sim_jobs_next next(void *user)
{
    const struct judge *j = user;
    return j->found < j->count || over(user) ? SIM_JOBS_STOP : SIM_JOBS_GO_ON;
}

static void run_one(void *user, size_t index, struct sim_job_output *out)
{
    const struct judge *j = user;
    uint64_t began_us = sim_wall_clock_us();
    struct sim_result result;
    struct sim_run_options run = {.scenario = j->scenarios[index],
        .seed = j->options->seed,
        .lanes = j->options->lanes,
        .core = &sim_core_node,
        .tls = j->tls};
    sim_run(&run, &result);
    out->text = strdup(result.signature);
    out->json = strdup("");
    if (!out->text || !out->json) abort();
    out->wall_us = sim_wall_clock_us() - began_us;
    sim_result_fini(&result);
}

static void take(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    struct judge *j = user;
    struct sim_result dead;
    const char *signature = out->text;
    j->runs++;
    if (!signature) {
        if (signal == SIM_JOB_OVERRAN)
            sim_verdict_hung(&dead);
        else
            sim_verdict_died(&dead, signal);
        signature = dead.signature;
    }
    snprintf(j->signature, sizeof(j->signature), "%s", signature);
    j->wall_us = out->wall_us;
    if (j->found == j->count && strcmp(signature, j->wanted) == 0) j->found = index;
}

static void run_batch(struct judge *j, bool to_the_end)
{
    struct sim_jobs jobs = {.user = j, .run = run_one, .done = take, .limit_ms = j->limit_ms};
    jobs.next = to_the_end ? NULL : next;
    j->found = j->count;
    if (sim_jobs_run(&jobs, j->count, j->options->jobs) < 0) {
        fprintf(stderr, "quicether-sim: cannot start a run: %s\n", strerror(errno));
        j->broken = true;
    }
}

// The scenario that a tree is, or NULL where it is none, which is no failure.
static struct sim_scenario *scenario_of(const struct judge *j, const struct sim_tree *tree)
{
    char error[SIM_ERROR_SIZE];
    unsigned lanes = j->options->lanes;
    struct qe_toml *toml = sim_tree_to_toml(tree);
    struct sim_scenario *scenario = toml ? sim_scenario_read(j->options->file, toml, error) : NULL;
    if (!scenario || sim_command_accept(&lanes, scenario, error)) return scenario;
    sim_scenario_free(scenario);
    return NULL;
}

static void say(const struct judge *j)
{
    if (!j->shown) return;
    fprintf(stderr, "\r%" PRIu64 " runs, %zu hosts, %zu links, %zu flows, %zu faults, %zu expectations\033[K", j->runs,
        j->size.hosts, j->size.links, j->size.flows, j->size.faults, j->size.expects);
    fflush(stderr);
}

static size_t first_same(void *user, struct sim_tree *const *candidates, size_t count)
{
    struct judge *j = user;
    size_t places[SIM_SHRINK_BATCH];
    j->count = 0;
    for (size_t i = 0; i < count; i++) {
        j->scenarios[j->count] = scenario_of(j, candidates[i]);
        places[j->count] = i;
        j->count += j->scenarios[j->count] != NULL;
    }
    if (j->count) run_batch(j, false);
    for (size_t i = 0; i < j->count; i++)
        sim_scenario_free(j->scenarios[i]);
    say(j);
    return j->count && j->found < j->count ? places[j->found] : count;
}

static void told(void *user, const struct sim_tree *tree)
{
    struct judge *j = user;
    j->size = sim_shrink_measure(tree);
    say(j);
}

// Runs the literal once: what its failure is, and how long it takes. False where it passes.
static bool look_at_failure(struct judge *j, const struct sim_tree *tree)
{
    j->scenarios[0] = scenario_of(j, tree);
    if (!j->scenarios[0]) return false;
    j->count = 1;
    j->limit_ms = j->options->run_limit_ms;
    run_batch(j, true);
    sim_scenario_free(j->scenarios[0]);
    memcpy(j->wanted, j->signature, sizeof(j->wanted));
    uint64_t limit_ms = j->wall_us / 1000 * RUN_FACTOR;
    if (limit_ms < RUN_MIN_MS) limit_ms = RUN_MIN_MS;
    if (limit_ms < j->limit_ms && strcmp(j->wanted, "hang") != 0) j->limit_ms = limit_ms;
    return j->wanted[0] != '\0';
}

static int write_out(const struct judge *j, struct sim_tree *tree)
{
    const struct options *o = j->options;
    const struct sim_tree *refused;
    char *text = NULL;
    if (sim_command_move(tree, o->file, o->output)) text = sim_tree_print(tree, &refused);
    FILE *out = o->output ? fopen(o->output, "w") : stdout;
    if (!out || !text) {
        sim_release(text);
        return out ? SIM_EXIT_FAIL : sim_complain_file(o->output);
    }
    fprintf(out,
        "# What is left of %s, seed %" PRIu64 ", that fails with \"%s\".\n"
        "# Made by: quicether-sim shrink %s --seed %" PRIu64 "\n\n%s",
        o->file, o->seed, j->wanted, o->file, o->seed, text);
    sim_release(text);
    bool failed = ferror(out) != 0;
    failed |= (o->output ? fclose(out) : fflush(out)) != 0;
    return failed ? sim_complain_file(o->output ? o->output : "standard output") : SIM_EXIT_PASS;
}

static void sum_up(const struct judge *j, const struct sim_shrink_size *from)
{
    uint64_t took_ms = sim_wall_clock_ms() - j->began_ms;
    if (j->shown) fputs("\r\033[K", stderr);
    fprintf(stderr,
        "%s: hosts %zu of %zu, links %zu of %zu, flows %zu of %zu, faults %zu of %zu, expectations %zu of %zu; %" PRIu64
        " runs, %" PRIu64 ".%01" PRIu64 " s%s\n",
        j->wanted, j->size.hosts, from->hosts, j->size.links, from->links, j->size.flows, from->flows, j->size.faults,
        from->faults, j->size.expects, from->expects, j->runs, took_ms / 1000, took_ms / 100 % 10,
        over((void *)j) ? ", ended before it was done" : "");
}

static int shrink_tree(struct judge *j, struct sim_tree *tree)
{
    struct sim_shrink shrink = {.tree = tree, .user = j, .first_same = first_same, .stop = over, .told = told};
    struct sim_shrink_size from = j->size = sim_shrink_measure(tree);
    if (strncmp(j->wanted, "expect ", 7) == 0) shrink.guard = sim_shrink_find_guard(&shrink);
    sim_shrink_run(&shrink);
    sum_up(j, &from);
    int status = j->broken ? SIM_EXIT_FAIL : write_out(j, shrink.tree);
    sim_tree_free(shrink.tree);
    return status;
}

static int shrink(struct judge *j, struct sim_template *template)
{
    const struct options *o = j->options;
    char error[SIM_ERROR_SIZE];
    struct sim_tree *tree = sim_template_tree(template, o->seed, error);
    if (!tree) {
        fprintf(stderr, "%s\n", error);
        return SIM_EXIT_USAGE;
    }
    sim_shrink_spell_out(tree);
    if (look_at_failure(j, tree)) return shrink_tree(j, tree);
    sim_tree_free(tree);
    if (j->broken) return SIM_EXIT_FAIL;
    fprintf(stderr, "quicether-sim: %s passes with seed %" PRIu64 "; there is nothing to shrink\n", o->file, o->seed);
    return SIM_EXIT_USAGE;
}

static bool parse_time(const char *text, uint64_t *out_ms)
{
    uint64_t ns;
    if (!sim_duration_parse(text, &ns) || ns < 1000000) return false;
    *out_ms = ns / 1000000;
    return true;
}

static int take_option(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 's':
        o->has_seed = true;
        return sim_parse_number(value, 0, INT64_MAX, &o->seed) ? 0 : sim_complain("--seed wants a number, not", value);
    case 'o':
        o->output = value;
        return 0;
    case 'j':
        if (sim_parse_count(value, SIM_RUNS_AT_ONCE_MAX, &o->jobs)) return 0;
        return sim_complain("--jobs wants 1 to 256, not", value);
    case 'l':
        if (sim_parse_count(value, QE_CONFIG_LANES_MAX, &o->lanes)) return 0;
        return sim_complain("--lanes wants 1 to 32, not", value);
    case 't':
        return parse_time(value, &o->time_limit_ms) ? 0
                                                    : sim_complain("--time-limit wants a time such as 60s, not", value);
    case 'r':
        return parse_time(value, &o->run_limit_ms) ? 0
                                                   : sim_complain("--run-limit wants a time such as 30s, not", value);
    case 'h':
        o->help = true;
        return 0;
    default:
        return sim_complain("unknown or incomplete option", NULL);
    }
}

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
        {"output", required_argument, NULL, 'o'}, {"jobs", required_argument, NULL, 'j'},
        {"lanes", required_argument, NULL, 'l'}, {"time-limit", required_argument, NULL, 't'},
        {"run-limit", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
    int letter, status = 0;
    while (!status && !o->help && (letter = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        status = take_option(o, letter, optarg);
    if (status || o->help) return status;
    if (optind + 1 != argc) return sim_complain("shrink wants one scenario file", NULL);
    o->file = argv[optind];
    return 0;
}

int sim_command_shrink(int argc, char **argv)
{
    struct options o = {.jobs = 1, .time_limit_ms = TIME_LIMIT_MS, .run_limit_ms = RUN_LIMIT_MS};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    struct sim_template *template = sim_command_load(o.file, o.lanes);
    if (!template) return SIM_EXIT_USAGE;
    if (!o.has_seed) o.seed = sim_template_face(template)->seed;
    struct judge judge = {
        .options = &o, .tls = qe_tls_library_new(), .began_ms = sim_wall_clock_ms(), .shown = isatty(STDERR_FILENO)};
    if (judge.tls) {
        signal(SIGINT, on_interrupt);
        status = shrink(&judge, template);
        qe_tls_library_free(judge.tls);
    } else {
        fputs("quicether-sim: OpenSSL cannot be set up\n", stderr);
        status = SIM_EXIT_FAIL;
    }
    sim_template_free(template);
    return status;
}
