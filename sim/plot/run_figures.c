#include "plot/run_figures.h"

#include "engine/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BINS     200
#define BINS_MAX 100000
// Where a flow has more points than a figure can show, each bin has its median and its largest.
#define POINTS_MAX 4000

static bool begin(struct sim_figures *figures, struct sim_figure *figure, const struct sim_run_events *e,
    const char *what, const char *title)
{
    char name[256], head[256], below[256];
    snprintf(name, sizeof(name), "%s-%" PRIu64 "-%s", e->scenario, e->seed, what);
    snprintf(head, sizeof(head), "%s: %s", e->scenario, title);
    snprintf(below, sizeof(below), "n = 1 run, seed %" PRIu64 "%s%s%s%s", e->seed, e->commit ? ", commit " : "",
        e->commit ? e->commit : "", e->verdict ? ", verdict " : "", e->verdict ? e->verdict : "");
    if (!sim_figure_begin(figures, figure, name, head, below)) return false;
    fprintf(
        figure->script, "set xlabel 'time since the start (s)'\nset xrange [0:%.9g]\nset yrange [0:*]\n", e->duration);
    return true;
}

// Blocks of data, one for each series, and the command that draws them.
static void begin_block(struct sim_figure *figure, size_t index, const char *name)
{
    fprintf(figure->data, "%s# %zu: %s\n", index ? "\n\n" : "", index, name);
}

static void plot_lines(struct sim_figure *figure, const struct sim_series_list *list, const char *style)
{
    for (size_t i = 0; i < list->count; i++) {
        fprintf(figure->script, "%s data index %zu using 1:2 with %s lc %zu title ", i ? ", \\\n    " : "plot", i,
            style, i + 1);
        sim_figure_quote(figure->script, list->list[i].name);
    }
    fputc('\n', figure->script);
}

static void draw_list(struct sim_figures *figures, const struct sim_run_events *e, const struct sim_series_list *list,
    const char *what, const char *title, const char *label, const char *style)
{
    struct sim_figure figure;
    if (!list->count || !begin(figures, &figure, e, what, title)) return;
    fprintf(figure.script, "set ylabel '%s'\n", label);
    plot_lines(&figure, list, style);
    for (size_t i = 0; i < list->count; i++) {
        begin_block(&figure, i, list->list[i].name);
        for (size_t k = 0; k < list->list[i].count; k++)
            fprintf(figure.data, "%.9f %.9g\n", list->list[i].points[k].x, list->list[i].points[k].y);
    }
    sim_figure_end(figures, &figure);
}

