// quicether-sim: the command line of the simulator. Exit status: 0 all runs pass, 1 some do not, 2 the command line or
// a scenario is wrong.
#include "core.h"
#include "jobs.h"
#include "memory.h"
#include "report.h"
#include "topology.h"
#include "world.h"

#include "quic/library.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_FAIL  1
#define EXIT_USAGE 2
#define JOBS_MAX   256
#define SEEDS_MAX  UINT64_C(10000000)

static const char usage[] =
    "Usage: quicether-sim run FILE [--seed N | --seed A..B] [--jobs N] [--lanes N] [--trace FILE] [--json FILE]\n"
    "       quicether-sim check FILE...\n"
    "       quicether-sim version\n"
    "\n"
    "  run      runs whole nodes over the scenario's simulated network, once for each seed, and judges what it "
    "expects\n"
    "  check    says whether scenario files are right\n"
    "\n"
    "  --seed N      the seed; A..B runs all of a range (default: the scenario's, or 1)\n"
    "  --jobs N      so many runs at a time (default 1); the output is the same\n"
    "  --lanes N     lanes of every node, instead of what is configured\n"
    "  --trace FILE  writes a readable line for each event; with a range of seeds to FILE.SEED\n"
    "  --json FILE   writes the results as JSON\n"
    "  --help        this text\n"
    "\n"
    "Exit status: 0 all runs pass, 1 some fail, 2 the command line or a scenario is wrong.\n"
    "Scenarios are described in docs/scenarios.md.\n";

struct options {
    const char *file, *trace, *json;
    uint64_t first_seed, seed_count;
    bool has_seed;
    unsigned jobs, lanes;
};

struct session {
    const struct options *options;
    const struct sim_scenario *scenario;
    struct qe_tls_library *tls;
    FILE *json;
    uint64_t passed, failed;
};

static int complain(const char *what, const char *value)
{
    fprintf(stderr, "quicether-sim: %s%s%s; see quicether-sim --help\n", what, value ? " " : "", value ? value : "");
    return EXIT_USAGE;
}

// A decimal number from min to max, ended by the character `end`.
static bool parse_number(const char *text, char end, uint64_t min, uint64_t max, uint64_t *out, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long value = strtoull(text, &stop, 10);
    if (errno || *stop != end || value < min || value > max) return false;
    *out = value;
    if (rest) *rest = stop;
    return true;
}

static bool parse_seeds(const char *text, struct options *o)
{
    uint64_t last;
    const char *rest;
    o->has_seed = true;
    o->seed_count = 1;
    if (parse_number(text, '\0', 0, INT64_MAX, &o->first_seed, NULL)) return true;
    if (!parse_number(text, '.', 0, INT64_MAX, &o->first_seed, &rest) || strncmp(rest, "..", 2) != 0 ||
        !parse_number(rest + 2, '\0', o->first_seed, INT64_MAX, &last, NULL) || last - o->first_seed >= SEEDS_MAX)
        return false;
    o->seed_count = last - o->first_seed + 1;
    return true;
}

static bool parse_count(const char *text, uint64_t max, unsigned *out)
{
    uint64_t value;
    if (!parse_number(text, '\0', 1, max, &value, NULL)) return false;
    *out = (unsigned)value;
    return true;
}

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
            if (!parse_seeds(optarg, o))
                return complain("--seed wants a number or a range such as 1..100, not", optarg);
            break;
        case 'j':
            if (!parse_count(optarg, JOBS_MAX, &o->jobs)) return complain("--jobs wants 1 to 256, not", optarg);
            break;
        case 'l':
            if (!parse_count(optarg, QE_CONFIG_LANES_MAX, &o->lanes))
                return complain("--lanes wants 1 to 32, not", optarg);
            break;
        case 't':
            o->trace = optarg;
            break;
        case 'o':
            o->json = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return complain("unknown or incomplete option", NULL);
        }
    }
    return 0;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static FILE *open_trace(const struct options *o, uint64_t seed)
{
    char path[4096];
    if (!o->trace) return NULL;
    if (o->seed_count == 1)
        snprintf(path, sizeof(path), "%s", o->trace);
    else
        snprintf(path, sizeof(path), "%s.%" PRIu64, o->trace, seed);
    FILE *out = fopen(path, "w");
    if (out) return out;
    fprintf(stderr, "quicether-sim: %s: %s\n", path, strerror(errno));
    exit(EXIT_USAGE);
}

