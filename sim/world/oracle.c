#include "world/oracle.h"

#include "net/middlebox.h"
#include "net/reach.h"

// A QUIC Initial fills a UDP payload of 1200 bytes (RFC 9000 §14.1).
#define MTU_MIN(family) (1200u + SIM_UDP_HEADER + ((family) == 6 ? SIM_IP6_HEADER : SIM_IP4_HEADER))
// On the whole way; a worse one may connect, and need not in time.
#define LOSS_MAX_PPB  (SIM_CHANCE_ONE / 5)
#define DELAY_MAX_NS  UINT64_C(1000000000)
#define RATE_MIN_BITS 64000

enum way { BLOCKED, POOR, OPEN };

static enum way pipe_way(const struct sim_pipe *pipe, uint8_t family, uint64_t *loss_ppb, uint64_t *delay_ns)
{
    const struct sim_pipe_settings *s = &pipe->settings;
    *loss_ppb += s->loss_ppb;
    *delay_ns += s->delay_ns + s->jitter_ns;
    if (pipe->down || s->loss_ppb >= SIM_CHANCE_ONE || s->mtu < MTU_MIN(family)) return BLOCKED;
    return s->rate_bits && s->rate_bits < RATE_MIN_BITS ? POOR : OPEN;
}

static size_t neighbour_port(const struct sim_link *link, size_t from, const struct qe_ip *ip)
{
    if (!link->is_switch) return from ^ 1;
    for (size_t i = 0; i < link->neighbour_count; i++)
        if (qe_ip_equal(&link->neighbours[i].ip, ip)) return link->neighbours[i].port;
    return SIM_NONE;
}

// Whether a datagram from `box` to `to` would come to a box that has the address: *end.
static enum way walk(struct sim_box *box, const struct qe_ip *to, struct sim_box **end)
{
    enum way way = OPEN;
    uint64_t loss_ppb = 0, delay_ns = 0;
    for (unsigned hops = 0; hops < SIM_HOPS_MAX; hops++) {
        if (box->middlebox) return POOR;
        if (sim_box_has(box, to)) {
            *end = box;
            return loss_ppb > LOSS_MAX_PPB || delay_ns > DELAY_MAX_NS ? POOR : way;
        }
        const struct sim_route *route = hops == 0 || box->forwards ? sim_box_route(box, to, 0) : NULL;
        if (!route || route->interface->absent) return BLOCKED;
        struct sim_link *link = route->interface->link;
        size_t port = neighbour_port(link, route->interface->port, route->via.family ? &route->via : to);
        if (port == SIM_NONE || port >= link->port_count) return BLOCKED;
        enum way out = pipe_way(&link->ports[route->interface->port].out, to->family, &loss_ppb, &delay_ns);
        enum way in = link->is_switch ? pipe_way(&link->ports[port].in, to->family, &loss_ppb, &delay_ns) : OPEN;
        if (out == BLOCKED || in == BLOCKED || link->ports[port].interface->absent) return BLOCKED;
        if (out == POOR || in == POOR) way = POOR;
        box = link->ports[port].interface->box;
    }
    return BLOCKED;
}

static bool listens(const struct sim_host *host, const struct qe_addr *at)
{
    for (size_t i = 0; i < host->socket_count; i++) {
        const struct qe_addr *bind = &host->sockets[i].bind;
        if (bind->ip.family != at->ip.family || bind->port != at->port) continue;
        if (qe_ip_is_unspecified(&bind->ip) || qe_ip_equal(&bind->ip, &at->ip)) return true;
    }
    return false;
}

// Whether `from` reaches `to` where its configuration says to dial it.
static enum way dials(const struct sim_world *world, size_t from, size_t to)
{
    struct sim_host *a = world->hosts[from], *b = world->hosts[to];
    const struct qe_config_peer *peer = qe_config_find_peer(&a->config, &b->id);
    struct sim_box *end = NULL, *back_end = NULL;
    if (!peer || !peer->addr.ip.family) return BLOCKED;
    enum way there = walk(&a->box, &peer->addr.ip, &end);
    if (there == BLOCKED) return BLOCKED;
    if (!end) return POOR; // behind a middlebox
    if (end != &b->box || !listens(b, &peer->addr)) return BLOCKED;
    struct qe_ip source = sim_box_source(&a->box, &peer->addr.ip, 0);
    if (!source.family) return BLOCKED;
    enum way back = walk(&b->box, &source, &back_end);
    if (back_end && back_end != &a->box) return BLOCKED;
    return back < there ? back : there;
}

