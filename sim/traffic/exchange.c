#include "traffic/exchange.h"

#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

#define RETRY_NS         UINT64_C(250000000)
#define NUMBER_SIZE      8
#define INITIAL_SIZE_MIN 1200

static struct sim_exchange *exchange_of(struct sim_quic_end *end)
{
    return end->options.owner.user;
}

static bool is_bulk(const struct sim_exchange *x)
{
    return x->flow->settings->kind == SIM_FLOW_BULK;
}

static uint64_t now_of(const struct sim_exchange *x)
{
    return x->flow->flows->engine->now_ns;
}

static struct sim_host *host_of(struct sim_exchange *x, const struct sim_quic_end *end)
{
    return end == &x->client ? x->flow->from : x->flow->to;
}

// Bytes of a datagram that the host's TUN takes; 0 where it is not open.
static size_t payload_max(const struct sim_exchange *x, const struct sim_host *host)
{
    size_t header = sim_inner_header_size(x->flow->settings->family);
    return host->tun_open && host->tun_mtu > header ? host->tun_mtu - header : 0;
}

static void put_in(struct sim_quic_end *end, struct qe_span bytes, size_t segment)
{
    struct sim_exchange *x = exchange_of(end);
    uint8_t packet[UINT16_MAX + 1];
    uint8_t family = x->flow->settings->family;
    struct sim_host *host = host_of(x, end), *other = host == x->flow->from ? x->flow->to : x->flow->from;
    const struct qe_cidr *source = sim_host_tun_address(host, family), *to = sim_host_tun_address(other, family);
    size_t header = sim_inner_header_size(family);
    struct qe_offload offload = {0};
    if (!source || !to) return;
    struct sim_inner inner = {.kind = SIM_INNER_QUIC,
        .source = source->ip,
        .destination = to->ip,
        .id = (uint16_t)(SIM_INNER_QUIC_PORTS + x->flow->index),
        .payload = bytes};
    if (bytes.size > segment)
        inner.segment_size = (uint16_t)segment;
    else
        inner.payload_sum = sim_inner_sum(bytes.data, bytes.size);
    sim_inner_write(&inner, packet, inner.segment_size ? &offload : NULL);
    memcpy(packet + header, bytes.data, bytes.size);
    if (!sim_host_tun_input(host, packet, header + bytes.size, &offload)) x->flow->refused++;
}

static void note_bytes(struct sim_exchange *x, size_t size)
{
    size_t step = (size_t)(now_of(x) / SIM_EXCHANGE_STEP_NS);
    while (x->history_count <= step) {
        SIM_ROOM(x->history, x->history_count, x->history_capacity);
        x->history[x->history_count++] = 0;
    }
    x->history[step] += (uint32_t)size;
    x->received += size;
}

// Requests that are due and have no stream yet.
static void open_requests(struct sim_exchange *x)
{
    const struct sim_scenario_flow *s = x->flow->settings;
    uint8_t head[NUMBER_SIZE];
    while (x->opened < x->flow->sent) {
        struct sim_quic_stream *stream = sim_quic_end_open(&x->client, true);
        if (!stream) return;
        qe_store64(head, x->opened++);
        sim_quic_stream_send(stream, qe_span(head, sizeof(head)), s->request_bytes);
    }
}

static void open_transfer(struct sim_exchange *x)
{
    const struct sim_scenario_flow *s = x->flow->settings;
    if (s->bytes && x->received >= s->bytes) return;
    struct sim_quic_stream *stream = sim_quic_end_open(&x->client, false);
    if (stream) sim_quic_stream_send(stream, (struct qe_span){0}, s->bytes ? s->bytes - x->received : SIM_INNER_NO_END);
}

static void connected(struct sim_quic_end *end)
{
    struct sim_exchange *x = exchange_of(end);
    if (end != &x->client) return;
    if (is_bulk(x))
        open_transfer(x);
    else
        open_requests(x);
}

static void violate(struct sim_exchange *x, struct sim_host *host, enum sim_failure kind, const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "%s: %s", x->flow->settings->name, what);
    x->flow->flows->violated(x->flow->flows->user, host, kind, text);
}

static void damaged(struct sim_quic_end *end)
{
    violate(exchange_of(end), host_of(exchange_of(end), end), SIM_FAILURE_DAMAGED,
        "a stream's bytes are not what was sent");
}

