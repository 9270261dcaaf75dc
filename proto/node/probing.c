// Probes in and out. What is to be echoed is a keyed hash of the attempt, the address and the socket, so that nothing
// has to be kept for each question, and no answer from elsewhere fits.
#include "node/traversal_internal.h"

#include "node/discovery_internal.h"

#include <sodium/crypto_shorthash.h>

// Answers to questions of attempts that nobody told of: as many at once, and one more each interval.
#define STRANGERS_BURST       128
#define STRANGERS_INTERVAL_NS (10 * QE_NS_PER_MS)
// Between two answers to an address that has proven nothing.
#define ANSWERED_NS (200 * QE_NS_PER_MS)

static uint64_t number(const struct qe_cplane *c, uint64_t attempt, const struct qe_addr *addr, uint32_t socket)
{
    uint8_t text[35], hash[8];
    qe_store64(text, attempt);
    qe_store32(text + 8, socket);
    text[12] = addr->ip.family;
    memcpy(text + 13, addr->ip.bytes, sizeof addr->ip.bytes);
    qe_store16(text + 29, addr->port);
    qe_store32(text + 31, addr->scope);
    crypto_shorthash(hash, text, sizeof text, c->traversal->secret);
    uint64_t value = qe_load64(hash);
    return value ? value : 1;
}

static void queue(struct qe_cplane *c, const struct traversal_out *where, const struct qe_probe *probe)
{
    struct cplane_traversal *t = c->traversal;
    if (t->out_count == TRAVERSAL_OUT_MAX) {
        qe_count(&c->counters, QE_COUNT_DROP_PROBE_LIMIT);
        return;
    }
    struct traversal_out *out = &t->out[(t->out_first + t->out_count++) % TRAVERSAL_OUT_MAX];
    *out = *where;
    if (qe_ip_is_unspecified(&out->local.ip)) out->local = (struct qe_addr){.port = 0};
    qe_probe_encode(probe, out->bytes);
}

bool cplane_probe_send(struct qe_cplane *c, struct qe_pool *pool, struct qe_action *action)
{
    static const uint64_t carried = QE_CARRIED_BIT(PROBE);
    struct cplane_traversal *t = c->traversal;
    struct qe_buf *buf = t->out_count ? qe_pool_take(pool, QE_NODE_DELIVERIES) : NULL;
    if (!buf) return false;
    const struct traversal_out *out = &t->out[t->out_first];
    memcpy(qe_buf_bytes(buf), out->bytes, QE_PROBE_SIZE);
    buf->size = QE_PROBE_SIZE;
    *action = (struct qe_action){.kind = QE_ACTION_SEND,
        .send = {.socket = out->socket,
            .local = out->local,
            .remote = out->remote,
            .buf = buf,
            .segment_size = QE_PROBE_SIZE,
            .carried = c->host->tell_carried ? &carried : NULL}};
    t->out_first = (t->out_first + 1) % TRAVERSAL_OUT_MAX;
    t->out_count--;
    qe_count(&c->counters, QE_COUNT_PROBES_SENT);
    return true;
}

static void ask(struct qe_cplane *c, const struct qe_attempt *a, const struct traversal_out *where)
{
    struct qe_probe probe = {.attempt = a->id, .ask = number(c, a->id, &where->remote, where->socket)};
    memcpy(probe.to, a->peer.bytes, sizeof probe.to);
    memcpy(probe.from, c->self.bytes, sizeof probe.from);
    queue(c, where, &probe);
}

void probing_search(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to, uint32_t socket,
    const struct qe_addr *local)
{
    ask(c, a, &(struct traversal_out){.socket = socket, .local = *local, .remote = *to});
}

bool probing_ask(struct qe_cplane *c, const struct qe_attempt *a, const struct qe_addr *to)
{
    uint32_t socket = discovery_socket(c, &to->ip);
    if (socket == 0) return false;
    if (!qe_budget_ask(c->traversal->budget, to, c->now_ns)) {
        qe_count(&c->counters, QE_COUNT_DROP_PROBE_LIMIT);
        return false;
    }
    ask(c, a, &(struct traversal_out){.socket = socket, .local = c->sockets[socket - 1].bound, .remote = *to});
    return true;
}

