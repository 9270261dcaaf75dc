// A lane's life: its letters, its connections as they come and go, and what it gives the host to do.
#include "base/mutants.h"
#include "node/circuits.h"
#include "wire/relay.h"

// Half-open connections, and how long one may take.
#define HANDSHAKES_MAX 256
// long enough for one over 800 ms each way in which a flight is lost twice.
#define HANDSHAKE_TIMEOUT_NS (12 * QE_NS_PER_S)
// The same where nothing has shown that anybody is there.
#define DOUBTFUL_TIMEOUT_NS (4 * QE_NS_PER_S)
// A connection of which nothing is heard dies after this; the keep-alive keeps an idle one from it, and NATs open.
#define IDLE_TIMEOUT_NS (30 * QE_NS_PER_S)
#define KEEP_ALIVE_NS   (5 * QE_NS_PER_S)

// IDs of accepted paths carry the lane; the control part numbers the dialled ones from 1.
#define ACCEPTED_PATH_ID(lane, sequence) ((uint64_t)((lane) + 1) << 48 | (sequence))

static int make_slots(struct qe_lane *lane, uint32_t index)
{
    if (index < lane->peer_slots) return 0;
    size_t count = 2 * lane->peer_slots > index ? 2 * lane->peer_slots : (size_t)index + 1;
    struct lane_peer **peers = qe_realloc(&lane->host->mem, lane->peers, count, sizeof *peers);
    if (!peers) return -1;
    for (; lane->peer_slots < count; lane->peer_slots++)
        peers[lane->peer_slots] = NULL;
    lane->peers = peers;
    return 0;
}

struct lane_peer *lane_peer(struct qe_lane *lane, uint32_t index)
{
    if (index >= lane->peer_slots || !lane->peers[index]) {
        if (!lane->snapshot || !qe_snapshot_knows(lane->snapshot, index) || make_slots(lane, index) != 0) return NULL;
        struct lane_peer *peer = qe_zalloc(&lane->host->mem, 1, sizeof *peer);
        if (!peer) return NULL;
        peer->index = index;
        lane->peers[index] = peer;
    }
    return lane->peers[index];
}

struct lane_path *lane_path(const struct qe_lane *lane, uint64_t id)
{
    return qe_table_get(lane->paths, &id);
}

void lane_trace(struct qe_lane *lane, const char *name, uint32_t peer, uint64_t a, uint64_t b)
{
    if (!lane->host->trace) return;
    struct qe_trace trace = {.now_ns = lane->now_ns, .name = name, .a = a, .b = b};
    if (lane->snapshot && qe_snapshot_knows(lane->snapshot, peer)) trace.peer = lane->snapshot->peers[peer].id;
    lane->host->trace(lane->host->user, &trace);
}

void lane_drop(struct qe_lane *lane, enum qe_counter reason, uint32_t peer)
{
    qe_count(&lane->counters, reason);
    lane_trace(lane, qe_counter_name(reason), peer, 0, 0);
}

void lane_deliver(struct qe_lane *lane, struct qe_buf *buf, const struct qe_offload *offload)
{
    if (lane->deliver_count == LANE_DELIVER_MAX) {
        lane_drop(lane, QE_COUNT_DROP_NO_BUFFER, QE_PEER_NONE);
        qe_pool_untake(lane->options.pool, buf);
        return;
    }
    if (QE_MUTANT(delivery_lost) && lane->counters.values[QE_COUNT_PACKETS_RECEIVED] % 32 == 31) {
        qe_pool_untake(lane->options.pool, buf);
        return;
    }
    size_t at = (lane->deliver_first + lane->deliver_count++) % LANE_DELIVER_MAX;
    lane->deliver[at] = (struct qe_coalesce_out){buf, *offload};
}

static struct qe_mail *post(
    struct qe_lane *lane, enum qe_mail_kind kind, const struct lane_path *path, struct qe_span bytes)
{
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, kind, bytes.data, bytes.size);
    if (!mail) {
        lane_drop(lane, QE_COUNT_DROP_MEMORY, QE_PEER_NONE);
        return NULL;
    }
    mail->lane = lane->options.index;
    if (path) {
        mail->path = path->id;
        mail->peer = path->peer->index;
    }
    return mail;
}

