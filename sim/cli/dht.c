// quicether-sim dht: many nodes of the DHT, and nothing else of a node.
#include "cli/command.h"
#include "crowd/crowd.h"
#include "crowd/report.h"
#include "engine/memory.h"
#include "sweep/results.h"

#include "commit.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAY_EVERY_MS 250

static const char usage[] =
    "Usage: quicether-sim dht FILE... [OPTION...]\n"
    "\n"
    "Runs thousands of nodes of the DHT over a simulated internet, once for each file and seed: they store, look\n"
    "things up, come and go, and some attack. Prints what that comes to, and whether it is what the file expects.\n"
    "\n"
    "  --seed N             the seed; A..B runs all of a range (default: the file's, or 1)\n"
    "  --nodes N            so many nodes, instead of the file's\n"
    "  --brief              only the verdict and what was expected\n"
    "  --check              only says whether the files are right\n"
    "  --figures            lists the figures that there are\n"
    "  --json FILE          writes the results as JSON\n"
    "  --help               this text\n"
    "\n"
    "docs/dht-scenarios.md describes the files. Exit status: 0 all runs pass, 1 some fail, 2 the command line or a\n"
    "file is wrong.\n";

struct options {
    const char *json;
    struct sim_seed_range seeds;
    uint64_t nodes;
    bool has_seed, brief, check, help, figures;
};

struct session {
    const struct options *options;
    FILE *json;
    uint64_t passed, failed, said_ms, began_ms;
    const struct sim_crowd_plan *plan;
    bool terminal;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
        {"nodes", required_argument, NULL, 'n'}, {"brief", no_argument, NULL, 'b'}, {"check", no_argument, NULL, 'c'},
        {"figures", no_argument, NULL, 'f'}, {"json", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'},
        {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 's':
            if (!sim_parse_seeds(optarg, &o->seeds))
                return sim_complain("--seed wants a number or a range such as 1..100, not", optarg);
            o->has_seed = true;
            break;
        case 'n':
            if (!sim_parse_number(optarg, 2, SIM_CROWD_NODES_MAX, &o->nodes))
                return sim_complain("--nodes wants 2 to 2000000, not", optarg);
            break;
        case 'b':
            o->brief = true;
            break;
        case 'c':
            o->check = true;
            break;
        case 'f':
            o->figures = true;
            return 0;
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
    return optind < argc ? 0 : sim_complain("dht wants files", NULL);
}

static void clear_line(const struct session *s)
{
    if (s->terminal && s->said_ms) fputs("\r\033[K", stderr);
}

static bool say_progress(void *user, uint64_t virtual_ns, uint64_t events, uint64_t nodes)
{
    struct session *s = user;
    uint64_t now = sim_wall_clock_ms();
    if (!s->terminal || now - s->said_ms < SAY_EVERY_MS) return true;
    s->said_ms = now;
    uint64_t took = now - s->began_ms, duration = s->plan->duration_ns;
    fprintf(stderr,
        "\r%s: %" PRIu64 " of %" PRIu64 " s, %" PRIu64 " nodes, %" PRIu64 " million events, %" PRIu64
        " thousand a second\033[K",
        s->plan->name, virtual_ns / 1000000000, duration / 1000000000, nodes, events / 1000000,
        took ? events / took : 0);
    fflush(stderr);
    return true;
}

static void run_one(struct session *s, const struct sim_crowd_plan *plan, uint64_t seed)
{
    struct sim_crowd_result result;
    s->plan = plan;
    s->began_ms = sim_wall_clock_ms();
    s->said_ms = 0;
    sim_crowd_run(
        &(struct sim_crowd_options){.plan = plan, .seed = seed, .user = s, .progress = say_progress}, &result);
    clear_line(s);
    uint64_t wall_ms = sim_wall_clock_ms() - s->began_ms;
    sim_crowd_report_text(plan, seed, &result, wall_ms, s->options->brief, stdout);
    fflush(stdout);
    if (s->json) {
        char *text = sim_crowd_report_json(plan, seed, &result, wall_ms, QE_COMMIT);
        sim_results_run(s->json, s->passed + s->failed == 0, text);
        free(text);
    }
    *(result.passed && result.whole ? &s->passed : &s->failed) += 1;
    sim_crowd_result_fini(&result);
}

static bool run_file(struct session *s, const char *file)
{
    char error[SIM_ERROR_SIZE];
    const struct options *o = s->options;
    struct sim_crowd_plan *plan = sim_crowd_plan_load(file, error);
    if (!plan) {
        fprintf(stderr, "%s\n", error);
        return false;
    }
    if (o->nodes) plan->nodes = o->nodes;
    struct sim_seed_range seeds = o->has_seed ? o->seeds : (struct sim_seed_range){plan->seed, 1};
    if (o->check) printf("%s: right\n", file);
    for (uint64_t i = 0; !o->check && i < seeds.count; i++)
        run_one(s, plan, seeds.first + i);
    sim_crowd_plan_free(plan);
    return true;
}

static int run_all(const struct options *o, char **files)
{
    struct session s = {.options = o, .terminal = isatty(STDERR_FILENO)};
    bool right = true;
    if (o->json && !(s.json = fopen(o->json, "w"))) return sim_complain_file(o->json);
    if (s.json) sim_results_begin(s.json);
    for (; *files; files++)
        right = run_file(&s, *files) && right;
    if (s.json) {
        sim_results_end(s.json, NULL, 0);
        if (fclose(s.json) != 0) return sim_complain_file(o->json);
    }
    if (s.passed + s.failed > 1)
        printf("%" PRIu64 " runs: %" PRIu64 " pass, %" PRIu64 " fail\n", s.passed + s.failed, s.passed, s.failed);
    return !right ? SIM_EXIT_USAGE : s.failed ? SIM_EXIT_FAIL : SIM_EXIT_PASS;
}

int sim_command_dht(int argc, char **argv)
{
    struct options o = {0};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    for (size_t i = 0; o.figures && i < SIM_CROWD_FIGURE_IDS; i++)
        printf("%-18s %s\n", sim_crowd_figure_names[i].name, sim_crowd_figure_names[i].help);
    return o.figures ? SIM_EXIT_PASS : run_all(&o, argv + optind);
}
