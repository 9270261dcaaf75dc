// Routes: what a scenario says; else a host sends everything beyond its links to the first router on one of them, and a
// router knows the shortest way to every link, the first one in the order of the file where several are equally short.
#include "net/topology.h"
#include "net/middlebox.h"

#include "scenario/measure.h"

#include <string.h>

static void build_links(
    const struct sim_scenario *scenario, struct sim_network *network, struct sim_host **hosts, struct sim_link *links)
{
    for (size_t i = 0; i < scenario->link_count; i++) {
        const struct sim_scenario_link *link = &scenario->links[i];
        struct sim_box **boxes = sim_obtain(link->host_count, sizeof(struct sim_box *));
        for (size_t k = 0; k < link->host_count; k++)
            boxes[k] = &hosts[link->hosts[k]]->box;
        sim_link_init(&links[i], network, link->name, boxes, link->settings, link->host_count);
        for (size_t k = 0; k < link->address_count; k++)
            sim_link_add_address(&links[i], link->addresses[k].port, &link->addresses[k].cidr);
        sim_link_settle(&links[i]);
        sim_release(boxes);
    }
}

static void add_given_routes(const struct sim_scenario_host *settings, struct sim_box *box)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct sim_route *way = sim_box_route(box, &settings->routes[i].via, 0);
        if (way)
            sim_box_add_route(
                box, (struct sim_route){
                         .to = settings->routes[i].to, .interface = way->interface, .via = settings->routes[i].via});
    }
}

// The first address of that family that a port of the link has.
static bool address_of(const struct sim_interface *interface, uint8_t family, struct qe_ip *out)
{
    for (size_t i = 0; i < interface->address_count; i++)
        if (interface->addresses[i].ip.family == family) {
            *out = interface->addresses[i].ip;
            return true;
        }
    return false;
}

// A default route by the first router that has an address of that family on one of the links.
static void add_default(struct sim_box *box, uint8_t family)
{
    struct qe_cidr everything = {.ip = {.family = family}, .bits = 0};
    for (size_t i = 0; i < box->interface_count; i++) {
        const struct sim_interface *own = box->interfaces[i];
        if (own->absent) continue;
        for (size_t k = 0; k < own->link->port_count; k++) {
            struct sim_route route = {.to = everything, .interface = box->interfaces[i]};
            const struct sim_interface *other = own->link->ports[k].interface;
            if (other == own || !other->box->forwards || !address_of(other, family, &route.via)) continue;
            sim_box_add_route(box, route);
            return;
        }
    }
}

// A link that a router reaches, and how its datagrams begin the way there.
struct reached {
    bool known;
    struct sim_interface *first; // of the router itself
    struct qe_ip via;            // family 0: the link is the router's own
};

// Whether what comes to a router's one interface cannot be meant for the network behind another, because addresses
// there are a NAT's secret.
static bool hides(const struct sim_interface *from, const struct sim_interface *to, uint8_t family)
{
    const struct sim_middlebox *m = from->box->middlebox;
    return m && m->nat && family == 4 && sim_middlebox_is_outside(m, from) && !sim_middlebox_is_outside(m, to);
}

// Breadth first over links, through routers.
static void add_router_routes(struct sim_box *router, struct sim_link *links, size_t link_count, uint8_t family)
{
    struct reached *reached = sim_obtain(link_count, sizeof(*reached));
    size_t *queue = sim_obtain(link_count, sizeof(*queue));
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < router->interface_count; i++) {
        size_t link = (size_t)(router->interfaces[i]->link - links);
        if (reached[link].known) continue;
        reached[link] = (struct reached){.known = true, .first = router->interfaces[i]};
        queue[tail++] = link;
    }
    while (head < tail) {
        const struct reached from = reached[queue[head]];
        const struct sim_link *link = &links[queue[head++]];
        for (size_t k = 0; k < link->port_count; k++) {
            const struct sim_interface *hop = link->ports[k].interface;
            for (size_t i = 0; hop->box != router && hop->box->forwards && i < hop->box->interface_count; i++) {
                size_t next = (size_t)(hop->box->interfaces[i]->link - links);
                if (reached[next].known || hides(hop, hop->box->interfaces[i], family)) continue;
                reached[next] = from;
                if (link == from.first->link) address_of(hop, family, &reached[next].via);
                queue[tail++] = next;
            }
        }
    }
    for (size_t i = 0; i < link_count; i++) {
        if (!reached[i].known || reached[i].first->link == &links[i] || !reached[i].via.family) continue;
        for (size_t k = 0; k < links[i].port_count; k++) {
            const struct sim_interface *there = links[i].ports[k].interface;
            for (size_t j = 0; j < there->address_count; j++) {
                struct qe_cidr to = qe_cidr_network(there->addresses[j]);
                if (to.ip.family != family) continue;
                const struct sim_route *have = sim_box_route(router, &there->addresses[j].ip, 0);
                if (!(have && have->to.bits == to.bits))
                    sim_box_add_route(
                        router, (struct sim_route){.to = to, .interface = reached[i].first, .via = reached[i].via});
            }
        }
    }
    sim_release(queue);
    sim_release(reached);
}

static void add_middlebox(
    const struct sim_scenario_middlebox *settings, const struct sim_link *links, struct sim_box *box)
{
    bool *outside = sim_obtain(box->interface_count, sizeof(*outside));
    for (size_t i = 0; i < box->interface_count; i++)
        for (size_t k = 0; k < settings->outside_count; k++)
            outside[i] |= box->interfaces[i]->link == &links[settings->outside[k]];
    box->middlebox = sim_middlebox_new(box, settings->has_nat ? &settings->nat : NULL,
        settings->has_firewall ? &settings->firewall : NULL, settings->has_portmap ? &settings->portmap : NULL,
        outside);
    sim_release(outside);
}

static void add_routes(const struct sim_scenario *scenario, struct sim_host *host, struct sim_link *links)
{
    struct sim_box *box = &host->box;
    const struct sim_scenario_host *settings = &scenario->hosts[box->index];
    if (settings->route_count) {
        add_given_routes(settings, box);
    } else if (box->forwards) {
        add_router_routes(box, links, scenario->link_count, 4);
        add_router_routes(box, links, scenario->link_count, 6);
    } else {
        add_default(box, 4);
        add_default(box, 6);
    }
}

void sim_topology_build(
    const struct sim_scenario *scenario, struct sim_network *network, struct sim_host **hosts, struct sim_link *links)
{
    build_links(scenario, network, hosts, links);
    for (size_t i = 0; i < scenario->host_count; i++)
        if (scenario->hosts[i].middlebox) add_middlebox(scenario->hosts[i].middlebox, links, &hosts[i]->box);
    for (size_t i = 0; i < scenario->host_count; i++)
        add_routes(scenario, hosts[i], links);
}

void sim_topology_reroute(const struct sim_scenario *scenario, struct sim_host *host, struct sim_link *links)
{
    sim_box_reset_routes(&host->box);
    add_routes(scenario, host, links);
}
