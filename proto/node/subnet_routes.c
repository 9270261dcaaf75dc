// Which owner of a network is used, and what follows for the lanes' snapshot and the host's routes.
#include "node/cplane_internal.h"

#include "base/mutants.h"

#define ROUTES_BESIDE 2 // default routes that nobody has

// Claims to one network stand side by side: the end of the group that begins at `first`.
static size_t group_end(const struct qe_subnets *s, size_t first)
{
    const struct qe_cidr *subnet = &s->claims[first].subnet;
    size_t end = first + 1;
    while (end < s->count && s->claims[end].subnet.bits == subnet->bits &&
           qe_ip_equal(&s->claims[end].subnet.ip, &subnet->ip))
        end++;
    return end;
}

// How good a way the owner's session is; higher is better.
static int standing(const struct qe_cplane *c, const struct qe_subnet_claim *claim)
{
    switch (qe_session_state(&c->peers[claim->peer]->session)) {
    case QE_SESSION_CONNECTED:
        return 3;
    case QE_SESSION_UNRESPONSIVE:
        return 2;
    case QE_SESSION_DIALING:
        return 1;
    default:
        return 0;
    }
}

// Whether `a` is to be used rather than `b`, the better one so far. Of two that work the nearer one, by so much that
// they do not take turns; else the longer-standing one.
static bool better(const struct qe_cplane *c, const struct qe_subnet_claim *a, const struct qe_subnet_claim *b)
{
    int x = standing(c, a), y = standing(c, b);
    if (x != y && !QE_MUTANT(owner_failed)) return x > y;
    uint64_t near_us = c->peers[a->peer]->rtt_us, far_us = c->peers[b->peer]->rtt_us;
    if (x == 3 && near_us != 0 && far_us != 0) {
        if (near_us + near_us / 4 + CPLANE_NEARER_US < far_us) return true;
        if (far_us + far_us / 4 + CPLANE_NEARER_US < near_us) return false;
    }
    if (a->in_use != b->in_use) return a->in_use;
    if (a->since_s != b->since_s) return a->since_s < b->since_s;
    return qe_node_id_compare(&a->owner, &b->owner) < 0;
}

bool cplane_choose_owners(struct qe_cplane *c)
{
    struct qe_subnets *s = &c->claims.subnets;
    bool changed = false;
    for (size_t first = 0, end; first < s->count; first = end) {
        struct qe_subnet_claim *best = NULL;
        end = group_end(s, first);
        for (size_t i = first; i < end; i++)
            if (s->claims[i].verdict == QE_SUBNET_ACCEPTED && (!best || better(c, &s->claims[i], best)))
                best = &s->claims[i];
        for (size_t i = first; i < end; i++) {
            struct qe_subnet_claim *claim = &s->claims[i];
            if (claim->in_use == (claim == best)) continue;
            claim->in_use = claim == best;
            changed = true;
        }
    }
    return changed;
}

static size_t count_accepted(const struct qe_subnets *s, size_t first, size_t end)
{
    size_t count = 0;
    for (size_t i = first; i < end; i++)
        count += s->claims[i].verdict == QE_SUBNET_ACCEPTED;
    return count;
}

// Who may send from a network that several own. `owners` begins with an empty list: that of the overlay's own addresses
// and of what is behind this node, which no owner of something wider may send from.
static bool add_shared(const struct qe_cplane *c, struct qe_snapshot *snapshot)
{
    const struct qe_subnets *s = &c->claims.subnets;
    size_t used = 0;
    snapshot->shared = qe_route_table_new(c->mem);
    snapshot->owners = qe_zalloc(c->mem, 1 + 2 * s->count, sizeof *snapshot->owners);
    if (!snapshot->shared || !snapshot->owners) return false;
    snapshot->owners[used++] = QE_ROUTE_NONE;
    for (size_t i = 0; i < 2; i++)
        if (qe_route_table_set(snapshot->shared, &c->own[i], 0) != 0) return false;
    for (size_t i = 0; i < c->config->advertise.count; i++)
        if (qe_route_table_set(snapshot->shared, &c->config->advertise.list[i], 0) != 0) return false;
    for (size_t first = 0, end; first < s->count; first = end) {
        end = group_end(s, first);
        if (count_accepted(s, first, end) == 0) continue;
        if (qe_route_table_set(snapshot->shared, &s->claims[first].subnet, (uint32_t)used) != 0) return false;
        for (size_t i = first; i < end; i++)
            if (s->claims[i].verdict == QE_SUBNET_ACCEPTED) snapshot->owners[used++] = s->claims[i].peer;
        snapshot->owners[used++] = QE_ROUTE_NONE;
    }
    return true;
}

