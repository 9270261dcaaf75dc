#include "plot/sweep_figures.h"

#include "engine/memory.h"
#include "plot/groups.h"
#include "plot/stats.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TEXT_SIZE 512

static const char *const usual[] = {"flow.*.latency_p50_ns", "flow.*.latency_p99_ns", "flow.*.lost_share_ppb",
    "flow.*.rate_bit_s", "flow.*.first_ns", "flow.*.gap_max_ns", "link.*.queue_peak"};

// How a measure is shown: its name's ending says its unit.
struct scale {
    double factor;
    const char *unit;
};

static struct scale scale_of(const char *measure)
{
    static const struct {
        const char *ending;
        struct scale scale;
    } known[] = {{"_ns", {1e-6, "ms"}}, {"_ppb", {1e-7, "%"}}, {"_bit_s", {1e-6, "Mbit/s"}}, {"_bytes", {1, "bytes"}}};
    size_t size = strlen(measure);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t ending = strlen(known[i].ending);
        if (size >= ending && strcmp(measure + size - ending, known[i].ending) == 0) return known[i].scale;
    }
    return (struct scale){1, ""};
}

// "n = 100 runs, seeds 1 to 100, commit abc".
static void describe(const struct sim_sweep_figures *what, const struct sim_table *table, size_t n, const char *more,
    char out[TEXT_SIZE])
{
    uint64_t least = UINT64_MAX, most = 0;
    size_t size;
    for (size_t i = 0; i < what->data->count; i++) {
        const struct sim_table *t = &what->data->tables[i];
        if (table && t != table) continue;
        for (size_t k = 0; k < t->count; k++) {
            if (t->rows[k].seed < least) least = t->rows[k].seed;
            if (t->rows[k].seed > most) most = t->rows[k].seed;
        }
    }
    snprintf(out, TEXT_SIZE, "n = %zu runs, seeds %" PRIu64 " to %" PRIu64 ", commit", n, least, most);
    for (size_t i = 0; i < what->data->commit_count; i++) {
        size = strlen(out);
        snprintf(out + size, TEXT_SIZE - size, " %.40s", what->data->commits[i]);
    }
    size = strlen(out);
    snprintf(out + size, TEXT_SIZE - size, "%s\n%s",
        what->data->more_commits   ? " and others"
        : what->data->commit_count ? ""
                                   : " unknown",
        more);
}

// A measure's name without the unit that it ends with.
static const char *bare(const char *measure, char out[TEXT_SIZE])
{
    snprintf(out, TEXT_SIZE, "%s", measure);
    char *end = strrchr(out, '_');
    if (end && *scale_of(measure).unit) *end = '\0';
    size_t size = strlen(out);
    if (size > 4 && strcmp(out + size - 4, "_bit") == 0) out[size - 4] = '\0';
    return out;
}

static void label_axis(FILE *script, const char *axis, const char *name, const char *unit)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof(text), "%s%s%s%s", name, *unit ? " (" : "", unit, *unit ? ")" : "");
    fprintf(script, "set %slabel ", axis);
    sim_figure_quote(script, text);
    fputc('\n', script);
}

static uint64_t passes(const struct sim_table *table)
{
    uint64_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        count += table->rows[i].passed;
    return count;
}

static void draw_scenarios(struct sim_sweep_figures *what)
{
    struct sim_figure figure;
    char below[TEXT_SIZE];
    size_t n = 0;
    for (size_t i = 0; i < what->data->count; i++)
        n += what->data->tables[i].count;
    describe(what, NULL, n, "95 % intervals (Wilson)", below);
    if (!sim_figure_begin(what->figures, &figure, "pass", "runs that pass, by scenario", below)) return;
    fputs("# row share low high passed runs\nset ytics (", figure.script);
    for (size_t i = 0; i < what->data->count; i++) {
        const struct sim_table *table = &what->data->tables[i];
        uint64_t passed = passes(table);
        struct sim_interval share = sim_wilson(passed, table->count);
        char label[TEXT_SIZE];
        snprintf(label, sizeof(label), "%.60s (%" PRIu64 "/%zu)", table->scenario, passed, table->count);
        if (i) fputs(", ", figure.script);
        sim_figure_quote(figure.script, label);
        fprintf(figure.script, " %zu", i);
        fprintf(figure.data, "%zu %.6f %.6f %.6f %" PRIu64 " %zu\n", i, share.value * 100, share.low * 100,
            share.high * 100, passed, table->count);
    }
    fprintf(figure.script,
        ")\nset yrange [%zu.7:-0.7]\nset xrange [0:100]\nset xlabel 'runs that pass (%%)'\nunset key\n"
        "plot data using 2:1:3:4 with xerrorbars pt 7 lw 2\n",
        what->data->count - 1);
    sim_figure_end(what->figures, &figure);
}