static struct lane_path *new_path(struct qe_lane *lane, uint64_t id, struct lane_peer *peer)
{
    struct lane_path *path = qe_zalloc(&lane->host->mem, 1, sizeof *path);
    if (!path) return NULL;
    path->id = id;
    path->peer = peer;
    qe_list_init(&path->stranger);
    qe_list_init(&path->held);
    path->last = qe_mail_prepare(&lane->host->mem, QE_MAIL_CLOSED, 0);
    if (!path->last || qe_table_put(lane->paths, &path->id, path) != 0) {
        qe_free(&lane->host->mem, path->last);
        qe_free(&lane->host->mem, path);
        return NULL;
    }
    return path;
}

static void free_path(struct qe_lane *lane, struct lane_path *path)
{
    if (path->peer->active == path) lane_activate(lane, path->peer, NULL);
    if (lane_is_stranger(path)) lane_stranger_end(lane, path);
    qe_list_remove(&path->held);
    qe_table_remove(lane->paths, &path->id);
    if (path->last) qe_mail_free(lane->host, path->last);
    if (path->in) qe_reassembler_free(path->in);
    qe_free(&lane->host->mem, path);
}

static bool on_allow(void *user, const struct qe_key *key, void *dialled)
{
    struct qe_lane *lane = user;
    const struct lane_path *path = dialled;
    if (!lane->snapshot) return false;
    struct qe_node_id id = qe_node_id_from_key(key);
    uint32_t peer = qe_snapshot_find(lane->snapshot, &id);
    if (QE_MUTANT(unknown_key) && peer == QE_PEER_NONE && lane->snapshot->peer_count) peer = 0;
    if (peer == QE_PEER_NONE) {
        lane_trace(lane, "handshake.unknown_key", QE_PEER_NONE, 0, 0);
        return !path && lane_stranger_welcome(lane);
    }
    return peer != QE_PEER_NONE && (!path || path->peer->index == peer || QE_MUTANT(wrong_key_dialled));
}

static struct lane_path *accept_path(struct qe_lane *lane, const struct qe_conn *conn, uint32_t index)
{
    struct lane_peer *peer = index != QE_PEER_NONE ? lane_peer(lane, index) : lane_stranger(lane, conn);
    if (!peer) return NULL;
    uint64_t sequence = QE_MUTANT(path_id_reused) ? 1 : ++lane->path_sequence;
    struct lane_path *path = new_path(lane, ACCEPTED_PATH_ID(lane->options.index, sequence), peer);
    if (index != QE_PEER_NONE) return path;
    if (path)
        lane_stranger_begin(lane, path);
    else
        qe_free(&lane->host->mem, peer);
    return path;
}

static void note_gateway(const struct qe_lane *lane, struct lane_path *path)
{
    struct qe_conn_info info;
    qe_conn_info(path->conn, &info, lane->now_ns);
    path->relayed = info.socket == QE_QUIC_INSIDE;
    if (path->relayed) path->gateway = qe_circuit_gateway(&info.remote);
}

// For proofs of membership, which are good for this connection only.
static void export_keys(const struct qe_conn *conn, struct qe_mail *mail)
{
    mail->conn.exported = qe_conn_export(conn, mail->conn.exporter) == 0;
}

static void on_connected(void *user, struct qe_conn *conn, bool early)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    if (!path) {
        struct qe_node_id id = qe_node_id_from_key(qe_conn_key(conn));
        uint32_t peer = qe_snapshot_find(lane->snapshot, &id);
        if (QE_MUTANT(unknown_key) && peer == QE_PEER_NONE) peer = 0;
        path = accept_path(lane, conn, peer);
        if (!path) {
            qe_conn_close(conn, QE_CLOSE_LIMIT);
            return;
        }
        path->conn = conn;
        qe_conn_set_user(conn, path);
        note_gateway(lane, path);
    }
    uint32_t index = path->peer->index;
    path->gated = index == QE_PEER_NONE || !lane->snapshot || !qe_snapshot_trusts(lane->snapshot, index);
    struct qe_mail *mail = post(lane, QE_MAIL_CONNECTED, path, qe_span(NULL, 0));
    if (!mail) {
        qe_conn_close(conn, QE_CLOSE_LIMIT);
        return;
    }
    path->told = true;
    qe_conn_info(conn, &mail->conn.info, lane->now_ns);
    mail->conn.key = *qe_conn_key(conn);
    mail->conn.early = early;
    mail->conn.gated = path->gated;
    if (!early) export_keys(conn, mail);
    lane_trace(lane, "path.connected", path->peer->index, path->id, early);
}

