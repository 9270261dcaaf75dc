// Figures of flows whose packets or requests are numbered, from when each was due and how long it took.
#include "traffic/exchange.h"
#include "traffic/flow.h"
#include "traffic/replay_flow.h"

#include "engine/memory.h"

uint64_t sim_flow_bytes(const struct sim_flow *flow)
{
    if (flow->exchange) return flow->exchange->received;
    if (flow->replay) return flow->replay->received;
    return flow->delivered * flow->settings->size;
}

// Arrivals (absolute or latencies) of packets sent in the window, not sorted; the caller frees them.
static uint64_t *collect(
    const struct sim_flow *flow, uint64_t after_ns, uint64_t before_ns, bool absolute, uint64_t *sent, size_t *arrived)
{
    uint64_t *values = sim_obtain(flow->sent, sizeof(*values));
    *sent = *arrived = 0;
    for (uint64_t i = 0; i < flow->sent; i++) {
        uint64_t at = sim_flow_send_time(flow, i);
        if (at < after_ns || at >= before_ns) continue;
        ++*sent;
        if (flow->latency_ns[i] != UINT64_MAX) values[(*arrived)++] = flow->latency_ns[i] + (absolute ? at : 0);
    }
    return values;
}

static uint64_t mean(const uint64_t *values, size_t count)
{
    unsigned __int128 sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? (uint64_t)(sum / count) : 0;
}

// The longest time without an arrival, from the window's start to its last arrival.
static uint64_t longest_gap(const uint64_t *arrivals, size_t count, uint64_t start_ns)
{
    uint64_t gap = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t since = i ? arrivals[i - 1] : start_ns;
        if (arrivals[i] - since > gap) gap = arrivals[i] - since;
    }
    return gap;
}

bool sim_flow_measure(
    const struct sim_flow *flow, enum sim_measure_id id, uint64_t after_ns, uint64_t before_ns, uint64_t *value)
{
    const struct sim_scenario_flow *s = flow->settings;
    uint64_t sent;
    size_t count;
    if (flow->exchange && sim_exchange_has(flow->exchange, id))
        return sim_exchange_measure(flow->exchange, id, after_ns, before_ns, value);
    bool absolute = id == SIM_MEASURE_FIRST || id == SIM_MEASURE_GAP_MAX;
    uint64_t *values = collect(flow, after_ns, before_ns, absolute, &sent, &count);
    uint64_t start = after_ns > s->start_ns ? after_ns : s->start_ns;
    uint64_t stop = before_ns < s->stop_ns ? before_ns : s->stop_ns;
    bool known = count > 0;
    *value = 0;
    if (id >= SIM_MEASURE_LATENCY_MIN && id <= SIM_MEASURE_GAP_MAX) sim_sort(values, count);
    switch (id) {
    case SIM_MEASURE_LATENCY_MIN:
        *value = known ? values[0] : 0;
        break;
    case SIM_MEASURE_LATENCY_P50:
        *value = sim_percentile(values, count, 500);
        break;
    case SIM_MEASURE_LATENCY_P90:
        *value = sim_percentile(values, count, 900);
        break;
    case SIM_MEASURE_LATENCY_P99:
        *value = sim_percentile(values, count, 990);
        break;
    case SIM_MEASURE_LATENCY_MAX:
        *value = known ? values[count - 1] : 0;
        break;
    case SIM_MEASURE_LATENCY_MEAN:
        *value = mean(values, count);
        break;
    case SIM_MEASURE_FIRST:
        *value = known ? values[0] - start : 0;
        break;
    case SIM_MEASURE_GAP_MAX:
        *value = longest_gap(values, count, start);
        break;
    default:
        known = true;
        switch (id) {
        case SIM_MEASURE_SENT:
            *value = sent;
            break;
        case SIM_MEASURE_DELIVERED:
            *value = count;
            break;
        case SIM_MEASURE_LOST:
            *value = sent - count;
            break;
        case SIM_MEASURE_LOST_SHARE:
            *value = sent ? (sent - count) * SIM_CHANCE_ONE / sent : 0;
            break;
        case SIM_MEASURE_DUPLICATED:
            *value = flow->duplicated;
            break;
        case SIM_MEASURE_REORDERED:
            *value = flow->reordered;
            break;
        case SIM_MEASURE_REFUSED:
            *value = flow->refused;
            break;
        case SIM_MEASURE_TOO_BIG:
            *value = flow->too_big;
            break;
        case SIM_MEASURE_RATE:
            known = stop > start;
            if (known) *value = (uint64_t)((unsigned __int128)count * s->size * 8 * 1000000000 / (stop - start));
            break;
        default:
            known = false;
            break;
        }
    }
    sim_release(values);
    return known;
}
