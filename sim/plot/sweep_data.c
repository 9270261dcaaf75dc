#include "plot/sweep_data.h"

#include "engine/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct sim_table *table_of(struct sim_sweep_data *data, const char *scenario)
{
    for (size_t i = 0; i < data->count; i++)
        if (strcmp(data->tables[i].scenario, scenario) == 0) return &data->tables[i];
    SIM_ROOM(data->tables, data->count, data->capacity);
    data->tables[data->count] = (struct sim_table){.scenario = sim_copy_text(scenario)};
    return &data->tables[data->count++];
}

// Runs of a scenario have their columns in the same order, so the one looked for is nearly always at `hint`.
static struct sim_measure_column *measure_of(struct sim_table *table, const char *name, size_t hint)
{
    if (hint < table->measure_count && strcmp(table->measures[hint].name, name) == 0) return &table->measures[hint];
    for (size_t i = 0; i < table->measure_count; i++)
        if (strcmp(table->measures[i].name, name) == 0) return &table->measures[i];
    if (table->measure_count == SIM_COLUMNS_MAX) return NULL;
    SIM_ROOM(table->measures, table->measure_count, table->measure_capacity);
    table->measures[table->measure_count] = (struct sim_measure_column){.name = sim_copy_text(name)};
    return &table->measures[table->measure_count++];
}

static struct sim_parameter_column *parameter_of(struct sim_table *table, const char *name, size_t hint)
{
    if (hint < table->parameter_count && strcmp(table->parameters[hint].name, name) == 0)
        return &table->parameters[hint];
    for (size_t i = 0; i < table->parameter_count; i++)
        if (strcmp(table->parameters[i].name, name) == 0) return &table->parameters[i];
    if (table->parameter_count == SIM_COLUMNS_MAX) return NULL;
    SIM_ROOM(table->parameters, table->parameter_count, table->parameter_capacity);
    table->parameters[table->parameter_count] = (struct sim_parameter_column){.name = sim_copy_text(name)};
    return &table->parameters[table->parameter_count++];
}

// Gives every column room for a row more, with nothing in it.
static void add_row(struct sim_table *table, uint64_t seed, bool passed)
{
    SIM_ROOM(table->rows, table->count, table->capacity);
    table->rows[table->count++] = (struct sim_table_row){seed, passed};
}

static void set_measure(struct sim_table *table, struct sim_measure_column *column, double value)
{
    if (column->capacity < table->count) {
        size_t old = column->capacity;
        column->capacity = table->capacity;
        column->values = sim_resize(column->values, column->capacity, sizeof(*column->values));
        for (size_t i = old; i < column->capacity; i++)
            column->values[i] = NAN;
    }
    column->values[table->count - 1] = value;
}

static void set_parameter(struct sim_table *table, struct sim_parameter_column *column, const char *value)
{
    if (column->capacity < table->count) {
        size_t old = column->capacity;
        column->capacity = table->capacity;
        column->values = sim_resize(column->values, column->capacity, sizeof(*column->values));
        for (size_t i = old; i < column->capacity; i++)
            column->values[i] = NULL;
    }
    char **at = &column->values[table->count - 1];
    if (!*at) *at = sim_copy_text(value);
}

static void note_commit(struct sim_sweep_data *data, const char *commit)
{
    for (size_t i = 0; i < data->commit_count; i++)
        if (strcmp(data->commits[i], commit) == 0) return;
    if (data->commit_count == SIM_COMMITS_MAX)
        data->more_commits = true;
    else
        data->commits[data->commit_count++] = sim_copy_text(commit);
}

static bool add_run(struct sim_sweep_data *data, json_t *run)
{
    const char *scenario = json_string_value(json_object_get(run, "scenario"));
    const char *verdict = json_string_value(json_object_get(run, "verdict"));
    const char *commit = json_string_value(json_object_get(run, "commit")), *key;
    const json_t *seed = json_object_get(run, "seed");
    size_t hint = 0;
    json_t *value;
    if (!scenario || !verdict || !json_is_integer(seed)) return false;
    if (commit) note_commit(data, commit);
    struct sim_table *table = table_of(data, scenario);
    add_row(table, (uint64_t)json_integer_value(seed), strcmp(verdict, "pass") == 0);
    json_object_foreach(json_object_get(run, "measures"), key, value)
    {
        struct sim_measure_column *column = measure_of(table, key, hint++);
        if (column && json_is_number(value)) set_measure(table, column, json_number_value(value));
    }
    hint = 0;
    json_object_foreach(json_object_get(run, "parameters"), key, value)
    {
        struct sim_parameter_column *column = parameter_of(table, key, hint++);
        if (column && json_is_string(value)) set_parameter(table, column, json_string_value(value));
    }
    return true;
}

// A column may be shorter than the table where the last runs lack it.
static void level(struct sim_table *table)
{
    for (size_t i = 0; i < table->measure_count; i++) {
        struct sim_measure_column *column = &table->measures[i];
        if (column->capacity >= table->count) continue;
        column->values = sim_resize(column->values, table->capacity, sizeof(*column->values));
        for (; column->capacity < table->capacity; column->capacity++)
            column->values[column->capacity] = NAN;
    }
    for (size_t i = 0; i < table->parameter_count; i++) {
        struct sim_parameter_column *column = &table->parameters[i];
        if (column->capacity >= table->count) continue;
        column->values = sim_resize(column->values, table->capacity, sizeof(*column->values));
        for (; column->capacity < table->capacity; column->capacity++)
            column->values[column->capacity] = NULL;
    }
}

bool sim_sweep_data_add(
    struct sim_sweep_data *data, const char *text, size_t size, const char *name, char error[SIM_ERROR_SIZE])
{
    json_error_t wrong;
    json_t *root = json_loadb(text, size, 0, &wrong), *runs = json_object_get(root, "runs");
    bool good = false;
    size_t i;
    json_t *run;
    if (!root) {
        snprintf(error, SIM_ERROR_SIZE, "%s:%d: %s; results of runs as JSON are wanted", name, wrong.line, wrong.text);
        return false;
    }
    if (!json_is_array(runs) || json_array_size(runs) == 0) {
        snprintf(error, SIM_ERROR_SIZE, "%s: there are no \"runs\"; results as --json writes them are wanted", name);
        goto out;
    }
    json_array_foreach(runs, i, run)
    {
        if (add_run(data, run)) continue;
        snprintf(error, SIM_ERROR_SIZE, "%s: run %zu lacks a scenario, a seed or a verdict", name, i + 1);
        goto out;
    }
    for (i = 0; i < data->count; i++)
        level(&data->tables[i]);
    good = true;
out:
    json_decref(root);
    return good;
}

void sim_sweep_data_fini(struct sim_sweep_data *data)
{
    for (size_t i = 0; i < data->count; i++) {
        struct sim_table *table = &data->tables[i];
        for (size_t k = 0; k < table->measure_count; k++) {
            sim_release(table->measures[k].name);
            sim_release(table->measures[k].values);
        }
        for (size_t k = 0; k < table->parameter_count; k++) {
            for (size_t row = 0; row < table->count && row < table->parameters[k].capacity; row++)
                sim_release(table->parameters[k].values[row]);
            sim_release(table->parameters[k].name);
            sim_release(table->parameters[k].values);
        }
        sim_release(table->measures);
        sim_release(table->parameters);
        sim_release(table->scenario);
        sim_release(table->rows);
    }
    for (size_t i = 0; i < data->commit_count; i++)
        sim_release(data->commits[i]);
    sim_release(data->tables);
    *data = (struct sim_sweep_data){0};
}