static void on_confirmed(void *user, struct qe_conn *conn)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    if (!path) return;
    struct qe_mail *mail = post(lane, QE_MAIL_CONFIRMED, path, qe_span(NULL, 0));
    if (!mail) {
        qe_conn_close(conn, QE_CLOSE_LIMIT); // an early path would never be opened
        return;
    }
    qe_conn_info(conn, &mail->conn.info, lane->now_ns);
    export_keys(conn, mail);
}

static void on_closed(void *user, struct qe_conn *conn, struct qe_conn_close why)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    if (!path) return;
    struct qe_mail *mail = path->last;
    path->last = NULL;
    mail->lane = lane->options.index;
    mail->path = path->id;
    mail->peer = path->peer->index;
    mail->close = why;
    if (QE_MUTANT(closed_unsaid))
        qe_mail_free(lane->host, mail);
    else
        qe_mail_send(lane->options.outbox, mail, QE_MAIL_CONTROL, QE_MAIL_CLOSED);
    lane_trace(lane, "path.closed", path->peer->index, path->id, why.end);
    free_path(lane, path);
}

static void on_control(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    // A stream with a hole in it means nothing.
    if (path && !post(lane, QE_MAIL_RECEIVED, path, bytes)) qe_conn_close(conn, QE_CLOSE_LIMIT);
}

static void on_ticket(void *user, struct qe_conn *conn, struct qe_span ticket)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    if (path) post(lane, QE_MAIL_TICKET, path, ticket);
}

static void on_moved(void *user, struct qe_conn *conn)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    struct qe_mail *mail = path ? post(lane, QE_MAIL_MOVED, path, qe_span(NULL, 0)) : NULL;
    if (!mail) return;
    qe_conn_info(conn, &mail->conn.info, lane->now_ns);
    lane_trace(lane, "path.moved", path->peer->index, path->id, 0);
}

static bool on_responsive(void *user, struct qe_conn *conn, bool responsive)
{
    struct qe_lane *lane = user;
    struct lane_path *path = qe_conn_user(conn);
    if (!path || !path->told) return true;
    if (!post(lane, responsive ? QE_MAIL_HEARD : QE_MAIL_SILENT, path, qe_span(NULL, 0))) {
        // Its end needs no memory, and has the peer dialled anew as well.
        if (!responsive) qe_conn_close(conn, QE_CLOSE_LIMIT);
        return !responsive;
    }
    lane_trace(lane, responsive ? "path.heard" : "path.silent", path->peer->index, path->id, 0);
    return true;
}

static struct qe_buf *coalescer_buf(void *user)
{
    struct qe_lane *lane = user;
    return qe_pool_take(lane->options.pool, 0);
}

static void coalescer_emit(void *user, const struct qe_coalesce_out *out)
{
    lane_deliver(user, out->buf, &out->offload);
}

int qe_lane_new(struct qe_lane **out, const struct qe_lane_options *options, uint64_t now_ns, uint64_t wall_ms)
{
    const struct qe_host *host = options->host;
    uint8_t secret[16], seed[4];
    struct qe_lane *lane = qe_zalloc(&host->mem, 1, sizeof *lane);
    if (!lane) return -1;
    lane->options = *options;
    lane->host = host;
    lane->now_ns = now_ns;
    lane->wall_ms = wall_ms;
    host->random(host->user, QE_RANDOM_HASH, secret, sizeof secret);
    host->random(host->user, QE_RANDOM_QUEUE, seed, sizeof seed);
    lane->flow_seed = qe_load32(seed);
    qe_list_init(&lane->strangers);

    const struct qe_coalesce_owner coalesce = {lane, coalescer_buf, coalescer_emit};
    const struct qe_quic_options quic = {.host = host,
        .owner = {.user = lane,
            .allow = on_allow,
            .connected = on_connected,
            .confirmed = on_confirmed,
            .closed = on_closed,
            .control = on_control,
            .datagram = lane_datagram,
            .next_datagram = lane_next_datagram,
            .datagram_taken = lane_datagram_taken,
            .ticket = on_ticket,
            .moved = on_moved,
            .responsive = on_responsive},
        .lane = options->index,
        .handshakes_max = HANDSHAKES_MAX,
        .connections_max = options->connections_max,
        .idle_timeout_ns = IDLE_TIMEOUT_NS,
        .keep_alive_ns = QE_MUTANT(keep_alive_none) ? 0 : KEEP_ALIVE_NS,
        .handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS};
    lane->paths = qe_table_new(&host->mem, sizeof(uint64_t), options->connections_max, secret);
    lane->circuits = qe_table_new(&host->mem, 2 * sizeof(uint32_t), LANE_CIRCUITS_MAX, secret);
    lane->coalescer = qe_coalescer_new(&host->mem, &coalesce);
    if (!lane->paths || !lane->circuits || !lane->coalescer || qe_quic_new(&lane->quic, &quic, now_ns, wall_ms) != 0) {
        qe_lane_free(lane);
        return -1;
    }
    *out = lane;
    return 0;
}

