// What the JSON lines of a run (docs/traces.md) say that can be drawn: series over time, and from when to when nodes
// ran, peers were connected and paths were open. Lines of other events are passed over.
#ifndef QE_SIM_RUN_EVENTS_H
#define QE_SIM_RUN_EVENTS_H

#include "scenario/scenario.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sim_point {
    double x, y;
};

struct sim_series {
    char *name;
    struct sim_point *points;
    size_t count, capacity;
    double last_x, last_y; // of a counter that became a rate
};

struct sim_series_list {
    struct sim_series *list;
    size_t count, capacity;
    size_t recent; // the one last found
};

enum sim_span_kind {
    SIM_SPAN_NODE,    // runs
    SIM_SPAN_SESSION, // a peer is connected
    SIM_SPAN_PATH,    // is open
    SIM_SPAN_SILENT,  // and nothing is heard of it
};

struct sim_span {
    char *row, *host;
    enum sim_span_kind kind;
    double begin, end; // s; end < 0: open
};

struct sim_run_events {
    char *scenario, *commit, *verdict; // commit, verdict: NULL where the file does not say
    uint64_t seed;
    double duration;                   // s; times are in s everywhere
    struct sim_series_list latency;    // ms, by flow
    struct sim_series_list arrivals;   // bytes that arrived at that time, by flow
    struct sim_series_list flow_rates; // Mbit/s by flow, from samples
    struct sim_series_list link_rates; // Mbit/s by link and direction, from samples
    struct sim_series_list queues;     // packets by link and direction, from samples
    struct sim_span *spans;
    size_t span_count, span_capacity;
};

// False, with a line in `error`, where the file is not such a file. `name` is what messages call it.
bool sim_run_events_read(struct sim_run_events *events, FILE *file, const char *name, char error[SIM_ERROR_SIZE]);
void sim_run_events_fini(struct sim_run_events *events);

// The series of that name, made where there is none.
struct sim_series *sim_series_of(struct sim_series_list *list, const char *name);
void sim_series_add(struct sim_series *series, double x, double y);

#endif
