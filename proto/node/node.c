// Puts the control plane and the lanes together, and alone dispatches: an event goes to whoever it concerns, then
// letters are carried until nobody has any left. A host with threads would run the same parts with mailboxes between
// them.
#include "node/node.h"

#include "base/mutants.h"
#include "base/time.h"
#include "dht/dht.h"
#include "nat/probe.h"
#include "node/claims.h"
#include "node/cplane.h"
#include "node/lane.h"

#include <assert.h>

#define LANES_MAX 32
// Goodbyes that no socket takes are not waited for longer than this.
#define STOP_WAIT_NS QE_NS_PER_S

// Timers that are so late were late because the host slept: where it woke may be elsewhere.
#define SLEPT_NS (10 * QE_NS_PER_S)

struct qe_node {
    const struct qe_host *host;
    struct qe_config config; // a copy, without names
    struct qe_pool pool;
    struct qe_list outbox;
    struct qe_cplane *cplane;
    struct qe_lane *lanes[LANES_MAX];
    uint8_t lane_count;
    uint8_t turn; // who is asked first for the next packet: a lane, or the control part
    uint64_t now_ns, wall_ms;
    uint64_t stop_at_ns; // when to stop waiting for goodbyes; 0: not stopping
    bool stopped;
};

static int copy_config(struct qe_node *node, const struct qe_config *config)
{
    // Names were for whoever read the command line.
    struct qe_config nameless = *config;
    nameless.names = NULL;
    nameless.name_count = 0;
    return qe_config_copy(&node->config, &nameless, &node->host->mem);
}

int qe_node_new(
    struct qe_node **out, const struct qe_config *config, const struct qe_host *host, uint64_t now_ns, uint64_t wall_ms)
{
    assert(config->lanes >= 1 && config->lanes <= LANES_MAX);
    struct qe_node *node = qe_zalloc(&host->mem, 1, sizeof *node);
    if (!node) return -1;
    node->host = host;
    node->pool.host = host;
    node->now_ns = now_ns;
    node->wall_ms = wall_ms;
    qe_list_init(&node->outbox);
    if (copy_config(node, config) != 0) goto fail;
    const struct qe_cplane_options cplane = {
        .host = host, .config = &node->config, .outbox = &node->outbox, .lane_count = config->lanes};
    if (qe_cplane_new(&node->cplane, &cplane, now_ns, wall_ms) != 0) goto fail;
    for (; node->lane_count < config->lanes; node->lane_count++) {
        const struct qe_lane_options lane = {.host = host,
            .pool = &node->pool,
            .outbox = &node->outbox,
            .index = node->lane_count,
            .lane_count = config->lanes,
            .mtu = config->mtu,
            .connections_max = (uint32_t)config->peer_count * 8 + 1024};
        if (qe_lane_new(&node->lanes[node->lane_count], &lane, now_ns, wall_ms) != 0) goto fail;
    }
    *out = node;
    return 0;
fail:
    qe_node_free(node);
    return -1;
}

void qe_node_free(struct qe_node *node)
{
    if (!node) return;
    for (uint8_t i = 0; i < node->lane_count; i++)
        qe_lane_free(node->lanes[i]);
    qe_cplane_free(node->cplane);
    while (!qe_list_empty(&node->outbox))
        qe_mail_free(node->host, qe_container(node->outbox.next, struct qe_mail, link));
    qe_config_fini(&node->config);
    qe_free(&node->host->mem, node);
}

// Carries letters until there are none. It ends because no letter's answer is answered by another of its kind.
static void carry(struct qe_node *node)
{
    while (!qe_list_empty(&node->outbox)) {
        struct qe_mail *mail = qe_container(node->outbox.next, struct qe_mail, link);
        qe_list_remove(&mail->link);
        if (mail->to == QE_MAIL_CONTROL) {
            if (qe_cplane_read(node->cplane, mail, node->now_ns, node->wall_ms)) continue;
        } else if (qe_lane_read(node->lanes[mail->to], mail, node->now_ns, node->wall_ms) || QE_MUTANT(mail_leak)) {
            continue;
        }
        qe_mail_free(node->host, mail);
    }
}

// Where a datagram goes that is no lane's.
#define TO_NOBODY -1
#define TO_DHT    -2
#define TO_PROBES -3

