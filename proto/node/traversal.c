// The way to a peer through NATs. Where a peer is said to be is no reason to dial it there: each address is asked with
// a small probe first, and only one that echoes is dialled. Attempts are made while there is no direct path, at once
// when an address is new, then ever more rarely, and sooner where packets wait.
#include "node/traversal_internal.h"

#include "dht/network.h"
#include "node/discovery_internal.h"

// Between two attempts at the same addresses: the first one is as long as budgets say (nat/budget.h).
#define AGAIN_FIRST_NS (32 * QE_NS_PER_S)
#define AGAIN_LAST_NS  (300 * QE_NS_PER_S)
// The same where packets wait.
#define WANTED_FIRST_NS (5 * QE_NS_PER_S)
#define WANTED_LAST_NS  (40 * QE_NS_PER_S)
// For how long the side that was called waits for the other one's connection.
#define CALLED_WAITS_NS (500 * QE_NS_PER_MS)
// How long the questions to somebody who seems to be behind no NAT have before it is told of them.
#define CALL_PATIENCE_NS (400 * QE_NS_PER_MS)
// A call that was not answered is made again after this, so often.
#define CALL_AGAIN_NS (3 * QE_NS_PER_S)
#define CALLS_SOON    2
// For how long questions wait where nobody is known that could tell the other side.
#define HELD_NS (2500 * QE_NS_PER_MS)
// How many attempts are made for a peer whose session is limited, until there is a reason for more.
#define LIMITED_FAILURES 16

int cplane_traversal_new(struct qe_cplane *c)
{
    uint8_t secret[16];
    struct cplane_traversal *t = qe_zalloc(c->mem, 1, sizeof *t);
    if (!t) return -1;
    qe_list_init(&t->attempts);
    t->at_ns = t->look_at_ns = QE_TIME_NEVER;
    c->traversal = t;
    c->host->random(c->host->user, QE_RANDOM_NAT, t->secret, sizeof t->secret);
    c->host->random(c->host->user, QE_RANDOM_NAT, secret, sizeof secret);
    t->budget = qe_budget_new(c->mem, secret);
    return t->budget ? 0 : -1;
}

static void end(struct qe_cplane *c, struct traversal_attempt *a)
{
    searching_end(c, a);
    qe_list_remove(&a->link);
    c->traversal->attempt_count--;
    qe_free(c->mem, a);
}

void cplane_traversal_free(struct qe_cplane *c)
{
    struct cplane_traversal *t = c->traversal;
    if (!t) return;
    while (!qe_list_empty(&t->attempts))
        end(c, qe_container(t->attempts.next, struct traversal_attempt, link));
    qe_budget_free(t->budget);
    qe_free(c->mem, t->sockets);
    qe_free(c->mem, t);
    c->traversal = NULL;
}

void traversal_wake(struct qe_cplane *c, uint64_t at_ns)
{
    c->traversal->at_ns = qe_time_min(c->traversal->at_ns, at_ns);
}

struct traversal_attempt *traversal_find(struct qe_cplane *c, uint64_t id)
{
    struct qe_list *all = &c->traversal->attempts;
    for (struct qe_list *at = all->next; at != all; at = at->next) {
        struct traversal_attempt *a = qe_container(at, struct traversal_attempt, link);
        if (a->attempt.id == id) return a;
    }
    return NULL;
}

bool cplane_knows_address(const struct cplane_peer *peer)
{
    return peer->session.candidate_count > 0 || (peer->crossing && peer->crossing->said_count > 0);
}

uint64_t cplane_crossing_deadline(const struct cplane_peer *peer)
{
    return peer->crossing && !peer->leaving ? peer->crossing->at_ns : QE_TIME_NEVER;
}

static bool is_tried(const struct cplane_peer *peer)
{
    const struct qe_session *s = &peer->session;
    if (peer->leaving || s->stopping || qe_session_is_direct(&peer->session)) return false;
    if (s->lazy && !peer->crossing->wanted) return false;
    return !s->limited || peer->crossing->failures < LIMITED_FAILURES || peer->crossing->wanted;
}

struct cplane_crossing *traversal_crossing(struct qe_cplane *c, struct cplane_peer *peer)
{
    if (peer->crossing) return peer->crossing;
    peer->crossing = qe_zalloc(c->mem, 1, sizeof *peer->crossing);
    if (peer->crossing) peer->crossing->at_ns = QE_TIME_NEVER;
    return peer->crossing;
}

