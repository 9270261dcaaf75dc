// The search for the port of a peer whose NAT chooses one for each destination, by a node whose own NAT does not: the
// one opens many sockets and asks from each, the other one asks many ports, both at most 100 times a second. It is made
// only towards where two nodes see the peer right now; it ends at once where any connection falls silent meanwhile, and
// is made ever more rarely where it finds nothing.
#include "node/traversal_internal.h"

#include "node/discovery_internal.h"

// How long the usual questions have first.
#define PATIENCE_NS (2 * QE_NS_PER_S)
#define SEARCH_NS   (QE_SEARCH_PORTS * QE_SEARCH_INTERVAL_NS + 3 * QE_NS_PER_S)
// Until there is another search for the same peer: doubled with each, up to the last.
#define AGAIN_FIRST_NS (600 * QE_NS_PER_S)
#define AGAIN_LAST_NS  (4 * 3600 * QE_NS_PER_S)
// A socket that won is kept while it has a connection, which it has this long to get.
#define KEPT_NS (20 * QE_NS_PER_S)

static void close_socket(struct qe_cplane *c, uint32_t id)
{
    struct cplane_action *action = cplane_act(c, QE_ACTION_SOCKET_CLOSE, 0);
    if (action) action->action.socket_close = id;
}

// How many nodes of different households see the peer at that IP.
static unsigned vouchers_of(const struct qe_attempt *a, const struct qe_ip *ip)
{
    const struct qe_ip *first = NULL;
    for (size_t i = 0; i < a->count; i++) {
        const struct qe_candidate *x = &a->list[i];
        if (x->vouchers == 0 || !qe_ip_equal(&x->addr.ip, ip)) continue;
        if (x->vouchers > 1 || (first && !qe_attempt_same_voucher(first, &x->voucher))) return 2;
        first = &x->voucher;
    }
    return first ? 1 : 0;
}

// Where to search: of the addresses at which two nodes see the peer, the one with the highest port.
static const struct qe_candidate *target_of(const struct qe_attempt *a)
{
    const struct qe_candidate *best = NULL;
    for (size_t i = 0; i < a->count; i++) {
        const struct qe_candidate *x = &a->list[i];
        if (x->vouchers == 0 || vouchers_of(a, &x->addr.ip) < 2) continue;
        if (!best || x->addr.port > best->addr.port) best = x;
    }
    return best;
}

static bool is_busy(const struct cplane_traversal *t, bool hard)
{
    for (const struct qe_list *at = t->attempts.next; at != &t->attempts; at = at->next) {
        const struct traversal_attempt *a = qe_container(at, struct traversal_attempt, link);
        if (a->search.begun && a->search.hard == hard) return true;
    }
    return false;
}

static void begin(struct qe_cplane *c, struct traversal_attempt *a, struct cplane_peer *peer)
{
    enum qe_call_ports own = calling_ports(c);
    bool hard = own == QE_CALL_PORTS_OTHER && a->ports == QE_CALL_PORTS_SAME;
    bool easy = own == QE_CALL_PORTS_SAME && a->ports == QE_CALL_PORTS_OTHER;
    const struct qe_candidate *target = target_of(&a->attempt);
    struct cplane_crossing *x = traversal_crossing(c, peer);
    if (!x || !target || (!hard && !easy) || c->now_ns < x->search_at_ns || is_busy(c->traversal, hard)) return;
    a->search = (struct traversal_search){.begun = true, .hard = hard, .next_ns = c->now_ns, .to = target->addr};
    if (easy) qe_search_init(&a->search.ports, target->addr.port, cplane_random32(c, QE_RANDOM_NAT));
    a->attempt.until_ns = c->now_ns + SEARCH_NS;
    uint64_t wait_ns = AGAIN_FIRST_NS;
    for (unsigned i = 0; i < x->searches && wait_ns < AGAIN_LAST_NS; i++)
        wait_ns *= 2;
    x->searches++;
    x->search_at_ns = c->now_ns + qe_time_min(wait_ns, AGAIN_LAST_NS);
    qe_count(&c->counters, QE_COUNT_PUNCH_SEARCHES);
    cplane_trace(c, "punch.search", peer, a->attempt.id, hard);
}

// Opens one more; its question is asked when it is there.
static void open_socket(struct qe_cplane *c, struct traversal_attempt *a)
{
    struct cplane_traversal *t = c->traversal;
    if (!t->sockets) t->sockets = qe_zalloc(c->mem, TRAVERSAL_SOCKETS_MAX, sizeof *t->sockets);
    struct cplane_action *action =
        t->sockets && t->socket_count < TRAVERSAL_SOCKETS_MAX ? cplane_act(c, QE_ACTION_SOCKET_OPEN, 0) : NULL;
    if (!action) return;
    struct traversal_socket *socket = &t->sockets[t->socket_count++];
    *socket = (struct traversal_socket){.id = TRAVERSAL_SOCKET_FIRST + t->next_socket++, .attempt = a->attempt.id};
    action->action.socket_open.request = CPLANE_REQUEST_SEARCH + socket->id;
    action->action.socket_open.socket = socket->id;
    action->action.socket_open.bind.ip.family = a->search.to.ip.family;
}

static struct traversal_socket *find(struct cplane_traversal *t, uint32_t id)
{
    for (size_t i = 0; i < t->socket_count; i++)
        if (t->sockets[i].id == id) return &t->sockets[i];
    return NULL;
}

static void forget(struct cplane_traversal *t, struct traversal_socket *socket)
{
    *socket = t->sockets[--t->socket_count];
}

