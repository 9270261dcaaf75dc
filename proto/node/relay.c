#include "node/relay.h"

#include "base/mutants.h"
#include "node/relay_internal.h"

// Circuits with one node, and in all.
#define CIRCUITS_EACH 512
#define CIRCUITS_MAX  16384
// An open or an offer that nothing follows is given up.
#define ANSWER_NS (5 * QE_NS_PER_S)
// What one node may ask for in that time.
#define ASKED_PERIOD_NS (10 * QE_NS_PER_S)
#define ASKED_MAX       64

int cplane_relay_init(struct qe_cplane *c, const uint8_t secret[16])
{
    c->circuits_due_ns = QE_TIME_NEVER;
    c->circuits = qe_table_new(c->mem, 2 * sizeof(uint32_t), CIRCUITS_MAX, secret);
    return c->circuits ? 0 : -1;
}

void cplane_relay_fini(struct qe_cplane *c)
{
    size_t cursor = 0;
    for (struct cplane_circuit *circuit; c->circuits && (circuit = qe_table_each(c->circuits, &cursor));)
        qe_free(c->mem, circuit);
    qe_table_free(c->circuits);
}

bool cplane_is_direct(const struct cplane_peer *peer)
{
    return !peer->leaving && qe_session_is_direct(&peer->session);
}

struct cplane_peer *cplane_path_gateway(const struct qe_cplane *c, const struct qe_path *path)
{
    uint32_t index = path->relayed ? qe_circuit_gateway(&path->remote) : QE_PEER_NONE;
    return index < c->peer_slots ? c->peers[index] : NULL;
}

static struct cplane_circuit *find(const struct qe_cplane *c, const struct cplane_peer *hop, uint32_t number)
{
    const uint32_t key[2] = {hop->index, number};
    return qe_table_get(c->circuits, key);
}

static bool is_outer(const struct qe_path *path)
{
    return !path->relayed && (path->state == QE_PATH_OPEN || path->state == QE_PATH_SILENT);
}

// The connection to say something about circuits on: one that answers, if there is any.
static const struct qe_path *outer_path(const struct cplane_peer *hop)
{
    const struct qe_path *best = NULL;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        const struct qe_path *path = &hop->session.paths[i];
        if (!is_outer(path)) continue;
        if (!best || path->id == hop->session.active || (path->state == QE_PATH_OPEN && best->state != QE_PATH_OPEN))
            best = path;
        if (best->id == hop->session.active) break;
    }
    return best;
}

static void say(struct qe_cplane *c, const struct cplane_peer *hop, const struct qe_relay_message *message)
{
    uint8_t bytes[64];
    const struct qe_path *path = outer_path(hop);
    size_t size = qe_relay_encode(message, bytes, sizeof bytes);
    struct qe_mail *mail = path ? cplane_post(c, path->lane, QE_MAIL_SEND, bytes, size) : NULL;
    // What is not said is found out: packets in a circuit that is none are answered, questions are given up.
    if (mail) mail->path = path->id;
}

static void say_close(struct qe_cplane *c, const struct cplane_peer *hop, uint32_t number, enum qe_relay_end why)
{
    const struct qe_relay_message message = {.type = QE_MESSAGE_RELAY_CLOSE, .circuit = number, .why = why};
    say(c, hop, &message);
}

static void say_plain(struct qe_cplane *c, const struct cplane_circuit *circuit, enum qe_message_type type, bool quiet)
{
    const struct qe_relay_message message = {.type = type, .circuit = circuit->key[1], .quiet = quiet};
    say(c, circuit->hop, &message);
}

// Tells every lane, since the peer's packets may come to any. False without memory.
static bool tell_lanes(struct qe_cplane *c, const struct cplane_circuit *circuit, bool gone)
{
    for (uint8_t lane = 0; lane < c->options.lane_count; lane++) {
        struct qe_mail *mail = cplane_post(c, lane, QE_MAIL_CIRCUIT, NULL, 0);
        if (!mail) return false;
        mail->peer = circuit->key[0];
        mail->circuit.number = circuit->key[1];
        mail->circuit.gone = gone;
        mail->circuit.ends = !circuit->twin;
        if (!circuit->twin) continue;
        mail->circuit.to_peer = circuit->twin->key[0];
        mail->circuit.to_number = circuit->twin->key[1];
    }
    return true;
}