// What was measured, without what was not, in the figure's unit; the caller frees it.
static double *collect(const struct sim_table *table, const struct sim_measure_column *column, const size_t *rows,
    size_t row_count, double factor, size_t *count)
{
    double *values = sim_obtain(row_count, sizeof(*values));
    *count = 0;
    for (size_t i = 0; i < row_count; i++) {
        double value = column->values[rows ? rows[i] : i];
        if (!isnan(value)) values[(*count)++] = value * factor;
    }
    (void)table;
    return values;
}

// The share of runs at or below each value, with Wilson's interval at each.
static void draw_distribution(
    struct sim_sweep_figures *what, const struct sim_table *table, const struct sim_measure_column *column)
{
    struct scale scale = scale_of(column->name);
    struct sim_figure figure;
    char name[TEXT_SIZE], title[TEXT_SIZE], below[TEXT_SIZE], more[TEXT_SIZE];
    size_t count;
    double *values = collect(table, column, NULL, table->count, scale.factor, &count);
    struct sim_interval middle = sim_bootstrap_median(values, count, column->name);
    struct sim_interval mean = sim_bootstrap_mean(values, count, column->name);
    snprintf(more, sizeof(more),
        "median %.4g (%.4g to %.4g), mean %.4g (%.4g to %.4g) %s; 95 %% intervals: bootstrap; band: Wilson",
        middle.value, middle.low, middle.high, mean.value, mean.low, mean.high, scale.unit);
    describe(what, table, count, more, below);
    snprintf(title, sizeof(title), "%.100s: %.300s", table->scenario, bare(column->name, name));
    snprintf(name, sizeof(name), "%s-%s-cdf", table->scenario, column->name);
    if (!sim_figure_begin(what->figures, &figure, name, title, below)) goto out;
    label_axis(figure.script, "x", bare(column->name, title), scale.unit);
    fputs("set ylabel 'share of runs'\nset yrange [0:1]\nset key bottom right inside\n", figure.script);
    fprintf(figure.script,
        "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead dt 2 lc 2\n"
        "plot data using 1:3:4 with filledcurves lc 1 title '95 %% interval', \\\n"
        "    data using 1:2 with steps lc 1 lw 2 title 'runs at or below', \\\n"
        "    NaN with lines dt 2 lc 2 title 'median'\n",
        middle.value, middle.value);
    fputs("# value share low high; each step twice, so that the band has its corners\n", figure.data);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && values[i + 1] == values[i]) continue;
        struct sim_interval share = sim_wilson(i + 1, count);
        fprintf(figure.data, "%.9g %.6f %.6f %.6f\n", values[i], share.value, share.low, share.high);
        if (i + 1 < count)
            fprintf(figure.data, "%.9g %.6f %.6f %.6f\n", values[i + 1], share.value, share.low, share.high);
    }
    sim_figure_end(what->figures, &figure);
out:
    sim_release(values);
}

// Some room on both sides; logarithmic where the values span orders of magnitude.
static void set_range(FILE *script, double least, double most)
{
    if (least > 0 && most / least >= 50) {
        fprintf(script, "set logscale x\nset xrange [%.9g:%.9g]\n", least / 1.3, most * 1.3);
        return;
    }
    double room = (most - least) / 20;
    fprintf(script, "set xrange [%.9g:%.9g]\n", least - room, most + room);
}

// The x axis of a figure by parameter: numbers, or words as tics.
static void set_parameter_axis(FILE *script, const struct sim_groups *groups, const char *parameter)
{
    label_axis(script, "x", parameter, sim_axis_unit(groups->quantity));
    if (groups->quantity != SIM_AXIS_NONE) {
        set_range(script, groups->list[0].value, groups->list[groups->count - 1].value);
        return;
    }
    fputs("set xtics rotate by -30 (", script);
    for (size_t i = 0; i < groups->count; i++) {
        if (i) fputs(", ", script);
        sim_figure_quote(script, groups->list[i].text);
        fprintf(script, " %zu", i);
    }
    fprintf(script, ")\nset xrange [-0.5:%zu.5]\n", groups->count - 1);
}