static void run_one(void *user, size_t index, struct sim_job_output *out)
{
    const struct session *s = user;
    uint64_t seed = s->options->first_seed + index, began = clock_ms();
    struct sim_result result;
    struct sim_run_options run = {.scenario = s->scenario,
        .seed = seed,
        .lanes = s->options->lanes,
        .trace = open_trace(s->options, seed),
        .core = &sim_core_node,
        .tls = s->tls};
    sim_run(&run, &result);
    if (run.trace && fclose(run.trace) != 0) {
        fprintf(stderr, "quicether-sim: %s: %s\n", s->options->trace, strerror(errno));
        exit(EXIT_USAGE);
    }
    out->text = sim_report_text(s->scenario, seed, &result);
    out->json = sim_report_json(s->scenario, seed, &result, clock_ms() - began);
    out->verdict = (int)result.verdict;
    sim_result_fini(&result);
}

// A run whose process died has a result all the same.
static void report_death(const struct session *s, uint64_t seed, int signal, struct sim_job_output *out)
{
    struct sim_result result = {.verdict = SIM_ERROR};
    snprintf(result.violation, sizeof(result.violation), signal ? "the run died of signal %d (%s)" : "the run died",
        signal, signal ? strsignal(signal) : "");
    out->text = sim_report_text(s->scenario, seed, &result);
    out->json = sim_report_json(s->scenario, seed, &result, 0);
    out->verdict = SIM_ERROR;
}

static void take(void *user, size_t index, const struct sim_job_output *out, int signal)
{
    struct session *s = user;
    struct sim_job_output dead = {0};
    if (!out->text) {
        report_death(s, s->options->first_seed + index, signal, &dead);
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
    FILE *trace = open_trace(o, o->first_seed);
    if (trace) fclose(trace);
    if (o->json && !(s->json = fopen(o->json, "w"))) {
        fprintf(stderr, "quicether-sim: %s: %s\n", o->json, strerror(errno));
        return EXIT_USAGE;
    }
    if (s->json) fputs("{\"runs\": [", s->json);
    if (sim_jobs_run(&jobs, (size_t)o->seed_count, o->jobs) != 0) {
        fprintf(stderr, "quicether-sim: cannot start a run: %s\n", strerror(errno));
        s->failed++;
    }
    if (s->json) {
        fputs("]}\n", s->json);
        if (fclose(s->json) != 0) {
            fprintf(stderr, "quicether-sim: %s: %s\n", o->json, strerror(errno));
            return EXIT_USAGE;
        }
    }
    if (o->seed_count > 1)
        printf("%" PRIu64 " runs: %" PRIu64 " pass, %" PRIu64 " fail\n", s->passed + s->failed, s->passed, s->failed);
    return s->failed ? EXIT_FAIL : 0;
}

static int run(int argc, char **argv)
{
    struct options o = {.jobs = 1};
    char error[SIM_ERROR_SIZE];
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (optind + 1 != argc) return complain("run wants one scenario file", NULL);
    o.file = argv[optind];
    struct sim_scenario *scenario = sim_scenario_load(o.file, error);
    if (!scenario) {
        fprintf(stderr, "%s\n", error);
        return EXIT_USAGE;
    }
    if (!o.has_seed) {
        o.first_seed = scenario->seed;
        o.seed_count = 1;
    }
    struct qe_config *configs = sim_configs_new(scenario, o.first_seed, o.lanes, error);
    if (!configs) {
        fprintf(stderr, "%s\n", error);
        sim_scenario_free(scenario);
        return EXIT_USAGE;
    }
    sim_configs_free(configs, scenario);
    struct session session = {.options = &o, .scenario = scenario, .tls = qe_tls_library_new()};
    if (!session.tls) {
        fputs("quicether-sim: OpenSSL cannot be set up\n", stderr);
        status = EXIT_FAIL;
    } else {
        status = run_all(&session);
        qe_tls_library_free(session.tls);
    }
    sim_scenario_free(scenario);
    return status;
}

static int check(int argc, char **argv)
{
    struct options o = {0};
    char error[SIM_ERROR_SIZE];
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (optind >= argc) return complain("check wants scenario files", NULL);
    for (int i = optind; i < argc; i++) {
        struct sim_scenario *scenario = sim_scenario_load(argv[i], error);
        struct qe_config *configs = scenario ? sim_configs_new(scenario, scenario->seed, 0, error) : NULL;
        if (configs) {
            sim_configs_free(configs, scenario);
            printf("%s: right\n", argv[i]);
        } else {
            fprintf(stderr, "%s\n", error);
            status = EXIT_USAGE;
        }
        sim_scenario_free(scenario);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "--help";
    if (sodium_init() < 0) {
        fputs("quicether-sim: libsodium cannot be set up\n", stderr);
        return EXIT_FAIL;
    }
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0) {
        fputs(usage, argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : EXIT_USAGE;
    }
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        puts("quicether-sim " QE_VERSION);
        return 0;
    }
    if (strcmp(command, "run") == 0) return run(argc - 1, argv + 1);
    if (strcmp(command, "check") == 0) return check(argc - 1, argv + 1);
    return complain("unknown command", command);
}