static bool same_endpoints(const struct cplane_crossing *x, const struct qe_endpoint *list, size_t count)
{
    bool same = x->said_count == count;
    for (size_t i = 0; same && i < count; i++)
        same = qe_addr_equal(&x->said[i].addr, &list[i].addr);
    return same;
}

void cplane_traversal_learn(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_endpoint *list, size_t count)
{
    struct cplane_crossing *x = traversal_crossing(c, peer);
    if (!x) return;
    if (count > QE_NODE_RECORD_ENDPOINTS_MAX) count = QE_NODE_RECORD_ENDPOINTS_MAX;
    if (!same_endpoints(x, list, count)) x->failures = 0;
    memcpy(x->said, list, count * sizeof *list);
    x->said_count = count;
    if (count == 0) x->at_ns = QE_TIME_NEVER;
    // Of a member that is dialled only when packets want it, it is good to know.
    if (count == 0 || x->attempt || !is_tried(peer)) return;
    x->at_ns = c->now_ns;
    cplane_peer_timer(c, peer);
}

void cplane_traversal_on_wanted(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_crossing *x = peer->crossing;
    if (!x || qe_session_is_direct(&peer->session)) return;
    uint64_t wait_ns = WANTED_FIRST_NS;
    x->wanted = true;
    for (unsigned i = 1; i < x->failures && wait_ns < WANTED_LAST_NS; i++)
        wait_ns *= 2;
    if (x->attempt || x->said_count == 0) return;
    uint64_t at_ns = x->tried_ns ? x->tried_ns + wait_ns : c->now_ns;
    if (at_ns < x->at_ns) x->at_ns = at_ns;
}

void cplane_traversal_on_lost(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_crossing *x = peer->crossing;
    if (!x || x->attempt || x->said_count == 0 || !is_tried(peer)) return;
    // The call tells of new addresses, which may be asked at once.
    uint64_t at_ns = x->tried_ns ? x->tried_ns + WANTED_FIRST_NS : 0;
    if (at_ns < c->now_ns) at_ns = c->now_ns;
    x->failures = 0;
    if (at_ns < x->at_ns) x->at_ns = at_ns;
    if (c->now_ns - x->tried_ns < QE_BUDGET_WINDOW_NS) return;
    for (size_t i = 0; i < x->said_count; i++)
        qe_budget_on_reason(c->traversal->budget, &x->said[i].addr);
}

void cplane_traversal_on_network(struct qe_cplane *c)
{
    if (!c->up) return;
    qe_budget_on_network(c->traversal->budget);
    for (size_t i = 0; i < c->peer_count; i++) {
        struct cplane_crossing *x = c->by_id[i]->crossing;
        if (!x || x->attempt || !is_tried(c->by_id[i])) continue;
        x->failures = 0;
        x->at_ns = c->now_ns;
        cplane_peer_timer(c, c->by_id[i]);
    }
}

struct traversal_attempt *traversal_begin(struct qe_cplane *c, const struct qe_node_id *peer, uint64_t id, bool caller)
{
    struct cplane_traversal *t = c->traversal;
    struct traversal_attempt *a = t->attempt_count < TRAVERSAL_ATTEMPTS_MAX ? qe_zalloc(c->mem, 1, sizeof *a) : NULL;
    if (!a) return NULL;
    qe_attempt_init(&a->attempt, id, peer, caller, c->now_ns);
    a->dial_at_ns = a->call_at_ns = QE_TIME_NEVER;
    qe_list_append(&t->attempts, &a->link);
    t->attempt_count++;
    traversal_wake(c, c->now_ns);
    qe_count(&c->counters, QE_COUNT_PUNCH_ATTEMPTS);
    return a;
}

struct traversal_attempt *traversal_find_call(struct qe_cplane *c, const struct qe_node_id *peer)
{
    struct cplane_peer *known = cplane_peer_find(c, peer);
    return known && known->crossing && known->crossing->attempt ? traversal_find(c, known->crossing->attempt) : NULL;
}

void traversal_end_called(struct qe_cplane *c, const struct qe_node_id *peer)
{
    struct qe_list *all = &c->traversal->attempts;
    for (struct qe_list *at = all->next, *next; at != all; at = next) {
        struct traversal_attempt *a = qe_container(at, struct traversal_attempt, link);
        next = at->next;
        if (!a->attempt.caller && qe_node_id_equal(&a->attempt.peer, peer)) end(c, a);
    }
}

