// Sessions put to work: dialling when one wants it, telling lanes which path carries a peer's packets, saying hello,
// and reading what the peer says on its control streams.
#include "base/mutants.h"
#include "node/cplane_internal.h"
#include "node/join.h"
#include "node/portmap.h"
#include "node/relay.h"
#include "node/relay_internal.h"
#include "wire/claims.h"

#include <inttypes.h>
#include <stdio.h>

// What a connection may say of claims.
#define CLAIMS_PERIOD_NS  (10 * QE_NS_PER_S)
#define CLAIMS_PERIOD_MAX 32

static struct cplane_path *find_path(struct qe_cplane *c, uint64_t id)
{
    return qe_table_get(c->paths, &id);
}

// The control stream of a path of that peer; made where there is none yet. NULL without memory.
static struct cplane_path *make_path(struct qe_cplane *c, uint64_t id, struct cplane_peer *peer, uint8_t lane)
{
    struct cplane_path *path = find_path(c, id);
    if (path) return path;
    path = qe_zalloc(c->mem, 1, sizeof *path);
    if (!path) return NULL;
    path->id = id;
    path->peer = peer;
    path->lane = lane;
    qe_timer_init(&path->timer);
    path->close = qe_mail_prepare(c->mem, QE_MAIL_CLOSE, 0);
    if (path->close && qe_table_put(c->paths, &path->id, path) == 0) return path;
    cplane_path_free(c, path);
    return NULL;
}

void cplane_path_free(struct qe_cplane *c, struct cplane_path *path)
{
    qe_heap_set(&c->proofs, &path->timer, QE_TIME_NEVER);
    if (path->close) qe_mail_free(c->host, path->close);
    qe_free(c->mem, path->claims);
    qe_free(c->mem, path);
}

void cplane_close_path(struct qe_cplane *c, uint64_t id, enum qe_close_code code)
{
    struct cplane_path *path = find_path(c, id);
    struct qe_mail *mail = path ? path->close : NULL;
    if (!mail) return; // gone, or being closed
    path->close = NULL;
    mail->path = id;
    mail->close.code = code;
    qe_mail_send(c->options.outbox, mail, path->lane, QE_MAIL_CLOSE);
}

void cplane_peer_timer(struct qe_cplane *c, struct cplane_peer *peer)
{
    uint64_t at = QE_TIME_NEVER;
    if (c->up && !c->stopping) at = qe_time_min(qe_session_deadline(&peer->session), cplane_crossing_deadline(peer));
    qe_heap_set(&c->timers, &peer->timer, at);
}

static size_t write_hello(const struct qe_cplane *c, const struct cplane_peer *peer, uint8_t *out, size_t size)
{
    static const uint8_t later[] = {0, 1, 2};
    struct qe_hello hello = {.version = QE_WIRE_VERSION,
        .session = peer->session_id,
        .boot_epoch = c->boot_epoch,
        .addresses = {c->own[0].ip, c->own[1].ip},
        .address_count = 2};
    snprintf(hello.name, sizeof hello.name, "%s", cplane_own_name(c));
    size_t used = qe_hello_encode(&hello, out, size);
    if (used && used + sizeof later <= size && QE_FAULT(c->host, HELLO_EXTRA)) {
        memcpy(out + used, later, sizeof later);
        used += sizeof later;
        qe_store16(out, (uint16_t)(used - 2));
    }
    return used;
}

// The socket to dial that address from: of its family, and a loopback one for a loopback address only where nothing
// else is.
static uint32_t socket_for(const struct qe_cplane *c, const struct qe_addr *target)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < c->config->listen_count; i++) {
        const struct qe_ip *bound = &c->sockets[i].bound.ip;
        if (bound->family != target->ip.family) continue;
        if (qe_ip_is_loopback(bound) == qe_ip_is_loopback(&target->ip)) return i + 1;
        best = i + 1;
    }
    return best;
}