static void free_peer(struct qe_lane *lane, struct lane_peer *peer)
{
    if (!peer) return;
    lane_forget_packets(lane, peer, QE_COUNT_DROP_STALE);
    lane_relay_free(lane, peer);
    if (peer->queue) qe_queue_free(peer->queue);
    qe_free(&lane->host->mem, peer);
}

void qe_lane_free(struct qe_lane *lane)
{
    if (!lane) return;
    if (lane->quic) qe_quic_free(lane->quic);
    lane->quic = NULL;
    size_t cursor = 0;
    for (struct lane_path *path; lane->paths && (path = qe_table_each(lane->paths, &cursor));) {
        if (path->last) qe_mail_free(lane->host, path->last);
        if (path->in) qe_reassembler_free(path->in);
        if (lane_is_stranger(path)) lane_stranger_end(lane, path);
        qe_list_remove(&path->held);
        path->conn = NULL;
        qe_free(&lane->host->mem, path);
    }
    if (lane->paths) qe_table_free(lane->paths);
    for (size_t i = 0; i < lane->peer_slots; i++)
        free_peer(lane, lane->peers[i]);
    qe_free(&lane->host->mem, lane->peers);
    if (lane->coalescer) {
        qe_coalescer_flush(lane->coalescer);
        qe_coalescer_free(lane->coalescer);
    }
    for (; lane->deliver_count > 0; lane->deliver_count--) {
        qe_pool_untake(lane->options.pool, lane->deliver[lane->deliver_first].buf);
        lane->deliver_first = (lane->deliver_first + 1) % LANE_DELIVER_MAX;
    }
    lane_unrouted_free(lane);
    lane_circuits_free(lane);
    qe_snapshot_release(lane->snapshot);
    qe_free(&lane->host->mem, lane);
}

void qe_lane_step(struct qe_lane *lane, const struct qe_event *event)
{
    lane->now_ns = event->now_ns;
    lane->wall_ms = event->wall_ms;
    switch (event->kind) {
    case QE_EVENT_DATAGRAMS:
        for (size_t i = 0; i < event->datagrams.count; i++) {
            const struct qe_datagrams *in = &event->datagrams.list[i];
            // Nobody is there: circuits have these addresses, and their packets come another way.
            if (qe_circuit_is_addr(&in->remote.ip)) {
                lane_drop(lane, QE_COUNT_DROP_CIRCUIT, QE_PEER_NONE);
                continue;
            }
            qe_quic_receive(lane->quic, in, lane->now_ns, lane->wall_ms);
            lane_receive_inside(lane);
        }
        qe_coalescer_flush(lane->coalescer);
        break;
    case QE_EVENT_PACKETS:
        for (size_t i = 0; i < event->packets.count; i++)
            lane_packet_from_tun(lane, &event->packets.list[i]);
        break;
    default:
        break;
    }
    if (lane_unrouted_deadline(lane) <= lane->now_ns) lane_unrouted_expire(lane);
    if (qe_quic_deadline(lane->quic) <= lane->now_ns) qe_quic_expire(lane->quic, lane->now_ns, lane->wall_ms);
}