// Whether the peer is behind a NAT, as far as its endpoints tell: it has no interface with an address of the internet.
static bool is_behind_nat(const struct cplane_crossing *x)
{
    for (size_t i = 0; i < x->said_count; i++)
        if (x->said[i].kind == QE_ENDPOINT_HOST && !qe_dht_address_private(&x->said[i].addr.ip)) return false;
    return true;
}

static void call(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_crossing *x = peer->crossing;
    uint64_t id = cplane_random64(c, QE_RANDOM_NAT) | 1;
    struct traversal_attempt *a = traversal_begin(c, &peer->id, id, true);
    if (!a) {
        x->at_ns = c->now_ns + discovery_spread(c, QE_NS_PER_S);
        return;
    }
    x->attempt = id;
    x->tried_ns = c->now_ns;
    x->at_ns = QE_TIME_NEVER;
    x->wanted = false;
    for (size_t i = 0; i < x->said_count; i++)
        qe_attempt_add(&a->attempt, &x->said[i].addr, calling_kind(x->said[i].kind), c->now_ns);
    bool behind_nat = is_behind_nat(x);
    if (behind_nat) a->attempt.asks = x->unanswered ? 0 : 1;
    a->call_at_ns = c->now_ns + (behind_nat ? 0 : CALL_PATIENCE_NS);
    cplane_trace(c, "punch.begun", peer, id, a->attempt.count);
}

void cplane_traversal_on_peer(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct cplane_crossing *x = peer->crossing;
    if (!x || !c->up) return;
    if (qe_session_is_direct(&peer->session)) {
        x->failures = 0;
        x->wanted = false;
    }
    if (x->attempt || x->said_count == 0) return;
    if (!is_tried(peer)) {
        x->at_ns = QE_TIME_NEVER;
    } else if (x->at_ns == QE_TIME_NEVER) {
        // It was there until now, and is dialled where it was met; if that is in vain there are the other addresses.
        x->at_ns = c->now_ns + discovery_spread(c, QE_NS_PER_S / 2);
    } else if (x->at_ns <= c->now_ns) {
        call(c, peer);
    }
}

void cplane_traversal_forget(struct qe_cplane *c, struct cplane_peer *peer)
{
    const struct cplane_peer *known = cplane_peer_find(c, &peer->id);
    if (known && known != peer) return; // it has come back since, and they are its own
    struct qe_list *all = &c->traversal->attempts;
    for (struct qe_list *at = all->next, *next; at != all; at = next) {
        struct traversal_attempt *a = qe_container(at, struct traversal_attempt, link);
        next = at->next;
        if (qe_node_id_equal(&a->attempt.peer, &peer->id)) end(c, a);
    }
}

static void dial(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_addr *addr)
{
    qe_session_on_proven(&peer->session, addr, c->now_ns);
    cplane_peer_timer(c, peer);
}

void traversal_on_proven(struct qe_cplane *c, struct traversal_attempt *a, struct qe_candidate *candidate)
{
    struct cplane_peer *peer = cplane_peer_find(c, &a->attempt.peer);
    qe_count(&c->counters, QE_COUNT_PUNCH_PROVEN);
    cplane_trace(c, "punch.proven", peer, a->attempt.id, candidate->kind);
    searching_on_proven(c, candidate->socket, &candidate->addr);
    if (!peer) return; // it dials, and proves that it may
    if (a->attempt.caller) {
        dial(c, peer, &candidate->addr);
    } else if (a->dial_at_ns == QE_TIME_NEVER) {
        a->dial = candidate->addr;
        a->dial_at_ns = c->now_ns + CALLED_WAITS_NS;
    }
}

static void plan_next(struct qe_cplane *c, struct cplane_crossing *x)
{
    unsigned failures = x->failures++;
    // Where the call was not answered, whoever passes it on may see the peer again by then; that costs it nothing.
    if (x->unanswered && failures < CALLS_SOON) {
        x->at_ns = c->now_ns + discovery_spread(c, CALL_AGAIN_NS);
        return;
    }
    if (failures >= CALLS_SOON) failures -= CALLS_SOON;
    x->at_ns = c->now_ns + discovery_back_off(c, failures, AGAIN_FIRST_NS, AGAIN_LAST_NS);
    // Less would find the budgets spent.
    if (x->at_ns < c->now_ns + QE_BUDGET_WINDOW_NS) x->at_ns = c->now_ns + QE_BUDGET_WINDOW_NS;
}