// Asks the lane for a connection: the path's ID, or 0 without memory.
static uint64_t dial_from(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *target, uint32_t socket,
    const struct qe_addr *local, uint8_t lane)
{
    uint8_t hello[2 + QE_MESSAGE_SIZE_MAX];
    // Who may be anybody is told nothing until it has proven itself.
    size_t hello_size = cplane_trusts(c, peer) ? write_hello(c, peer, hello, sizeof hello) : 0;
    struct qe_mail *mail = cplane_post(c, lane, QE_MAIL_DIAL, NULL, peer->ticket_size + hello_size);
    uint64_t id = ++c->path_sequence;
    struct cplane_path *path = mail ? make_path(c, id, peer, lane) : NULL;
    if (!path) {
        if (mail) qe_mail_free(c->host, mail);
        return 0;
    }
    path->greeted = hello_size > 0;
    mail->path = id;
    mail->peer = peer->index;
    mail->dial.socket = socket;
    mail->dial.local = *local;
    mail->dial.remote = *target;
    mail->dial.pinned = peer->pinned;
    mail->dial.doubtful = peer->session.first_is_configured && qe_addr_equal(target, &peer->session.candidates[0]);
    mail->dial.key = peer->key;
    mail->dial.ticket_size = peer->ticket_size;
    if (peer->ticket_size) memcpy(mail->bytes, peer->ticket, peer->ticket_size);
    if (hello_size) memcpy(mail->bytes + peer->ticket_size, hello, hello_size);
    cplane_spend_ticket(c, peer);
    return id;
}

