// The runs of a scenario by a parameter's value: in the order of numbers where all values are quantities of one kind,
// and several values to a group where there are more than a figure can show (a Latin hypercube has one for each run).
#ifndef QE_SIM_GROUPS_H
#define QE_SIM_GROUPS_H

#include "plot/sweep_data.h"

#define SIM_GROUPS_SEPARATE 24 // more values than that are put together
#define SIM_GROUPS_TOGETHER 10

enum sim_axis {
    SIM_AXIS_NONE, // words
    SIM_AXIS_NUMBER,
    SIM_AXIS_DURATION, // ms
    SIM_AXIS_RATE,     // Mbit/s
    SIM_AXIS_SIZE,     // bytes
    SIM_AXIS_SHARE,    // %
    SIM_AXIS_PACKETS,
};

// "ms", "%", …; "" for numbers and words.
const char *sim_axis_unit(enum sim_axis quantity);

struct sim_group {
    double value;     // of the parameter, the median where there are several; the group's number for words
    const char *text; // the value as written; borrowed; of the first where there are several
    size_t *rows;
    size_t count;
};

struct sim_groups {
    enum sim_axis quantity;
    bool together; // several values a group
    struct sim_group *list;
    size_t count;
    size_t *rows; // all of them, group after group
};

// Rows without the parameter are in no group. The table must outlive the groups.
void sim_groups_init(struct sim_groups *groups, const struct sim_table *table, size_t parameter);
void sim_groups_fini(struct sim_groups *groups);

#endif