// True: the letter has gone back with the news that it came to nothing.
static bool dial(struct qe_lane *lane, struct qe_mail *mail)
{
    struct lane_peer *peer = lane_peer(lane, mail->peer);
    struct lane_path *path = peer ? new_path(lane, mail->path, peer) : NULL;
    const struct qe_quic_dial options = {.key = mail->dial.pinned ? &mail->dial.key : NULL,
        .user = path,
        .socket = mail->dial.socket,
        .local = mail->dial.local,
        .remote = mail->dial.remote,
        .handshake_timeout_ns = mail->dial.doubtful ? DOUBTFUL_TIMEOUT_NS : 0,
        .ticket = {mail->bytes, mail->dial.ticket_size},
        .early = {mail->bytes + mail->dial.ticket_size, mail->size - mail->dial.ticket_size}};
    if (path && qe_quic_dial(lane->quic, &options, &path->conn, lane->now_ns, lane->wall_ms) == 0) {
        note_gateway(lane, path);
        lane_trace(lane, "path.dialled", path->peer->index, path->id, 0);
        return false;
    }
    if (path) free_path(lane, path);
    mail->close = (struct qe_conn_close){QE_CONN_END_ERROR, 0};
    qe_mail_send(lane->options.outbox, mail, QE_MAIL_CONTROL, QE_MAIL_CLOSED);
    return true;
}

static void report(struct qe_lane *lane, uint64_t cookie)
{
    size_t cursor = 0;
    struct lane_path *path;
    for (size_t i = 0; i < lane->peer_slots; i++) {
        struct qe_mail *mail = lane->peers[i] ? post(lane, QE_MAIL_REPORT_PEER, NULL, qe_span(NULL, 0)) : NULL;
        if (!mail) continue;
        mail->peer = lane->peers[i]->index;
        mail->cookie = cookie;
        mail->conn.traffic = lane->peers[i]->traffic;
        mail->conn.relayed = lane_relay_use(lane->peers[i]);
    }
    while ((path = qe_table_each(lane->paths, &cursor))) {
        bool known = path->conn && !lane_is_stranger(path);
        struct qe_mail *mail = known ? post(lane, QE_MAIL_REPORT_PATH, path, qe_span(NULL, 0)) : NULL;
        if (!mail) continue;
        mail->cookie = cookie;
        qe_conn_info(path->conn, &mail->conn.info, lane->now_ns);
    }
    struct qe_mail *end = post(lane, QE_MAIL_REPORT_END, NULL, qe_span(NULL, 0));
    if (!end) return;
    end->cookie = cookie;
    end->report.counters = lane->counters;
    end->report.quic = *qe_quic_stats(lane->quic);
}

static void take_snapshot(struct qe_lane *lane, struct qe_mail *mail)
{
    if (QE_MUTANT(snapshot_stale) && lane->snapshot) return;
    qe_snapshot_release(lane->snapshot);
    lane->snapshot = mail->snapshot;
    mail->snapshot = NULL;
    for (uint32_t i = 0; i < lane->peer_slots; i++) {
        if (!lane->peers[i] || !qe_snapshot_knows(lane->snapshot, i)) continue; // what is gone is forgotten by letter
        uint8_t home = lane->snapshot->peers[i].lane;
        if (home != lane->options.index) lane_hand_over(lane, lane->peers[i], home);
    }
    lane_unrouted_retry(lane);
}

// Ends what there is with a peer that leaves. The letter goes back last, behind all others about it.
static void forget(struct qe_lane *lane, struct qe_mail *mail)
{
    size_t cursor = 0;
    for (struct lane_path *path; (path = qe_table_each(lane->paths, &cursor));)
        if (path->peer->index == mail->peer && path->conn) qe_conn_close(path->conn, QE_CLOSE_REFUSED);
    lane_circuits_forget(lane, mail->peer);
    if (mail->peer < lane->peer_slots) {
        free_peer(lane, lane->peers[mail->peer]);
        lane->peers[mail->peer] = NULL;
    }
    mail->lane = lane->options.index;
    qe_mail_send(lane->options.outbox, mail, QE_MAIL_CONTROL, QE_MAIL_FORGOTTEN);
}

static void send_echo(struct qe_lane *lane, const struct qe_mail *mail)
{
    const struct lane_peer *peer = mail->peer < lane->peer_slots ? lane->peers[mail->peer] : NULL;
    uint8_t cookie[8];
    qe_store64(cookie, mail->cookie);
    if (peer && peer->active) lane_echo(peer->active, QE_FRAME_ECHO, cookie);
}