static void draw_passes_by(struct sim_sweep_figures *what, const struct sim_table *table,
    const struct sim_groups *groups, const char *parameter)
{
    struct sim_figure figure;
    char name[TEXT_SIZE], title[TEXT_SIZE], below[TEXT_SIZE];
    snprintf(name, sizeof(name), "%s-pass-by-%s", table->scenario, parameter);
    snprintf(title, sizeof(title), "%s: runs that pass, by %s", table->scenario, parameter);
    describe(what, table, table->count,
        groups->together ? "95 % intervals (Wilson) of groups of runs" : "95 % intervals (Wilson)", below);
    if (!sim_figure_begin(what->figures, &figure, name, title, below)) return;
    set_parameter_axis(figure.script, groups, parameter);
    fputs("set ylabel 'runs that pass (%)'\nset yrange [0:100]\nunset key\n"
          "plot data using 1:2:3:4 with yerrorbars pt 7 lw 2\n",
        figure.script);
    fputs("# value share low high passed runs\n", figure.data);
    for (size_t i = 0; i < groups->count; i++) {
        const struct sim_group *group = &groups->list[i];
        uint64_t passed = 0;
        for (size_t k = 0; k < group->count; k++)
            passed += table->rows[group->rows[k]].passed;
        struct sim_interval share = sim_wilson(passed, group->count);
        fprintf(figure.data, "%.9g %.6f %.6f %.6f %" PRIu64 " %zu\n", group->value, share.value * 100, share.low * 100,
            share.high * 100, passed, group->count);
    }
    sim_figure_end(what->figures, &figure);
}

static void draw_measure_by(struct sim_sweep_figures *what, const struct sim_table *table,
    const struct sim_groups *groups, const char *parameter, const struct sim_measure_column *column)
{
    struct scale scale = scale_of(column->name);
    struct sim_figure figure;
    char name[TEXT_SIZE], title[TEXT_SIZE], below[TEXT_SIZE];
    snprintf(title, sizeof(title), "%.100s: %.200s by %.100s", table->scenario, bare(column->name, name), parameter);
    snprintf(name, sizeof(name), "%s-%s-by-%s", table->scenario, column->name, parameter);
    describe(what, table, table->count,
        groups->together ? "medians of groups of runs, 95 % intervals (bootstrap)"
                         : "medians with 95 % intervals (bootstrap)",
        below);
    if (!sim_figure_begin(what->figures, &figure, name, title, below)) return;
    set_parameter_axis(figure.script, groups, parameter);
    label_axis(figure.script, "y", bare(column->name, title), scale.unit);
    fputs("unset key\nplot data using 1:2:3:4 with yerrorbars pt 7 lw 2\n", figure.script);
    fputs("# value median low high runs\n", figure.data);
    for (size_t i = 0; i < groups->count; i++) {
        const struct sim_group *group = &groups->list[i];
        size_t count;
        double *values = collect(table, column, group->rows, group->count, scale.factor, &count);
        if (count) {
            struct sim_interval median = sim_bootstrap_median(values, count, column->name);
            fprintf(
                figure.data, "%.9g %.9g %.9g %.9g %zu\n", group->value, median.value, median.low, median.high, count);
        }
        sim_release(values);
    }
    sim_figure_end(what->figures, &figure);
}

static bool wanted(
    struct sim_sweep_figures *what, const struct sim_table *table, const struct sim_measure_column *column)
{
    const char *const *patterns = what->wanted_count ? what->wanted : usual;
    size_t pattern_count = what->wanted_count ? what->wanted_count : sizeof(usual) / sizeof(usual[0]);
    const double *first = NULL;
    bool differs = false, matches = false;
    for (size_t i = 0; i < pattern_count && !matches; i++)
        matches = fnmatch(patterns[i], column->name, 0) == 0;
    if (!matches) return false;
    for (size_t i = 0; i < table->count; i++) {
        if (isnan(column->values[i])) continue;
        if (!first) first = &column->values[i];
        differs |= column->values[i] != *first;
    }
    if (first && !differs && !what->wanted_count) what->constant++;
    return first && (differs || what->wanted_count);
}

static void draw_table(struct sim_sweep_figures *what, const struct sim_table *table)
{
    for (size_t i = 0; i < table->measure_count; i++)
        if (wanted(what, table, &table->measures[i])) draw_distribution(what, table, &table->measures[i]);
    size_t constant = what->constant;
    for (size_t p = 0; p < table->parameter_count; p++) {
        struct sim_groups groups;
        sim_groups_init(&groups, table, p);
        if (groups.count > 1) {
            draw_passes_by(what, table, &groups, table->parameters[p].name);
            for (size_t i = 0; i < table->measure_count; i++)
                if (wanted(what, table, &table->measures[i]))
                    draw_measure_by(what, table, &groups, table->parameters[p].name, &table->measures[i]);
        }
        sim_groups_fini(&groups);
    }
    what->constant = constant;
}

void sim_sweep_figures(struct sim_sweep_figures *what)
{
    draw_scenarios(what);
    for (size_t i = 0; i < what->data->count; i++)
        draw_table(what, &what->data->tables[i]);
}
