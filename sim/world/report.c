#include "world/report.h"

#include "engine/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

const char *sim_verdict_name(enum sim_verdict verdict)
{
    static const char *const names[] = {"pass", "fail", "error"};
    return names[verdict];
}

static const char *hash_text(const struct sim_result *result, char out[SIM_TRACE_HASH_SIZE * 2 + 1])
{
    return sodium_bin2hex(out, SIM_TRACE_HASH_SIZE * 2 + 1, result->hash, sizeof(result->hash));
}

static void write_points(FILE *out, const struct sim_result *result)
{
    const char *before = "  fault points: ";
    for (int i = 0; i < QE_FAULT_COUNT; i++) {
        if (!result->points[i]) continue;
        fprintf(out, "%s%s %" PRIu64, before, qe_fault_point_name((enum qe_fault_point)i), result->points[i]);
        before = ", ";
    }
    if (before[0] == ',') fputc('\n', out);
}

char *sim_report_text(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result)
{
    char *text = NULL;
    size_t size = 0;
    char hash[SIM_TRACE_HASH_SIZE * 2 + 1];
    FILE *out = open_memstream(&text, &size);
    if (!out) abort();
    fprintf(out, "%s seed %" PRIu64 ": %s\n", scenario->name, seed, sim_verdict_name(result->verdict));
    for (size_t i = 0; i < scenario->parameter_count; i++)
        fprintf(out, "  with  %s = %s\n", scenario->parameters[i].name, scenario->parameters[i].value);
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct sim_outcome *o = &result->outcomes[i];
        const char *verdict = o->passed ? "pass" : o->sometimes ? "open" : "FAIL";
        fprintf(
            out, "  %s  %s: %s (%s%s)\n", verdict, o->what, o->measured, o->sometimes ? "sometimes " : "", o->bound);
    }
    write_points(out, result);
    if (result->violation[0])
        fprintf(out, "  %s  %s\n", result->verdict == SIM_ERROR ? "error" : "FAIL", result->violation);
    if (result->verdict != SIM_PASS) fprintf(out, "  failure: %s\n", result->signature);
    if (result->verdict != SIM_PASS)
        fprintf(out, "  rerun: quicether-sim run %s --seed %" PRIu64 "\n", scenario->file, seed);
    if (result->verdict != SIM_ERROR) fprintf(out, "trace-hash %s\n", hash_text(result, hash));
    fclose(out);
    return text;
}

char *sim_report_json(const struct sim_scenario *scenario, uint64_t seed, const struct sim_result *result,
    uint64_t wall_ms, const char *commit)
{
    char hash[SIM_TRACE_HASH_SIZE * 2 + 1];
    json_t *expectations = json_array();
    for (size_t i = 0; i < result->outcome_count; i++) {
        const struct sim_outcome *o = &result->outcomes[i];
        json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "what", o->what, "expected", o->bound, "measured", o->measured,
            "verdict", o->passed ? "pass" : "fail");
        if (o->sometimes) json_object_set_new(item, "sometimes_ppb", json_integer((json_int_t)o->sometimes_ppb));
        json_array_append_new(expectations, item);
    }
    json_t *run = json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "scenario", scenario->name,
        "seed", (json_int_t)seed, "engine", "sim", "verdict", sim_verdict_name(result->verdict), "trace_hash",
        hash_text(result, hash), "expectations", expectations, "virtual_ms", (json_int_t)(result->virtual_ns / 1000000),
        "wall_ms", (json_int_t)wall_ms, "events", (json_int_t)result->events, "datagrams",
        (json_int_t)result->datagrams, "dropped_datagrams", (json_int_t)result->dropped);
    if (scenario->parameter_count) {
        json_t *parameters = json_object();
        for (size_t i = 0; i < scenario->parameter_count; i++)
            json_object_set_new(parameters, scenario->parameters[i].name, json_string(scenario->parameters[i].value));
        json_object_set_new(run, "parameters", parameters);
    }
    if (commit) json_object_set_new(run, "commit", json_string(commit));
    if (result->measured_count) {
        json_t *measures = json_object();
        for (size_t i = 0; i < result->measured_count; i++)
            json_object_set_new(
                measures, result->measured[i].name, json_integer((json_int_t)result->measured[i].value));
        json_object_set_new(run, "measures", measures);
    }
    if (result->signature[0]) json_object_set_new(run, "failure", json_string(result->signature));
    if (result->violation[0]) json_object_set_new(run, "violation", json_string(result->violation));
    char *text = json_dumps(run, JSON_INDENT(2));
    json_decref(run);
    if (!text) abort();
    return text;
}
