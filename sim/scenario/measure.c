#include "scenario/measure.h"

#include "scenario/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const struct sim_measure sim_flow_measures[] = {
    {"sent", SIM_MEASURE_SENT, SIM_UNIT_COUNT, false},
    {"delivered", SIM_MEASURE_DELIVERED, SIM_UNIT_COUNT, false},
    {"lost", SIM_MEASURE_LOST, SIM_UNIT_COUNT, false},
    {"lost_share", SIM_MEASURE_LOST_SHARE, SIM_UNIT_CHANCE, false},
    {"duplicated", SIM_MEASURE_DUPLICATED, SIM_UNIT_COUNT, true},
    {"reordered", SIM_MEASURE_REORDERED, SIM_UNIT_COUNT, true},
    {"refused", SIM_MEASURE_REFUSED, SIM_UNIT_COUNT, true},
    {"too_big", SIM_MEASURE_TOO_BIG, SIM_UNIT_COUNT, true},
    {"latency_min", SIM_MEASURE_LATENCY_MIN, SIM_UNIT_DURATION, false},
    {"latency_p50", SIM_MEASURE_LATENCY_P50, SIM_UNIT_DURATION, false},
    {"latency_p90", SIM_MEASURE_LATENCY_P90, SIM_UNIT_DURATION, false},
    {"latency_p99", SIM_MEASURE_LATENCY_P99, SIM_UNIT_DURATION, false},
    {"latency_max", SIM_MEASURE_LATENCY_MAX, SIM_UNIT_DURATION, false},
    {"latency_mean", SIM_MEASURE_LATENCY_MEAN, SIM_UNIT_DURATION, false},
    {"first", SIM_MEASURE_FIRST, SIM_UNIT_DURATION, false},
    {"gap_max", SIM_MEASURE_GAP_MAX, SIM_UNIT_DURATION, false},
    {"rate", SIM_MEASURE_RATE, SIM_UNIT_RATE, false},
    {"bytes", SIM_MEASURE_BYTES, SIM_UNIT_SIZE, false},
    {"completion", SIM_MEASURE_COMPLETION, SIM_UNIT_DURATION, true},
    {"retransmits", SIM_MEASURE_RETRANSMITS, SIM_UNIT_COUNT, true},
    {"connections", SIM_MEASURE_CONNECTIONS, SIM_UNIT_COUNT, true},
    {0},
};

const struct sim_measure sim_link_measures[] = {
    {"entered", SIM_MEASURE_ENTERED, SIM_UNIT_COUNT, true},
    {"entered_bytes", SIM_MEASURE_ENTERED_BYTES, SIM_UNIT_SIZE, true},
    {"delivered", SIM_MEASURE_DELIVERED, SIM_UNIT_COUNT, true},
    {"dropped_queue", SIM_MEASURE_DROPPED_QUEUE, SIM_UNIT_COUNT, true},
    {"dropped_loss", SIM_MEASURE_DROPPED_LOSS, SIM_UNIT_COUNT, true},
    {"dropped_mtu", SIM_MEASURE_DROPPED_MTU, SIM_UNIT_COUNT, true},
    {"dropped_down", SIM_MEASURE_DROPPED_DOWN, SIM_UNIT_COUNT, true},
    {"dropped_burst", SIM_MEASURE_DROPPED_BURST, SIM_UNIT_COUNT, true},
    {"dropped_codel", SIM_MEASURE_DROPPED_CODEL, SIM_UNIT_COUNT, true},
    {"dropped_checksum", SIM_MEASURE_DROPPED_CHECKSUM, SIM_UNIT_COUNT, true},
    {"dropped", SIM_MEASURE_DROPPED, SIM_UNIT_COUNT, true},
    {"duplicated", SIM_MEASURE_DUPLICATED, SIM_UNIT_COUNT, true},
    {"corrupted", SIM_MEASURE_CORRUPTED, SIM_UNIT_COUNT, true},
    {"marked", SIM_MEASURE_MARKED, SIM_UNIT_COUNT, true},
    {"queue_peak", SIM_MEASURE_QUEUE_PEAK, SIM_UNIT_COUNT, true},
    {0},
};

