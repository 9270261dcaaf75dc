#include "traffic/flow.h"

#include "base/list.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// Before the fixed content of a packet: a mark, the flow, the number.
#define MARK        UINT32_C(0x71657331)
#define NUMBER_SIZE 16
// The echo identifier or UDP source port of the flow with index 0.
#define ID_BASE 40000

static void occur(struct sim_source *source);

static void init_flow(struct sim_flow *flow, struct sim_flows *flows, const struct sim_scenario_flow *settings,
    struct sim_host *const *hosts, uint64_t seed)
{
    *flow = (struct sim_flow){.flows = flows,
        .settings = settings,
        .index = (uint32_t)(flow - flows->list),
        .from = hosts[settings->from],
        .to = hosts[settings->to],
        .payload_size = (size_t)settings->size - sim_inner_header_size(settings->family)};
    sim_source_init(&flow->source, SIM_PRIORITY_FLOW, occur);
    flow->payload = sim_obtain((size_t)settings->batch, flow->payload_size);
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_FLOW, settings->name, 0);
    sim_random_fill(&stream, flow->payload, flow->payload_size);
    qe_store32(flow->payload, MARK);
    qe_store32(flow->payload + 4, flow->index);
    flow->pattern_sum = sim_inner_sum(flow->payload + NUMBER_SIZE, flow->payload_size - NUMBER_SIZE);
    for (size_t i = 1; i < settings->batch; i++)
        memcpy(flow->payload + i * flow->payload_size, flow->payload, flow->payload_size);
}

void sim_flows_init(struct sim_flows *flows, const struct sim_scenario *scenario, struct sim_host *const *hosts,
    struct sim_engine *engine, uint64_t seed)
{
    *flows = (struct sim_flows){.engine = engine, .count = scenario->flow_count};
    flows->list = sim_obtain(flows->count, sizeof(*flows->list));
    for (size_t i = 0; i < flows->count; i++)
        init_flow(&flows->list[i], flows, &scenario->flows[i], hosts, seed);
}

void sim_flows_fini(struct sim_flows *flows)
{
    for (size_t i = 0; i < flows->count; i++) {
        sim_engine_cancel(flows->engine, &flows->list[i].source);
        sim_release(flows->list[i].payload);
        sim_release(flows->list[i].latency_ns);
    }
    sim_release(flows->list);
}

void sim_flows_start(struct sim_flows *flows)
{
    for (size_t i = 0; i < flows->count; i++)
        sim_engine_schedule(flows->engine, &flows->list[i].source, flows->list[i].settings->start_ns);
}

static uint64_t send_time(const struct sim_flow *flow, uint64_t number)
{
    const struct sim_scenario_flow *s = flow->settings;
    return s->start_ns + number / s->batch * s->interval_ns;
}

// Numbers the next packet of the batch and returns the sum of its content.
static uint32_t number_packet(struct sim_flow *flow, size_t place)
{
    uint8_t *payload = flow->payload + place * flow->payload_size;
    qe_store64(payload + 8, flow->sent);
    SIM_ROOM(flow->latency_ns, flow->sent, flow->latency_capacity);
    flow->latency_ns[flow->sent++] = UINT64_MAX;
    return sim_inner_sum(payload, NUMBER_SIZE) + flow->pattern_sum;
}

static void send_packet(struct sim_flow *flow, struct sim_inner *inner, uint8_t *packet, size_t count)
{
    size_t header = sim_inner_header_size(flow->settings->family);
    struct qe_offload offload = {0};
    sim_inner_write(inner, packet, flow->settings->offload ? &offload : NULL);
    memcpy(packet + header, inner->payload.data, inner->payload.size);
    if (!sim_host_tun_input(flow->from, packet, header + inner->payload.size, &offload)) flow->refused += count;
}