static void dial(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *target)
{
    char text[QE_ADDR_TEXT_SIZE], name[QE_NAME_SIZE];
    struct qe_addr local;
    uint32_t socket = cplane_traversal_socket(c, target, &local);
    if (socket == 0 && (socket = socket_for(c, target)) != 0) local = c->sockets[socket - 1].bound;
    uint64_t id = socket ? dial_from(c, peer, target, socket, &local, peer->home) : 0;
    if (id == 0) {
        const char *why = socket ? "out of memory" : "no socket of the address's family";
        qe_session_on_dial_failed(&peer->session, why, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
        return;
    }
    qe_session_on_dialled(&peer->session, id, peer->home, target, c->now_ns);
    cplane_log(c, QE_LOG_DEBUG, "dialling %s at %s", cplane_peer_text(peer, name), qe_addr_format(target, text));
    cplane_trace(c, "session.dial", peer, id, peer->session.dials);
}

uint64_t cplane_dial_inside(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *circuit, uint8_t lane)
{
    const struct qe_addr none = {0};
    uint64_t id = dial_from(c, peer, circuit, QE_QUIC_INSIDE, &none, lane);
    if (id == 0) return 0;
    if (!qe_session_on_relay_dialled(&peer->session, id, lane, circuit, c->now_ns)) {
        cplane_close_path(c, id, QE_CLOSE_LIMIT);
        return 0;
    }
    cplane_trace(c, "session.dial", peer, id, peer->session.dials);
    return id;
}

// Tells lanes who carries the peer's packets, where that has changed.
static void announce_active(struct qe_cplane *c, struct cplane_peer *peer)
{
    const struct qe_path *active = qe_session_active(&peer->session);
    uint64_t id = active ? active->id : 0;
    if (id == peer->published || peer->leaving) return;
    if (active && active->lane != peer->home) {
        struct qe_mail *none = cplane_post(c, peer->home, QE_MAIL_ACTIVATE, NULL, 0);
        if (none) none->peer = peer->index;
        peer->home = active->lane;
        cplane_publish(c);
    }
    struct qe_mail *mail =
        QE_FAULT(c->host, RETRY_LATER) ? NULL : cplane_post(c, peer->home, QE_MAIL_ACTIVATE, NULL, 0);
    if (!mail) {
        c->retry_at_ns = c->now_ns + CPLANE_RETRY_NS;
        return;
    }
    mail->peer = peer->index;
    mail->path = id;
    peer->published = id;
    if (active && active->state == QE_PATH_OPEN && !active->relayed && !QE_MUTANT(store_late))
        cplane_store_peer(c, peer, &active->remote);
}

void cplane_retry(struct qe_cplane *c)
{
    c->retry_at_ns = QE_TIME_NEVER;
    if (c->unpublished) cplane_publish(c);
    cplane_retry_replies(c);
    for (size_t i = 0; i < c->peer_count; i++)
        announce_active(c, c->by_id[i]);
}

static void count_duration(struct qe_cplane *c, uint64_t since_ns)
{
    uint64_t seconds = (c->now_ns - since_ns) / QE_NS_PER_S;
    size_t bucket = 0;
    while (bucket < CPLANE_DURATIONS && seconds > cplane_duration_bounds_s[bucket])
        bucket++;
    c->durations[bucket]++;
    c->duration_sum_s += seconds;
    c->duration_count++;
}

static void log_change(struct qe_cplane *c, struct cplane_peer *peer, uint64_t connected_before_ns)
{
    bool connected = qe_session_state(&peer->session) == QE_SESSION_CONNECTED;
    char text[QE_ADDR_TEXT_SIZE], name[QE_NAME_SIZE];
    if (connected == peer->was_connected) return;
    peer->was_connected = connected;
    cplane_peer_text(peer, name);
    if (connected) {
        const struct qe_path *path = qe_session_active(&peer->session);
        const struct cplane_peer *gateway = cplane_path_gateway(c, path);
        char by[QE_NAME_SIZE];
        cplane_log(c, QE_LOG_INFO, "%s connected %s %s%s", name, gateway ? "through gateway" : "at",
            gateway ? cplane_peer_text(gateway, by) : qe_addr_format(&path->remote, text),
            path->early     ? " (0-RTT)"
            : path->resumed ? " (resumed)"
                            : "");
        cplane_trace(c, "session.connected", peer, path->id, (uint64_t)(path->early ? 2 : path->resumed));
    } else {
        count_duration(c, connected_before_ns);
        cplane_log(c, QE_LOG_WARN, "%s is not connected any more: %s", name, peer->session.last_error);
        cplane_trace(c, "session.lost", peer, 0, 0);
    }
}

// Says by which kind of way the peer is connected, each time that this has changed.
static void trace_way(struct qe_cplane *c, struct cplane_peer *peer)
{
    const struct qe_path *active = peer->was_connected ? qe_session_active(&peer->session) : NULL;
    enum cplane_way way = !active ? CPLANE_WAY_NONE : active->relayed ? CPLANE_WAY_RELAYED : CPLANE_WAY_DIRECT;
    if (way == peer->way) return;
    peer->way = way;
    if (active) cplane_trace(c, active->relayed ? "session.relayed" : "session.direct", peer, active->id, 0);
}

// Whether the relayed path that carried the peer's packets has ended or fallen silent, and no direct one is there.
static bool has_lost_gateway(struct cplane_peer *peer)
{
    const struct qe_path *active = qe_session_active(&peer->session);
    const struct qe_path *before = peer->relayed_by ? qe_session_path(&peer->session, peer->relayed_by) : NULL;
    bool lost = peer->relayed_by && (!before || before->state == QE_PATH_SILENT);
    if (lost || (active && active->state == QE_PATH_OPEN))
        peer->relayed_by = active && active->state == QE_PATH_OPEN && active->relayed ? active->id : 0;
    return lost && !qe_session_is_direct(&peer->session);
}

// A fault: one more connection to a peer that has one, and none younger than a second.
static bool redials(const struct qe_cplane *c, const struct qe_session *s, struct qe_addr *target)
{
    if (!c->host->fault || qe_session_state(s) != QE_SESSION_CONNECTED || s->candidate_count == 0) return false;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state != QE_PATH_FREE && c->now_ns - s->paths[i].since_ns < QE_NS_PER_S) return false;
    *target = s->candidates[0];
    return QE_FAULT(c->host, REDIAL);
}

void cplane_peer_refresh(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct qe_session *s = &peer->session;
    struct qe_addr target;
    uint64_t id;
    while ((id = qe_session_retired(s, c->now_ns))) {
        cplane_close_path(c, id, QE_CLOSE_SUPERSEDED);
        qe_session_path(s, id)->retire_ns = QE_TIME_NEVER; // CLOSED follows
    }
    if (c->up && !c->stopping && (qe_session_dial_due(s, c->now_ns, &target) || redials(c, s, &target)))
        dial(c, peer, &target);
    announce_active(c, peer);
    if (s->connected_ns) peer->last_connected_ns = s->connected_ns;
    log_change(c, peer, peer->last_connected_ns);
    cplane_relay_on_session(c, peer);
    trace_way(c, peer);
    cplane_discovery_on_peer(c, peer);
    if (has_lost_gateway(peer)) cplane_traversal_on_lost(c, peer);
    cplane_traversal_on_peer(c, peer);
    cplane_claims_on_session(c, peer);
    cplane_gateways_on_session(c, peer);
    cplane_peer_timer(c, peer);
}