static void set_peer(struct cplane_circuit *circuit, struct cplane_peer *peer)
{
    circuit->peer = peer;
    qe_list_append(&peer->circuit_ends, &circuit->end_link);
}

static struct cplane_circuit *make(struct qe_cplane *c, struct cplane_peer *hop, uint32_t number)
{
    struct cplane_circuit *circuit = hop->circuit_count < CIRCUITS_EACH ? qe_zalloc(c->mem, 1, sizeof *circuit) : NULL;
    if (!circuit) return NULL;
    circuit->key[0] = hop->index;
    circuit->key[1] = number;
    if (qe_table_put(c->circuits, circuit->key, circuit) != 0) {
        qe_free(c->mem, circuit);
        return NULL;
    }
    circuit->hop = hop;
    hop->circuit_count++;
    qe_list_append(&hop->circuits, &circuit->link);
    qe_list_init(&circuit->end_link);
    circuit->give_up_ns = c->now_ns + ANSWER_NS;
    c->circuits_due_ns = qe_time_min(c->circuits_due_ns, circuit->give_up_ns);
    return circuit;
}

// Of the two ends of an outer connection the one with the lower ID has the even numbers.
static bool is_ours(const struct qe_cplane *c, const struct cplane_peer *hop, uint32_t number)
{
    return (number & 1) == (qe_node_id_compare(&c->self, &hop->id) > 0);
}

static struct cplane_circuit *make_ours(struct qe_cplane *c, struct cplane_peer *hop)
{
    uint32_t number, bit = qe_node_id_compare(&c->self, &hop->id) > 0;
    if (hop->circuit_count >= CIRCUITS_EACH) return NULL;
    do
        number = (++hop->circuit_number << 1 | bit) & QE_CIRCUIT_MAX;
    while (find(c, hop, number));
    return make(c, hop, number);
}

static void forget(struct qe_cplane *c, struct cplane_circuit *circuit)
{
    if (circuit->open) tell_lanes(c, circuit, true);
    qe_table_remove(c->circuits, circuit->key);
    qe_list_remove(&circuit->link);
    qe_list_remove(&circuit->end_link);
    circuit->hop->circuit_count--;
    qe_free(c->mem, circuit);
}

// Ends a circuit, and what belongs to it. `told`: its hop knows.
static void end(struct qe_cplane *c, struct cplane_circuit *circuit, enum qe_relay_end why, bool told)
{
    struct cplane_circuit *twin = circuit->twin;
    struct cplane_peer *peer = circuit->peer, *hop = circuit->hop;
    uint64_t path = circuit->path;
    bool asked = circuit->asked;
    cplane_trace(c, "relay.ended", hop, circuit->key[1], why);
    if (!told) say_close(c, hop, circuit->key[1], why);
    if (twin) twin->twin = NULL;
    forget(c, circuit);
    if (twin) end(c, twin, why, false);
    if (path) cplane_close_path(c, path, QE_CLOSE_NONE);
    if (asked && peer) cplane_gateways_on_circuit(c, peer, hop, false, why);
}

bool cplane_relay_open(struct qe_cplane *c, struct cplane_peer *peer, struct cplane_peer *gateway)
{
    if (peer == gateway || peer->leaving || c->stopping || !cplane_is_direct(gateway)) return false;
    if (cplane_relay_state(c, peer, gateway) != CPLANE_CIRCUIT_NONE) return true;
    struct cplane_circuit *circuit = make_ours(c, gateway);
    if (!circuit) return false;
    circuit->asked = true;
    circuit->node = peer->id;
    set_peer(circuit, peer);
    const struct qe_relay_message message = {
        .type = QE_MESSAGE_RELAY_OPEN, .circuit = circuit->key[1], .node = peer->id};
    say(c, gateway, &message);
    cplane_trace(c, "relay.asked", peer, gateway->index, circuit->key[1]);
    return true;
}

void cplane_relay_close(struct qe_cplane *c, struct cplane_peer *peer, const struct cplane_peer *gateway)
{
    for (struct qe_list *at = peer->circuit_ends.next, *next; at != &peer->circuit_ends; at = next) {
        struct cplane_circuit *circuit = qe_container(at, struct cplane_circuit, end_link);
        next = at->next;
        if (!gateway || circuit->hop == gateway) end(c, circuit, QE_RELAY_END_DONE, false);
    }
}

