// The values of a seed: from the axes to the tree.
#include "scenario/axes.h"

#include "engine/memory.h"
#include "engine/random.h"
#include "scenario/scale.h"

#include <string.h>

static struct sim_tree *quantity_tree(const struct sim_axis *axis, int64_t value)
{
    char text[SIM_UNITS_TEXT_SIZE];
    if (!axis->from.unit) return sim_tree_integer(value, axis->line);
    struct sim_quantity quantity = {value, axis->from.kind, axis->from.unit};
    return sim_tree_string(sim_quantity_format(&quantity, text), axis->line);
}

static int64_t range_value(const struct sim_axis *axis, size_t index)
{
    uint64_t range = (uint64_t)(axis->to.value - axis->from.value), last = axis->count - 1;
    if (axis->step) return axis->from.value + (int64_t)index * axis->step;
    if (axis->log) return (int64_t)sim_scale_log((uint64_t)axis->from.value, (uint64_t)axis->to.value, index, last);
    return axis->from.value + (int64_t)(((unsigned __int128)range * index * 2 + last) / (last * 2));
}

// A value in the sample's stratum. On a linear scale the values are a lattice, and the stratum k of n has those whose
// number among all R is at least R k / n and less than R (k + 1) / n.
static int64_t latin_value(const struct sim_axis *axis, uint64_t samples, uint64_t sample, uint64_t seed)
{
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_SWEEP, axis->name, SIM_AXIS_PLACE);
    uint64_t stratum = axis->order[sample], step = (uint64_t)axis->step;
    uint64_t range = (uint64_t)(axis->to.value - axis->from.value);
    if (axis->log) {
        uint64_t part = stratum << 32 | (sim_random_word(&stream) & UINT32_MAX);
        uint64_t value = sim_scale_log((uint64_t)axis->from.value, (uint64_t)axis->to.value, part, samples << 32);
        return axis->from.value + (int64_t)((value - (uint64_t)axis->from.value) / step * step);
    }
    unsigned __int128 lattice = (unsigned __int128)(range / step) + 1;
    uint64_t low = (uint64_t)((lattice * stratum + samples - 1) / samples);
    uint64_t high = (uint64_t)((lattice * (stratum + 1) + samples - 1) / samples);
    if (high > low)
        low += sim_random_below(&stream, high - low);
    else if (low >= lattice)
        low = (uint64_t)lattice - 1;
    return axis->from.value + (int64_t)(low * step);
}

static struct sim_tree *end_value(const struct sim_axis *axis, size_t place)
{
    if (axis->kind == SIM_AXIS_VALUES) return sim_tree_from_toml(qe_toml_at(axis->values, place));
    return quantity_tree(axis, place ? axis->to.value : axis->from.value);
}

// The axis's value at this point of the grid, which loses the axis's own part.
static struct sim_tree *axis_value(
    const struct sim_axes *axes, const struct sim_axis *axis, uint64_t *point, uint64_t sample, uint64_t seed)
{
    if (axis->kind == SIM_AXIS_LATIN) return quantity_tree(axis, latin_value(axis, axes->samples, sample, seed));
    size_t index = (size_t)(*point % axis->count);
    *point /= axis->count;
    if (axis->kind == SIM_AXIS_VALUES) return sim_tree_from_toml(qe_toml_at(axis->values, index));
    return quantity_tree(axis, range_value(axis, index));
}

static bool set_all(
    struct sim_reader *r, const struct sim_axis *axis, struct sim_tree *root, const struct sim_tree *value)
{
    for (size_t i = 0; i < axis->path_count; i++) {
        const char *wrong;
        struct sim_tree *copy = sim_tree_copy(value);
        if (sim_tree_set(root, axis->paths[i], copy, &wrong)) continue;
        sim_tree_free(copy);
        sim_reader_fail_at(r, axis->line, "'set' is \"%s\", and there is no \"%.*s\"; expected what the file has",
            axis->paths[i], (int)strcspn(wrong, "."), wrong);
        return false;
    }
    return true;
}

static void add_parameter(
    struct sim_parameter **parameters, size_t *count, const struct sim_axis *axis, const struct sim_tree *value)
{
    struct sim_parameter *parameter;
    *parameters = sim_resize(*parameters, *count + 1, sizeof(**parameters));
    parameter = &(*parameters)[(*count)++];
    *parameter = (struct sim_parameter){sim_copy_text(axis->name), sim_tree_say(value)};
}

static bool apply(const struct sim_axes *axes, struct sim_reader *r, uint64_t seed, struct sim_tree *root,
    const struct sim_axis *ended, size_t place, struct sim_parameter **parameters, size_t *parameter_count)
{
    uint64_t all = axes->points * axes->samples, turn = (seed % all + all - 1) % all;
    uint64_t point = turn % axes->points, sample = turn / axes->points;
    struct sim_tree **values = sim_obtain(axes->count + 1, sizeof(*values));
    // From the last axis, which varies fastest; parameters are told from the first.
    for (size_t i = axes->count; i-- > 0;) {
        const struct sim_axis *axis = &axes->items[i];
        values[i] = axis_value(axes, axis, &point, sample, seed);
        if (axis != ended) continue;
        sim_tree_free(values[i]);
        values[i] = end_value(axis, place);
    }
    for (size_t i = 0; i < axes->count; i++) {
        if (!r->failed) set_all(r, &axes->items[i], root, values[i]);
        if (parameters) add_parameter(parameters, parameter_count, &axes->items[i], values[i]);
        sim_tree_free(values[i]);
    }
    sim_release(values);
    return !r->failed;
}

bool sim_axes_apply(const struct sim_axes *axes, struct sim_reader *r, uint64_t seed, struct sim_tree *root,
    struct sim_parameter **parameters, size_t *parameter_count)
{
    return apply(axes, r, seed, root, NULL, 0, parameters, parameter_count);
}

bool sim_axes_apply_end(
    const struct sim_axes *axes, struct sim_reader *r, uint64_t seed, struct sim_tree *root, size_t axis, size_t place)
{
    return apply(axes, r, seed, root, &axes->items[axis], place, NULL, NULL);
}