// The lane of a QUIC datagram: our connection IDs name it (docs/protocol.md), a client's first ID of 8 bytes spreads
// over all of them. TO_NOBODY: not QUIC (RFC 9443 §3: the second bit of the first byte is set in every QUIC packet of
// ours).
static int lane_of(const struct qe_node *node, const uint8_t *bytes, size_t size)
{
    if (size < 1 + QE_CID_SIZE || (bytes[0] & 0x40) == 0) return TO_NOBODY;
    const uint8_t *id = bytes + 1;
    if (bytes[0] & 0x80) {
        if (size < 7 || bytes[5] == 0 || size < 6u + bytes[5]) return TO_NOBODY;
        id = bytes + 6;
        if (bytes[5] != QE_CID_SIZE) return id[bytes[5] - 1] % node->lane_count;
    }
    if (id[0] < 0x80) return TO_NOBODY;
    return (id[QE_MUTANT(lane_dispatch) ? 1 : 0] & 0x1f) % node->lane_count;
}

static void give_lane(struct qe_node *node, int lane, const struct qe_datagrams *list, size_t count)
{
    const struct qe_event event = {
        .kind = QE_EVENT_DATAGRAMS, .now_ns = node->now_ns, .wall_ms = node->wall_ms, .datagrams = {list, count}};
    qe_lane_step(node->lanes[lane], &event);
}

// Whether a datagram may be of the DHT, by what is in the first cache line: a short header of ours that begins with a
// 'd' goes on with a connection ID, and that with a byte ≥ 0x80.
static bool begins_as_krpc(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 'd' && bytes[1] < 0x80;
}

static int receiver_of(const struct qe_node *node, const uint8_t *bytes, size_t size)
{
    if (begins_as_krpc(bytes, size) && qe_dht_is_krpc(bytes, size)) return TO_DHT;
    if (qe_probe_is(bytes, size)) return TO_PROBES;
    return lane_of(node, bytes, size);
}

// Whether there may be something that is no lane's.
static bool any_control(const struct qe_datagrams *in)
{
    size_t segment = in->segment_size ? in->segment_size : in->size;
    for (size_t at = 0; at < in->size; at += segment)
        if (begins_as_krpc(in->bytes + at, in->size - at) || in->bytes[at] == QE_PROBE_FIRST_BYTE) return true;
    return false;
}

static void give(struct qe_node *node, int receiver, const struct qe_datagrams *in)
{
    if (receiver == TO_DHT)
        qe_cplane_datagram(node->cplane, in, node->now_ns, node->wall_ms);
    else if (receiver == TO_PROBES)
        qe_cplane_probe(node->cplane, in, node->now_ns, node->wall_ms);
    else
        // What is no QUIC is counted as such by whoever reads it.
        give_lane(node, receiver >= 0 ? receiver : 0, in, 1);
}

// Cuts what the kernel joined into runs that go to one lane each, and the control part's datagrams, which go one by
// one.
static void dispatch_cut(struct qe_node *node, const struct qe_datagrams *in)
{
    struct qe_datagrams part = *in;
    const uint8_t *at = in->bytes, *end = in->bytes + in->size;
    size_t segment = in->segment_size ? in->segment_size : in->size;
    while (at < end) {
        const uint8_t *start = at;
        int receiver = TO_NOBODY;
        do {
            size_t size = (size_t)(end - at) < segment ? (size_t)(end - at) : segment;
            int here = receiver_of(node, at, size);
            if (at != start && (here != receiver || here == TO_DHT || here == TO_PROBES)) break;
            receiver = here;
            at += size;
        } while (at < end);
        part.bytes = start;
        part.size = (uint32_t)(at - start);
        give(node, receiver, &part);
    }
}

static void dispatch_datagrams(struct qe_node *node, const struct qe_event *event)
{
    const struct qe_datagrams *list = event->datagrams.list;
    size_t count = event->datagrams.count, first = 0;
    // With one lane, all that lies between the control part's datagrams goes there as it came.
    for (size_t i = 0; i < count; i++) {
        bool dns = list[i].socket == CPLANE_DNS_SOCKET;
        if (node->lane_count == 1 && !dns && !any_control(&list[i])) continue;
        if (i > first) give_lane(node, 0, list + first, i - first);
        if (dns)
            qe_cplane_dns_datagram(node->cplane, &list[i], node->now_ns, node->wall_ms);
        else
            dispatch_cut(node, &list[i]);
        first = i + 1;
    }
    if (count > first) give_lane(node, 0, list + first, count - first);
}