enum cplane_circuit_state cplane_relay_state(
    const struct qe_cplane *c, const struct cplane_peer *peer, const struct cplane_peer *gateway)
{
    enum cplane_circuit_state state = CPLANE_CIRCUIT_NONE;
    (void)c;
    for (const struct qe_list *at = peer->circuit_ends.next; at != &peer->circuit_ends; at = at->next) {
        const struct cplane_circuit *circuit = qe_container(at, struct cplane_circuit, end_link);
        if (circuit->hop != gateway) continue;
        if (circuit->open) return CPLANE_CIRCUIT_OPEN;
        state = CPLANE_CIRCUIT_ASKED;
    }
    return state;
}

size_t cplane_relay_count(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    size_t count = 0, cursor = 0;
    for (const struct cplane_circuit *circuit; (circuit = qe_table_each(c->circuits, &cursor));)
        count += circuit->twin && circuit->open && (!peer || circuit->hop == peer);
    return peer ? count : count / 2;
}

void cplane_relay_forget(struct qe_cplane *c, struct cplane_peer *peer)
{
    while (!qe_list_empty(&peer->circuits))
        end(c, qe_container(peer->circuits.next, struct cplane_circuit, link), QE_RELAY_END_UNREACHABLE, false);
    while (!qe_list_empty(&peer->circuit_ends))
        end(c, qe_container(peer->circuit_ends.next, struct cplane_circuit, end_link), QE_RELAY_END_DONE, false);
}

void cplane_relay_on_restart(struct qe_cplane *c, struct cplane_peer *peer)
{
    while (!qe_list_empty(&peer->circuits))
        end(c, qe_container(peer->circuits.next, struct cplane_circuit, link), QE_RELAY_END_UNREACHABLE, true);
}

// It asks too often.
static bool too_many(const struct qe_cplane *c, struct cplane_peer *hop)
{
    if (c->now_ns - hop->circuits_asked_ns >= ASKED_PERIOD_NS) {
        hop->circuits_asked_ns = c->now_ns;
        hop->circuits_asked = 0;
    }
    return ++hop->circuits_asked > ASKED_MAX;
}

static void on_open(struct qe_cplane *c, struct cplane_peer *hop, const struct qe_relay_message *m)
{
    struct cplane_peer *to = cplane_peer_find(c, &m->node);
    enum qe_relay_end why = QE_RELAY_END_LIMIT;
    struct cplane_circuit *from = NULL, *onward = NULL;
    // Whom nothing is relayed for does not hear who is connected either.
    bool may = !too_many(c, hop) && cplane_gateways_may_relay(c, hop, to ? to : hop, &why);
    if (may) {
        why = QE_RELAY_END_UNREACHABLE;
        may = to && to != hop && cplane_is_direct(to);
    }
    if (may) {
        why = QE_RELAY_END_LIMIT;
        from = make(c, hop, m->circuit);
        onward = from ? make_ours(c, to) : NULL;
    }
    if (!onward) {
        if (from) forget(c, from);
        say_close(c, hop, m->circuit, why);
        cplane_trace(c, "relay.refused", hop, m->circuit, why);
        return;
    }
    from->twin = onward;
    onward->twin = from;
    const struct qe_relay_message offer = {.type = QE_MESSAGE_RELAY_OFFER, .circuit = onward->key[1], .node = hop->id};
    say(c, to, &offer);
    cplane_trace(c, "relay.offered", to, hop->index, onward->key[1]);
}

