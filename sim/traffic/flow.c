#include "traffic/flow.h"

#include "traffic/exchange.h"
#include "traffic/plain.h"
#include "traffic/replay_flow.h"

#include "base/list.h"
#include "flow/segment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// Before the fixed content of a packet: a mark, the flow, the number.
#define MARK        UINT32_C(0x71657331)
#define NUMBER_SIZE 16

static void occur(struct sim_source *source);

// What exchanges share: TLS, and what their streams carry.
static void init_exchanges(struct sim_flows *flows, const struct sim_hosts *hosts, uint64_t seed)
{
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_FLOW, "inner pattern", 0);
    struct qe_tls_library *library = hosts->tls;
    if (flows->tls) return;
    if (!library) library = flows->own = qe_tls_library_new();
    assert(library);
    flows->tls = sim_obtain(1, sizeof(*flows->tls));
    sim_inner_tls_init(flows->tls, library, seed);
    flows->pattern = sim_obtain(2, SIM_INNER_PATTERN);
    sim_random_fill(&stream, flows->pattern, SIM_INNER_PATTERN);
    memcpy(flows->pattern + SIM_INNER_PATTERN, flows->pattern, SIM_INNER_PATTERN);
}

static void init_flow(struct sim_flow *flow, struct sim_flows *flows, const struct sim_scenario_flow *settings,
    struct sim_host *const *hosts, uint64_t seed)
{
    *flow = (struct sim_flow){.flows = flows,
        .settings = settings,
        .index = (uint32_t)(flow - flows->list),
        .from = hosts[settings->from],
        .to = hosts[settings->to]};
    sim_source_init(&flow->source, SIM_PRIORITY_FLOW, occur);
    if (settings->kind == SIM_FLOW_BULK || settings->kind == SIM_FLOW_REQUEST) {
        const struct sim_hosts *shared = flow->from->hosts;
        init_exchanges(flows, shared, seed);
        flow->exchange = sim_exchange_new(flow, flows->tls, flows->pattern, seed, shared->wall_base_ms);
        return;
    }
    if (settings->kind == SIM_FLOW_CAPTURE) {
        flow->replay = sim_replay_flow_new(flow);
        flows->replay_count++;
        return;
    }
    flow->payload_size = (size_t)settings->size - sim_inner_header_size(settings->family);
    flow->payload = sim_obtain((size_t)settings->batch, flow->payload_size);
    struct sim_stream stream = sim_stream(seed, SIM_STREAM_FLOW, settings->name, 0);
    sim_random_fill(&stream, flow->payload, flow->payload_size);
    qe_store32(flow->payload, MARK);
    qe_store32(flow->payload + 4, flow->index);
    flow->pattern_sum = sim_inner_sum(flow->payload + NUMBER_SIZE, flow->payload_size - NUMBER_SIZE);
    if (settings->kind == SIM_FLOW_PLAIN) sim_plain_init(flow);
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
        sim_exchange_free(flows->list[i].exchange);
        sim_replay_flow_free(flows->list[i].replay);
        sim_engine_cancel(flows->engine, &flows->list[i].source);
        sim_release(flows->list[i].payload);
        sim_release(flows->list[i].latency_ns);
    }
    sim_release(flows->list);
    if (flows->tls) sim_inner_tls_fini(flows->tls);
    sim_release(flows->tls);
    sim_release(flows->pattern);
    sim_release(flows->super);
    qe_tls_library_free(flows->own);
}

void sim_flows_start(struct sim_flows *flows)
{
    for (size_t i = 0; i < flows->count; i++)
        sim_engine_schedule(flows->engine, &flows->list[i].source, flows->list[i].settings->start_ns);
}

uint64_t sim_flow_send_time(const struct sim_flow *flow, uint64_t number)
{
    const struct sim_scenario_flow *s = flow->settings;
    if (flow->replay) return flow->replay->sent_ns[number];
    return s->start_ns + number / s->batch * s->interval_ns;
}