// The attempt's time is up.
static void on_over(struct qe_cplane *c, struct traversal_attempt *a)
{
    struct cplane_peer *peer = cplane_peer_find(c, &a->attempt.peer);
    struct cplane_crossing *x = peer ? peer->crossing : NULL;
    cplane_trace(c, a->attempt.proven ? "punch.over" : "punch.vain", peer, a->attempt.id, a->attempt.count);
    if (x && x->attempt == a->attempt.id) {
        x->attempt = 0;
        x->unanswered = !a->answered && !a->attempt.proven;
        plan_next(c, x);
    }
    bool vain = peer && !a->attempt.proven && !qe_session_is_direct(&peer->session);
    enum cplane_undirect why = a->attempt.caller && !a->answered ? CPLANE_UNDIRECT_ABSENT : CPLANE_UNDIRECT_NAT;
    end(c, a);
    if (!peer) return;
    if (vain) cplane_detour_on_direct_failed(c, peer, why);
    cplane_traversal_on_peer(c, peer);
    cplane_peer_timer(c, peer);
}

// A direct path has opened since.
static bool is_done(const struct cplane_peer *peer, const struct qe_attempt *a)
{
    for (size_t i = 0; peer && i < QE_SESSION_PATHS_MAX; i++) {
        const struct qe_path *path = &peer->session.paths[i];
        if (path->state == QE_PATH_OPEN && !path->relayed && path->since_ns >= a->since_ns) return true;
    }
    return false;
}

static void ask_all(struct qe_cplane *c, struct traversal_attempt *t)
{
    struct qe_attempt *a = &t->attempt;
    struct qe_candidate *candidate;
    // Without anybody to tell the other side it may find the same addresses by itself.
    if (t->call_waits && c->now_ns - a->since_ns >= HELD_NS) qe_attempt_allow(a, QE_ATTEMPT_ASKS, c->now_ns);
    while ((candidate = qe_attempt_due(a, c->now_ns))) {
        if (probing_ask(c, a, &candidate->addr))
            qe_attempt_on_asked(a, candidate, c->now_ns);
        else
            qe_attempt_on_refused(a, candidate);
    }
}

static void tell(struct qe_cplane *c, struct traversal_attempt *a, struct cplane_peer *peer)
{
    if (a->call_at_ns > c->now_ns) return;
    a->call_at_ns = QE_TIME_NEVER;
    if (a->attempt.proven || calling_call(c, a)) return;
    a->call_waits = true;
    if (peer) cplane_discovery_seek(c, peer);
}

void cplane_traversal_on_looked_up(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct traversal_attempt *a = traversal_find_call(c, &peer->id);
    if (a && a->call_waits) a->call_waits = !calling_call(c, a);
}

static void work(struct qe_cplane *c, struct traversal_attempt *a)
{
    struct cplane_peer *peer = cplane_peer_find(c, &a->attempt.peer);
    bool done = is_done(peer, &a->attempt);
    if (!done) {
        ask_all(c, a);
        tell(c, a, peer);
        searching_work(c, a, peer);
    }
    if (a->dial_at_ns <= c->now_ns) {
        a->dial_at_ns = QE_TIME_NEVER;
        if (peer) dial(c, peer, &a->dial);
    }
    if (a->attempt.until_ns <= c->now_ns) {
        on_over(c, a);
        return;
    }
    traversal_wake(c, qe_time_min(a->attempt.until_ns, a->dial_at_ns));
    if (done) return;
    traversal_wake(c, qe_time_min(qe_attempt_deadline(&a->attempt), a->call_at_ns));
    if (a->call_waits && a->attempt.asks < QE_ATTEMPT_ASKS) traversal_wake(c, a->attempt.since_ns + HELD_NS);
}

void cplane_traversal_expire(struct qe_cplane *c)
{
    struct cplane_traversal *t = c->traversal;
    struct qe_list *next;
    if (t->at_ns > c->now_ns || !c->up || c->stopping) return;
    t->at_ns = QE_TIME_NEVER; // each says when it is due again
    searching_look(c);
    for (struct qe_list *at = t->attempts.next; at != &t->attempts; at = next) {
        next = at->next;
        work(c, qe_container(at, struct traversal_attempt, link));
    }
}

uint64_t cplane_traversal_deadline(const struct qe_cplane *c)
{
    return c->up && !c->stopping ? c->traversal->at_ns : QE_TIME_NEVER;
}
