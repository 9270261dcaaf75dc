// A machine's network layer: which way a datagram leaves, and whose it is when it arrives.
#include "engine/memory.h"
#include "net/middlebox.h"
#include "net/network.h"

#include <assert.h>
#include <stdlib.h>

void sim_network_init(struct sim_network *network, struct sim_engine *engine, struct sim_trace *trace, uint64_t seed,
    void (*deliver)(struct sim_box *box, struct sim_packet *packet))
{
    *network = (struct sim_network){.engine = engine, .trace = trace, .seed = seed, .deliver = deliver};
    sim_packet_pool_init(&network->pool);
}

void sim_network_fini(struct sim_network *network)
{
    sim_partition_fini(&network->partition);
    sim_packet_pool_fini(&network->pool);
}

void sim_box_init(struct sim_box *box, struct sim_network *network, const char *name, uint32_t index, bool forwards)
{
    *box = (struct sim_box){.network = network, .name = name, .index = index, .forwards = forwards};
}

void sim_box_fini(struct sim_box *box)
{
    for (size_t i = 0; i < box->interface_count; i++) {
        sim_release(box->interfaces[i]->addresses);
        sim_release(box->interfaces[i]->own);
        sim_release(box->interfaces[i]);
    }
    sim_release(box->interfaces);
    sim_release(box->routes);
    sim_middlebox_free(box->middlebox);
}

struct sim_trace_who sim_box_who(const struct sim_box *box)
{
    return (struct sim_trace_who){box->index, box->name};
}

void sim_box_add_route(struct sim_box *box, struct sim_route route)
{
    route.to = qe_cidr_network(route.to);
    SIM_ROOM(box->routes, box->route_count, box->route_capacity);
    box->routes[box->route_count++] = route;
    box->routes_sorted = false;
    box->recent_ip.family = 0;
}

static int compare_routes(const void *a, const void *b)
{
    const struct sim_route *x = a, *y = b;
    if (x->to.bits != y->to.bits) return x->to.bits > y->to.bits ? -1 : 1;
    int order = qe_ip_compare(&x->to.ip, &y->to.ip);
    if (order) return order;
    if (x->interface->index != y->interface->index) return x->interface->index < y->interface->index ? -1 : 1;
    return qe_ip_compare(&x->via, &y->via);
}

// The first route to exactly this prefix from `start` on, where routes of that length end at `end`.
static const struct sim_route *find_prefix(
    const struct sim_box *box, size_t start, size_t end, const struct qe_cidr *prefix)
{
    while (start < end) {
        size_t middle = start + (end - start) / 2;
        if (qe_ip_compare(&box->routes[middle].to.ip, &prefix->ip) < 0)
            start = middle + 1;
        else
            end = middle;
    }
    return start < box->route_count ? &box->routes[start] : NULL;
}

static bool route_is_to(const struct sim_box *box, const struct sim_route *route, const struct qe_cidr *prefix)
{
    return route < box->routes + box->route_count && route->to.bits == prefix->bits &&
           qe_ip_equal(&route->to.ip, &prefix->ip);
}

static const struct sim_route *look_up(struct sim_box *box, const struct qe_ip *ip, uint32_t interface)
{
    if (!box->routes_sorted && box->route_count) {
        qsort(box->routes, box->route_count, sizeof(*box->routes), compare_routes);
        box->routes_sorted = true;
    }
    unsigned bits_max = ip->family == 6 ? 128 : 32;
    for (size_t start = 0, end; start < box->route_count; start = end) {
        uint8_t bits = box->routes[start].to.bits;
        for (end = start; end < box->route_count && box->routes[end].to.bits == bits; end++)
            ;
        if (bits > bits_max) continue;
        struct qe_cidr prefix = qe_cidr_network((struct qe_cidr){*ip, bits});
        const struct sim_route *route = find_prefix(box, start, end, &prefix);
        for (; route && route_is_to(box, route, &prefix); route++)
            if (interface == 0 || route->interface->index == interface) return route;
    }
    return NULL;
}

const struct sim_route *sim_box_route(struct sim_box *box, const struct qe_ip *ip, uint32_t interface)
{
    if (box->recent_interface != interface || !qe_ip_equal(&box->recent_ip, ip)) {
        box->recent_route = look_up(box, ip, interface);
        box->recent_ip = *ip;
        box->recent_interface = interface;
    }
    return box->recent_route;
}

bool sim_box_has(const struct sim_box *box, const struct qe_ip *ip)
{
    for (size_t i = 0; i < box->interface_count; i++)
        for (size_t k = 0; k < box->interfaces[i]->address_count; k++)
            if (qe_ip_equal(&box->interfaces[i]->addresses[k].ip, ip)) return true;
    return false;
}

struct sim_interface *sim_box_interface(const struct sim_box *box, uint32_t index)
{
    for (size_t i = 0; i < box->interface_count; i++)
        if (box->interfaces[i]->index == index) return box->interfaces[i];
    return NULL;
}

struct qe_ip sim_box_source(struct sim_box *box, const struct qe_ip *destination, uint32_t interface)
{
    const struct sim_route *route = sim_box_route(box, destination, interface);
    if (route)
        for (size_t i = 0; i < route->interface->address_count; i++)
            if (route->interface->addresses[i].ip.family == destination->family)
                return route->interface->addresses[i].ip;
    return (struct qe_ip){0};
}