static void dispatch(struct qe_node *node, const struct qe_event *event)
{
    switch (event->kind) {
    case QE_EVENT_BUFFERS:
        node->pool.credit += event->buffers - (QE_MUTANT(credit_lost) && event->buffers > 1 ? 1 : 0);
        break;
    case QE_EVENT_DATAGRAMS:
        dispatch_datagrams(node, event);
        break;
    case QE_EVENT_PACKETS:
        qe_lane_step(node->lanes[0], event);
        break;
    case QE_EVENT_TIMEOUT:
        break;
    default:
        qe_cplane_step(node->cplane, event);
        break;
    }
}

// Nobody looked at what was due for so long that the host must have slept.
static bool is_late(const struct qe_node *node, uint64_t now_ns)
{
    uint64_t due_ns = now_ns - node->now_ns >= SLEPT_NS ? qe_node_deadline(node) : QE_TIME_NEVER;
    return due_ns != QE_TIME_NEVER && now_ns > due_ns && now_ns - due_ns >= SLEPT_NS;
}

void qe_node_step(struct qe_node *node, const struct qe_event *event)
{
    struct qe_event e = *event;
    const char *failure;
    if (e.now_ns < node->now_ns) e.now_ns = node->now_ns;
    bool slept = is_late(node, e.now_ns);
    node->now_ns = e.now_ns;
    node->wall_ms = e.wall_ms;
    if (slept) qe_cplane_on_sleep(node->cplane, e.now_ns, e.wall_ms);
    dispatch(node, &e);
    carry(node);
    e.kind = QE_EVENT_TIMEOUT;
    if (qe_cplane_deadline(node->cplane) <= e.now_ns) qe_cplane_step(node->cplane, &e);
    for (uint8_t i = 0; i < node->lane_count; i++)
        if (qe_lane_deadline(node->lanes[i]) <= e.now_ns) qe_lane_step(node->lanes[i], &e);
    carry(node);
    if (node->stop_at_ns == 0 && qe_cplane_stopping(node->cplane, &failure)) node->stop_at_ns = e.now_ns + STOP_WAIT_NS;
}

static bool all_quiet(const struct qe_node *node)
{
    for (uint8_t i = 0; i < node->lane_count; i++)
        if (!qe_lane_quiet(node->lanes[i])) return false;
    return true;
}

// The next packet of one whose turn it is: the lanes', and behind them the control part's.
static bool next_of(struct qe_node *node, uint8_t turn, struct qe_action *action)
{
    if (turn == node->lane_count) return qe_cplane_send(node->cplane, &node->pool, action);
    bool got = qe_lane_next(node->lanes[turn], action, node->now_ns, node->wall_ms);
    // Writing may have found out things (a connection that cannot go on) that others must hear of.
    if (!qe_list_empty(&node->outbox)) carry(node);
    return got;
}

bool qe_node_next(struct qe_node *node, struct qe_action *action)
{
    const char *failure;
    if (qe_cplane_next(node->cplane, action)) return true;
    uint8_t turns = (uint8_t)(node->lane_count + 1);
    for (uint8_t i = 0; i < turns; i++) {
        uint8_t turn = (uint8_t)((node->turn + i) % turns);
        if (!next_of(node, turn, action)) continue;
        node->turn = (uint8_t)((turn + 1) % turns);
        return true;
    }
    if (qe_cplane_next(node->cplane, action)) return true;
    if (node->stop_at_ns == 0 || node->stopped) return false;
    if (QE_MUTANT(stop_never)) return false;
    if (!all_quiet(node) && node->now_ns < node->stop_at_ns) return false;
    node->stopped = true;
    qe_cplane_stopping(node->cplane, &failure);
    action->kind = QE_ACTION_STOPPED;
    action->stopped = failure;
    return true;
}

uint64_t qe_node_deadline(const struct qe_node *node)
{
    uint64_t deadline = QE_MUTANT(deadline_missing) ? QE_TIME_NEVER : qe_cplane_deadline(node->cplane);
    for (uint8_t i = 0; i < node->lane_count; i++)
        deadline = qe_time_min(deadline, qe_lane_deadline(node->lanes[i]));
    if (node->stop_at_ns != 0 && !node->stopped) deadline = qe_time_min(deadline, node->stop_at_ns);
    return deadline;
}

struct qe_cplane *qe_node_cplane(struct qe_node *node)
{
    return node->cplane;
}