// Somebody wants this node. Whether it may connect shows in the handshake; a stranger may try where strangers may.
static void on_offer(struct qe_cplane *c, struct cplane_peer *hop, const struct qe_relay_message *m)
{
    struct cplane_peer *peer = cplane_peer_find(c, &m->node);
    enum qe_relay_end why = QE_RELAY_END_UNWANTED;
    struct cplane_circuit *circuit = NULL;
    bool wanted = peer != hop && (peer || c->member) && !c->stopping && !qe_node_id_equal(&m->node, &c->self);
    if (wanted) {
        why = QE_RELAY_END_LIMIT;
        circuit = too_many(c, hop) ? NULL : make(c, hop, m->circuit);
    }
    if (!circuit) {
        say_close(c, hop, m->circuit, why);
        return;
    }
    circuit->node = m->node;
    circuit->open = true;
    circuit->give_up_ns += ANSWER_NS; // it is still to be dialled
    if (peer) set_peer(circuit, peer);
    if (!tell_lanes(c, circuit, false)) {
        end(c, circuit, QE_RELAY_END_LIMIT, false);
        return;
    }
    say_plain(c, circuit, QE_MESSAGE_RELAY_ACCEPT, false);
    cplane_trace(c, "relay.accepted", hop, circuit->key[1], 0);
}

// What this node passes on: the far end has accepted.
static void connect_twins(struct qe_cplane *c, struct cplane_circuit *circuit)
{
    struct cplane_circuit *twin = circuit->twin;
    circuit->open = twin->open = true;
    circuit->give_up_ns = twin->give_up_ns = QE_TIME_NEVER;
    if (!tell_lanes(c, circuit, false) || !tell_lanes(c, twin, false)) {
        end(c, circuit, QE_RELAY_END_LIMIT, false);
        return;
    }
    say_plain(c, twin, QE_MESSAGE_RELAY_ACCEPT, false);
    cplane_trace(c, "relay.opened", circuit->hop, twin->hop->index, circuit->key[1]);
}

static void on_accept(struct qe_cplane *c, struct cplane_circuit *circuit)
{
    // The answer to what this node said, and to nothing else.
    if (circuit->open || !is_ours(c, circuit->hop, circuit->key[1])) return;
    if (circuit->twin) {
        connect_twins(c, circuit);
        return;
    }
    struct cplane_peer *peer = circuit->peer, *hop = circuit->hop;
    const struct qe_addr addr = qe_circuit_addr(hop->index, circuit->key[1]);
    circuit->open = true;
    circuit->give_up_ns = QE_TIME_NEVER;
    if (tell_lanes(c, circuit, false)) circuit->path = cplane_dial_inside(c, peer, &addr, hop->home);
    if (!circuit->path) {
        end(c, circuit, QE_RELAY_END_LIMIT, false);
        return;
    }
    cplane_gateways_on_circuit(c, peer, hop, true, QE_RELAY_END_DONE);
    cplane_peer_refresh(c, peer);
}

static void look_quiet(struct qe_cplane *c, struct cplane_circuit *circuit)
{
    bool quiet = circuit->quiet || circuit->hop->circuits_quiet;
    if (!circuit->peer || !circuit->path) return;
    qe_session_on_quiet(&circuit->peer->session, circuit->path, quiet, c->now_ns);
    // Not from here: what follows from it may open and end circuits.
    qe_heap_set(&c->timers, &circuit->peer->timer, c->now_ns);
}

bool cplane_relay_on_message(struct qe_cplane *c, struct cplane_path *path, uint8_t type, struct qe_span body)
{
    struct qe_relay_message m;
    struct cplane_peer *hop = path->peer;
    const struct qe_path *outer = path->open && hop ? qe_session_path(&hop->session, path->id) : NULL;
    if (!outer || outer->relayed || !qe_relay_decode((enum qe_message_type)type, body, &m)) return false;
    struct cplane_circuit *circuit = find(c, hop, m.circuit);
    switch (m.type) {
    case QE_MESSAGE_RELAY_OPEN:
    case QE_MESSAGE_RELAY_OFFER:
        if (circuit || is_ours(c, hop, m.circuit)) return false;
        if (m.type == QE_MESSAGE_RELAY_OPEN)
            on_open(c, hop, &m);
        else
            on_offer(c, hop, &m);
        break;
    case QE_MESSAGE_RELAY_ACCEPT:
        if (circuit)
            on_accept(c, circuit);
        else
            say_close(c, hop, m.circuit, QE_RELAY_END_UNKNOWN);
        break;
    case QE_MESSAGE_RELAY_CLOSE:
        if (circuit) end(c, circuit, m.why, true);
        break;
    default:
        if (!circuit || circuit->twin) break;
        circuit->quiet = m.quiet;
        look_quiet(c, circuit);
        break;
    }
    return true;
}

