// quicether-sim run: runs one scenario, once for each seed.
#include "cli/command.h"
#include "cli/outputs.h"
#include "cli/runs.h"
#include "replay/recording.h"
#include "sweep/results.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "Usage: quicether-sim run FILE [OPTION...]\n"
    "\n"
    "Runs whole nodes over the scenario's simulated network, once for each seed, and judges what it expects.\n"
    "\n"
    "  --seed N             the seed; A..B runs all of a range (default: the scenario's, or 1)\n"
    "  --jobs N             so many runs at a time (default 1); the output is the same\n"
    "  --lanes N            lanes of every node, instead of what is configured\n"
    "  --json FILE          writes the results as JSON\n"
    "  --record HOST=FILE   records the node of one host for quicether-sim replay; its second start in "
    "FILE.2\n" SIM_OUTPUT_USAGE "  --help               this text\n"
    "\n"
    "Exit status: 0 all runs pass, 1 some fail, 2 the command line or a scenario is wrong.\n";

struct options {
    const char *file, *json;
    struct sim_outputs_options outputs;
    struct sim_seed_range seeds;
    bool has_seed, help;
    unsigned jobs, lanes;
    struct sim_record_writer record; // host NULL: none
};

struct session {
    FILE *json;
    uint64_t passed, failed;
};

static bool parse_record(char *text, struct sim_record_writer *out)
{
    char *mark = strchr(text, '=');
    if (!mark || mark == text || !mark[1]) return false;
    *mark = 0;
    *out = (struct sim_record_writer){.host = text, .path = mark + 1};
    return true;
}

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'}, {"lanes", required_argument, NULL, 'l'},
        {"json", required_argument, NULL, 'o'}, {"record", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'}, SIM_OUTPUT_OPTIONS, {0}};
    int letter, status;
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
        case 'o':
            o->json = optarg;
            break;
        case 'r':
            if (!parse_record(optarg, &o->record)) return sim_complain("--record wants HOST=FILE, not", optarg);
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            status = sim_outputs_option(&o->outputs, letter, optarg);
            if (status) return status;
            break;
        }
    }
    if (optind + 1 != argc) return sim_complain("run wants one scenario file", NULL);
    o->file = argv[optind];
    if (o->record.host && o->seeds.count > 1) return sim_complain("--record wants a single seed", NULL);
    return sim_outputs_settle(&o->outputs, o->has_seed && o->seeds.count > 1);
}

static void take(void *user, const struct sim_run_report *report)
{
    struct session *s = user;
    fputs(report->text, stdout);
    fflush(stdout);
    if (s->json) sim_results_run(s->json, s->passed + s->failed == 0, report->json);
    if (report->verdict == SIM_PASS)
        s->passed++;
    else
        s->failed++;
}

static int run_all(const struct options *o, struct sim_runs *runs)
{
    struct session s = {0};
    if (o->json && !(s.json = fopen(o->json, "w"))) return sim_complain_file(o->json);
    if (s.json) sim_results_begin(s.json);
    runs->user = &s;
    runs->done = take;
    int status = sim_runs_do(runs);
    if (s.json) {
        sim_results_end(s.json, NULL, 0);
        if (fclose(s.json) != 0) return sim_complain_file(o->json);
    }
    if (o->seeds.count > 1)
        printf("%" PRIu64 " runs: %" PRIu64 " pass, %" PRIu64 " fail\n", s.passed + s.failed, s.passed, s.failed);
    return s.failed ? SIM_EXIT_FAIL : status;
}

int sim_command_run(int argc, char **argv)
{
    struct options o = {.jobs = 1};
    sim_outputs_options_init(&o.outputs);
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    struct sim_template *template = sim_command_load(o.file, o.lanes);
    if (!template) return SIM_EXIT_USAGE;
    if (!o.has_seed) o.seeds = (struct sim_seed_range){sim_template_face(template)->seed, 1};
    struct sim_runs runs = {.templates = &template,
        .plan = {1, o.seeds},
        .shard = {1, 1},
        .jobs = o.jobs,
        .lanes = o.lanes,
        .measures = o.json,
        .outputs = &o.outputs,
        .record = o.record.host ? &o.record : NULL};
    status = run_all(&o, &runs);
    sim_template_free(template);
    return status;
}