// Bytes that arrived, as Mbit/s by bin; a flow whose arrivals are not in the file, as sampled.
static void draw_throughput(struct sim_figures *figures, const struct sim_run_events *e, double width)
{
    struct sim_series_list rates = {0};
    size_t bins = (size_t)ceil(e->duration / width);
    double *sums = sim_obtain(bins, sizeof(*sums));
    for (size_t i = 0; i < e->arrivals.count; i++) {
        const struct sim_series *arrivals = &e->arrivals.list[i];
        struct sim_series *rate = sim_series_of(&rates, arrivals->name);
        memset(sums, 0, bins * sizeof(*sums));
        for (size_t k = 0; k < arrivals->count; k++) {
            double place = arrivals->points[k].x / width;
            if (place < (double)bins) sums[(size_t)place] += arrivals->points[k].y;
        }
        for (size_t k = 0; k < bins; k++)
            sim_series_add(rate, ((double)k + 0.5) * width, sums[k] * 8e-6 / width);
    }
    for (size_t i = 0; i < e->flow_rates.count; i++) {
        const struct sim_series *sampled = &e->flow_rates.list[i];
        struct sim_series *rate = sim_series_of(&rates, sampled->name);
        if (rate->count) continue;
        for (size_t k = 0; k < sampled->count; k++)
            sim_series_add(rate, sampled->points[k].x, sampled->points[k].y);
    }
    draw_list(figures, e, &rates, "throughput", "throughput of flows", "delivered (Mbit/s)", "lines lw 1.5");
    for (size_t i = 0; i < rates.count; i++) {
        sim_release(rates.list[i].name);
        sim_release(rates.list[i].points);
    }
    sim_release(rates.list);
    sim_release(sums);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Time, median and largest of each bin with points; they are in order of time.
static void write_thinned(FILE *out, const struct sim_series *series, double width)
{
    double *values = sim_obtain(series->count, sizeof(*values));
    for (size_t first = 0, next; first < series->count; first = next) {
        double bin = floor(series->points[first].x / width);
        size_t count = 0;
        for (next = first; next < series->count && floor(series->points[next].x / width) == bin; next++)
            values[count++] = series->points[next].y;
        qsort(values, count, sizeof(*values), compare);
        fprintf(out, "%.9f %.9g %.9g\n", (bin + 0.5) * width, values[(count - 1) / 2], values[count - 1]);
    }
    sim_release(values);
}

static void draw_latency(struct sim_figures *figures, const struct sim_run_events *e, double width)
{
    struct sim_figure figure;
    if (!e->latency.count || !begin(figures, &figure, e, "latency", "latency of flows")) return;
    fputs("set ylabel 'latency (ms); of pings: round trip'\n", figure.script);
    for (size_t i = 0; i < e->latency.count; i++) {
        const struct sim_series *series = &e->latency.list[i];
        bool many = series->count > POINTS_MAX;
        begin_block(&figure, i, series->name);
        fprintf(figure.script, "%s data index %zu using 1:2%s with %s lc %zu title ", i ? ", \\\n    " : "plot", i,
            many ? ":2:3" : "", many ? "yerrorbars pt 7 ps 0.3" : "points pt 7 ps 0.35", i + 1);
        char title[512];
        snprintf(title, sizeof(title), "%s%s", series->name, many ? " (median to largest)" : "");
        sim_figure_quote(figure.script, title);
        if (many)
            write_thinned(figure.data, series, width);
        else
            for (size_t k = 0; k < series->count; k++)
                fprintf(figure.data, "%.9f %.9g\n", series->points[k].x, series->points[k].y);
    }
    fputc('\n', figure.script);
    sim_figure_end(figures, &figure);
}

static int compare_spans(const void *a, const void *b)
{
    const struct sim_span *x = *(const struct sim_span *const *)a, *y = *(const struct sim_span *const *)b;
    int order = strcmp(x->row, y->row);
    if (order) return order;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

// A bar for each span, and a row for each name, the first one on top.
static void draw_spans(struct sim_figures *figures, const struct sim_run_events *e)
{
    static const char *const titles[] = {"node runs", "peer connected", "path open", "path silent"};
    struct sim_figure figure;
    if (!e->span_count || !begin(figures, &figure, e, "connections", "nodes, connections and paths")) return;
    const struct sim_span **sorted = sim_obtain(e->span_count, sizeof(*sorted));
    size_t rows = 0;
    for (size_t i = 0; i < e->span_count; i++)
        sorted[i] = &e->spans[i];
    qsort(sorted, e->span_count, sizeof(*sorted), compare_spans);
    fputs("# row kind begin end; 0 node, 1 session, 2 path, 3 silent path\n", figure.data);
    fputs("set ytics (", figure.script);
    for (size_t i = 0; i < e->span_count; i++) {
        const struct sim_span *span = sorted[i];
        if (i == 0 || strcmp(span->row, sorted[i - 1]->row) != 0) {
            if (rows) fputs(", ", figure.script);
            sim_figure_quote(figure.script, span->row);
            fprintf(figure.script, " %zu", rows++);
        }
        fprintf(figure.data, "%zu %d %.9f %.9f\n", rows - 1, (int)span->kind, span->begin, span->end);
    }
    fprintf(figure.script, ")\nset yrange [%zu.7:-0.7]\nset key below samplen 1 maxcols 2\nplot", rows - 1);
    for (int kind = 0; kind < 4; kind++)
        fprintf(figure.script,
            "%s data using ($2 == %d ? $3 : NaN):1:($4-$3):(0) with vectors nohead lw %d lc %d title '%s'",
            kind ? ", \\\n    " : "", kind, kind == SIM_SPAN_SILENT ? 3 : 9, kind == SIM_SPAN_SILENT ? 7 : kind + 1,
            titles[kind]);
    fputc('\n', figure.script);
    sim_release(sorted);
    sim_figure_end(figures, &figure);
}

void sim_run_figures(struct sim_figures *figures, const struct sim_run_events *e, double bin)
{
    double width = bin > 0 ? bin : e->duration / BINS;
    if (e->duration / width > BINS_MAX) width = e->duration / BINS_MAX;
    draw_throughput(figures, e, width);
    draw_latency(figures, e, width);
    draw_list(figures, e, &e->link_rates, "links", "throughput of links", "delivered (Mbit/s)", "lines lw 1.5");
    draw_list(figures, e, &e->queues, "queues", "queues of links", "packets waiting", "steps lw 1.5");
    draw_spans(figures, e);
}
