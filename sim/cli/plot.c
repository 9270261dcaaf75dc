// quicether-sim plot: draws what a run's JSON lines or a sweep's results say.
#include "cli/command.h"
#include "engine/memory.h"
#include "plot/run_figures.h"
#include "plot/sweep_figures.h"
#include "scenario/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RESULTS_MAX  ((size_t)1 << 31) // bytes of a file of results
#define PATTERNS_MAX 64

static const char usage[] =
    "Usage: quicether-sim plot FILE... --output DIR [OPTION...]\n"
    "\n"
    "Draws figures through gnuplot: of a run, from what --jsonl wrote (with --sample also links and queues), "
    "throughput,\n"
    "latency, queues, and connections over time; of a sweep, from what --json wrote, shares of runs that pass and\n"
    "distributions of measures, over seeds and by parameter, with 95 % intervals. Beside each figure are its script "
    "and\n"
    "its data, and index.html shows all.\n"
    "\n"
    "  --output DIR       where to; made where it is not there\n"
    "  --png              PNG instead of SVG\n"
    "  --measure PATTERN  of a sweep, these measures (such as 'flow.*.latency_p99_ns'); may be given again\n"
    "  --bin TIME         of a run, the width of the bins of throughput (default: a two-hundredth of the run)\n"
    "  --no-draw          only writes scripts and data\n"
    "  --help             this text\n"
    "\n"
    "Exit status: 0 all is drawn, 1 gnuplot is missing or failed, 2 the command line or a file is wrong.\n";

struct options {
    const char *output, *patterns[PATTERNS_MAX];
    size_t pattern_count;
    uint64_t bin_ns;
    bool png, no_draw, help;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"output", required_argument, NULL, 'o'}, {"png", no_argument, NULL, 'p'},
        {"svg", no_argument, NULL, 's'}, {"measure", required_argument, NULL, 'm'},
        {"bin", required_argument, NULL, 'b'}, {"no-draw", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'},
        {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'o':
            o->output = optarg;
            break;
        case 'p':
        case 's':
            o->png = letter == 'p';
            break;
        case 'm':
            if (o->pattern_count == PATTERNS_MAX) return sim_complain("--measure may be given 64 times", NULL);
            o->patterns[o->pattern_count++] = optarg;
            break;
        case 'b':
            if (!sim_duration_parse(optarg, &o->bin_ns) || !o->bin_ns)
                return sim_complain("--bin wants a duration such as 100ms, not", optarg);
            break;
        case 'n':
            o->no_draw = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (optind >= argc) return sim_complain("plot wants files of results or JSON lines", NULL);
    return o->output && *o->output ? 0 : sim_complain("plot wants --output DIR", NULL);
}

// Whether the file has JSON lines of a run: these begin with a time.
static bool is_lines(FILE *file)
{
    char start[16] = "";
    size_t size = fread(start, 1, sizeof(start) - 1, file);
    start[size] = '\0';
    rewind(file);
    return strncmp(start, "{\"time_ns\":", strlen("{\"time_ns\":")) == 0;
}

static char *read_whole(FILE *file, size_t *size)
{
    size_t capacity = 1 << 16, got;
    char *text = sim_obtain(capacity, 1);
    *size = 0;
    while ((got = fread(text + *size, 1, capacity - *size, file)) > 0) {
        *size += got;
        if (*size < capacity) continue;
        if (capacity >= RESULTS_MAX) break;
        capacity *= 2;
        text = sim_resize(text, capacity, 1);
    }
    if (!ferror(file) && *size < RESULTS_MAX) return text;
    if (!ferror(file)) errno = EFBIG;
    sim_release(text);
    return NULL;
}

static int take_results(struct sim_sweep_data *data, FILE *file, const char *path)
{
    char error[SIM_ERROR_SIZE];
    size_t size;
    char *text = read_whole(file, &size);
    if (!text) return sim_complain_file(path);
    bool good = sim_sweep_data_add(data, text, size, path, error);
    sim_release(text);
    if (good) return 0;
    fprintf(stderr, "%s\n", error);
    return SIM_EXIT_USAGE;
}

static int take_lines(struct sim_figures *figures, FILE *file, const char *path, const struct options *o)
{
    char error[SIM_ERROR_SIZE];
    struct sim_run_events events;
    bool good = sim_run_events_read(&events, file, path, error);
    if (good)
        sim_run_figures(figures, &events, (double)o->bin_ns * 1e-9);
    else
        fprintf(stderr, "%s\n", error);
    sim_run_events_fini(&events);
    return good ? 0 : SIM_EXIT_USAGE;
}

static int take_file(
    struct sim_figures *figures, struct sim_sweep_data *data, const char *path, const struct options *o)
{
    FILE *file = fopen(path, "rb");
    if (!file) return sim_complain_file(path);
    int status = is_lines(file) ? take_lines(figures, file, path, o) : take_results(data, file, path);
    fclose(file);
    return status;
}

static int draw(struct sim_figures *figures, const struct options *o)
{
    if (!figures->count && !figures->error) return sim_complain("there is nothing to draw in these files", NULL);
    int result = o->no_draw && !figures->error ? 0 : sim_figures_draw(figures);
    if (result < 0) return sim_complain_file(o->output);
    for (size_t i = 0; i < figures->count; i++)
        printf("%s/%s.%s\n", o->output, figures->names[i], o->no_draw || result ? "gp" : o->png ? "png" : "svg");
    if (figures->left_out)
        fprintf(stderr, "quicether-sim: %zu figures more than %d are left out; --measure chooses\n", figures->left_out,
            SIM_FIGURES_MAX);
    return result ? SIM_EXIT_FAIL : SIM_EXIT_PASS;
}

int sim_command_plot(int argc, char **argv)
{
    struct options o = {0};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    if (mkdir(o.output, 0777) != 0 && errno != EEXIST) return sim_complain_file(o.output);
    struct sim_figures figures;
    struct sim_sweep_data data = {0};
    sim_figures_init(&figures, o.output, o.png ? SIM_FIGURE_PNG : SIM_FIGURE_SVG);
    for (int i = optind; i < argc && !status; i++)
        status = take_file(&figures, &data, argv[i], &o);
    struct sim_sweep_figures sweep = {
        .figures = &figures, .data = &data, .wanted = o.patterns, .wanted_count = o.pattern_count};
    if (!status && data.count) sim_sweep_figures(&sweep);
    if (!status) status = draw(&figures, &o);
    if (!status && sweep.constant) printf("%zu measures are the same in all runs and not drawn\n", sweep.constant);
    sim_sweep_data_fini(&data);
    sim_figures_fini(&figures);
    return status;
}