bool qe_lane_read(struct qe_lane *lane, struct qe_mail *mail, uint64_t now_ns, uint64_t wall_ms)
{
    lane->now_ns = now_ns;
    lane->wall_ms = wall_ms;
    struct lane_path *path = mail->path ? lane_path(lane, mail->path) : NULL;
    struct lane_peer *peer;
    switch (mail->kind) {
    case QE_MAIL_SNAPSHOT:
        take_snapshot(lane, mail);
        break;
    case QE_MAIL_DIAL:
        return dial(lane, mail);
    case QE_MAIL_CLOSE:
        if (path && path->conn) qe_conn_close(path->conn, mail->close.code);
        break;
    case QE_MAIL_SEND:
        if (path && path->conn && qe_conn_control_send(path->conn, qe_span(mail->bytes, mail->size)) != 0)
            qe_conn_close(path->conn, QE_CLOSE_LIMIT);
        break;
    case QE_MAIL_ACTIVATE:
        peer = lane_peer(lane, mail->peer);
        if (peer) lane_activate(lane, peer, path);
        break;
    case QE_MAIL_DOUBT:
        if (path && path->conn && path->packet_ns > mail->cookie)
            qe_conn_doubt(path->conn, LANE_DOUBT_NS, lane->now_ns);
        break;
    case QE_MAIL_KEEP:
        if (!QE_MUTANT(keep_alive_none)) qe_quic_set_keep_alive(lane->quic, mail->cookie);
        break;
    case QE_MAIL_NOBODY:
        lane_unrouted_drop(lane, &mail->address);
        break;
    case QE_MAIL_ECHO:
        send_echo(lane, mail);
        break;
    case QE_MAIL_REPORT:
        report(lane, mail->cookie);
        break;
    case QE_MAIL_ADMIT:
        if (path) lane_admit(lane, path, mail->peer);
        break;
    case QE_MAIL_FORGET:
        forget(lane, mail);
        return true;
    case QE_MAIL_CIRCUIT:
        lane_on_circuit(lane, mail);
        break;
    case QE_MAIL_RELAYED:
        lane_on_relayed(lane, mail);
        break;
    case QE_MAIL_INSIDE:
        lane_on_inside(lane, mail);
        break;
    case QE_MAIL_PACKET:
        peer = lane_peer(lane, mail->peer);
        if (!peer) {
            lane_drop(lane, QE_COUNT_DROP_MEMORY, mail->peer);
            break;
        }
        lane_enqueue(lane, peer, &mail->packet.item, mail->packet.flow_hash);
        mail->packet.item.buf = NULL;
        break;
    default:
        break;
    }
    return false;
}

static bool next_delivery(struct qe_lane *lane, struct qe_action *action)
{
    if (lane->deliver_count == 0) return false;
    const struct qe_coalesce_out *out = &lane->deliver[lane->deliver_first];
    lane->deliver_first = (lane->deliver_first + 1) % LANE_DELIVER_MAX;
    lane->deliver_count--;
    qe_count(&lane->counters, QE_COUNT_TUN_SENT_PACKETS);
    qe_count_by(&lane->counters, QE_COUNT_TUN_SENT_BYTES, out->buf->size);
    action->kind = QE_ACTION_DELIVER;
    action->deliver.buf = out->buf;
    action->deliver.offload = out->offload;
    return true;
}

bool qe_lane_next(struct qe_lane *lane, struct qe_action *action, uint64_t now_ns, uint64_t wall_ms)
{
    lane->now_ns = now_ns;
    lane->wall_ms = wall_ms;
    if (next_delivery(lane, action)) return true;
    while (qe_quic_writable(lane->quic)) {
        struct qe_buf *buf = qe_pool_take(lane->options.pool, QE_NODE_DELIVERIES);
        if (!buf) return false;
        action->kind = QE_ACTION_SEND;
        bool wrote = qe_quic_next(lane->quic, buf, &action->send, lane->now_ns, lane->wall_ms);
        if (wrote && action->send.socket != QE_QUIC_INSIDE) return true;
        // An inner connection's packets are frames of an outer one, which has something to write now.
        if (wrote) lane_send_inside(lane, &action->send);
        qe_pool_untake(lane->options.pool, buf);
        if (!wrote) return false;
    }
    return false;
}

uint64_t qe_lane_deadline(const struct qe_lane *lane)
{
    return qe_time_min(qe_quic_deadline(lane->quic), lane_unrouted_deadline(lane));
}

bool qe_lane_quiet(const struct qe_lane *lane)
{
    return lane->deliver_count == 0 && !qe_quic_writable(lane->quic);
}
