// Sweeps: what [[sweep]] tables set to a value of its own for each seed. An axis is a list of values or a range; the
// axes of these kinds make a grid, of which seed s has point (s - 1) mod points, the first axis varying slowest. Axes
// with `latin` are sampled instead (McKay, Beckman, Conover 1979): each is cut into `samples` strata of equal size, and
// every stratum of every axis is hit exactly once in `samples` samples; each axis has its own order of strata. With
// both, each point of the grid has its turn before the next sample.
#ifndef QE_SIM_AXES_H
#define QE_SIM_AXES_H

#include "scenario/reader.h"
#include "scenario/scenario.h"
#include "scenario/tree.h"
#include "scenario/units.h"

#define SIM_AXES_MAX        64
#define SIM_AXIS_VALUES_MAX 10000
#define SIM_SAMPLES_MAX     1000000
#define SIM_POINTS_MAX      UINT64_C(1000000000)

// What is drawn from the stream of an axis.
enum sim_axis_chance {
    SIM_AXIS_ORDER,
    SIM_AXIS_PLACE,
};

enum sim_axis_kind {
    SIM_AXIS_VALUES,
    SIM_AXIS_RANGE,
    SIM_AXIS_LATIN,
};

struct sim_axis {
    enum sim_axis_kind kind;
    char *name;   // of the parameter
    char **paths; // what is set
    size_t path_count;
    const struct qe_toml_value *values; // VALUES: the list
    struct sim_quantity from, to;
    int64_t step; // RANGE, linear: 0 where a count is given; LATIN: values are this far apart
    bool log;
    size_t count;    // of values
    uint32_t *order; // LATIN: by sample, the stratum
    unsigned line;
};

struct sim_axes {
    struct sim_axis *items;
    size_t count;
    uint64_t points;  // of the grid
    uint64_t samples; // 1 without Latin axes
};

// Reads the [[sweep]] tables and `samples` of the file whose tree `root` is. False on a mistake. To be freed either
// way.
bool sim_axes_read(struct sim_reader *r, const struct qe_toml_value *root, struct sim_axes *axes);
void sim_axes_fini(struct sim_axes *axes);

// Sets every axis to its value for `seed` in the tree, and adds what was chosen to the parameters. False on a mistake.
bool sim_axes_apply(const struct sim_axes *axes, struct sim_reader *r, uint64_t seed, struct sim_tree *root,
    struct sim_parameter **parameters, size_t *parameter_count);
// The same for the seed's point, but with axis `axis` at an end of it: value `place` of sim_axis_ends.
bool sim_axes_apply_end(
    const struct sim_axes *axes, struct sim_reader *r, uint64_t seed, struct sim_tree *root, size_t axis, size_t place);
// How many values of an axis are worth a check: all of a list, both ends of a range.
size_t sim_axis_ends(const struct sim_axis *axis);

extern const struct sim_key sim_axis_keys[], sim_latin_keys[];

#endif