static void apply_hello(struct qe_cplane *c, struct cplane_path *path)
{
    uint64_t dead[QE_SESSION_PATHS_MAX];
    struct cplane_peer *peer = path->peer;
    size_t count = qe_session_on_hello(&peer->session, path->id, path->hello.boot_epoch, dead, c->now_ns);
    for (size_t i = 0; i < count; i++)
        cplane_close_path(c, dead[i], QE_CLOSE_SUPERSEDED);
    if (count > 0) cplane_relay_on_restart(c, peer);
    cplane_trace(c, "session.hello", peer, path->id, path->hello.boot_epoch);
    if (!cplane_carries(peer)) return;
    // What it said as claims since is newer than what it says in each hello.
    if (peer->claims_number > 0 && peer->claims_boot == path->hello.boot_epoch) return;
    cplane_claims_doubt(c, peer);
    memcpy(peer->said_name, path->hello.name, sizeof peer->said_name);
    cplane_own_claims_heard(c, peer);
    cplane_claim(c, peer, path->hello.addresses, path->hello.address_count);
}

void cplane_peer_on_carries(struct qe_cplane *c, struct cplane_peer *peer)
{
    size_t cursor = 0;
    struct cplane_path *path;
    c->snapshot_due = true;
    while ((path = qe_table_each(c->paths, &cursor))) {
        if (path->peer != peer || !path->open || !path->has_hello) continue;
        apply_hello(c, path);
        if (path->claims) cplane_claims_said(c, path, path->claims);
    }
}

static void say_hello(struct qe_cplane *c, struct cplane_path *path)
{
    static const uint8_t unknown[] = {0, 2, 0x7f, 0}; // size, type, a body
    uint8_t hello[2 + QE_MESSAGE_SIZE_MAX];
    if (path->greeted || QE_MUTANT(hello_unsaid)) return;
    size_t size = write_hello(c, path->peer, hello, sizeof hello);
    struct qe_mail *mail = cplane_post(c, path->lane, QE_MAIL_SEND, hello, size);
    if (!mail) {
        // Without our hello the peer would know no address of ours, for as long as the connection lasts.
        cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
        return;
    }
    mail->path = path->id;
    path->greeted = true;
    if (!QE_FAULT(c->host, CONTROL_UNKNOWN)) return;
    mail = cplane_post(c, path->lane, QE_MAIL_SEND, unknown, sizeof unknown);
    if (mail) mail->path = path->id;
}

// The peer behind the connection is proven and present: what it says may be acted on.
void cplane_open_path(struct qe_cplane *c, struct cplane_path *path)
{
    const struct qe_conn_info *info = &path->info;
    struct cplane_peer *peer = path->peer;
    if (path->open || path->refused) return;
    if (peer && peer->leaving) return; // its lane has been told to forget it, and closes this
    if (!cplane_may_open(c, path)) return;
    if (!cplane_relay_on_path(c, path)) {
        cplane_close_path(c, path->id, QE_CLOSE_REFUSED);
        return;
    }
    say_hello(c, path);
    if (c->stopping || !qe_session_on_open(&peer->session, path->id, path->lane, info, c->now_ns)) {
        cplane_close_path(c, path->id, c->stopping ? QE_CLOSE_GOODBYE : QE_CLOSE_LIMIT);
        return;
    }
    path->open = true;
    if (qe_circuit_is_addr(&info->remote.ip)) {
        cplane_relay_on_opened(c, peer);
    } else {
        qe_session_on_address(&peer->session, &info->remote, false);
        cplane_discovery_on_connected(c, &peer->id, &info->remote);
        // Of two that were dialled at once the one that stays is where it was met.
        const struct qe_path *active = qe_session_active(&peer->session);
        const struct qe_addr *met = active && !active->relayed ? &active->remote : &info->remote;
        if (!QE_MUTANT(store_late)) cplane_store_peer(c, peer, met);
    }
    if (info->rtt_us) peer->rtt_us = info->rtt_us;
    cplane_say_claims(c, path);
    if (path->has_hello) apply_hello(c, path);
    if (path->claims) cplane_claims_said(c, path, path->claims);
    cplane_peer_refresh(c, peer);
}

