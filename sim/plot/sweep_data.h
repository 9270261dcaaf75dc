// Results of many runs ({"runs": […]}, docs/scenarios.md) as a table for each scenario: a row for each run, columns for
// what was chosen (parameters) and what was measured.
#ifndef QE_SIM_SWEEP_DATA_H
#define QE_SIM_SWEEP_DATA_H

#include "scenario/scenario.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_table_row {
    uint64_t seed;
    bool passed;
};

struct sim_measure_column {
    char *name;
    double *values; // by row; NAN: not measured
    size_t capacity;
};

struct sim_parameter_column {
    char *name;
    char **values; // by row; NULL: not chosen
    size_t capacity;
};

struct sim_table {
    char *scenario;
    struct sim_table_row *rows;
    size_t count, capacity;
    struct sim_measure_column *measures;
    size_t measure_count, measure_capacity;
    struct sim_parameter_column *parameters;
    size_t parameter_count, parameter_capacity;
};

#define SIM_COMMITS_MAX 4

struct sim_sweep_data {
    struct sim_table *tables;
    size_t count, capacity;
    char *commits[SIM_COMMITS_MAX]; // the different ones, as they came
    size_t commit_count;
    bool more_commits;
};

#define SIM_COLUMNS_MAX 10000 // of one scenario

// Adds the runs in a JSON text. False, with a line in `error`, where it is none; `name` is what messages call it.
bool sim_sweep_data_add(
    struct sim_sweep_data *data, const char *text, size_t size, const char *name, char error[SIM_ERROR_SIZE]);
void sim_sweep_data_fini(struct sim_sweep_data *data);

#endif