// A machine that lacks what a node needs, or does not run one now.
static bool wanting(const struct sim_host *host)
{
    const struct sim_host_faults *f = &host->faults;
    uint64_t now = host->hosts->engine->now_ns;
    return !sim_host_running(host) || host->stopping || sim_host_idle(host) || host->memory.bytes_max ||
           host->memory.faults || host->memory.refused || now < f->buffers_held_until_ns ||
           now < f->sockets_refused_until_ns || !host->tun_open;
}

// Every link up, and good enough.
static bool all_well(const struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario->link_count; i++) {
        const struct sim_link *link = &world->links[i];
        for (size_t k = 0; k < link->port_count; k++) {
            uint64_t loss_ppb = 0, delay_ns = 0;
            if (pipe_way(&link->ports[k].out, 6, &loss_ppb, &delay_ns) != OPEN || link->ports[k].interface->absent)
                return false;
            if (link->is_switch && pipe_way(&link->ports[k].in, 6, &loss_ppb, &delay_ns) != OPEN) return false;
            if (loss_ppb > LOSS_MAX_PPB / 4 || delay_ns > DELAY_MAX_NS / 4) return false;
        }
    }
    return true;
}

static struct sim_reach_node reach_node(struct sim_host *host, const struct sim_host *other)
{
    const struct qe_config_peer *peer = qe_config_find_peer(&host->config, &other->id);
    struct sim_reach_node node = {.box = &host->box};
    if (peer && peer->addr.ip.family) node.dials = &peer->addr;
    for (size_t i = host->socket_count; i-- > 0;)
        if (!node.dials || host->sockets[i].bind.ip.family == node.dials->ip.family)
            node.port = host->sockets[i].bind.port;
    return node;
}

// It asks others where its peers are.
static bool takes_part(const struct sim_host *host)
{
    return host->config.bootstrap_count > 0 || host->config.bootstrap_mode || host->config.mainline;
}

// There is a third node that may connect to both: by it they hear of each other, and punch.
static bool can_meet(const struct sim_world *world, size_t a, size_t b)
{
    for (size_t i = 0; i < world->scenario->host_count; i++)
        if (i != a && i != b && sim_invariants_mutual(&world->invariants, a, i) &&
            sim_invariants_mutual(&world->invariants, b, i))
            return true;
    return false;
}

// Some node relays: whom it reaches, and whether both may use it, is more than is known here.
static bool has_gateway(const struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario->host_count; i++)
        if (world->hosts[i]->runs_node && world->hosts[i]->config.gateway) return true;
    return false;
}

enum sim_oracle sim_oracle_pair(const struct sim_world *world, size_t a, size_t b)
{
    const struct sim_partition *partition = &world->network.partition;
    struct sim_host *one = world->hosts[a], *two = world->hosts[b];
    if (!sim_invariants_mutual(&world->invariants, a, b)) return SIM_ORACLE_IMPOSSIBLE;
    if (wanting(one) || wanting(two)) return SIM_ORACLE_UNCERTAIN;
    if (sim_partition_between(partition, a, b) || sim_partition_between(partition, b, a))
        return has_gateway(world) ? SIM_ORACLE_UNCERTAIN : SIM_ORACLE_IMPOSSIBLE;
    struct sim_reach_node x = reach_node(one, two), y = reach_node(two, one);
    switch (sim_reach_connect(&x, &y)) {
    case SIM_REACH_NO:
        // Those that met before one of them moved may know another way, and so does the DHT.
        if (takes_part(one) || takes_part(two) || one->box.moves || two->box.moves) return SIM_ORACLE_UNCERTAIN;
        return can_meet(world, a, b) ? SIM_ORACLE_UNCERTAIN : SIM_ORACLE_IMPOSSIBLE;
    case SIM_REACH_MAYBE:
        return SIM_ORACLE_UNCERTAIN;
    case SIM_REACH_YES:
        break;
    }
    if (dials(world, a, b) == OPEN || dials(world, b, a) == OPEN || all_well(world)) return SIM_ORACLE_POSSIBLE;
    return SIM_ORACLE_UNCERTAIN;
}