bool cplane_on_connected(struct qe_cplane *c, struct qe_mail *mail)
{
    struct qe_node_id id = qe_node_id_from_key(&mail->conn.key);
    // A stranger may have become known while the letter was under way.
    struct cplane_peer *peer = mail->peer == QE_PEER_NONE ? cplane_peer_find(c, &id) : c->peers[mail->peer];
    struct cplane_path *path = make_path(c, mail->path, peer, mail->lane);
    if (!path) {
        mail->close.code = QE_CLOSE_LIMIT;
        qe_mail_send(c->options.outbox, mail, mail->lane, QE_MAIL_CLOSE);
        return true;
    }
    path->key = mail->conn.key;
    path->gated = mail->conn.gated;
    // The first key met under an ID is the only one that it ever authorises.
    if (peer && peer->pinned && !qe_key_equal(&peer->key, &mail->conn.key)) {
        char name[QE_NAME_SIZE];
        cplane_log(c, QE_LOG_WARN, "%s has another key than before, refused", cplane_peer_text(peer, name));
        cplane_trace(c, "session.other_key", peer, mail->path, 0);
        path->refused = true;
        mail->close.code = QE_CLOSE_PROTOCOL;
        qe_mail_send(c->options.outbox, mail, mail->lane, QE_MAIL_CLOSE);
        return true;
    }
    if (peer) cplane_identify_peer(c, path);
    if (peer && cplane_trusts(c, peer)) say_hello(c, path);
    cplane_on_identified(c, path, mail);
    cplane_join_on_identified(c, path);
    if (!mail->conn.early) cplane_open_path(c, path);
    return false;
}

void cplane_identify_peer(struct qe_cplane *c, struct cplane_path *path)
{
    (void)c;
    path->peer->pinned = true;
    path->peer->key = path->key;
}

void cplane_on_confirmed(struct qe_cplane *c, struct qe_mail *mail)
{
    struct cplane_path *path = find_path(c, mail->path);
    if (!path) return;
    cplane_on_identified(c, path, mail);
    cplane_join_on_identified(c, path);
    cplane_open_path(c, path);
}