static void answered(struct sim_exchange *x, const struct sim_quic_stream *stream)
{
    struct sim_flow *flow = x->flow;
    uint64_t number = qe_load64(stream->head_in);
    if (stream->received != flow->settings->response_bytes || number >= flow->sent) {
        violate(x, flow->from, SIM_FAILURE_DAMAGED, "an answer is not what was asked for");
        return;
    }
    if (flow->latency_ns[number] != UINT64_MAX) {
        violate(x, flow->from, SIM_FAILURE_DUPLICATE, "a request was answered twice");
        return;
    }
    flow->latency_ns[number] = now_of(x) - (flow->settings->start_ns + number * flow->settings->interval_ns);
    flow->delivered++;
    sim_flow_tell(flow, flow->from, number, (uint32_t)stream->received);
}

static void received(struct sim_quic_end *end, struct sim_quic_stream *stream, size_t size, bool fin)
{
    struct sim_exchange *x = exchange_of(end);
    const struct sim_scenario_flow *s = x->flow->settings;
    if (is_bulk(x)) {
        note_bytes(x, size);
        if (s->bytes && x->received >= s->bytes && !x->completed_ns) x->completed_ns = now_of(x);
        if (s->bytes && x->received > s->bytes)
            violate(x, x->flow->to, SIM_FAILURE_DUPLICATE, "more bytes arrived than were sent");
    } else if (end == &x->client) {
        note_bytes(x, size);
        if (fin) answered(x, stream);
    } else if (fin) {
        if (stream->received != s->request_bytes)
            violate(x, x->flow->to, SIM_FAILURE_DAMAGED, "a request is not what was sent");
        else
            sim_quic_stream_send(stream, qe_span(stream->head_in, NUMBER_SIZE), s->response_bytes);
    }
}

static void lost(struct sim_quic_end *end)
{
    struct sim_exchange *x = exchange_of(end);
    if (end != &x->client || now_of(x) >= x->flow->settings->stop_ns) return;
    // What was asked goes unanswered; what is asked from now on waits for the next connection.
    x->dial_ns = now_of(x) + RETRY_NS;
    uint64_t at = x->dial_ns;
    struct sim_source *source = &x->flow->source;
    if (sim_source_scheduled(source) && sim_engine_time_of(x->flow->flows->engine, source) < at) return;
    sim_engine_schedule(x->flow->flows->engine, source, at);
}

struct sim_exchange *sim_exchange_new(
    struct sim_flow *flow, struct sim_inner_tls *tls, const uint8_t *pattern, uint64_t seed, uint64_t wall_ms)
{
    struct sim_exchange *x = sim_obtain(1, sizeof(*x));
    struct sim_quic_options options = {.engine = flow->flows->engine,
        .tls = tls,
        .wall_ms = wall_ms,
        .seed = seed,
        .name = flow->settings->name,
        .client = true,
        .offload = flow->settings->offload,
        .idle_ns = flow->settings->idle_ns,
        .head_in_size = flow->settings->kind == SIM_FLOW_BULK ? 0 : NUMBER_SIZE,
        .pattern = pattern,
        .owner = {x, put_in, connected, received, lost, damaged}};
    x->flow = flow;
    sim_quic_end_init(&x->client, &options);
    options.client = false;
    sim_quic_end_init(&x->server, &options);
    return x;
}

void sim_exchange_free(struct sim_exchange *x)
{
    if (!x) return;
    sim_quic_end_fini(&x->client);
    sim_quic_end_fini(&x->server);
    sim_release(x->history);
    sim_release(x);
}

// The requests whose time has come; each waits for its answer from then on.
static void ask(struct sim_exchange *x)
{
    struct sim_flow *flow = x->flow;
    const struct sim_scenario_flow *s = flow->settings;
    while ((!s->count || flow->sent < s->count) && s->start_ns + flow->sent * s->interval_ns <= now_of(x)) {
        SIM_ROOM(flow->latency_ns, flow->sent, flow->latency_capacity);
        flow->latency_ns[flow->sent++] = UINT64_MAX;
    }
}

static bool has_more(const struct sim_exchange *x)
{
    const struct sim_scenario_flow *s = x->flow->settings;
    return is_bulk(x) ? !s->bytes || x->received < s->bytes : x->opened < x->flow->sent;
}

static uint64_t next_time(const struct sim_exchange *x)
{
    const struct sim_scenario_flow *s = x->flow->settings;
    uint64_t next = s->stop_ns;
    if (!is_bulk(x) && (!s->count || x->flow->sent < s->count)) {
        uint64_t due = s->start_ns + x->flow->sent * s->interval_ns;
        if (due < next) next = due;
    }
    if (!x->client.conn && has_more(x) && x->dial_ns < next) next = x->dial_ns;
    return next;
}

