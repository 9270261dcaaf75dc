// Hosts that come to a link and leave it, and addresses that change: what a laptop sees that goes from one network to
// the next. An interface stays where it is in its box's list, so that its index means the same all along.
#include "engine/memory.h"
#include "net/network.h"

#include <string.h>

static void set_addresses(struct sim_interface *interface, const struct qe_cidr *addresses, size_t count)
{
    struct qe_cidr *copy = count ? sim_obtain(count, sizeof(*copy)) : NULL;
    if (count) memcpy(copy, addresses, count * sizeof(*copy));
    sim_release(interface->addresses);
    interface->addresses = copy;
    interface->address_count = count;
    interface->box->moves = true;
}

static void set_down(struct sim_link *link, size_t port, bool down)
{
    sim_pipe_set_down(&link->ports[port].out, down);
    if (link->is_switch)
        sim_pipe_set_down(&link->ports[port].in, down);
    else
        sim_pipe_set_down(&link->ports[1 - port].out, down);
}

void sim_link_leave(struct sim_link *link, size_t port, bool silently)
{
    struct sim_interface *interface = link->ports[port].interface;
    set_down(link, port, true);
    if (silently || interface->absent) return;
    sim_release(interface->own);
    interface->own = interface->addresses;
    interface->own_count = interface->address_count;
    interface->addresses = NULL;
    set_addresses(interface, NULL, 0);
    interface->absent = true;
    sim_link_settle(link);
}

void sim_link_join(struct sim_link *link, size_t port)
{
    struct sim_interface *interface = link->ports[port].interface;
    set_down(link, port, false);
    if (!interface->absent) return;
    set_addresses(interface, interface->own, interface->own_count);
    interface->absent = false;
    sim_link_settle(link);
}

void sim_link_readdress(struct sim_link *link, size_t port, const struct qe_cidr *addresses, size_t count)
{
    struct sim_interface *interface = link->ports[port].interface;
    if (interface->absent) {
        sim_release(interface->own);
        interface->own = count ? sim_obtain(count, sizeof(*addresses)) : NULL;
        if (count) memcpy(interface->own, addresses, count * sizeof(*addresses));
        interface->own_count = count;
        return;
    }
    set_addresses(interface, addresses, count);
    sim_link_settle(link);
}

void sim_box_reset_routes(struct sim_box *box)
{
    box->route_count = 0;
    box->routes_sorted = false;
    box->recent_ip.family = 0;
    for (size_t i = 0; i < box->interface_count; i++) {
        struct sim_interface *interface = box->interfaces[i];
        for (size_t k = 0; k < interface->address_count; k++)
            sim_box_add_route(box, (struct sim_route){.to = interface->addresses[k], .interface = interface});
    }
}