void sim_box_drop(struct sim_box *box, struct sim_packet *packet, enum sim_drop reason)
{
    box->network->dropped[reason]++;
    sim_trace_dropped(box->network->trace, sim_box_who(box), packet, reason);
    sim_packet_free(&box->network->pool, packet);
}

static void transmit(struct sim_box *box, struct sim_packet *packet, uint32_t interface)
{
    const struct sim_route *route = sim_box_route(box, &packet->destination.ip, interface);
    if (!route) {
        sim_box_drop(box, packet, SIM_DROP_NO_ROUTE);
        return;
    }
    packet->next_hop = route->via.family ? route->via : packet->destination.ip;
    struct sim_interface *out = route->interface;
    if (sim_trace_wants(box->network->trace, SIM_TRACE_LEFT))
        sim_trace_passed(box->network->trace, sim_box_who(box), SIM_TRACE_LEFT, out, packet);
    sim_pipe_enter(&out->link->ports[out->port].out, packet);
}

// A datagram is the host's; an ICMP message ends here, as it does in a kernel whose sockets do not ask for errors.
void sim_box_hand_over(struct sim_box *box, struct sim_packet *packet)
{
    struct sim_network *network = box->network;
    if (packet->kind == SIM_PACKET_UDP) {
        network->deliver(box, packet);
        return;
    }
    box->too_big_received++;
    network->received++;
    sim_trace_moved(network->trace, sim_box_who(box), SIM_TRACE_RECEIVED, packet);
    sim_packet_free(&network->pool, packet);
}

void sim_box_send(struct sim_box *box, struct sim_packet *packet, uint32_t interface)
{
    box->network->sent++;
    packet->origin = box->index;
    sim_trace_sent(box->network->trace, sim_box_who(box), packet);
    if (box->network->watch && packet->kind == SIM_PACKET_UDP &&
        box->network->watch(box->network->watch_user, box, packet, interface, false))
        return;
    sim_box_leave(box, packet, interface);
}

void sim_box_leave(struct sim_box *box, struct sim_packet *packet, uint32_t interface)
{
    // An error about what a NAT has translated is for somebody else, though it has this box's address.
    bool error = packet->kind != SIM_PACKET_UDP;
    if (error && box->middlebox && !sim_middlebox_sends(box->middlebox, packet)) return;
    if (sim_box_has(box, &packet->destination.ip)) {
        packet->interface = 1; // the loopback
        sim_box_hand_over(box, packet);
        return;
    }
    // Such a packet would come from nowhere; a kernel refuses it.
    if (box->moves && packet->source.ip.family && !sim_box_has(box, &packet->source.ip)) {
        sim_box_drop(box, packet, SIM_DROP_NO_SOURCE);
        return;
    }
    if (!error && box->middlebox && !sim_middlebox_sends(box->middlebox, packet)) return;
    transmit(box, packet, interface);
}

void sim_box_forward(struct sim_box *box, struct sim_packet *packet)
{
    if (--packet->hops_left == 0) {
        sim_box_drop(box, packet, SIM_DROP_HOPS);
    } else {
        sim_trace_moved(box->network->trace, sim_box_who(box), SIM_TRACE_FORWARDED, packet);
        transmit(box, packet, 0);
    }
}

void sim_box_deliver(struct sim_box *box, struct sim_packet *packet)
{
    struct sim_network *network = box->network;
    if (sim_partition_between(&network->partition, packet->origin, box->index)) {
        sim_box_drop(box, packet, SIM_DROP_PARTITION);
        return;
    }
    if (network->watch && packet->kind == SIM_PACKET_UDP && network->watch(network->watch_user, box, packet, 0, true))
        return;
    sim_box_hand_over(box, packet);
}

void sim_box_take(struct sim_box *box, struct sim_packet *packet)
{
    if (sim_box_has(box, &packet->destination.ip))
        sim_box_deliver(box, packet);
    else if (box->network->pass && box->network->pass(box, packet)) {
        box->network->received++;
        sim_trace_moved(box->network->trace, sim_box_who(box), SIM_TRACE_RECEIVED, packet);
        sim_packet_free(&box->network->pool, packet);
    } else if (!box->forwards)
        sim_box_drop(box, packet, SIM_DROP_NOT_HERE);
    else
        sim_box_forward(box, packet);
}

void sim_box_receive(struct sim_interface *interface, struct sim_packet *packet)
{
    struct sim_box *box = interface->box;
    packet->interface = interface->index;
    box->network->corrupted += packet->damaged;
    if (sim_trace_wants(box->network->trace, SIM_TRACE_ARRIVED))
        sim_trace_passed(box->network->trace, sim_box_who(box), SIM_TRACE_ARRIVED, interface, packet);
    if (interface->box->middlebox)
        sim_middlebox_receive(interface->box->middlebox, interface, packet);
    else
        sim_box_take(interface->box, packet);
}

bool sim_network_conserves(const struct sim_network *network, uint64_t held)
{
    uint64_t gone = network->received;
    for (int i = 0; i < SIM_DROP_COUNT; i++)
        gone += network->dropped[i];
    return network->pool.out >= held && network->sent + network->duplicated == gone + network->pool.out - held;
}
