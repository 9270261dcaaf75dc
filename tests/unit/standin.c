#include "standin.h"

#include "base/time.h"
#include "observe/carried.h"

#include <stdio.h>
#include <string.h>

#define ACTIONS_MAX 512
#define TAIL        8
#define NAMES_MAX   8
#define WAKE_NS     UINT64_C(250000000)

struct standin {
    const struct qe_host *host;
    struct qe_config config;
    struct qe_action actions[ACTIONS_MAX];
    size_t first, count;
    char lines[16][160];
    size_t line_count;
    struct qe_cidr address;
    struct qe_addr peer;                         // where packets go
    bool connected, tun_open, stopping, follows; // follows: its peer is whoever spoke last
    uint8_t starts;
    uint32_t credit;
    uint64_t now_ns, wake_ns;
    void *leak;
};

static enum standin_fault the_fault;
static const char *the_name;
static struct {
    char name[QE_NAME_SIZE];
    uint64_t word;
} drawn[NAMES_MAX];
struct standin_notes standin_notes;

void standin_set(enum standin_fault fault, const char *name)
{
    the_fault = fault;
    the_name = name;
}

void standin_reset(void)
{
    standin_set(STANDIN_HONEST, NULL);
    standin_notes = (struct standin_notes){0};
    memset(drawn, 0, sizeof(drawn));
}

uint64_t standin_drawn(const char *name)
{
    for (size_t i = 0; i < NAMES_MAX; i++)
        if (strcmp(drawn[i].name, name) == 0) return drawn[i].word;
    return 0;
}

static bool does(const struct standin *node, enum standin_fault fault)
{
    return the_fault == fault && (!the_name || strcmp(the_name, node->config.name) == 0);
}

static struct qe_action *act(struct standin *node, enum qe_action_kind kind)
{
    if (node->count == ACTIONS_MAX) return NULL;
    struct qe_action *action = &node->actions[(node->first + node->count++) % ACTIONS_MAX];
    *action = (struct qe_action){.kind = kind};
    return action;
}

static void say(struct standin *node, const char *what, uint64_t number)
{
    struct qe_action *action = act(node, QE_ACTION_LOG);
    if (!action) return;
    char *line = node->lines[node->line_count++ % 16];
    snprintf(line, sizeof(node->lines[0]), "%s %llu", what, (unsigned long long)number);
    action->log.level = QE_LOG_INFO;
    action->log.text = line;
}

static void note_draw(struct standin *node)
{
    uint8_t bytes[8];
    node->host->random(node->host->user, QE_RANDOM_TLS, bytes, sizeof(bytes));
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (drawn[i].name[0] && strcmp(drawn[i].name, node->config.name) != 0) continue;
        snprintf(drawn[i].name, sizeof(drawn[i].name), "%s", node->config.name);
        drawn[i].word = drawn[i].word * 31 + qe_load64(bytes);
        return;
    }
}

static int create(
    void **out, const struct qe_config *config, const struct qe_host *host, uint64_t now_ns, uint64_t wall_ms)
{
    struct standin *node = qe_zalloc(&host->mem, 1, sizeof(*node));
    *out = NULL;
    if (!node) return -1;
    node->host = host;
    node->config = *config;
    node->now_ns = now_ns;
    node->wake_ns = QE_TIME_NEVER;
    standin_notes.wall_ms_last = wall_ms;
    if (does(node, STANDIN_WILL_NOT_BE_MADE)) {
        qe_free(&host->mem, node);
        return -1;
    }
    for (size_t i = 0; i < config->peer_count && !node->peer.ip.family; i++)
        node->peer = config->peers[i].addr;
    node->follows = !node->peer.ip.family;
    node->address = (struct qe_cidr){qe_ip4(100, 64, host->identity.bytes[0], host->identity.bytes[1]), 16};
    *out = node;
    return 0;
}

static void destroy(void *user)
{
    struct standin *node = user;
    bool keep = does(node, STANDIN_LEAKS_MEMORY);
    for (; node->count > 0; node->first = (node->first + 1) % ACTIONS_MAX, node->count--) {
        const struct qe_action *action = &node->actions[node->first];
        if (action->kind == QE_ACTION_SEND) node->host->buf_free(node->host->user, action->send.buf);
        if (action->kind == QE_ACTION_DELIVER) node->host->buf_free(node->host->user, action->deliver.buf);
    }
    if (!keep) qe_free(&node->host->mem, node);
}

static struct qe_buf *fill(struct standin *node, struct qe_span bytes)
{
    if (node->credit == 0) return NULL;
    node->credit--;
    struct qe_buf *buf = node->host->buf_new(node->host->user);
    memcpy(qe_buf_bytes(buf), bytes.data, bytes.size);
    buf->size = (uint32_t)bytes.size;
    return buf;
}

