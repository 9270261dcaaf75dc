#include "scenario/axes.h"

#include "engine/memory.h"
#include "engine/random.h"

#include <stdio.h>
#include <string.h>

// The order of strata is the same for all seeds.
#define SEED_OF_ORDERS 0

const struct sim_key sim_axis_keys[] = {{"set", SIM_KEY_OTHER, 0},
    {"name", SIM_KEY_TEXT, offsetof(struct sim_axis, name)}, {"values", SIM_KEY_OTHER, 0}, {"from", SIM_KEY_OTHER, 0},
    {"to", SIM_KEY_OTHER, 0}, {"step", SIM_KEY_OTHER, 0}, {"count", SIM_KEY_OTHER, 0}, {"scale", SIM_KEY_OTHER, 0},
    {"latin", SIM_KEY_OTHER, 0}, {0}};

const struct sim_key sim_latin_keys[] = {
    {"from", SIM_KEY_OTHER, 0}, {"to", SIM_KEY_OTHER, 0}, {"step", SIM_KEY_OTHER, 0}, {"scale", SIM_KEY_OTHER, 0}, {0}};

static void read_path(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *value)
{
    const char *text = sim_reader_text(r, value, "set");
    if (r->failed) return;
    if (strncmp(text, "sweep", 5) == 0 || strncmp(text, "swarm", 5) == 0 || strcmp(text, "scenario.seed") == 0 ||
        strcmp(text, "scenario.samples") == 0)
        sim_reader_fail(r, value, "'set' is \"%s\", which makes no scenario; expected what the scenario has", text);
    axis->paths = sim_resize(axis->paths, axis->path_count + 1, sizeof(*axis->paths));
    axis->paths[axis->path_count++] = sim_copy_text(text);
}

static void read_set(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    const struct qe_toml_value *set = qe_toml_get(table, "set");
    if (!set) {
        sim_reader_fail(r, table, "[[sweep]] has no 'set'; expected one such as \"link.a-b.delay\"");
        return;
    }
    if (qe_toml_kind(set) != QE_TOML_ARRAY) {
        read_path(r, axis, set);
        return;
    }
    if (qe_toml_size(set) == 0) sim_reader_fail(r, set, "'set' is an empty list; expected what is to be set");
    for (size_t i = 0; i < qe_toml_size(set) && !r->failed; i++)
        read_path(r, axis, qe_toml_at(set, i));
}

static bool read_quantity(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, struct sim_quantity *out)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (r->failed) return false;
    if (!value) {
        sim_reader_fail(r, table, "the range has no '%s'; expected a number, or a quantity such as \"15ms\"", key);
        return false;
    }
    if (qe_toml_kind(value) == QE_TOML_INTEGER) {
        int64_t number = qe_toml_integer(value);
        *out = (struct sim_quantity){.value = number};
        if (number <= INT64_MAX / 4 && number >= -(INT64_MAX / 4)) return true;
    } else if (qe_toml_kind(value) == QE_TOML_STRING && sim_quantity_parse(qe_toml_string(value, NULL), out)) {
        return true;
    }
    sim_reader_fail(
        r, value, "'%s' is no quantity; expected a number, or one such as \"15ms\", \"1Mbit/s\" or \"0.5%%\"", key);
    return false;
}

static void read_scale(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    const struct qe_toml_value *scale = qe_toml_get(table, "scale");
    if (!scale || r->failed) return;
    const char *text = sim_reader_text(r, scale, "scale");
    axis->log = strcmp(text, "log") == 0;
    if (!r->failed && !axis->log && strcmp(text, "linear") != 0)
        sim_reader_fail(r, scale, "'scale' is \"%s\"; expected \"linear\" or \"log\"", text);
    if (axis->log && axis->from.value <= 0)
        sim_reader_fail(r, scale, "a logarithmic scale from %s; expected 'from' above zero",
            axis->from.value < 0 ? "a negative value" : "zero");
}

static void read_step(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    struct sim_quantity step;
    if (!read_quantity(r, table, "step", &step)) return;
    const struct qe_toml_value *value = qe_toml_get(table, "step");
    if (step.kind != axis->from.kind || step.value <= 0) {
        sim_reader_fail(r, value, "'step' does not go with 'from'; expected a positive quantity of the same kind");
        return;
    }
    axis->step = step.value;
}

