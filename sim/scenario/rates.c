#include "scenario/rates.h"

#include "engine/memory.h"
#include "scenario/reader.h"
#include "scenario/units.h"

#include <stdio.h>
#include <string.h>

void sim_rates_fini(struct sim_rates *rates)
{
    for (size_t i = 0; i < rates->count; i++) {
        bool shared = false;
        for (size_t k = 0; k < i; k++)
            shared |= rates->list[k].plan == rates->list[i].plan;
        if (!shared) sim_rate_plan_free(rates->list[i].plan);
        sim_release(rates->list[i].file);
    }
    sim_release(rates->list);
}

static const struct sim_rate_plan *find(const struct sim_rates *rates, const struct qe_toml_value *value)
{
    for (size_t i = 0; i < rates->count; i++)
        if (rates->list[i].value == value) return rates->list[i].plan;
    return NULL;
}

static void add(
    struct sim_rates *rates, const struct qe_toml_value *value, const char *file, struct sim_rate_plan *plan)
{
    SIM_ROOM(rates->list, rates->count, rates->capacity);
    rates->list[rates->count++] = (struct sim_rates_entry){value, file ? sim_copy_text(file) : NULL, plan};
}

// One [time, rate] of a timeline.
static void read_step(struct sim_reader *r, const struct qe_toml_value *pair, struct sim_rate_plan *plan)
{
    struct sim_rate_step *step = &plan->steps[plan->count];
    if (qe_toml_kind(pair) != QE_TOML_ARRAY || qe_toml_size(pair) != 2) {
        sim_reader_fail(r, pair, "a step of 'rate_timeline' is no pair; expected one such as [\"5s\", \"1Mbit/s\"]");
        return;
    }
    step->at_ns = sim_reader_duration(r, qe_toml_at(pair, 0), "rate_timeline");
    if (r->failed) return;
    const char *text = sim_reader_text(r, qe_toml_at(pair, 1), "rate_timeline");
    if (!r->failed && !sim_rate_parse(text, &step->rate_bits))
        sim_reader_fail(r, pair, "'rate_timeline' has \"%s\"; expected a rate such as \"1Mbit/s\" or \"0bit/s\"", text);
    else if (plan->count == 0 && step->at_ns != 0)
        sim_reader_fail(r, pair, "'rate_timeline' begins at another time than \"0s\"");
    else if (plan->count && step->at_ns <= plan->steps[plan->count - 1].at_ns)
        sim_reader_fail(r, pair, "'rate_timeline' goes back; expected a later time than the one before");
    plan->count++;
}

static void check_timeline(struct sim_reader *r, const struct qe_toml_value *value, const struct sim_rate_plan *plan)
{
    bool moves = false;
    for (size_t i = 0; i < plan->count; i++)
        moves |= plan->steps[i].rate_bits > 0;
    if (plan->period_ns ? !moves : plan->steps[plan->count - 1].rate_bits == 0)
        sim_reader_fail(r, value, "'rate_timeline' %s; expected a rate above 0",
            plan->period_ns ? "has no rate" : "ends with no rate");
    else if (plan->period_ns && plan->period_ns <= plan->steps[plan->count - 1].at_ns)
        sim_reader_fail(r, value, "'rate_repeat' is not after the last step of 'rate_timeline'");
}

const struct sim_rate_plan *sim_rates_timeline(
    struct sim_reader *r, const struct qe_toml_value *value, const struct qe_toml_value *repeat)
{
    const struct sim_rate_plan *known = find(r->rates, value);
    if (known) return known;
    if (qe_toml_kind(value) != QE_TOML_ARRAY || qe_toml_size(value) == 0 || qe_toml_size(value) > SIM_RATE_STEPS_MAX) {
        sim_reader_fail(r, value, "'rate_timeline' is no list of at most %d steps such as [\"5s\", \"1Mbit/s\"]",
            SIM_RATE_STEPS_MAX);
        return NULL;
    }
    struct sim_rate_plan *plan = sim_obtain(1, sizeof(*plan));
    plan->steps = sim_obtain(qe_toml_size(value), sizeof(*plan->steps));
    for (size_t i = 0; i < qe_toml_size(value) && !r->failed; i++)
        read_step(r, qe_toml_at(value, i), plan);
    if (repeat && !r->failed) plan->period_ns = sim_reader_duration(r, repeat, "rate_repeat");
    if (repeat && !r->failed && !plan->period_ns) sim_reader_fail(r, repeat, "'rate_repeat' is 0; expected more");
    if (!r->failed) check_timeline(r, value, plan);
    add(r->rates, value, NULL, plan);
    return r->failed ? NULL : plan;
}

const struct sim_rate_plan *sim_rates_trace(struct sim_reader *r, const struct qe_toml_value *value)
{
    char path[SIM_PATH_SIZE], error[SIM_RATE_ERROR_SIZE];
    const struct sim_rate_plan *known = find(r->rates, value);
    if (known) return known;
    if (!sim_reader_path(r, value, "rate_trace", path)) return NULL;
    for (size_t i = 0; i < r->rates->count; i++)
        if (r->rates->list[i].file && strcmp(r->rates->list[i].file, path) == 0) {
            add(r->rates, value, path, r->rates->list[i].plan);
            return r->rates->list[i].plan;
        }
    struct sim_rate_plan *plan = sim_rate_trace_load(path, error);
    if (!plan) {
        sim_reader_fail(r, value, "'rate_trace': %s", error);
        return NULL;
    }
    r->rates->moments += plan->count;
    add(r->rates, value, path, plan);
    if (r->rates->moments <= SIM_RATE_MOMENTS_MAX) return plan;
    sim_reader_fail(
        r, value, "'rate_trace': the scenario's traces have more than %zu lines together", SIM_RATE_MOMENTS_MAX);
    return NULL;
}