bool cplane_add_subnets(const struct qe_cplane *c, struct qe_snapshot *snapshot)
{
    const struct qe_subnets *s = &c->claims.subnets;
    bool shared = false;
    for (size_t first = 0, end; first < s->count; first = end) {
        end = group_end(s, first);
        shared = shared || count_accepted(s, first, end) > 1;
        for (size_t i = first; i < end; i++)
            if (s->claims[i].in_use &&
                qe_route_table_set(snapshot->routes, &s->claims[i].subnet, s->claims[i].peer) != 0)
                return false;
    }
    for (size_t i = 0; i < c->config->advertise.count; i++)
        if (qe_route_table_set(snapshot->routes, &c->config->advertise.list[i], QE_SNAPSHOT_LOCAL) != 0) return false;
    for (size_t i = 0; i < 2; i++)
        if (qe_route_table_set(snapshot->routes, &c->own[i], QE_SNAPSHOT_OVERLAY) != 0) return false;
    return !shared || add_shared(c, snapshot);
}

// The networks that the host is to route here; how many. At most ROUTES_BESIDE more than there are claims.
static size_t list_routes(const struct qe_cplane *c, struct qe_cidr *out)
{
    const struct qe_subnets *s = &c->claims.subnets;
    const struct qe_cidr defaults[ROUTES_BESIDE] = {{{4, {0}}, 0}, {{6, {0}}, 0}};
    size_t count = 0;
    bool has[ROUTES_BESIDE] = {false, false};
    for (size_t i = 0; i < s->count; i++) {
        const struct qe_cidr *subnet = &s->claims[i].subnet;
        if (!s->claims[i].in_use || !cplane_exit_routes(c, subnet, true)) continue;
        if (subnet->bits == 0) has[subnet->ip.family == 6] = true;
        out[count++] = *subnet;
    }
    for (size_t i = 0; i < ROUTES_BESIDE; i++)
        if (!has[i] && cplane_exit_routes(c, &defaults[i], false)) out[count++] = defaults[i];
    return count;
}

static bool same_routes(const struct cplane_claims *claims, const struct qe_cidr *list, size_t count)
{
    if (count != claims->route_count) return false;
    for (size_t i = 0; i < count; i++)
        if (list[i].bits != claims->routes[i].bits || !qe_ip_equal(&list[i].ip, &claims->routes[i].ip)) return false;
    return true;
}

void cplane_tell_routes(struct qe_cplane *c)
{
    struct cplane_claims *claims = &c->claims;
    if (!c->tun_up) return;
    size_t room = claims->subnets.count + ROUTES_BESIDE;
    struct cplane_action *a = cplane_act(c, QE_ACTION_ROUTES, room * sizeof(struct qe_cidr));
    if (!a) {
        claims->next_s = (int64_t)(c->now_ns / QE_NS_PER_S) + 1;
        return;
    }
    struct qe_cidr *list = (struct qe_cidr *)(void *)a->bytes;
    size_t count = list_routes(c, list);
    bool same = same_routes(claims, list, count);
    struct qe_cidr *kept = same || count <= claims->route_capacity
                               ? claims->routes
                               : qe_realloc(c->mem, claims->routes, room, sizeof *kept);
    if (same || !kept) {
        qe_list_remove(&a->link);
        qe_free(c->mem, a);
        if (!kept) claims->next_s = (int64_t)(c->now_ns / QE_NS_PER_S) + 1;
        return;
    }
    if (kept != claims->routes || count > claims->route_capacity) claims->route_capacity = room;
    claims->routes = kept;
    if (count) memcpy(kept, list, count * sizeof *kept);
    claims->route_count = count;
    a->action.routes = (struct qe_prefixes){CPLANE_REQUEST_ROUTES, list, count};
    cplane_trace(c, "subnet.routes", NULL, count, 0);
}
