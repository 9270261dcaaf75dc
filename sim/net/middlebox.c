#include "net/middlebox_internal.h"

#include "base/list.h"
#include "engine/memory.h"

#include <assert.h>
#include <string.h>

static struct sim_nat *new_nat(const struct sim_box *box, const struct sim_nat_settings *settings, const bool *outside)
{
    uint32_t *addresses = NULL;
    size_t count = 0, capacity = 0;
    const struct qe_cidr *inside = NULL;
    for (size_t i = 0; i < box->interface_count; i++)
        for (size_t k = 0; k < box->interfaces[i]->address_count; k++) {
            const struct qe_cidr *address = &box->interfaces[i]->addresses[k];
            if (address->ip.family != 4) continue;
            if (!outside[i]) {
                if (!inside) inside = address;
                continue;
            }
            SIM_ROOM(addresses, count, capacity);
            addresses[count++] = qe_ip4_to_u32(&address->ip);
        }
    struct sim_nat *nat = sim_nat_new(settings, box->network->seed, box->name, addresses, count, inside);
    sim_release(addresses);
    return nat;
}

static void come_up(struct sim_source *source);

struct sim_middlebox *sim_middlebox_new(struct sim_box *box, const struct sim_nat_settings *nat,
    const struct sim_firewall_settings *firewall, const struct sim_portmap_settings *portmap, const bool *outside)
{
    struct sim_middlebox *m = sim_obtain(1, sizeof(*m));
    m->box = box;
    m->outside = sim_obtain(box->interface_count, sizeof(*m->outside));
    memcpy(m->outside, outside, box->interface_count * sizeof(*m->outside));
    m->portmap = portmap;
    sim_source_init(&m->up, SIM_PRIORITY_TIMELINE, come_up);
    if (nat) m->nat = new_nat(box, nat, outside);
    if (firewall) m->firewall = sim_firewall_new(firewall, box->network->seed, box->name);
    return m;
}

void sim_middlebox_free(struct sim_middlebox *m)
{
    if (!m) return;
    sim_engine_cancel(m->box->network->engine, &m->up);
    sim_nat_free(m->nat);
    sim_firewall_free(m->firewall);
    sim_release(m->outside);
    sim_release(m);
}

void middlebox_drop(struct sim_middlebox *m, struct sim_packet *packet, enum sim_drop why)
{
    m->dropped[why]++;
    sim_box_drop(m->box, packet, why);
}

uint64_t middlebox_now(const struct sim_middlebox *m)
{
    return m->box->network->engine->now_ns;
}

bool sim_middlebox_is_outside(const struct sim_middlebox *m, const struct sim_interface *interface)
{
    for (size_t i = 0; i < m->box->interface_count; i++)
        if (m->box->interfaces[i] == interface) return m->outside[i];
    return true;
}

void middlebox_translated(struct sim_middlebox *m, const struct sim_packet *packet)
{
    sim_trace_translated(m->box->network->trace, sim_box_who(m->box), packet);
}

static void enter(struct sim_middlebox *m, struct sim_packet *packet)
{
    enum sim_drop why;
    bool four = packet->destination.ip.family == 4;
    if (m->nat && four && sim_nat_owns(m->nat, &packet->destination.ip)) {
        if (!sim_nat_inbound(m->nat, middlebox_now(m), &packet->source, &packet->destination, &why)) {
            middlebox_drop(m, packet, why);
            return;
        }
        middlebox_translated(m, packet);
    } else if (sim_box_has(m->box, &packet->destination.ip)) {
        sim_box_deliver(m->box, packet);
        return;
    } else if (m->nat && four) {
        middlebox_drop(m, packet, SIM_DROP_NO_MAPPING);
        return;
    }
    if (m->firewall &&
        !sim_firewall_inbound(m->firewall, middlebox_now(m), &packet->destination, &packet->source, &why))
        middlebox_drop(m, packet, why);
    else
        sim_box_forward(m->box, packet);
}

static void leave(struct sim_middlebox *m, struct sim_packet *packet)
{
    enum sim_drop why;
    if (m->firewall &&
        !sim_firewall_outbound(m->firewall, middlebox_now(m), &packet->source, &packet->destination, &why)) {
        middlebox_drop(m, packet, why);
        return;
    }
    if (m->nat && packet->destination.ip.family == 4) {
        if (!sim_nat_outbound(m->nat, middlebox_now(m), &packet->source, &packet->destination, &why)) {
            middlebox_drop(m, packet, why);
            return;
        }
        middlebox_translated(m, packet);
    }
    sim_box_forward(m->box, packet);
}