// Whether there is an answer left for somebody whose attempt is not known.
static bool may_answer_stranger(struct cplane_traversal *t, uint64_t now_ns)
{
    uint64_t from_ns = t->strangers_ns > now_ns ? t->strangers_ns : now_ns;
    if (from_ns - now_ns > (STRANGERS_BURST - 1) * STRANGERS_INTERVAL_NS) return false;
    t->strangers_ns = from_ns + STRANGERS_INTERVAL_NS;
    return true;
}

// An answer asks in its turn. Another one so soon after would tell nothing new, and spend what the address may be sent.
static bool is_answered(struct qe_cplane *c, struct qe_candidate *candidate)
{
    if (!candidate || candidate->proven) return false;
    if (candidate->answered_ns != 0 && c->now_ns - candidate->answered_ns < ANSWERED_NS) return true;
    candidate->answered_ns = c->now_ns;
    return false;
}

static void answer(struct qe_cplane *c, struct traversal_attempt *a, struct qe_candidate *candidate,
    const struct qe_datagrams *in, const struct qe_probe *asked)
{
    bool proven = candidate && candidate->proven;
    bool free_of_budget = proven || (a && a->search.begun && a->search.answers++ < TRAVERSAL_SEARCH_ANSWERS);
    struct qe_probe probe = {.attempt = asked->attempt, .echo = asked->ask, .seen = in->remote};
    const struct traversal_out where = {.socket = in->socket, .local = in->local, .remote = in->remote};
    if (!free_of_budget && asked->echo == 0 && is_answered(c, candidate)) return;
    if ((!a && !may_answer_stranger(c->traversal, c->now_ns)) ||
        (!free_of_budget && !qe_budget_answer(c->traversal->budget, &in->remote, c->now_ns))) {
        qe_count(&c->counters, QE_COUNT_DROP_PROBE_LIMIT);
        return;
    }
    if (a && !proven) probe.ask = number(c, asked->attempt, &in->remote, in->socket);
    memcpy(probe.to, asked->from, sizeof probe.to);
    memcpy(probe.from, c->self.bytes, sizeof probe.from);
    queue(c, &where, &probe);
    if (a && candidate) qe_attempt_on_heard(&a->attempt, candidate, c->now_ns);
}

static void drop(struct qe_cplane *c)
{
    qe_count(&c->counters, QE_COUNT_DROP_PROBE);
}

void qe_cplane_probe(struct qe_cplane *c, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_probe probe;
    c->now_ns = now_ns;
    c->wall_ms = wall_ms;
    qe_count(&c->counters, QE_COUNT_PROBES_RECEIVED);
    if (!c->up || c->stopping) return;
    if (!qe_probe_decode(qe_span(in->bytes, in->size), &probe) || !qe_probe_for(&probe, &c->self)) {
        drop(c);
        return;
    }
    struct traversal_attempt *a = traversal_find(c, probe.attempt);
    // An attempt is between two nodes.
    if (a && memcmp(probe.from, a->attempt.peer.bytes, sizeof probe.from) != 0) a = NULL;
    bool echoes = a && probe.echo == number(c, probe.attempt, &in->remote, in->socket);
    // An answer to what was asked of another address, as of a NAT that has another mapping for this one by now: it
    // proves nothing, but may ask.
    if (probe.echo != 0 && !echoes && (!a || probe.ask == 0)) {
        drop(c);
        return;
    }
    struct qe_candidate *candidate = a ? qe_attempt_add(&a->attempt, &in->remote, QE_CANDIDATE_MET, c->now_ns) : NULL;
    // Who knows of the attempt has heard of it from a signal; and two nodes see the peer where this came from. It has
    // sent to where this node's packets come from, unless they come from another port for each destination.
    bool vouched = a && a->attempt.caller && candidate && candidate->vouchers > 1 && probe.ask != 0;
    if (vouched && calling_ports(c) == QE_CALL_PORTS_SAME) echoes = true;
    if (echoes) qe_budget_on_proven(c->traversal->budget, &in->remote);
    if (candidate) candidate->socket = in->socket;
    bool fresh = echoes && candidate && !candidate->proven;
    if (fresh) qe_attempt_on_proven(&a->attempt, candidate);
    if (probe.ask != 0) answer(c, a, candidate, in, &probe);
    // It may end the attempt, and is said last.
    if (fresh) traversal_on_proven(c, a, candidate);
    if (a) traversal_wake(c, c->now_ns);
}