void sim_exchange_occur(struct sim_exchange *x)
{
    uint64_t now = now_of(x);
    if (now >= x->flow->settings->stop_ns) {
        x->client.stopped = true;
        return;
    }
    if (!is_bulk(x)) ask(x);
    size_t room = payload_max(x, x->flow->from);
    if (!x->client.conn && has_more(x) && now >= x->dial_ns) {
        x->dial_ns = now + RETRY_NS;
        if (room >= INITIAL_SIZE_MIN && sim_host_tun_address(x->flow->to, x->flow->settings->family))
            sim_quic_end_dial(&x->client, x->flow->settings->family, room);
    }
    if (!is_bulk(x)) open_requests(x);
    // Before pumping, which may lose the connection and set an earlier time.
    sim_engine_schedule(x->flow->flows->engine, &x->flow->source, next_time(x));
    sim_quic_end_pump(&x->client);
}

void sim_exchange_datagrams(struct sim_exchange *x, const struct sim_host *host, struct qe_span payload, size_t segment)
{
    struct sim_quic_end *end = host == x->flow->from ? &x->client : &x->server;
    if (!segment) segment = payload.size;
    for (size_t done = 0; done < payload.size; done += segment) {
        size_t size = payload.size - done < segment ? payload.size - done : segment;
        sim_quic_end_receive(end, x->flow->settings->family, payload_max(x, host), qe_span(payload.data + done, size));
    }
    sim_quic_end_pump(end);
}

void sim_exchange_too_big(struct sim_exchange *x, const struct sim_host *host, uint32_t mtu)
{
    struct sim_quic_end *end = host == x->flow->from ? &x->client : &x->server;
    size_t header = sim_inner_header_size(x->flow->settings->family);
    x->flow->too_big++;
    if (mtu >= header + INITIAL_SIZE_MIN && mtu - header < end->payload_max) end->payload_max = mtu - header;
}

static uint64_t bytes_in(const struct sim_exchange *x, uint64_t after_ns, uint64_t before_ns)
{
    uint64_t bytes = 0;
    for (size_t i = (size_t)(after_ns / SIM_EXCHANGE_STEP_NS);
         i < x->history_count && i * SIM_EXCHANGE_STEP_NS < before_ns; i++)
        bytes += x->history[i];
    return bytes;
}

// The longest row of steps without a byte, up to the last byte in the window.
static uint64_t longest_silence(const struct sim_exchange *x, uint64_t after_ns, uint64_t before_ns)
{
    uint64_t longest = 0, run = 0;
    for (size_t i = (size_t)(after_ns / SIM_EXCHANGE_STEP_NS);
         i < x->history_count && i * SIM_EXCHANGE_STEP_NS < before_ns; i++) {
        run = x->history[i] ? 0 : run + 1;
        if (run > longest) longest = run;
    }
    return longest * SIM_EXCHANGE_STEP_NS;
}

bool sim_exchange_has(const struct sim_exchange *x, enum sim_measure_id id)
{
    switch (id) {
    case SIM_MEASURE_BYTES:
    case SIM_MEASURE_RATE:
    case SIM_MEASURE_COMPLETION:
    case SIM_MEASURE_RETRANSMITS:
    case SIM_MEASURE_CONNECTIONS:
        return true;
    case SIM_MEASURE_GAP_MAX:
        return is_bulk(x);
    default:
        return false;
    }
}

bool sim_exchange_measure(
    const struct sim_exchange *x, enum sim_measure_id id, uint64_t after_ns, uint64_t before_ns, uint64_t *value)
{
    const struct sim_scenario_flow *s = x->flow->settings;
    uint64_t start = after_ns > s->start_ns ? after_ns : s->start_ns;
    uint64_t stop = before_ns < s->stop_ns ? before_ns : s->stop_ns;
    bool known = true;
    switch (id) {
    case SIM_MEASURE_BYTES:
        *value = bytes_in(x, after_ns, before_ns);
        break;
    case SIM_MEASURE_RATE:
        known = stop > start;
        if (known) *value = (uint64_t)((unsigned __int128)bytes_in(x, start, stop) * 8 * 1000000000 / (stop - start));
        break;
    case SIM_MEASURE_COMPLETION:
        known = x->completed_ns != 0;
        *value = known ? x->completed_ns - s->start_ns : 0;
        break;
    case SIM_MEASURE_RETRANSMITS:
        *value = sim_quic_end_retransmits(&x->client) + sim_quic_end_retransmits(&x->server);
        break;
    case SIM_MEASURE_CONNECTIONS:
        *value = x->client.connections;
        break;
    case SIM_MEASURE_GAP_MAX:
        known = x->history_count > 0;
        *value = longest_silence(x, start, stop);
        break;
    default:
        return false;
    }
    return known;
}