static void turn_back(struct sim_middlebox *m, struct sim_packet *packet)
{
    enum sim_drop why;
    if (!sim_nat_hairpin(m->nat, middlebox_now(m), &packet->source, &packet->destination, &why)) {
        middlebox_drop(m, packet, why);
        return;
    }
    middlebox_translated(m, packet);
    sim_box_forward(m->box, packet);
}

static void answer(struct sim_middlebox *m, struct sim_interface *interface, struct sim_packet *request)
{
    uint8_t bytes[SIM_PORTMAP_ANSWER_SIZE];
    struct sim_network *network = m->box->network;
    size_t size = sim_portmap_answer(
        m->portmap, m->nat, middlebox_now(m), &request->source, qe_span(request->bytes, request->size), bytes);
    network->received++;
    sim_trace_moved(network->trace, sim_box_who(m->box), SIM_TRACE_RECEIVED, request);
    if (size) {
        struct sim_packet *packet = sim_packet_new(&network->pool, bytes, size);
        packet->source = request->destination;
        packet->destination = request->source;
        sim_box_send(m->box, packet, interface->index);
    }
    sim_packet_free(&network->pool, request);
}

// For the box itself, from inside.
static void take(struct sim_middlebox *m, struct sim_interface *interface, struct sim_packet *packet)
{
    bool four = packet->destination.ip.family == 4;
    if (m->nat && four && sim_nat_owns(m->nat, &packet->destination.ip))
        turn_back(m, packet);
    else if (m->portmap && four && packet->destination.port == SIM_PORTMAP_PORT)
        answer(m, interface, packet);
    else
        sim_box_deliver(m->box, packet);
}

void sim_middlebox_receive(struct sim_middlebox *m, struct sim_interface *interface, struct sim_packet *packet)
{
    enum sim_drop why;
    if (m->rebooting) {
        middlebox_drop(m, packet, SIM_DROP_REBOOTING);
    } else if (packet->kind != SIM_PACKET_UDP) {
        middlebox_receive_error(m, interface, packet);
    } else if (!m->box->forwards) {
        if (m->firewall &&
            !sim_firewall_inbound(m->firewall, middlebox_now(m), &packet->destination, &packet->source, &why))
            middlebox_drop(m, packet, why);
        else
            sim_box_take(m->box, packet);
    } else if (sim_middlebox_is_outside(m, interface)) {
        enter(m, packet);
    } else if (sim_box_has(m->box, &packet->destination.ip)) {
        take(m, interface, packet);
    } else {
        const struct sim_route *route = sim_box_route(m->box, &packet->destination.ip, 0);
        if (route && sim_middlebox_is_outside(m, route->interface))
            leave(m, packet);
        else
            sim_box_forward(m->box, packet);
    }
}

bool sim_middlebox_sends(struct sim_middlebox *m, struct sim_packet *packet)
{
    enum sim_drop why;
    if (packet->kind != SIM_PACKET_UDP) return middlebox_sends_error(m, packet);
    if (m->box->forwards || !m->firewall) return true;
    if (sim_firewall_outbound(m->firewall, middlebox_now(m), &packet->source, &packet->destination, &why)) return true;
    middlebox_drop(m, packet, why);
    return false;
}

static void come_up(struct sim_source *source)
{
    struct sim_middlebox *m = qe_container(source, struct sim_middlebox, up);
    m->rebooting = false;
    if (m->nat) sim_nat_reboot(m->nat, middlebox_now(m));
    if (m->firewall) sim_firewall_reboot(m->firewall);
    sim_trace_router(m->box->network->trace, sim_box_who(m->box), true);
}

void sim_middlebox_reboot(struct sim_middlebox *m, uint64_t takes_ns)
{
    m->rebooting = true;
    sim_trace_router(m->box->network->trace, sim_box_who(m->box), false);
    sim_engine_cancel(m->box->network->engine, &m->up);
    if (takes_ns)
        sim_engine_schedule(m->box->network->engine, &m->up, middlebox_now(m) + takes_ns);
    else
        come_up(&m->up);
}
