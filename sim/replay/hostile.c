#include "replay/hostile.h"

#include "engine/memory.h"
#include "engine/random.h"
#include "host/host.h"

#include "base/time.h"
#include "flow/packet.h"
#include "node/node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEED            1
#define UDP_HEADER_SIZE 8
#define CREDITS         (QE_NODE_DELIVERIES + 64)
#define METRICS_COMMAND 1
// The first datagram comes so long after the start; captures that go back, or pause for longer than this, do neither.
#define BEGIN_NS     QE_NS_PER_S
#define PAUSE_NS_MAX (3600 * QE_NS_PER_S)
// Steps without time moving that count as a storm.
#define STORM_MAX 1000000

struct lone {
    struct qe_host host;
    struct qe_node *node;
    struct sim_memory memory;
    struct sim_stream streams[QE_RANDOM_COUNT];
    struct qe_secret identity;
    uint64_t now_ns;
    uint32_t credit; // to be given back
    struct qe_buf *free;
    struct sim_hostile_result *result;
};

static void fail(struct lone *l, const char *what)
{
    if (!l->result->failure[0]) snprintf(l->result->failure, sizeof l->result->failure, "%s", what);
}

static void lone_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct lone *l = user;
    sim_random_fill(&l->streams[purpose], out, size);
}

static int lone_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct lone *l = user;
    return key == QE_SECRET_IDENTITY ? qe_secret_do(&l->identity, operation, input, out, size) : -1;
}

static struct qe_buf *lone_buf_new(void *user)
{
    struct lone *l = user;
    struct qe_buf *buf = l->free;
    if (buf) {
        l->free = buf->next;
    } else {
        buf = sim_obtain(1, sizeof *buf);
        buf->data = sim_obtain(1, QE_BUF_SIZE);
        buf->capacity = QE_BUF_SIZE;
    }
    buf->offset = QE_BUF_HEADROOM;
    buf->size = 0;
    return buf;
}

static void lone_buf_free(void *user, struct qe_buf *buf)
{
    struct lone *l = user;
    buf->next = l->free;
    l->free = buf;
}

static void drain(struct lone *l);

static void step(struct lone *l, struct qe_event *event)
{
    event->now_ns = l->now_ns;
    event->wall_ms = UINT64_C(1700000000000) + l->now_ns / QE_NS_PER_MS;
    qe_node_step(l->node, event);
    drain(l);
}

static void answer(struct lone *l, uint64_t request, const struct qe_addr *local)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT, .result = {.request = request, .code = QE_RESULT_OK}};
    if (local) event.result.local = *local;
    step(l, &event);
}

static void act(struct lone *l, const struct qe_action *action)
{
    switch (action->kind) {
    case QE_ACTION_SEND:
        l->result->sent += (action->send.buf->size + action->send.segment_size - 1u) / action->send.segment_size;
        l->result->sent_bytes += action->send.buf->size;
        lone_buf_free(l, action->send.buf);
        l->credit++;
        break;
    case QE_ACTION_DELIVER:
        lone_buf_free(l, action->deliver.buf);
        l->credit++;
        fail(l, "a packet of a stranger was delivered");
        break;
    case QE_ACTION_SOCKET_OPEN:
        answer(l, action->socket_open.request, &action->socket_open.bind);
        break;
    case QE_ACTION_TUN_OPEN:
        answer(l, action->tun_open.request, NULL);
        break;
    case QE_ACTION_REPLY:
        if (action->reply.command != METRICS_COMMAND || l->result->metrics) break;
        l->result->metrics = sim_obtain(action->reply.body.size + 1, 1);
        memcpy(l->result->metrics, action->reply.body.data, action->reply.body.size);
        break;
    case QE_ACTION_STOPPED:
        fail(l, "the node gave up");
        break;
    default:
        break;
    }
}

static void drain(struct lone *l)
{
    struct qe_action action;
    while (qe_node_next(l->node, &action))
        act(l, &action);
    if (l->credit < 32) return;
    struct qe_event event = {.kind = QE_EVENT_BUFFERS, .buffers = l->credit};
    l->credit = 0;
    step(l, &event);
}

// Every timer until then.
static void advance(struct lone *l, uint64_t until_ns)
{
    uint64_t at_ns;
    for (unsigned steps = 0; (at_ns = qe_node_deadline(l->node)) <= until_ns && steps < STORM_MAX; steps++) {
        if (at_ns > l->now_ns) {
            l->now_ns = at_ns;
            steps = 0;
        }
        struct qe_event event = {.kind = QE_EVENT_TIMEOUT};
        step(l, &event);
        if (steps + 1 == STORM_MAX) fail(l, "timer storm: time does not move on");
    }
    if (until_ns > l->now_ns) l->now_ns = until_ns;
}