const struct sim_measure sim_host_measures[] = {
    {"memory_peak", SIM_MEASURE_MEMORY_PEAK, SIM_UNIT_SIZE, true},
    {"allocations", SIM_MEASURE_ALLOCATIONS, SIM_UNIT_COUNT, true},
    {"allocations_refused", SIM_MEASURE_ALLOCATIONS_REFUSED, SIM_UNIT_COUNT, true},
    {"writes", SIM_MEASURE_WRITES, SIM_UNIT_COUNT, true},
    {"writes_failed", SIM_MEASURE_WRITES_FAILED, SIM_UNIT_COUNT, true},
    {"starts", SIM_MEASURE_STARTS, SIM_UNIT_COUNT, true},
    {"steps", SIM_MEASURE_STEPS, SIM_UNIT_COUNT, true},
    {"tun_in", SIM_MEASURE_TUN_IN, SIM_UNIT_COUNT, true},
    {"tun_out", SIM_MEASURE_TUN_OUT, SIM_UNIT_COUNT, true},
    {"datagrams_sent", SIM_MEASURE_DATAGRAMS_SENT, SIM_UNIT_COUNT, true},
    {"datagrams_received", SIM_MEASURE_DATAGRAMS_RECEIVED, SIM_UNIT_COUNT, true},
    {"too_big_received", SIM_MEASURE_TOO_BIG_RECEIVED, SIM_UNIT_COUNT, true},
    {"mappings_peak", SIM_MEASURE_MAPPINGS_PEAK, SIM_UNIT_COUNT, true},
    {"mappings_made", SIM_MEASURE_MAPPINGS_MADE, SIM_UNIT_COUNT, true},
    {"dropped_no_mapping", SIM_MEASURE_DROPPED_NO_MAPPING, SIM_UNIT_COUNT, true},
    {"dropped_filtered", SIM_MEASURE_DROPPED_FILTERED, SIM_UNIT_COUNT, true},
    {"dropped_exhausted", SIM_MEASURE_DROPPED_EXHAUSTED, SIM_UNIT_COUNT, true},
    {"dropped_hairpin", SIM_MEASURE_DROPPED_HAIRPIN, SIM_UNIT_COUNT, true},
    {"dropped_firewall", SIM_MEASURE_DROPPED_FIREWALL, SIM_UNIT_COUNT, true},
    {"dropped_rebooting", SIM_MEASURE_DROPPED_REBOOTING, SIM_UNIT_COUNT, true},
    {0},
};

bool sim_flow_has_measure(enum sim_flow_kind kind, enum sim_measure_id id)
{
    switch (id) {
    case SIM_MEASURE_REFUSED:
    case SIM_MEASURE_TOO_BIG:
    case SIM_MEASURE_GAP_MAX:
        return true;
    case SIM_MEASURE_RATE:
        return kind != SIM_FLOW_CAPTURE;
    case SIM_MEASURE_DUPLICATED:
    case SIM_MEASURE_REORDERED:
        return kind == SIM_FLOW_PING || kind == SIM_FLOW_UDP || kind == SIM_FLOW_PLAIN;
    case SIM_MEASURE_COMPLETION:
        return kind == SIM_FLOW_BULK;
    case SIM_MEASURE_BYTES:
    case SIM_MEASURE_RETRANSMITS:
    case SIM_MEASURE_CONNECTIONS:
        return kind == SIM_FLOW_BULK || kind == SIM_FLOW_REQUEST;
    default:
        return kind != SIM_FLOW_BULK;
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void sim_sort(uint64_t *values, size_t count)
{
    if (count > 1) qsort(values, count, sizeof(*values), compare);
}

uint64_t sim_percentile(const uint64_t *sorted, size_t count, unsigned thousandths)
{
    if (count == 0) return 0;
    size_t rank = (count * thousandths + 999) / 1000;
    return sorted[rank ? rank - 1 : 0];
}

const char *sim_value_format(enum sim_unit unit, uint64_t value, char out[SIM_VALUE_TEXT_SIZE])
{
    char text[SIM_UNITS_TEXT_SIZE];
    const char *from = text;
    switch (unit) {
    case SIM_UNIT_DURATION:
        // Nobody reads the nanoseconds of a figure in milliseconds.
        from = sim_duration_format(value < 1000000 ? value : value - value % 1000, text);
        break;
    case SIM_UNIT_RATE:
        from = sim_rate_format(value, text);
        break;
    case SIM_UNIT_CHANCE:
        from = sim_chance_format((uint32_t)value, text);
        break;
    case SIM_UNIT_SIZE:
        snprintf(text, sizeof(text), "%" PRIu64 "B", value);
        break;
    case SIM_UNIT_COUNT:
        snprintf(text, sizeof(text), "%" PRIu64, value);
        break;
    }
    snprintf(out, SIM_VALUE_TEXT_SIZE, "%s", from);
    return out;
}
