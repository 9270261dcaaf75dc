// Calls (nat/call.h): what this node tells a peer that it cannot reach yet, and is told, through nodes that both can
// reach. A call is heard from who may connect: a peer, a member of the network, or, while there are invitations,
// somebody who may have one; each makes this node send no more than a few probes.
#include "node/traversal_internal.h"

#include "dht/network.h"
#include "node/discovery_internal.h"
#include "wire/relay.h"

// Attempts of callers that are no peers, at a time.
#define STRANGERS_MAX 8
// A call comes through several holders, and is answered through as many.
#define ANSWERS_MAX 4
// Between two calls of a peer: an attempt takes longer. More would spend the budgets of everybody's addresses.
#define CALLS_APART_NS QE_NS_PER_S

enum qe_candidate_kind calling_kind(enum qe_endpoint_kind said)
{
    return said == QE_ENDPOINT_REFLEXIVE ? QE_CANDIDATE_REFLEXIVE
           : said == QE_ENDPOINT_MAPPED  ? QE_CANDIDATE_MAPPED
                                         : QE_CANDIDATE_HOST;
}

enum qe_call_ports calling_ports(const struct qe_cplane *c)
{
    struct qe_dht_registration list[QE_DHT_HOLDERS_MAX];
    size_t count = qe_dht_registrations(c->discovery->dht, list, QE_DHT_HOLDERS_MAX);
    enum qe_call_ports ports = QE_CALL_PORTS_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct qe_dht_registration *a = &list[i], *b = &list[j];
            if (a->seen.ip.family != b->seen.ip.family || a->seen.ip.family == 0) continue;
            if (qe_ip_equal(&a->holder.addr.ip, &b->holder.addr.ip)) continue;
            if (!qe_addr_equal(&a->seen, &b->seen)) return QE_CALL_PORTS_OTHER;
            ports = QE_CALL_PORTS_SAME;
        }
    }
    return ports;
}

static size_t compose(struct qe_cplane *c, const struct traversal_attempt *a, bool answer, uint8_t *out)
{
    struct qe_node_record record;
    struct qe_call call = {.answer = answer,
        .to = a->attempt.peer,
        .attempt = a->attempt.id,
        .time_ms = c->wall_ms,
        .ports = calling_ports(c)};
    announce_compose(c, &record);
    for (size_t i = 0; i < record.endpoint_count && call.count < QE_CALL_CANDIDATES_MAX; i++)
        call.list[call.count++] =
            (struct qe_call_candidate){calling_kind(record.endpoints[i].kind), record.endpoints[i].addr};
    return qe_call_encode(&call, discovery_in_network(c), c->host, out);
}

bool calling_call(struct qe_cplane *c, struct traversal_attempt *a)
{
    uint8_t bytes[QE_CALL_SIZE_MAX];
    a->said_ports = calling_ports(c);
    size_t size = compose(c, a, false, bytes);
    if (size == 0) return false;
    unsigned sent = qe_dht_signal_send(c->discovery->dht, &a->attempt.peer, qe_span(bytes, size), c->now_ns);
    c->discovery->stirred = true;
    cplane_trace(c, "punch.called", cplane_peer_find(c, &a->attempt.peer), a->attempt.id, sent);
    return sent > 0;
}

static void drop(struct qe_cplane *c)
{
    qe_count(&c->counters, QE_COUNT_DROP_CALL);
}

// A node that both can reach sees the other side there now. A second one has to be at another address.
static void vouch(struct qe_cplane *c, struct traversal_attempt *a, const struct qe_dht_signal *signal)
{
    if (!qe_dht_address_usable(&signal->seen, true) || qe_circuit_is_addr(&signal->seen.ip)) return;
    struct qe_candidate *candidate = qe_attempt_add(&a->attempt, &signal->seen, QE_CANDIDATE_SEEN, c->now_ns);
    if (candidate) qe_attempt_on_vouched(candidate, &signal->holder.addr.ip);
}

// What the other side says of itself.
static void hear(struct qe_cplane *c, struct traversal_attempt *a, const struct qe_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        qe_attempt_add(&a->attempt, &call->list[i].addr, call->list[i].kind, c->now_ns);
    a->answered = true;
    // It may know by now what it did not know before.
    if (call->ports != a->ports) a->looked = false;
    a->ports = call->ports;
    qe_attempt_allow(&a->attempt, QE_ATTEMPT_ASKS, c->now_ns);
    traversal_wake(c, c->now_ns);
}

// Whether that key may call: who is known by its ID and key, and who shows membership by the seal.
static bool may_call(struct qe_cplane *c, const struct cplane_peer *peer, const struct qe_call *call)
{
    if (peer) return !peer->leaving && (!peer->pinned || qe_key_equal(&peer->key, &call->from));
    size_t strangers = 0;
    struct qe_list *all = &c->traversal->attempts;
    for (struct qe_list *at = all->next; at != all; at = at->next)
        strangers += !cplane_peer_find(c, &qe_container(at, struct traversal_attempt, link)->attempt.peer);
    return (call->sealed || c->invite_count > 0) && strangers < STRANGERS_MAX;
}