// A datagram for the node, wherever the capture's went: its port and address are the node's.
static void give(struct lone *l, const struct qe_packet_info *info, struct qe_span payload)
{
    struct qe_datagrams datagram = {.socket = info->version == 4 ? 1 : 2,
        .interface = 2,
        .local = {.ip = info->destination, .port = QE_DEFAULT_PORT},
        .remote = {.ip = info->source, .port = info->source_port},
        .bytes = payload.data,
        .size = (uint32_t)payload.size,
        .segment_size = (uint16_t)payload.size,
        .ecn = info->ecn};
    struct qe_event event = {.kind = QE_EVENT_DATAGRAMS, .datagrams = {&datagram, 1}};
    l->result->datagrams++;
    l->result->bytes += payload.size;
    step(l, &event);
}

static void take(struct lone *l, const struct sim_pcap_packet *packet)
{
    struct qe_packet_info info;
    if (packet->ip.size < packet->total_size) {
        l->result->cut_short++;
        return;
    }
    bool udp = qe_packet_parse(packet->ip, &info) && info.protocol == QE_IPPROTO_UDP && !info.fragment &&
               !info.more_fragments && info.size >= info.transport_offset + UDP_HEADER_SIZE + 1u;
    if (!udp) {
        l->result->other++;
        return;
    }
    size_t at = info.transport_offset + (size_t)UDP_HEADER_SIZE;
    give(l, &info, qe_span(packet->ip.data + at, info.size - at));
}

static int start(struct lone *l, struct qe_tls_library *tls, struct sim_hostile_result *result)
{
    struct qe_config config;
    l->result = result;
    sim_memory_init(&l->memory);
    l->memory.bytes_max = SIM_HOSTILE_MEMORY_MAX;
    for (uint32_t i = 0; i < QE_RANDOM_COUNT; i++)
        l->streams[i] = sim_stream(SEED, SIM_STREAM_HOST, "lone", i);
    l->host = (struct qe_host){.user = l,
        .tls = tls,
        .mem = sim_memory_mem(&l->memory),
        .random = lone_random,
        .secret = lone_secret,
        .buf_new = lone_buf_new,
        .buf_free = lone_buf_free};
    uint8_t secret[64];
    sim_host_identity(SEED, "lone", &l->host.identity, secret);
    qe_secret_init(&l->identity, secret);
    qe_config_init(&config, &l->host.mem);
    if (qe_node_new(&l->node, &config, &l->host, 0, UINT64_C(1700000000000)) != 0) return -1;
    struct qe_event buffers = {.kind = QE_EVENT_BUFFERS, .buffers = CREDITS};
    step(l, &buffers);
    struct qe_event begin = {.kind = QE_EVENT_START};
    step(l, &begin);
    return 0;
}

static void play(struct lone *l, struct sim_pcap_reader *capture)
{
    struct sim_pcap_packet packet;
    enum sim_pcap_result got;
    uint64_t last_ns = 0, at_ns = BEGIN_NS;
    bool any = false;
    while ((got = sim_pcap_next(capture, &packet)) == SIM_PCAP_PACKET && !l->result->failure[0]) {
        uint64_t pause_ns = any && packet.time_ns > last_ns ? packet.time_ns - last_ns : 0;
        at_ns += pause_ns < PAUSE_NS_MAX ? pause_ns : PAUSE_NS_MAX;
        last_ns = packet.time_ns;
        any = true;
        advance(l, at_ns);
        take(l, &packet);
        if (l->memory.refused) fail(l, "the node wants more memory than it may ever need");
    }
    if (got == SIM_PCAP_DAMAGED) snprintf(l->result->error, sizeof l->result->error, "%s", sim_pcap_error(capture));
    // What it keeps of strangers goes again.
    advance(l, l->now_ns + 60 * QE_NS_PER_S);
    struct qe_event ask = {.kind = QE_EVENT_COMMAND, .command = {.id = METRICS_COMMAND, .verb = QE_COMMAND_METRICS}};
    step(l, &ask);
    if (!l->result->metrics) fail(l, "the node does not answer any more");
}

void sim_hostile(struct sim_pcap_reader *capture, struct qe_tls_library *tls, struct sim_hostile_result *result)
{
    struct lone *l = sim_obtain(1, sizeof *l);
    *result = (struct sim_hostile_result){0};
    if (start(l, tls, result) == 0)
        play(l, capture);
    else
        fail(l, "the node cannot be made");
    result->memory_peak = l->memory.bytes_peak;
    result->virtual_ns = l->now_ns;
    qe_node_free(l->node);
    if (l->memory.blocks) fail(l, "memory was not freed");
    while (l->free) {
        struct qe_buf *buf = l->free;
        l->free = buf->next;
        sim_release(buf->data);
        sim_release(buf);
    }
    sim_memory_fini(&l->memory);
    sim_release(l);
}

void sim_hostile_result_fini(struct sim_hostile_result *result)
{
    sim_release(result->metrics);
}