static void start(struct standin *node)
{
    struct qe_action *tun = act(node, QE_ACTION_TUN_OPEN), *socket = act(node, QE_ACTION_SOCKET_OPEN);
    tun->tun_open = (struct qe_tun_open){1, "tun", 1420, &node->address, 1};
    socket->socket_open.request = 2;
    socket->socket_open.socket = 1;
    socket->socket_open.bind = (struct qe_addr){.ip = {.family = 4}, .port = 9000};
    if (node->peer.ip.family == 6) socket->socket_open.bind.ip.family = 6;
    for (uint32_t i = 0; i < 2; i++) { // one that is refused, one that the system chooses
        socket = act(node, QE_ACTION_SOCKET_OPEN);
        socket->socket_open.request = 3 + i;
        socket->socket_open.socket = 2 + i;
        socket->socket_open.bind = (struct qe_addr){.ip = {.family = 4}, .port = i ? 0 : 9000};
    }
    node->starts++;
    struct qe_action *store = act(node, QE_ACTION_STORE);
    store->store.key = "starts";
    store->store.value = qe_span(&node->starts, 1);
    say(node, "starts", node->starts);
    note_draw(node);
    node->wake_ns = node->now_ns + WAKE_NS;
    if (does(node, STANDIN_DRAWS_MORE)) {
        uint8_t more[100];
        node->host->random(node->host->user, QE_RANDOM_JITTER, more, sizeof(more));
    }
    if (does(node, STANDIN_DELIVERS_CLOSED)) {
        struct qe_action early = {.kind = QE_ACTION_DELIVER};
        early.deliver.buf = fill(node, qe_span("x", 1));
        struct qe_action *place = act(node, QE_ACTION_LOG);
        *place = node->actions[node->first]; // swap: it goes before the TUN is opened
        node->actions[node->first] = early;
    }
    if (does(node, STANDIN_CLOSES_TWICE)) act(node, QE_ACTION_SOCKET_CLOSE)->socket_close = 77;
}

static void connected(struct standin *node)
{
    if (node->connected) return;
    node->connected = true;
    struct qe_trace trace = {.now_ns = node->now_ns, .name = "session.connected"};
    if (node->config.peer_count) trace.peer = node->config.peers[0].id;
    node->host->trace(node->host->user, &trace);
    trace.name = "session.direct";
    node->host->trace(node->host->user, &trace);
}

// Packets of a super-packet go as one batch, so that a send with several datagrams is there to be split.
static void send_packet(struct standin *node, const struct qe_packet_in *in)
{
    struct qe_span packet = qe_span(qe_buf_bytes(in->buf), in->buf->size);
    uint8_t tail[TAIL];
    if (!node->peer.ip.family) return;
    struct qe_buf *buf = fill(node, packet);
    struct qe_action *action = buf ? act(node, QE_ACTION_SEND) : NULL;
    if (!action) {
        if (buf) node->host->buf_free(node->host->user, buf);
        return;
    }
    node->host->random(node->host->user, QE_RANDOM_SESSION, tail, sizeof(tail));
    memcpy(qe_buf_bytes(buf) + buf->size, tail, TAIL);
    buf->size += TAIL;
    static const uint64_t carried = QE_CARRIED_BIT(PACKET);
    action->send = (struct qe_send){.socket = does(node, STANDIN_SENDS_NOWHERE) ? 9 : 1,
        .remote = node->peer,
        .buf = buf,
        .segment_size = (uint16_t)buf->size,
        .carried = node->host->tell_carried ? &carried : NULL};
}

static void deliver(struct standin *node, struct qe_span bytes)
{
    struct qe_buf *buf = fill(node, bytes);
    struct qe_action *action = buf ? act(node, QE_ACTION_DELIVER) : NULL;
    if (!action) {
        if (buf) node->host->buf_free(node->host->user, buf);
        return;
    }
    if (does(node, STANDIN_DELIVERS_DAMAGED)) {
        // Two bytes change places and the sum stays right: only the content tells.
        uint8_t *p = qe_buf_bytes(buf) + buf->size - 8;
        uint8_t word[2] = {p[0], p[1]};
        memmove(p, p + 2, 2);
        memcpy(p + 2, word, 2);
    }
    if (does(node, STANDIN_DELIVERS_WRONG_SUM)) qe_buf_bytes(buf)[buf->size - 1] ^= 1;
    action->deliver.buf = buf;
}