// A call that was heard before is none, whoever repeats it: of a peer each is later than the last and not too soon
// after it, and the last ones of others are kept.
static bool is_repeated(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_call *call)
{
    struct cplane_traversal *t = c->traversal;
    struct cplane_crossing *x = peer ? traversal_crossing(c, peer) : NULL;
    if (peer) {
        if (!x || call->time_ms <= x->called_ms) return true;
        if (x->called_at_ns && c->now_ns - x->called_at_ns < CALLS_APART_NS) return true;
        x->called_ms = call->time_ms;
        x->called_at_ns = c->now_ns;
        return false;
    }
    for (size_t i = 0; i < TRAVERSAL_HEARD_MAX; i++)
        if (t->heard[i] == call->attempt) return true;
    t->heard[t->next_heard++ % TRAVERSAL_HEARD_MAX] = call->attempt;
    return false;
}

// A member that this node had not heard of: what it signed and sealed says so as its record does.
static struct cplane_peer *meet(struct qe_cplane *c, const struct qe_node_id *id, const struct qe_call *call)
{
    struct cplane_peer *peer = cplane_peer_add(c, id, NULL, CPLANE_WHY_MEMBER);
    struct cplane_crossing *x = peer ? traversal_crossing(c, peer) : NULL;
    if (x) x->called_ms = call->time_ms;
    if (peer) qe_session_limit(&peer->session, c->peer_count > DISCOVERY_EAGER_MAX);
    return peer;
}

static struct traversal_attempt *begin(struct qe_cplane *c, const struct qe_node_id *id, const struct qe_call *call)
{
    struct cplane_peer *peer = cplane_peer_find(c, id);
    if (!may_call(c, peer, call) || is_repeated(c, peer, call)) return NULL;
    if (!peer && call->sealed && discovery_in_network(c)) peer = meet(c, id, call);
    // One is enough: the newest.
    traversal_end_called(c, id);
    struct traversal_attempt *a = traversal_begin(c, id, call->attempt, false);
    if (a) cplane_trace(c, "punch.heard", peer, call->attempt, call->count);
    return a;
}

static void on_call(struct qe_cplane *c, const struct qe_dht_signal *signal, const struct qe_call *call)
{
    uint8_t bytes[QE_CALL_SIZE_MAX];
    struct qe_node_id id = qe_node_id_from_key(&call->from);
    struct traversal_attempt *a = traversal_find(c, call->attempt);
    if (!a) a = begin(c, &id, call);
    if (!a || a->attempt.caller || !qe_node_id_equal(&a->attempt.peer, &id)) {
        drop(c);
        return;
    }
    vouch(c, a, signal);
    hear(c, a, call);
    if (a->answers == ANSWERS_MAX) return;
    a->answers++;
    size_t size = compose(c, a, true, bytes);
    if (size) qe_dht_signal_answer(c->discovery->dht, &signal->way, qe_span(bytes, size), c->now_ns);
    c->discovery->stirred = true;
}

static void on_answer(struct qe_cplane *c, const struct qe_dht_signal *signal, const struct qe_call *call)
{
    struct qe_node_id id = qe_node_id_from_key(&call->from);
    struct traversal_attempt *a = traversal_find(c, call->attempt);
    if (!a || !a->attempt.caller || !qe_node_id_equal(&a->attempt.peer, &id)) {
        drop(c);
        return;
    }
    vouch(c, a, signal);
    hear(c, a, call);
}

static void on_payload(struct qe_cplane *c, const struct qe_dht_signal *signal)
{
    struct qe_call call;
    bool answer = signal->kind == QE_DHT_SIGNAL_ANSWERED;
    if (!c->up || c->stopping) return;
    if (!qe_call_decode(signal->payload, c->host, &call) || !qe_node_id_equal(&call.to, &c->self) ||
        call.answer != answer || !qe_call_is_timely(&call, c->wall_ms))
        drop(c);
    else if (answer)
        on_answer(c, signal, &call);
    else
        on_call(c, signal, &call);
}

// A holder has passed this node's call on, and says where it sees the other side.
static void on_passed(struct qe_cplane *c, const struct qe_dht_signal *signal)
{
    struct traversal_attempt *a = traversal_find_call(c, &signal->target);
    if (!a) return;
    vouch(c, a, signal);
    // It may not have arrived: the last question waits for an answer.
    qe_attempt_allow(&a->attempt, QE_ATTEMPT_ASKS - 1, c->now_ns);
    traversal_wake(c, c->now_ns);
}

void cplane_on_signal(struct qe_cplane *c, const struct qe_dht_signal *signal)
{
    cplane_trace(c, "signal.came", NULL, signal->kind, signal->payload.size);
    if (signal->kind == QE_DHT_SIGNAL_RECEIVED || signal->kind == QE_DHT_SIGNAL_ANSWERED)
        on_payload(c, signal);
    else if (signal->kind == QE_DHT_SIGNAL_PASSED)
        on_passed(c, signal);
}
