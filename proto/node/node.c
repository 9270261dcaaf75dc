// Puts the control plane and the lanes together, and alone dispatches: an event goes to whoever it concerns, then
// letters are carried until nobody has any left. A host with threads would run the same parts with mailboxes between
// them.
#include "node/node.h"

#include "base/mutants.h"
#include "base/time.h"
#include "node/cplane.h"
#include "node/lane.h"

#include <assert.h>

#define LANES_MAX 32
// Goodbyes that no socket takes are not waited for longer than this.
#define STOP_WAIT_NS QE_NS_PER_S

struct qe_node {
    const struct qe_host *host;
    struct qe_config config; // a copy, without names
    struct qe_pool pool;
    struct qe_list outbox;
    struct qe_cplane *cplane;
    struct qe_lane *lanes[LANES_MAX];
    uint8_t lane_count;
    uint8_t turn; // the lane that is asked first for the next action
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

// The lane of a QUIC datagram: our connection IDs name it (docs/protocol.md), a client's first ID of 8 bytes spreads
// over all of them. -1: not QUIC (RFC 9443 §3: the second bit of the first byte is set in every QUIC packet of ours).
static int lane_of(const struct qe_node *node, const uint8_t *bytes, size_t size)
{
    if (size < 1 + QE_CID_SIZE || (bytes[0] & 0x40) == 0) return -1;
    const uint8_t *id = bytes + 1;
    if (bytes[0] & 0x80) {
        if (size < 7 || bytes[5] == 0 || size < 6u + bytes[5]) return -1;
        id = bytes + 6;
        if (bytes[5] != QE_CID_SIZE) return id[bytes[5] - 1] % node->lane_count;
    }
    if (id[0] < 0x80) return -1;
    return (id[QE_MUTANT(lane_dispatch) ? 1 : 0] & 0x1f) % node->lane_count;
}

static void give_lane(struct qe_node *node, int lane, const struct qe_datagrams *list, size_t count)
{
    const struct qe_event event = {
        .kind = QE_EVENT_DATAGRAMS, .now_ns = node->now_ns, .wall_ms = node->wall_ms, .datagrams = {list, count}};
    qe_lane_step(node->lanes[lane], &event);
}

// Cuts what the kernel joined into runs that go to one lane each.
static void dispatch_datagrams(struct qe_node *node, const struct qe_event *event)
{
    if (node->lane_count == 1) {
        give_lane(node, 0, event->datagrams.list, event->datagrams.count);
        return;
    }
    for (size_t i = 0; i < event->datagrams.count; i++) {
        struct qe_datagrams part = event->datagrams.list[i];
        const uint8_t *at = part.bytes, *end = part.bytes + part.size;
        size_t segment = part.segment_size ? part.segment_size : part.size;
        while (at < end) {
            const uint8_t *start = at;
            int lane = -1;
            do {
                size_t size = (size_t)(end - at) < segment ? (size_t)(end - at) : segment;
                int here = lane_of(node, at, size);
                if (at != start && here != lane) break;
                lane = here;
                at += size;
            } while (at < end);
            part.bytes = start;
            part.size = (uint32_t)(at - start);
            // What is no QUIC is counted as such by whoever reads it.
            give_lane(node, lane >= 0 ? lane : 0, &part, 1);
        }
    }
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

void qe_node_step(struct qe_node *node, const struct qe_event *event)
{
    struct qe_event e = *event;
    const char *failure;
    if (e.now_ns < node->now_ns) e.now_ns = node->now_ns;
    node->now_ns = e.now_ns;
    node->wall_ms = e.wall_ms;
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

bool qe_node_next(struct qe_node *node, struct qe_action *action)
{
    const char *failure;
    if (qe_cplane_next(node->cplane, action)) return true;
    for (uint8_t i = 0; i < node->lane_count; i++) {
        uint8_t lane = (uint8_t)((node->turn + i) % node->lane_count);
        bool got = qe_lane_next(node->lanes[lane], action, node->now_ns, node->wall_ms);
        // Writing may have found out things (a connection that cannot go on) that others must hear of.
        if (!qe_list_empty(&node->outbox)) carry(node);
        if (!got) continue;
        node->turn = (uint8_t)((lane + 1) % node->lane_count);
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