// 'from', 'to' and 'scale', of ranges and of `latin`.
static void read_ends(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    if (!read_quantity(r, table, "from", &axis->from) || !read_quantity(r, table, "to", &axis->to)) return;
    if (axis->from.kind != axis->to.kind)
        sim_reader_fail(r, qe_toml_get(table, "to"), "'to' is of another kind than 'from'; expected the same");
    else if (axis->from.value >= axis->to.value)
        sim_reader_fail(r, qe_toml_get(table, "to"), "'to' is not above 'from'; expected the larger end");
    read_scale(r, axis, table);
}

static void read_range(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    const struct qe_toml_value *count = qe_toml_get(table, "count"), *step = qe_toml_get(table, "step");
    axis->kind = SIM_AXIS_RANGE;
    read_ends(r, axis, table);
    if (r->failed) return;
    if (!count == !step) {
        sim_reader_fail(
            r, table, "the range has %s; expected one of them", count ? "'count' and 'step'" : "no 'count' or 'step'");
        return;
    }
    if (count) {
        uint64_t number = sim_reader_number(r, count, "count");
        if (!r->failed && (number < 2 || number > SIM_AXIS_VALUES_MAX))
            sim_reader_fail(
                r, count, "'count' is %llu; expected 2 to %d", (unsigned long long)number, SIM_AXIS_VALUES_MAX);
        axis->count = (size_t)number;
        return;
    }
    read_step(r, axis, table);
    if (r->failed) return;
    uint64_t range = (uint64_t)(axis->to.value - axis->from.value), steps = range / (uint64_t)axis->step;
    if (axis->log)
        sim_reader_fail(r, step, "a logarithmic scale has no 'step'; expected 'count'");
    else if (range % (uint64_t)axis->step != 0)
        sim_reader_fail(r, step, "'step' does not lead from 'from' to 'to'; expected whole steps");
    else if (steps >= SIM_AXIS_VALUES_MAX)
        sim_reader_fail(r, step, "more than %d steps; expected fewer", SIM_AXIS_VALUES_MAX);
    axis->count = (size_t)steps + 1;
}

// A random order of the strata, by the algorithm of Fisher and Yates.
static void order_strata(struct sim_axis *axis, uint64_t samples)
{
    struct sim_stream stream = sim_stream(SEED_OF_ORDERS, SIM_STREAM_SWEEP, axis->name, SIM_AXIS_ORDER);
    axis->order = sim_obtain((size_t)samples, sizeof(*axis->order));
    for (uint32_t i = 0; i < samples; i++) {
        uint32_t other = (uint32_t)sim_random_below(&stream, (uint64_t)i + 1);
        axis->order[i] = axis->order[other];
        axis->order[other] = i;
    }
}

static void read_latin(
    struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table, const struct sim_axes *axes)
{
    static const char *const alone[] = {"set", "name", "latin", NULL};
    const struct qe_toml_value *latin = sim_reader_get(r, table, "latin", QE_TOML_TABLE);
    axis->kind = SIM_AXIS_LATIN;
    axis->step = 1;
    sim_reader_only(r, table, "an axis with 'latin'", alone);
    if (r->failed) return;
    sim_reader_table(r, latin, "'latin'", sim_latin_keys, axis);
    if (!r->failed) read_ends(r, axis, latin);
    if (!r->failed && qe_toml_get(latin, "step")) read_step(r, axis, latin);
    if (!r->failed && !axes->samples)
        sim_reader_fail(r, latin, "[scenario] has no 'samples'; expected how many samples a Latin hypercube has");
    if (!r->failed) order_strata(axis, axes->samples);
}

