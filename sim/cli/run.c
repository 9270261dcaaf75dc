// quicether-sim run: runs one scenario, once for each seed.
#include "cli/command.h"

#include "host/configs.h"
#include "host/core.h"
#include "world/jobs.h"
#include "world/report.h"
#include "world/verdict.h"

#include "quic/library.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: quicether-sim run FILE [--seed N | --seed A..B] [--jobs N] [--lanes N] [--trace FILE] [--json FILE]\n"
    "\n"
    "Runs whole nodes over the scenario's simulated network, once for each seed, and judges what it expects.\n"
    "\n"
    "  --seed N      the seed; A..B runs all of a range (default: the scenario's, or 1)\n"
    "  --jobs N      so many runs at a time (default 1); the output is the same\n"
    "  --lanes N     lanes of every node, instead of what is configured\n"
    "  --trace FILE  writes a readable line for each event; with a range of seeds to FILE.SEED\n"
    "  --json FILE   writes the results as JSON\n"
    "  --help        this text\n"
    "\n"
    "Exit status: 0 all runs pass, 1 some fail, 2 the command line or a scenario is wrong.\n";

struct options {
    const char *file, *trace, *json;
    struct sim_seed_range seeds;
    bool has_seed, help;
    unsigned jobs, lanes;
};

struct session {
    const struct options *options;
    struct sim_template *template;
    struct qe_tls_library *tls;
    FILE *json;
    uint64_t passed, failed;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'}, {"lanes", required_argument, NULL, 'l'},
        {"trace", required_argument, NULL, 't'}, {"json", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 's':
            if (!sim_parse_seeds(optarg, &o->seeds))
                return sim_complain("--seed wants a number or a range such as 1..100, not", optarg);
            o->has_seed = true;
            break;
        case 'j':
            if (!sim_parse_count(optarg, SIM_RUNS_AT_ONCE_MAX, &o->jobs))
                return sim_complain("--jobs wants 1 to 256, not", optarg);
            break;
        case 'l':
            if (!sim_parse_count(optarg, QE_CONFIG_LANES_MAX, &o->lanes))
                return sim_complain("--lanes wants 1 to 32, not", optarg);
            break;
        case 't':
            o->trace = optarg;
            break;
        case 'o':
            o->json = optarg;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (optind + 1 != argc) return sim_complain("run wants one scenario file", NULL);
    o->file = argv[optind];
    return 0;
}

static FILE *open_trace(const struct options *o, uint64_t seed)
{
    char path[4096];
    if (!o->trace) return NULL;
    if (o->seeds.count == 1)
        snprintf(path, sizeof(path), "%s", o->trace);
    else
        snprintf(path, sizeof(path), "%s.%" PRIu64, o->trace, seed);
    FILE *out = fopen(path, "w");
    if (out) return out;
    exit(sim_complain_file(path));
}

static void report(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result,
    uint64_t wall_ms, struct sim_job_output *out)
{
    out->text = sim_report_text(scenario, seed, result);
    out->json = sim_report_json(scenario, seed, result, wall_ms);
    out->verdict = (int)result->verdict;
}

static void run_one(void *user, size_t index, struct sim_job_output *out)
{
    const struct session *s = user;
    uint64_t seed = s->options->seeds.first + index, began = sim_wall_clock_ms();
    char error[SIM_ERROR_SIZE];
    struct sim_result result;
    struct sim_scenario *scenario = sim_template_expand(s->template, seed, error);
    if (!scenario) {
        sim_verdict_refused(&result, error);
        report(sim_template_face(s->template), seed, &result, 0, out);
        return;
    }
    struct sim_run_options run = {.scenario = scenario,
        .seed = seed,
        .lanes = s->options->lanes,
        .trace = open_trace(s->options, seed),
        .core = &sim_core_node,
        .tls = s->tls};
    sim_run(&run, &result);
    if (run.trace && fclose(run.trace) != 0) exit(sim_complain_file(s->options->trace));
    report(scenario, seed, &result, sim_wall_clock_ms() - began, out);
    sim_result_fini(&result);
    sim_scenario_free(scenario);
}

// A run whose process died has a result all the same.
static void report_death(const struct session *s, uint64_t seed, int signal, struct sim_job_output *out)
{
    char error[SIM_ERROR_SIZE];
    struct sim_result result;
    struct sim_scenario *scenario = sim_template_expand(s->template, seed, error);
    sim_verdict_died(&result, signal);
    report(scenario ? scenario : sim_template_face(s->template), seed, &result, 0, out);
    sim_scenario_free(scenario);
}

static void take(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    struct session *s = user;
    struct sim_job_output dead = {0};
    if (!out->text) {
        report_death(s, s->options->seeds.first + index, signal, &dead);
        out = &dead;
    }
    fputs(out->text, stdout);
    fflush(stdout);
    if (s->json) fprintf(s->json, "%s%s", s->passed + s->failed ? ",\n" : "", out->json);
    if (out->verdict == SIM_PASS)
        s->passed++;
    else
        s->failed++;
    free(dead.text);
    free(dead.json);
}

static int run_all(struct session *s)
{
    const struct options *o = s->options;
    struct sim_jobs jobs = {.user = s, .run = run_one, .done = take};
    // Where the trace cannot be written, it is better said before a run than by each.
    FILE *trace = open_trace(o, o->seeds.first);
    if (trace) fclose(trace);
    if (o->json && !(s->json = fopen(o->json, "w"))) {
        fprintf(stderr, "quicether-sim: %s: %s\n", o->json, strerror(errno));
        return SIM_EXIT_USAGE;
    }
    if (s->json) fputs("{\"runs\": [", s->json);
    if (sim_jobs_run(&jobs, (size_t)o->seeds.count, o->jobs) != 0) {
        fprintf(stderr, "quicether-sim: cannot start a run: %s\n", strerror(errno));
        s->failed++;
    }
    if (s->json) {
        fputs("]}\n", s->json);
        if (fclose(s->json) != 0) {
            fprintf(stderr, "quicether-sim: %s: %s\n", o->json, strerror(errno));
            return SIM_EXIT_USAGE;
        }
    }
    if (o->seeds.count > 1)
        printf("%" PRIu64 " runs: %" PRIu64 " pass, %" PRIu64 " fail\n", s->passed + s->failed, s->passed, s->failed);
    return s->failed ? SIM_EXIT_FAIL : 0;
}

int sim_command_run(int argc, char **argv)
{
    struct options o = {.jobs = 1};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    struct sim_template *template = sim_command_load(o.file, o.lanes);
    if (!template) return SIM_EXIT_USAGE;
    if (!o.has_seed) o.seeds = (struct sim_seed_range){sim_template_face(template)->seed, 1};
    struct session session = {.options = &o, .template = template, .tls = qe_tls_library_new()};
    if (!session.tls) {
        fputs("quicether-sim: OpenSSL cannot be set up\n", stderr);
        status = SIM_EXIT_FAIL;
    } else {
        status = run_all(&session);
        qe_tls_library_free(session.tls);
    }
    sim_template_free(template);
    return status;
}
