// What joins boxes: two pipes between two, or a switch with two pipes to each of more.
#include "engine/memory.h"
#include "net/icmp.h"
#include "net/network.h"

#include "base/list.h"

#include <assert.h>
#include <stdlib.h>

static int compare_neighbours(const void *a, const void *b)
{
    return qe_ip_compare(&((const struct sim_neighbour *)a)->ip, &((const struct sim_neighbour *)b)->ip);
}

static void arrived_at_box(void *user, struct sim_pipe *pipe, struct sim_packet *packet)
{
    (void)pipe;
    struct sim_port *port = user;
    sim_box_receive(port->interface, packet);
}

static void arrived_at_switch(void *user, struct sim_pipe *pipe, struct sim_packet *packet)
{
    struct sim_link *link = user;
    struct sim_neighbour wanted = {.ip = packet->next_hop};
    const struct sim_neighbour *found =
        bsearch(&wanted, link->neighbours, link->neighbour_count, sizeof(wanted), compare_neighbours);
    struct sim_port *from = qe_container(pipe, struct sim_port, out);
    if (!found || &link->ports[found->port] == from)
        sim_box_drop(from->interface->box, packet, SIM_DROP_NO_NEIGHBOUR);
    else
        sim_pipe_enter(&link->ports[found->port].in, packet);
}

static void arrived_at_other_end(void *user, struct sim_pipe *pipe, struct sim_packet *packet)
{
    struct sim_link *link = user;
    sim_box_receive(link->ports[pipe == &link->ports[0].out ? 1 : 0].interface, packet);
}

static void dropped_from_box(void *user, struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason)
{
    (void)user;
    struct sim_box *box = qe_container(pipe, struct sim_port, out)->interface->box;
    if (reason == SIM_DROP_MTU && pipe->settings.icmp) sim_icmp_tell_too_big(box, packet, pipe->settings.mtu);
    sim_box_drop(box, packet, reason);
}

static void dropped_to_box(void *user, struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason)
{
    (void)pipe;
    struct sim_port *port = user;
    sim_box_drop(port->interface->box, packet, reason);
}

static struct sim_packet *copy_from_box(void *user, struct sim_pipe *pipe, const struct sim_packet *packet)
{
    struct sim_link *link = user;
    (void)pipe;
    link->network->duplicated++;
    return sim_packet_copy(&link->network->pool, packet);
}

static struct sim_packet *copy_to_box(void *user, struct sim_pipe *pipe, const struct sim_packet *packet)
{
    return copy_from_box(((struct sim_port *)user)->interface->link, pipe, packet);
}

static struct sim_interface *add_interface(struct sim_box *box, struct sim_link *link, size_t port)
{
    struct sim_interface *interface = sim_obtain(1, sizeof(*interface));
    SIM_ROOM(box->interfaces, box->interface_count, box->interface_capacity);
    interface->box = box;
    interface->index = (uint32_t)box->interface_count + 2;
    interface->link = link;
    interface->port = port;
    snprintf(interface->name, sizeof(interface->name), "eth%zu", box->interface_count);
    box->interfaces[box->interface_count++] = interface;
    return interface;
}

void sim_link_init(struct sim_link *link, struct sim_network *network, const char *name, struct sim_box *const *boxes,
    const struct sim_pipe_settings *settings, size_t count)
{
    assert(count >= 2);
    *link = (struct sim_link){.network = network, .name = name, .port_count = count, .is_switch = count > 2};
    link->ports = sim_obtain(count, sizeof(*link->ports));
    for (size_t i = 0; i < count; i++) {
        struct sim_port *port = &link->ports[i];
        char stream[256];
        port->interface = add_interface(boxes[i], link, i);
        snprintf(stream, sizeof(stream), "%s<%s", name, boxes[i]->name);
        sim_pipe_init(&port->out, network->engine, &settings[i], network->seed, stream,
            (struct sim_pipe_owner){
                link, link->is_switch ? arrived_at_switch : arrived_at_other_end, dropped_from_box, copy_from_box});
        snprintf(stream, sizeof(stream), "%s>%s", name, boxes[i]->name);
        sim_pipe_init(&port->in, network->engine, &settings[i], network->seed, stream,
            (struct sim_pipe_owner){port, arrived_at_box, dropped_to_box, copy_to_box});
    }
}

void sim_link_fini(struct sim_link *link)
{
    for (size_t i = 0; i < link->port_count; i++) {
        sim_pipe_fini(&link->ports[i].out);
        sim_pipe_fini(&link->ports[i].in);
    }
    sim_release(link->ports);
    sim_release(link->neighbours);
}

void sim_link_add_address(struct sim_link *link, size_t port, const struct qe_cidr *address)
{
    struct sim_interface *interface = link->ports[port].interface;
    interface->addresses =
        sim_resize(interface->addresses, interface->address_count + 1, sizeof(*interface->addresses));
    interface->addresses[interface->address_count++] = *address;
    sim_box_add_route(interface->box, (struct sim_route){.to = *address, .interface = interface});
}

void sim_link_settle(struct sim_link *link)
{
    size_t count = 0;
    for (size_t i = 0; i < link->port_count; i++)
        count += link->ports[i].interface->address_count;
    sim_release(link->neighbours);
    link->neighbours = sim_obtain(count, sizeof(*link->neighbours));
    link->neighbour_count = 0;
    for (size_t i = 0; i < link->port_count; i++)
        for (size_t k = 0; k < link->ports[i].interface->address_count; k++)
            link->neighbours[link->neighbour_count++] =
                (struct sim_neighbour){link->ports[i].interface->addresses[k].ip, i};
    qsort(link->neighbours, count, sizeof(*link->neighbours), compare_neighbours);
}

bool sim_link_conserves(const struct sim_link *link)
{
    for (size_t i = 0; i < link->port_count; i++)
        if (!sim_pipe_conserves(&link->ports[i].out) || !sim_pipe_conserves(&link->ports[i].in)) return false;
    return true;
}