void cplane_on_closed(struct qe_cplane *c, const struct qe_mail *mail)
{
    struct cplane_path *path = find_path(c, mail->path);
    struct cplane_peer *peer = path ? path->peer : mail->peer != QE_PEER_NONE ? c->peers[mail->peer] : NULL;
    if (path) {
        qe_table_remove(c->paths, &path->id);
        if (!QE_MUTANT(path_leak)) cplane_path_free(c, path);
    }
    cplane_trace(c, "session.path_closed", peer, mail->path, mail->close.end);
    if (!peer) return;
    qe_session_on_closed(&peer->session, mail->path, mail->close, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
    cplane_relay_on_closed(c, peer, mail->path, mail->close);
    cplane_peer_refresh(c, peer);
}

void cplane_on_moved(struct qe_cplane *c, const struct qe_mail *mail)
{
    const struct cplane_path *connection = find_path(c, mail->path);
    struct cplane_peer *peer = connection ? connection->peer : NULL;
    struct qe_path *path = peer ? qe_session_path(&peer->session, mail->path) : NULL;
    char text[QE_ADDR_TEXT_SIZE], name[QE_NAME_SIZE];
    if (!path) return;
    path->local = mail->conn.info.local;
    path->remote = mail->conn.info.remote;
    qe_session_on_address(&peer->session, &path->remote, false);
    cplane_store_peer(c, peer, &path->remote);
    cplane_log(c, QE_LOG_INFO, "%s moved to %s", cplane_peer_text(peer, name), qe_addr_format(&path->remote, text));
}

static void bad_message(struct qe_cplane *c, struct cplane_path *path)
{
    qe_count(&c->counters, QE_COUNT_DROP_CONTROL);
    cplane_trace(c, qe_counter_name(QE_COUNT_DROP_CONTROL), path->peer, path->id, 0);
}

// Each may have a snapshot and routes made anew. A node says them when something of it changes, which is rare.
static bool too_many_claims(struct qe_cplane *c, struct cplane_path *path)
{
    if (c->now_ns - path->claims_since_ns >= CLAIMS_PERIOD_NS) {
        path->claims_since_ns = c->now_ns;
        path->claims_count = 0;
    }
    if (++path->claims_count <= CLAIMS_PERIOD_MAX) return false;
    path->refused = true;
    cplane_close_path(c, path->id, QE_CLOSE_LIMIT);
    return true;
}

// Claims follow the hello. They are kept until they may be acted on.
static bool read_claims(struct qe_cplane *c, struct cplane_path *path, struct qe_span body)
{
    struct qe_claims *claims = path->has_hello ? qe_alloc(c->mem, sizeof *claims) : NULL;
    if (!claims || !qe_claims_decode(body, claims)) {
        qe_free(c->mem, claims);
        return false;
    }
    qe_free(c->mem, path->claims);
    path->claims = claims;
    if (path->open) cplane_claims_said(c, path, claims);
    return true;
}

static void read_message(struct qe_cplane *c, struct cplane_path *path, uint8_t type, struct qe_span body)
{
    // Of a peer that leaves nothing is taken in any more: it would stay behind, under an index that is another's soon.
    if (path->refused || (path->peer && path->peer->leaving)) return;
    if (type == QE_MESSAGE_PROOF) {
        cplane_on_proof(c, path, body);
        return;
    }
    if (type == QE_MESSAGE_JOIN || type == QE_MESSAGE_WELCOME || type == QE_MESSAGE_DECLINE) {
        if (type == QE_MESSAGE_JOIN)
            cplane_on_join(c, path, body);
        else if (type == QE_MESSAGE_WELCOME)
            cplane_on_welcome(c, path, body);
        else
            cplane_on_decline(c, path, body);
        return;
    }
    // Before its proof a node says what its dialling said, and nothing else.
    if (path->waiting && !path->open && type != QE_MESSAGE_HELLO && type != QE_MESSAGE_CLAIMS) {
        cplane_refuse(c, path, QE_COUNT_DROP_STRANGER);
        return;
    }
    if (type == QE_MESSAGE_CLAIMS) {
        if (too_many_claims(c, path) || !read_claims(c, path, body)) bad_message(c, path);
        return;
    }
    if (type >= QE_MESSAGE_RELAY_OPEN && type <= QE_MESSAGE_RELAY_QUIET) {
        if (!cplane_relay_on_message(c, path, type, body)) bad_message(c, path);
        return;
    }
    if (type != QE_MESSAGE_HELLO || path->has_hello || !qe_hello_decode(body, &path->hello)) {
        bad_message(c, path);
        return;
    }
    path->has_hello = true;
    if (path->open) {
        apply_hello(c, path);
        cplane_peer_refresh(c, path->peer);
    }
}

void cplane_on_received(struct qe_cplane *c, const struct qe_mail *mail)
{
    struct cplane_path *path =
        make_path(c, mail->path, mail->peer == QE_PEER_NONE ? NULL : c->peers[mail->peer], mail->lane);
    const uint8_t *at = mail->bytes, *end = mail->bytes + mail->size;
    if (!path) return;
    while (at < end) {
        // One message at a time is gathered, its size field first.
        size_t want = path->size < 2 ? 2 : 2 + (size_t)qe_load16(path->bytes);
        if (want > sizeof path->bytes || (path->size >= 2 && want < 3)) {
            bad_message(c, path);
            cplane_close_path(c, path->id, QE_CLOSE_PROTOCOL);
            return;
        }
        size_t take = want - path->size < (size_t)(end - at) ? want - path->size : (size_t)(end - at);
        memcpy(path->bytes + path->size, at, take);
        path->size += take;
        at += take;
        if (path->size < 3 || path->size < 2 + (size_t)qe_load16(path->bytes)) continue;
        read_message(c, path, path->bytes[2], qe_span(path->bytes + 3, path->size - 3));
        path->size = 0;
    }
}

void cplane_goodbye(struct qe_cplane *c)
{
    size_t cursor = 0;
    const struct cplane_path *path;
    if (!c->stopping) cplane_discovery_on_stop(c);
    if (!c->stopping) cplane_portmap_on_stop(c);
    c->stopping = true;
    for (size_t i = 0; i < c->peer_count; i++) {
        c->by_id[i]->session.stopping = true;
        cplane_peer_timer(c, c->by_id[i]);
    }
    while (!QE_MUTANT(goodbye_unsaid) && (path = qe_table_each(c->paths, &cursor)))
        cplane_close_path(c, path->id, QE_CLOSE_GOODBYE);
}
