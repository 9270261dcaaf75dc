// What can be measured of a flow, a link or a host, by name and unit.
#ifndef QE_SIM_MEASURE_H
#define QE_SIM_MEASURE_H

#include "scenario/scenario.h"

enum sim_measure_id {
    SIM_MEASURE_SENT,
    SIM_MEASURE_DELIVERED,
    SIM_MEASURE_LOST,
    SIM_MEASURE_LOST_SHARE,
    SIM_MEASURE_DUPLICATED,
    SIM_MEASURE_REORDERED,
    SIM_MEASURE_REFUSED,
    SIM_MEASURE_TOO_BIG,
    SIM_MEASURE_LATENCY_MIN,
    SIM_MEASURE_LATENCY_P50,
    SIM_MEASURE_LATENCY_P90,
    SIM_MEASURE_LATENCY_P99,
    SIM_MEASURE_LATENCY_MAX,
    SIM_MEASURE_LATENCY_MEAN,
    SIM_MEASURE_FIRST,
    SIM_MEASURE_GAP_MAX,
    SIM_MEASURE_RATE,
    SIM_MEASURE_BYTES,
    SIM_MEASURE_COMPLETION,
    SIM_MEASURE_RETRANSMITS,
    SIM_MEASURE_CONNECTIONS,
    // of a link
    SIM_MEASURE_ENTERED,
    SIM_MEASURE_ENTERED_BYTES,
    SIM_MEASURE_DROPPED_QUEUE,
    SIM_MEASURE_DROPPED_LOSS,
    SIM_MEASURE_DROPPED_MTU,
    SIM_MEASURE_DROPPED_DOWN,
    SIM_MEASURE_DROPPED_BURST,
    SIM_MEASURE_DROPPED_CODEL,
    SIM_MEASURE_DROPPED_CHECKSUM,
    SIM_MEASURE_DROPPED,
    SIM_MEASURE_MARKED,
    SIM_MEASURE_CORRUPTED,
    SIM_MEASURE_QUEUE_PEAK,
    // of a host
    SIM_MEASURE_MEMORY_PEAK,
    SIM_MEASURE_ALLOCATIONS,
    SIM_MEASURE_ALLOCATIONS_REFUSED,
    SIM_MEASURE_WRITES,
    SIM_MEASURE_WRITES_FAILED,
    SIM_MEASURE_STARTS,
    SIM_MEASURE_STEPS,
    SIM_MEASURE_TUN_IN,
    SIM_MEASURE_TUN_OUT,
    SIM_MEASURE_DATAGRAMS_SENT,
    SIM_MEASURE_DATAGRAMS_RECEIVED,
    SIM_MEASURE_TOO_BIG_RECEIVED,
    // of its NAT and firewall
    SIM_MEASURE_MAPPINGS_PEAK,
    SIM_MEASURE_MAPPINGS_MADE,
    SIM_MEASURE_DROPPED_NO_MAPPING,
    SIM_MEASURE_DROPPED_FILTERED,
    SIM_MEASURE_DROPPED_EXHAUSTED,
    SIM_MEASURE_DROPPED_HAIRPIN,
    SIM_MEASURE_DROPPED_FIREWALL,
    SIM_MEASURE_DROPPED_REBOOTING,
};

struct sim_measure {
    const char *name;
    enum sim_measure_id id;
    enum sim_unit unit;
    bool whole_run; // cannot be looked at in a window of time
};

// Measures of flows, links and hosts; each list ends with a NULL name.
extern const struct sim_measure sim_flow_measures[];
extern const struct sim_measure sim_link_measures[];
extern const struct sim_measure sim_host_measures[];

// Whether a flow of that kind has the measure.
bool sim_flow_has_measure(enum sim_flow_kind kind, enum sim_measure_id id);

// Sorts the values and returns the one at the given share in thousandths (500: the median), by the nearest rank;
// 0 where there are none.
void sim_sort(uint64_t *values, size_t count);
uint64_t sim_percentile(const uint64_t *sorted, size_t count, unsigned thousandths);

// A value of the unit, as text.
#define SIM_VALUE_TEXT_SIZE 64
const char *sim_value_format(enum sim_unit unit, uint64_t value, char out[SIM_VALUE_TEXT_SIZE]);

#endif