static void read_values(struct sim_reader *r, struct sim_axis *axis, const struct qe_toml_value *table)
{
    static const char *const alone[] = {"set", "name", "values", NULL};
    axis->kind = SIM_AXIS_VALUES;
    axis->values = sim_reader_get(r, table, "values", QE_TOML_ARRAY);
    sim_reader_only(r, table, "an axis with 'values'", alone);
    if (r->failed) return;
    axis->count = qe_toml_size(axis->values);
    if (axis->count == 0 || axis->count > SIM_AXIS_VALUES_MAX)
        sim_reader_fail(r, axis->values, "'values' has %zu values; expected 1 to %d", axis->count, SIM_AXIS_VALUES_MAX);
}

static void read_axis(struct sim_reader *r, struct sim_axes *axes, const struct qe_toml_value *table)
{
    struct sim_axis *axis = &axes->items[axes->count++];
    axis->line = qe_toml_line(table);
    sim_reader_table(r, table, "[[sweep]]", sim_axis_keys, axis);
    if (!r->failed) read_set(r, axis, table);
    if (r->failed) return;
    if (!axis->name) axis->name = sim_copy_text(axis->paths[0]);
    for (const char *c = axis->name; *c; c++)
        if ((unsigned char)*c < ' ') sim_reader_fail(r, table, "the axis's name has a control character in it");
    for (const struct sim_axis *other = axes->items; other < axis; other++)
        if (strcmp(other->name, axis->name) == 0)
            sim_reader_fail(
                r, table, "there is an axis \"%s\" already; expected another 'name', or another 'set'", axis->name);
    if (qe_toml_get(table, "latin"))
        read_latin(r, axis, table, axes);
    else if (qe_toml_get(table, "values"))
        read_values(r, axis, table);
    else
        read_range(r, axis, table);
    if (r->failed) return;
    if (axis->kind != SIM_AXIS_LATIN) axes->points *= axis->count;
    if (axes->points > SIM_POINTS_MAX)
        sim_reader_fail(
            r, table, "the grid has more than %llu points; expected fewer", (unsigned long long)SIM_POINTS_MAX);
}

bool sim_axes_read(struct sim_reader *r, const struct qe_toml_value *root, struct sim_axes *axes)
{
    *axes = (struct sim_axes){.points = 1};
    const struct qe_toml_value *scenario = qe_toml_get(root, "scenario");
    const struct qe_toml_value *list = sim_reader_get(r, root, "sweep", QE_TOML_ARRAY);
    const struct qe_toml_value *samples =
        scenario && qe_toml_kind(scenario) == QE_TOML_TABLE ? qe_toml_get(scenario, "samples") : NULL;
    if (samples) {
        axes->samples = sim_reader_number(r, samples, "samples");
        if (!r->failed && (axes->samples < 1 || axes->samples > SIM_SAMPLES_MAX))
            sim_reader_fail(
                r, samples, "'samples' is %llu; expected 1 to %d", (unsigned long long)axes->samples, SIM_SAMPLES_MAX);
    }
    if (list && qe_toml_size(list) > SIM_AXES_MAX)
        sim_reader_fail(r, list, "%zu of [[sweep]]; expected at most %d", qe_toml_size(list), SIM_AXES_MAX);
    if (list) axes->items = sim_obtain(qe_toml_size(list) + 1, sizeof(*axes->items));
    for (size_t i = 0; list && i < qe_toml_size(list) && !r->failed; i++)
        read_axis(r, axes, qe_toml_at(list, i));
    bool latin = false;
    for (size_t i = 0; i < axes->count; i++)
        latin |= axes->items[i].kind == SIM_AXIS_LATIN;
    if (samples && !latin) sim_reader_fail(r, samples, "'samples' without [[sweep]] that has 'latin'");
    if (!samples) axes->samples = 1;
    return !r->failed;
}

void sim_axes_fini(struct sim_axes *axes)
{
    for (size_t i = 0; i < axes->count; i++) {
        for (size_t k = 0; k < axes->items[i].path_count; k++)
            sim_release(axes->items[i].paths[k]);
        sim_release(axes->items[i].paths);
        sim_release(axes->items[i].name);
        sim_release(axes->items[i].order);
    }
    sim_release(axes->items);
    *axes = (struct sim_axes){0};
}

size_t sim_axis_ends(const struct sim_axis *axis)
{
    return axis->kind == SIM_AXIS_VALUES ? axis->count : 2;
}