bool cplane_traversal_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    struct cplane_traversal *t = c->traversal;
    if (result->request < CPLANE_REQUEST_SEARCH || result->request - CPLANE_REQUEST_SEARCH > UINT32_MAX) return false;
    uint32_t id = (uint32_t)(result->request - CPLANE_REQUEST_SEARCH);
    struct traversal_socket *socket = find(t, id);
    if (result->code != QE_RESULT_OK) {
        if (socket) forget(t, socket);
        return true;
    }
    struct traversal_attempt *a = socket ? traversal_find(c, socket->attempt) : NULL;
    if (!a || !a->search.begun) {
        if (socket) forget(t, socket);
        close_socket(c, id);
        return true;
    }
    socket->bound = result->local;
    probing_search(c, &a->attempt, &a->search.to, id, &socket->bound);
    return true;
}

// One packet of it, where one is due.
static void step(struct qe_cplane *c, struct traversal_attempt *a)
{
    struct traversal_search *s = &a->search;
    if (s->next_ns > c->now_ns) return;
    s->next_ns = c->now_ns + QE_SEARCH_INTERVAL_NS;
    if (s->hard) {
        if (s->sent++ < QE_SEARCH_SOCKETS)
            open_socket(c, a);
        else
            s->next_ns = QE_TIME_NEVER;
        return;
    }
    struct qe_addr to = s->to;
    uint32_t socket = discovery_socket(c, &to.ip);
    to.port = qe_search_next(&s->ports);
    if (to.port == 0 || socket == 0)
        s->next_ns = QE_TIME_NEVER;
    else
        probing_search(c, &a->attempt, &to, socket, &c->sockets[socket - 1].bound);
}

void searching_work(struct qe_cplane *c, struct traversal_attempt *a, struct cplane_peer *peer)
{
    if (!a->search.begun) {
        uint64_t at_ns = a->attempt.since_ns + PATIENCE_NS;
        if (!c->config->birthday || a->looked || !a->answered || a->attempt.proven || !peer) return;
        if (at_ns > c->now_ns) {
            traversal_wake(c, at_ns);
            return;
        }
        a->looked = true;
        // Both sides have to know which of them is the hard one.
        if (a->attempt.caller && a->said_ports != calling_ports(c)) calling_call(c, a);
        begin(c, a, peer);
    }
    if (!a->search.begun || a->attempt.proven) return;
    step(c, a);
    traversal_wake(c, a->search.next_ns);
}

static bool has_path(const struct qe_cplane *c, uint32_t socket)
{
    size_t cursor = 0;
    const struct cplane_path *path;
    while ((path = qe_table_each(c->paths, &cursor)))
        if (path->info.socket == socket) return true;
    return false;
}

// It is of use from now on, for a while at least.
static void keep(struct qe_cplane *c, struct traversal_socket *socket)
{
    socket->won_ns = c->now_ns;
    c->traversal->look_at_ns = qe_time_min(c->traversal->look_at_ns, c->now_ns + KEPT_NS);
    traversal_wake(c, c->traversal->look_at_ns);
}

void searching_end(struct qe_cplane *c, const struct traversal_attempt *a)
{
    struct cplane_traversal *t = c->traversal;
    for (size_t i = t->socket_count; i-- > 0;) {
        struct traversal_socket *socket = &t->sockets[i];
        if (socket->attempt != a->attempt.id || socket->won_ns || socket->bound.ip.family == 0) continue;
        // The peer found several, and has dialled this one as well.
        if (has_path(c, socket->id)) {
            keep(c, socket);
            continue;
        }
        close_socket(c, socket->id);
        forget(t, socket);
    }
}

void searching_on_proven(struct qe_cplane *c, uint32_t id, const struct qe_addr *at)
{
    struct traversal_socket *socket = find(c->traversal, id);
    if (!socket) return;
    socket->remote = *at;
    keep(c, socket);
}

uint32_t cplane_traversal_socket(const struct qe_cplane *c, const struct qe_addr *to, struct qe_addr *local)
{
    const struct cplane_traversal *t = c->traversal;
    for (size_t i = 0; i < t->socket_count; i++) {
        if (!t->sockets[i].won_ns || !qe_addr_equal(&t->sockets[i].remote, to)) continue;
        *local = t->sockets[i].bound;
        return t->sockets[i].id;
    }
    return 0;
}

// Closes what won and is of no use any more. What ended since the last look may still have a goodbye to say again.
void searching_look(struct qe_cplane *c)
{
    struct cplane_traversal *t = c->traversal;
    if (t->look_at_ns > c->now_ns) {
        traversal_wake(c, t->look_at_ns);
        return;
    }
    t->look_at_ns = QE_TIME_NEVER;
    for (size_t i = t->socket_count; i-- > 0;) {
        struct traversal_socket *socket = &t->sockets[i];
        if (!socket->won_ns) continue;
        t->look_at_ns = c->now_ns + KEPT_NS;
        bool idle = c->now_ns - socket->won_ns >= KEPT_NS && !has_path(c, socket->id);
        bool was_idle = socket->idle;
        socket->idle = idle;
        if (!idle || !was_idle) continue;
        close_socket(c, socket->id);
        forget(t, socket);
    }
    if (t->look_at_ns != QE_TIME_NEVER) traversal_wake(c, t->look_at_ns);
}

void cplane_traversal_on_damage(struct qe_cplane *c)
{
    struct qe_list *all = &c->traversal->attempts;
    for (struct qe_list *at = all->next; at != all; at = at->next) {
        struct traversal_attempt *a = qe_container(at, struct traversal_attempt, link);
        if (!a->search.begun || a->attempt.proven) continue;
        cplane_trace(c, "punch.damage", cplane_peer_find(c, &a->attempt.peer), a->attempt.id, 0);
        a->attempt.until_ns = c->now_ns;
        traversal_wake(c, c->now_ns);
    }
}