static void take_datagrams(struct standin *node, const struct qe_event *event)
{
    standin_notes.datagram_events++;
    for (size_t i = 0; i < event->datagrams.count; i++) {
        const struct qe_datagrams *d = &event->datagrams.list[i];
        standin_notes.datagram_entries++;
        standin_notes.entries_with_many += d->size > d->segment_size;
        for (uint32_t done = 0; done < d->size; done += d->segment_size) {
            uint32_t size = d->size - done < d->segment_size ? d->size - done : d->segment_size;
            standin_notes.datagrams++;
            if (size <= TAIL) continue;
            if (node->follows) node->peer = d->remote;
            connected(node);
            deliver(node, qe_span(d->bytes + done, size - TAIL));
            if (does(node, STANDIN_DELIVERS_TWICE)) deliver(node, qe_span(d->bytes + done, size - TAIL));
        }
    }
}

static void take_packets(struct standin *node, const struct qe_event *event)
{
    standin_notes.packet_events++;
    for (size_t i = 0; i < event->packets.count; i++) {
        struct qe_packet_in *in = &event->packets.list[i];
        standin_notes.packets++;
        send_packet(node, in);
        if (does(node, STANDIN_DELIVERS_TO_SELF)) deliver(node, qe_span(qe_buf_bytes(in->buf), in->buf->size));
        if (does(node, STANDIN_LEAKS_PACKET)) continue;
        node->host->buf_free(node->host->user, in->buf);
        if (does(node, STANDIN_GIVES_FOREIGN)) node->host->buf_free(node->host->user, in->buf);
    }
}

static void take_command(struct standin *node, const struct qe_command *command)
{
    struct qe_action *reply = act(node, QE_ACTION_REPLY);
    static const char metrics[] = "{\"metrics\": [{\"name\": \"quicether_answers\", \"samples\": [{\"value\": 42}]}]}";
    reply->reply.command = command->id;
    reply->reply.status = 200;
    reply->reply.body = qe_span(metrics, sizeof(metrics) - 1);
    if (command->verb == QE_COMMAND_STOP) act(node, QE_ACTION_STOPPED);
}

static void take_timeout(struct standin *node)
{
    if (node->now_ns < node->wake_ns) return;
    standin_notes.timeouts++;
    standin_notes.points += QE_FAULT(node->host, EARLY_TIMER);
    node->wake_ns = node->now_ns + WAKE_NS;
    if (does(node, STANDIN_LEAKS_BUFFER) && node->credit) {
        node->credit--;
        node->host->buf_new(node->host->user);
    }
    if (does(node, STANDIN_OVERDRAWS))
        for (int i = 0; i < 1000; i++)
            node->host->buf_new(node->host->user);
}

static void step(void *user, const struct qe_event *event)
{
    struct standin *node = user;
    node->now_ns = event->now_ns;
    standin_notes.wall_ms_last = event->wall_ms;
    switch (event->kind) {
    case QE_EVENT_START:
        start(node);
        break;
    case QE_EVENT_TIMEOUT:
        take_timeout(node);
        break;
    case QE_EVENT_DATAGRAMS:
        take_datagrams(node, event);
        break;
    case QE_EVENT_PACKETS:
        take_packets(node, event);
        break;
    case QE_EVENT_BUFFERS:
        node->credit += event->buffers;
        break;
    case QE_EVENT_LINK:
        standin_notes.links_up += event->link.up;
        standin_notes.links_down += !event->link.up;
        break;
    case QE_EVENT_STORED:
        standin_notes.stored_empty += event->stored.value.size == 0;
        if (event->stored.value.size) node->starts = event->stored.value.data[0];
        break;
    case QE_EVENT_RESULT:
        if (event->result.request == 3) standin_notes.sockets_refused += event->result.code == QE_RESULT_REFUSED;
        if (event->result.request == 4) standin_notes.second_port = event->result.local.port;
        break;
    case QE_EVENT_COMMAND:
        take_command(node, &event->command);
        break;
    default:
        break;
    }
}

static bool next(void *user, struct qe_action *action)
{
    struct standin *node = user;
    if (node->count == 0) {
        if (!does(node, STANDIN_TALKS_FOR_EVER)) return false;
        say(node, "and another thing", 0);
    }
    *action = node->actions[node->first];
    node->first = (node->first + 1) % ACTIONS_MAX;
    node->count--;
    return true;
}

static uint64_t deadline(const void *user)
{
    const struct standin *node = user;
    return does(node, STANDIN_DEADLINE_STANDS) ? node->now_ns : node->wake_ns;
}

const struct sim_core standin_core = {create, destroy, step, next, deadline, false};