static void send_batch(struct sim_flow *flow, size_t count)
{
    static const enum sim_inner_kind kinds[] = {SIM_INNER_ECHO_REQUEST, SIM_INNER_UDP};
    const struct sim_scenario_flow *s = flow->settings;
    const struct qe_cidr *from = sim_host_tun_address(flow->from, s->family);
    const struct qe_cidr *to = sim_host_tun_address(flow->to, s->family);
    uint8_t packet[UINT16_MAX + 1];
    uint32_t sums[SIM_BATCH_MAX];
    assert(count <= SIM_BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        sums[i] = number_packet(flow, i);
    if (!to || (!from && !s->source.family)) {
        flow->refused += count;
        return;
    }
    struct sim_inner inner = {.kind = kinds[s->kind],
        .source = s->source.family ? s->source : from->ip,
        .destination = to->ip,
        .id = (uint16_t)(ID_BASE + flow->index)};
    if (s->offload) {
        inner.payload = qe_span(flow->payload, count * flow->payload_size);
        inner.segment_size = count > 1 ? (uint16_t)flow->payload_size : 0;
        send_packet(flow, &inner, packet, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        inner.payload = qe_span(flow->payload + i * flow->payload_size, flow->payload_size);
        inner.payload_sum = sums[i];
        send_packet(flow, &inner, packet, 1);
    }
}

static void occur(struct sim_source *source)
{
    struct sim_flow *flow = qe_container(source, struct sim_flow, source);
    const struct sim_scenario_flow *s = flow->settings;
    uint64_t left = s->count ? s->count - flow->sent : UINT64_MAX;
    send_batch(flow, (size_t)(left < s->batch ? left : s->batch));
    uint64_t next = send_time(flow, flow->sent);
    if (next < s->stop_ns && (!s->count || flow->sent < s->count))
        sim_engine_schedule(flow->flows->engine, source, next);
}

static void violate(struct sim_flows *flows, struct sim_host *host, const struct sim_flow *flow, enum sim_failure kind,
    const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "%s%s%s", flow ? flow->settings->name : "", flow ? ": " : "", what);
    flows->violated(flows->user, host, kind, text);
}

// The flow that this content is of, or NULL.
static struct sim_flow *flow_of(struct sim_flows *flows, struct qe_span payload)
{
    if (payload.size < NUMBER_SIZE || qe_load32(payload.data) != MARK) return NULL;
    uint32_t index = qe_load32(payload.data + 4);
    return index < flows->count ? &flows->list[index] : NULL;
}

// A packet of a flow has come to where its latency is taken: the destination, or, of pings, back at the sender.
static void arrived(struct sim_flow *flow, struct sim_host *host, struct qe_span payload)
{
    struct sim_flows *flows = flow->flows;
    uint64_t number = qe_load64(payload.data + 8);
    bool whole = payload.size == flow->payload_size && number < flow->sent &&
                 memcmp(payload.data + NUMBER_SIZE, flow->payload + NUMBER_SIZE, payload.size - NUMBER_SIZE) == 0;
    if (!whole) {
        violate(flows, host, flow, SIM_FAILURE_DAMAGED, "a packet arrived that is not what was sent");
        return;
    }
    if (host != (flow->settings->kind == SIM_FLOW_PING ? flow->from : flow->to)) {
        violate(flows, host, flow, SIM_FAILURE_MISDELIVERED, "a packet arrived at a host that it is not for");
        return;
    }
    if (flow->latency_ns[number] != UINT64_MAX) {
        flow->duplicated++;
        violate(flows, host, flow, SIM_FAILURE_DUPLICATE, "a packet was delivered twice");
        return;
    }
    flow->latency_ns[number] = flows->engine->now_ns - send_time(flow, number);
    flow->delivered++;
    sim_trace_tell(host->hosts->trace, &(struct sim_trace_item){.event = SIM_TRACE_FLOW,
                                           .who = sim_box_who(&host->box),
                                           .name = flow->settings->name,
                                           .a = number,
                                           .b = flow->latency_ns[number],
                                           .c = flow->settings->size});
    if (number < flow->next_expected)
        flow->reordered++;
    else
        flow->next_expected = number + 1;
}

// The machine's network stack answers an echo request.
static void answer(struct sim_host *host, const struct sim_inner *request)
{
    uint8_t packet[UINT16_MAX + 1];
    size_t header = sim_inner_header_size(request->source.family);
    struct sim_inner reply = {.kind = SIM_INNER_ECHO_REPLY,
        .source = request->destination,
        .destination = request->source,
        .id = request->id,
        .payload = request->payload,
        .payload_sum = sim_inner_sum(request->payload.data, request->payload.size)};
    struct qe_offload none = {0};
    sim_inner_write(&reply, packet, NULL);
    memcpy(packet + header, request->payload.data, request->payload.size);
    sim_host_tun_input(host, packet, header + request->payload.size, &none);
}

static void take_segments(struct sim_flows *flows, struct sim_host *host, const struct sim_inner *inner)
{
    size_t segment = inner->segment_size ? inner->segment_size : inner->payload.size;
    for (size_t done = 0; done < inner->payload.size; done += segment) {
        size_t size = inner->payload.size - done < segment ? inner->payload.size - done : segment;
        struct qe_span payload = qe_span(inner->payload.data + done, size);
        struct sim_flow *flow = flow_of(flows, payload);
        if (flow)
            arrived(flow, host, payload);
        else
            flows->unclaimed++;
    }
}

static bool is_own(const struct sim_host *host, const struct qe_ip *ip)
{
    for (size_t i = 0; i < host->tun_address_count; i++)
        if (qe_ip_equal(&host->tun_addresses[i].ip, ip)) return true;
    return false;
}

void sim_flows_delivered(
    struct sim_flows *flows, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct sim_inner inner;
    const char *wrong;
    if (!sim_inner_read(packet, offload, &inner, &wrong)) {
        violate(flows, host, NULL, SIM_FAILURE_DAMAGED, wrong);
        return;
    }
    if (!is_own(host, &inner.destination)) {
        violate(
            flows, host, NULL, SIM_FAILURE_MISDELIVERED, "a packet came out of the TUN that is for another address");
        return;
    }
    switch (inner.kind) {
    case SIM_INNER_ECHO_REQUEST:
        answer(host, &inner);
        break;
    case SIM_INNER_ECHO_REPLY:
    case SIM_INNER_UDP:
        take_segments(flows, host, &inner);
        break;
    case SIM_INNER_TOO_BIG:
        if (inner.id >= ID_BASE && inner.id - ID_BASE < (int)flows->count)
            flows->list[inner.id - ID_BASE].too_big++;
        else
            flows->unclaimed++;
        break;
    case SIM_INNER_OTHER:
        flows->unclaimed++;
        break;
    }
}

// Arrivals (absolute or latencies) of packets sent in the window, not sorted; the caller frees them.
static uint64_t *collect(
    const struct sim_flow *flow, uint64_t after_ns, uint64_t before_ns, bool absolute, uint64_t *sent, size_t *arrived)
{
    uint64_t *values = sim_obtain(flow->sent, sizeof(*values));
    *sent = *arrived = 0;
    for (uint64_t i = 0; i < flow->sent; i++) {
        uint64_t at = send_time(flow, i);
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
