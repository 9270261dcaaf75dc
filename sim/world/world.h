// One run: a scenario and a seed, built, run to its end, judged, and taken down again.
#ifndef QE_SIM_WORLD_H
#define QE_SIM_WORLD_H

#include "host/host.h"
#include "net/crossing.h"
#include "net/network.h"
#include "scenario/scenario.h"
#include "traffic/flow.h"
#include "world/calm.h"
#include "world/invariants.h"
#include "world/trace.h"
#include "world/trigger.h"

#include <stdio.h>

// So many violations are told; a run stops at the first.
#define SIM_VIOLATION_SIZE 512
#define SIM_SIGNATURE_SIZE 96
// Events without time moving that count as a storm of the whole network.
#define SIM_INSTANT_MAX UINT64_C(5000000)

struct sim_run_options {
    const struct sim_scenario *scenario;
    uint64_t seed;
    unsigned lanes;         // for every node; 0: as configured
    struct sim_sink *sinks; // who listens, or NULL
    uint64_t sample_ns;     // so often they are told of the state of links, flows and hosts; 0: never
    bool messages;          // nodes tell what each datagram carries, for traces
    bool measures;          // sim_result.measured is wanted
    const struct sim_core *core;
    struct sim_record_writer *recording; // for sim_core_recorder, else NULL
    struct qe_tls_library *tls;          // or NULL where the core needs none
};

enum sim_verdict {
    SIM_PASS,
    SIM_FAIL,
    SIM_ERROR, // the run could not be carried out
};

struct sim_outcome {
    char *what;     // "flow ping-a-b lost"
    char *bound;    // "at most 3"
    char *measured; // "0"
    char *subject;  // "flow lost"; of its signature
    bool passed;
    bool sometimes; // it need not pass in this run
    uint32_t sometimes_ppb;
};

// A figure of the whole run, "flow.ping-a-b.latency_p50_ns": its name ends with its unit.
struct sim_measured {
    char *name;
    uint64_t value;
};

struct sim_result {
    enum sim_verdict verdict;
    uint8_t hash[SIM_TRACE_HASH_SIZE];
    struct sim_outcome *outcomes; // one for each expectation
    size_t outcome_count;
    enum sim_failure failure;           // NONE where it passed
    char signature[SIM_SIGNATURE_SIZE]; // "invariant duplicate", "expect flow lost"; "" where it passed
    char violation[SIM_VIOLATION_SIZE]; // "" for none
    uint64_t virtual_ns, events;
    uint64_t datagrams, dropped; // on the underlay
    uint64_t dropped_for[SIM_DROP_COUNT];
    uint64_t points[QE_FAULT_COUNT]; // how often each fault point fired
    struct sim_measured *measured;   // where they were asked for
    size_t measured_count, measured_capacity;
};

struct sim_connection_change {
    uint64_t at_ns;
    size_t host, other;
    enum sim_way way;
};

// A node has found a record of another, which it or the other one has not before.
struct sim_record_found {
    uint64_t at_ns;
    size_t host, other;
};

struct sim_world {
    const struct sim_run_options *options;
    const struct sim_scenario *scenario;
    struct sim_engine engine;
    struct sim_trace trace;
    struct sim_network network;
    struct sim_hosts shared;
    struct qe_config *configs;
    struct sim_host **hosts;
    struct sim_link *links;
    struct sim_flows flows;
    struct sim_invariants invariants;
    struct sim_calm calm;
    struct sim_source timeline, starts;
    struct sim_triggers triggers;
    size_t next_at;
    uint64_t *start_at;    // by host: when it starts, or, where it runs, starts again; UINT64_MAX: does not
    uint64_t *start_after; // by host: so long after it has crashed; UINT64_MAX: nothing was said
    uint64_t *counts;      // by expectation: lines or events that matched, or the counter asked for
    bool *counted;         // whether there is such a counter
    struct sim_connection_change *changes;
    size_t change_count, change_capacity;
    struct sim_record_found *found; // once for each pair
    size_t found_count, found_capacity;
    uint64_t next_sample_ns; // UINT64_MAX: never
    struct sim_result *result;
};

// Runs it. The result is the caller's, to be given to sim_result_fini.
void sim_run(const struct sim_run_options *options, struct sim_result *result);
void sim_result_fini(struct sim_result *result);

// Schedules hosts' starts and what [[at]] says (timeline.c).
void sim_timeline_init(struct sim_world *world);
void sim_timeline_fini(struct sim_world *world);
// The host starts then, or, where it runs, at once when it has ended after that.
void sim_timeline_start_host(struct sim_world *world, size_t host, uint64_t at_ns);
void sim_timeline_ended(struct sim_world *world, size_t host, enum sim_host_end how);
// Does one thing of [[at]] now (deed.c).
void sim_timeline_do(struct sim_world *world, const struct sim_scenario_at *at);
void sim_timeline_leave(struct sim_world *world, size_t link, size_t port, bool silently);

// Tells sinks the state of links, flows and hosts at this time (sample.c).
void sim_world_sample(struct sim_world *world);

// All that can be measured of the run, into its result; it is over, nothing is taken down (measures.c).
void sim_world_measure(struct sim_world *world);
// In the measure's own unit. only: one port's direction, or SIM_NONE.
uint64_t sim_link_measure(const struct sim_link *link, size_t only, enum sim_measure_id id);
uint64_t sim_host_measure(const struct sim_host *host, enum sim_measure_id id);

// Judges the expectations; the run is over, nothing is taken down.
void sim_expect_judge(struct sim_world *world);
// Of the kinds that are about a pair (expect_pair.c).
void sim_expect_judge_pair(const struct sim_world *world, size_t index, struct sim_outcome *out);
// How a pair has fared, for measures. Times are UINT64_MAX where it was never so.
struct sim_pair_facts {
    enum sim_crossing crossing; // what the NATs between them allow
    bool gateway;               // there is one that both reach
    enum sim_way way;           // at the end, as both say; ANY: not the same
    uint64_t known_ns;          // one of them found the other's record
    uint64_t connected_ns, direct_ns;
};
void sim_expect_pair_facts(const struct sim_world *world, size_t a, size_t b, struct sim_pair_facts *facts);
// A log line, a trace event and a reply to the request for metrics, for those that count them.
void sim_expect_logged(struct sim_world *world, const struct sim_host *host, const char *text);
void sim_expect_traced(struct sim_world *world, const struct sim_host *host, const char *name);
void sim_expect_metrics(struct sim_world *world, const struct sim_host *host, struct qe_span json);

#endif
