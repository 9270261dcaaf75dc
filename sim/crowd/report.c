#include "crowd/report.h"

#include "engine/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 160

static const char *hash_text(const struct sim_crowd_result *result, char out[40])
{
    snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, result->hash[0], result->hash[1]);
    return out;
}

static void expect_name(const struct sim_crowd_expect *expect, char out[TEXT_SIZE])
{
    snprintf(out, TEXT_SIZE, "%s%s%s", expect->of ? expect->of : "", expect->of ? " " : "", expect->figure);
}

static void expect_bound(const struct sim_crowd_expect *expect, char out[TEXT_SIZE])
{
    char min[SIM_CROWD_FIGURE_TEXT_SIZE], max[SIM_CROWD_FIGURE_TEXT_SIZE];
    sim_crowd_figure_format(expect->what->unit, expect->min, min);
    sim_crowd_figure_format(expect->what->unit, expect->max, max);
    if (expect->has_min && expect->has_max)
        snprintf(out, TEXT_SIZE, "%s to %s", min, max);
    else
        snprintf(out, TEXT_SIZE, "at %s %s", expect->has_min ? "least" : "most", expect->has_min ? min : max);
}

static const char *measured(const struct sim_crowd_outcome *outcome, char out[SIM_CROWD_FIGURE_TEXT_SIZE])
{
    return outcome->there ? sim_crowd_figure_format(outcome->expect->what->unit, outcome->value, out)
                          : "no such figure in this run";
}

static void write_figures(const struct sim_crowd_figures *figures, FILE *out)
{
    const char *of = "";
    char text[SIM_CROWD_FIGURE_TEXT_SIZE];
    for (size_t i = 0; i < figures->count; i++) {
        const struct sim_crowd_figure *f = &figures->list[i];
        const char *table = f->of ? f->of : "the whole";
        if (strcmp(of, table) != 0) fprintf(out, "  %s\n", table);
        of = table;
        fprintf(out, "    %-18s %14s   %s\n", f->what->name, sim_crowd_figure_format(f->what->unit, f->value, text),
            f->what->help);
    }
}

void sim_crowd_report_text(const struct sim_crowd_plan *plan, uint64_t seed, const struct sim_crowd_result *result,
    uint64_t wall_ms, bool brief, FILE *out)
{
    char name[TEXT_SIZE], bound[TEXT_SIZE], text[SIM_CROWD_FIGURE_TEXT_SIZE];
    fprintf(out, "%s seed %" PRIu64 ": %s\n", plan->name, seed,
        !result->whole   ? "ended early"
        : result->passed ? "pass"
                         : "fail");
    if (!brief) write_figures(&result->figures, out);
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct sim_crowd_outcome *outcome = &result->outcomes[i];
        expect_name(outcome->expect, name);
        expect_bound(outcome->expect, bound);
        fprintf(out, "  %s  %s: %s (%s)\n", outcome->passed ? "pass" : "FAIL", name, measured(outcome, text), bound);
    }
    fprintf(out, "  %" PRIu64 " nodes, %" PRIu64 " s in %" PRIu64 ".%" PRIu64 " s, %" PRIu64 " events\n", plan->nodes,
        result->virtual_ns / 1000000000, wall_ms / 1000, wall_ms / 100 % 10, result->events);
    if (!result->passed) fprintf(out, "  rerun: quicether-sim dht %s --seed %" PRIu64 "\n", plan->file, seed);
    fprintf(out, "trace-hash %s\n", hash_text(result, name));
}

static json_t *json_expectations(const struct sim_crowd_result *result)
{
    char name[TEXT_SIZE], bound[TEXT_SIZE], text[SIM_CROWD_FIGURE_TEXT_SIZE];
    json_t *list = json_array();
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct sim_crowd_outcome *outcome = &result->outcomes[i];
        expect_name(outcome->expect, name);
        expect_bound(outcome->expect, bound);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "what", name, "expected", bound, "measured",
                                        measured(outcome, text), "verdict", outcome->passed ? "pass" : "fail"));
    }
    return list;
}

// {"": {figures of the run}, TABLE: {…}, …}; each figure's name with its unit.
static json_t *json_figures(const struct sim_crowd_figures *figures)
{
    static const char *const units[] = {"", "_milli", "_ppb", "_ns", "_bytes", "_bytes_s"};
    char name[TEXT_SIZE];
    json_t *all = json_object();
    for (size_t i = 0; i < figures->count; i++) {
        const struct sim_crowd_figure *f = &figures->list[i];
        const char *of = f->of ? f->of : "run";
        json_t *table = json_object_get(all, of);
        if (!table) json_object_set_new(all, of, table = json_object());
        snprintf(name, sizeof(name), "%s%s", f->what->name, units[f->what->unit]);
        json_object_set_new(table, name, json_integer((json_int_t)f->value));
    }
    return all;
}

char *sim_crowd_report_json(const struct sim_crowd_plan *plan, uint64_t seed, const struct sim_crowd_result *result,
    uint64_t wall_ms, const char *commit)
{
    char hash[40];
    json_t *run = json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:o, s:o, s:I, s:I, s:I}", "scenario", plan->name, "seed",
        (json_int_t)seed, "engine", "dht", "verdict",
        !result->whole   ? "error"
        : result->passed ? "pass"
                         : "fail",
        "trace_hash", hash_text(result, hash), "nodes", (json_int_t)plan->nodes, "expectations",
        json_expectations(result), "figures", json_figures(&result->figures), "virtual_ms",
        (json_int_t)(result->virtual_ns / 1000000), "wall_ms", (json_int_t)wall_ms, "events",
        (json_int_t)result->events);
    if (commit) json_object_set_new(run, "commit", json_string(commit));
    char *text = json_dumps(run, JSON_INDENT(2));
    json_decref(run);
    if (!text) abort();
    return text;
}