uint32_t sim_flow_number(struct sim_flow *flow, size_t place)
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
    if (s->kind == SIM_FLOW_PLAIN) {
        sim_plain_send(flow, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sums[i] = sim_flow_number(flow, i);
    if (!to || (!from && !s->source.family)) {
        flow->refused += count;
        return;
    }
    struct sim_inner inner = {.kind = kinds[s->kind],
        .source = s->source.family ? s->source : from->ip,
        .destination = to->ip,
        .id = SIM_FLOW_ID(flow->index)};
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
    if (flow->exchange) {
        sim_exchange_occur(flow->exchange);
        return;
    }
    if (flow->replay) {
        sim_replay_flow_occur(flow->replay);
        return;
    }
    uint64_t left = s->count ? s->count - flow->sent : UINT64_MAX;
    send_batch(flow, (size_t)(left < s->batch ? left : s->batch));
    uint64_t next = sim_flow_send_time(flow, flow->sent);
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

struct sim_flow *sim_flow_of(struct sim_flows *flows, struct qe_span payload)
{
    if (payload.size < NUMBER_SIZE || qe_load32(payload.data) != MARK) return NULL;
    uint32_t index = qe_load32(payload.data + 4);
    return index < flows->count ? &flows->list[index] : NULL;
}

bool sim_flow_is_whole(const struct sim_flow *flow, struct qe_span payload)
{
    return payload.size == flow->payload_size && qe_load64(payload.data + 8) < flow->sent &&
           memcmp(payload.data + NUMBER_SIZE, flow->payload + NUMBER_SIZE, payload.size - NUMBER_SIZE) == 0;
}

void sim_flow_tell(const struct sim_flow *flow, const struct sim_host *host, uint64_t number, uint32_t bytes)
{
    sim_trace_tell(host->hosts->trace, &(struct sim_trace_item){.event = SIM_TRACE_FLOW,
                                           .who = sim_box_who(&host->box),
                                           .name = flow->settings->name,
                                           .a = number,
                                           .b = flow->latency_ns[number],
                                           .c = bytes});
}

bool sim_flow_note_arrival(struct sim_flow *flow, struct sim_host *host, struct qe_span payload)
{
    uint64_t number = qe_load64(payload.data + 8);
    if (flow->latency_ns[number] != UINT64_MAX) {
        flow->duplicated++;
        return false;
    }
    flow->latency_ns[number] = flow->flows->engine->now_ns - sim_flow_send_time(flow, number);
    flow->delivered++;
    sim_flow_tell(flow, host, number, (uint32_t)flow->settings->size);
    if (number < flow->next_expected)
        flow->reordered++;
    else
        flow->next_expected = number + 1;
    return true;
}

// A packet of a flow has come to where its latency is taken: the destination, or, of pings, back at the sender.
static void arrived(struct sim_flow *flow, struct sim_host *host, struct qe_span payload)
{
    struct sim_flows *flows = flow->flows;
    if (!sim_flow_is_whole(flow, payload))
        violate(flows, host, flow, SIM_FAILURE_DAMAGED, "a packet arrived that is not what was sent");
    else if (host != (flow->settings->kind == SIM_FLOW_PING ? flow->from : flow->to))
        violate(flows, host, flow, SIM_FAILURE_MISDELIVERED, "a packet arrived at a host that it is not for");
    else if (!sim_flow_note_arrival(flow, host, payload))
        violate(flows, host, flow, SIM_FAILURE_DUPLICATE, "a packet was delivered twice");
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
        struct sim_flow *flow = sim_flow_of(flows, payload);
        if (flow)
            arrived(flow, host, payload);
        else
            flows->unclaimed++;
    }
}

// The exchange that has this port, or NULL.
static struct sim_exchange *exchange_of(const struct sim_flows *flows, uint16_t port)
{
    size_t index = (size_t)port - SIM_INNER_QUIC_PORTS;
    return port >= SIM_INNER_QUIC_PORTS && index < flows->count ? flows->list[index].exchange : NULL;
}

// Whose packet the answer is about cannot be told by its port; it is of a capture that the host sends.
static bool note_replay_too_big(struct sim_flows *flows, const struct sim_host *host)
{
    for (size_t i = 0; i < flows->count; i++) {
        struct sim_flow *flow = &flows->list[i];
        if (!flow->replay || (flow->from != host && flow->to != host)) continue;
        flow->too_big++;
        return true;
    }
    return false;
}

// The machine's network stack was told that an IP packet was larger than the path takes.
static void take_too_big(struct sim_flows *flows, const struct sim_host *host, const struct sim_inner *inner)
{
    struct sim_exchange *exchange = exchange_of(flows, inner->id);
    if (exchange)
        sim_exchange_too_big(exchange, host, inner->mtu);
    else if (inner->id >= SIM_FLOW_ID(0) && inner->id - SIM_FLOW_ID(0) < (int)flows->count)
        flows->list[inner->id - SIM_FLOW_ID(0)].too_big++;
    else if (!note_replay_too_big(flows, host))
        flows->unclaimed++;
}

static bool claim(struct sim_flows *flows, struct sim_host *host, struct qe_span packet)
{
    for (size_t i = 0; i < flows->count; i++)
        if (flows->list[i].replay && sim_replay_flow_claim(flows->list[i].replay, host, packet)) return true;
    return false;
}

// Whether it is of a capture, or, a super-packet, everything in it is.
static bool claim_all(
    struct sim_flows *flows, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct qe_segmenter segmenter;
    struct qe_span pieces[2];
    uint8_t one[UINT16_MAX];
    int count;
    if (offload->kind == QE_OFFLOAD_NONE) return claim(flows, host, packet);
    if (packet.size > UINT16_MAX) return false;
    if (!flows->super) flows->super = sim_obtain(1, UINT16_MAX);
    memcpy(flows->super, packet.data, packet.size);
    if (!qe_segmenter_init(&segmenter, flows->super, packet.size, offload)) return false;
    bool all = true;
    while ((count = qe_segmenter_next(&segmenter, SIZE_MAX, pieces)) > 0) {
        size_t size = 0;
        for (int i = 0; i < count; i++) {
            memcpy(one + size, pieces[i].data, pieces[i].size);
            size += pieces[i].size;
        }
        all = claim(flows, host, qe_span(one, size)) && all;
        qe_segmenter_taken(&segmenter);
    }
    return all;
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
    if (flows->replay_count && claim_all(flows, host, packet, offload)) return;
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
    case SIM_INNER_QUIC: {
        struct sim_exchange *exchange = exchange_of(flows, inner.id);
        if (exchange && (host == exchange->flow->from || host == exchange->flow->to))
            sim_exchange_datagrams(exchange, host, inner.payload, inner.segment_size);
        else
            flows->unclaimed++;
        break;
    }
    case SIM_INNER_TOO_BIG:
        take_too_big(flows, host, &inner);
        break;
    case SIM_INNER_OTHER:
        if (!inner.is_udp || !sim_plain_take_inner(flows, host, &inner)) flows->unclaimed++;
        break;
    }
}