void cplane_relay_on_no_circuit(struct qe_cplane *c, const struct qe_mail *mail)
{
    struct cplane_peer *hop = c->peers[mail->peer];
    struct cplane_circuit *circuit = hop ? find(c, hop, mail->circuit.number) : NULL;
    if (hop && !(circuit && circuit->open)) say_close(c, hop, mail->circuit.number, QE_RELAY_END_UNKNOWN);
}

bool cplane_relay_on_path(struct qe_cplane *c, struct cplane_path *path)
{
    if (!qe_circuit_is_addr(&path->info.remote.ip)) return true;
    uint32_t index = qe_circuit_gateway(&path->info.remote);
    struct cplane_peer *hop = index < c->peer_slots ? c->peers[index] : NULL;
    struct cplane_circuit *circuit = hop ? find(c, hop, qe_circuit_number(&path->info.remote)) : NULL;
    // The gateway said who is there; who it is shows only now.
    if (!circuit || !circuit->open || circuit->twin || !qe_node_id_equal(&circuit->node, &path->peer->id)) return false;
    if (!circuit->peer) set_peer(circuit, path->peer);
    if (circuit->path && circuit->path != path->id) return false;
    circuit->path = path->id;
    circuit->give_up_ns = QE_TIME_NEVER;
    return true;
}

void cplane_relay_on_opened(struct qe_cplane *c, struct cplane_peer *peer)
{
    for (struct qe_list *at = peer->circuit_ends.next; at != &peer->circuit_ends; at = at->next) {
        struct cplane_circuit *circuit = qe_container(at, struct cplane_circuit, end_link);
        if (circuit->quiet || circuit->hop->circuits_quiet) look_quiet(c, circuit);
    }
}

void cplane_relay_on_closed(struct qe_cplane *c, struct cplane_peer *peer, uint64_t path, struct qe_conn_close why)
{
    bool meant = why.end == QE_CONN_END_LOCAL || why.end == QE_CONN_END_REMOTE;
    for (struct qe_list *at = peer->circuit_ends.next; at != &peer->circuit_ends; at = at->next) {
        struct cplane_circuit *circuit = qe_container(at, struct cplane_circuit, end_link);
        if (circuit->path != path) continue;
        circuit->path = 0;
        end(c, circuit, meant ? QE_RELAY_END_DONE : QE_RELAY_END_TIMEOUT, false);
        return;
    }
}

void cplane_relay_on_session(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (qe_list_empty(&peer->circuits)) {
        peer->circuits_quiet = false;
        return;
    }
    if (!outer_path(peer)) {
        while (!qe_list_empty(&peer->circuits))
            end(c, qe_container(peer->circuits.next, struct cplane_circuit, link), QE_RELAY_END_UNREACHABLE, true);
        return;
    }
    bool quiet = !qe_session_is_direct(&peer->session);
    if (quiet == peer->circuits_quiet) return;
    peer->circuits_quiet = quiet;
    for (struct qe_list *at = peer->circuits.next; at != &peer->circuits; at = at->next) {
        struct cplane_circuit *circuit = qe_container(at, struct cplane_circuit, link);
        if (!circuit->twin)
            look_quiet(c, circuit);
        else if (circuit->open)
            say_plain(c, circuit->twin, QE_MESSAGE_RELAY_QUIET, quiet);
    }
}

void cplane_relay_expire(struct qe_cplane *c)
{
    uint64_t next_ns = QE_TIME_NEVER;
    size_t cursor = 0;
    if (c->circuits_due_ns > c->now_ns) return;
    for (struct cplane_circuit *circuit; (circuit = qe_table_each(c->circuits, &cursor));) {
        if (circuit->give_up_ns > c->now_ns) {
            next_ns = qe_time_min(next_ns, circuit->give_up_ns);
            continue;
        }
        // It takes a twin with it: begin anew.
        end(c, circuit, QE_RELAY_END_TIMEOUT, false);
        cursor = 0;
        next_ns = QE_TIME_NEVER;
    }
    c->circuits_due_ns = next_ns;
}

uint64_t cplane_relay_deadline(const struct qe_cplane *c)
{
    return c->circuits_due_ns;
}
