#include "traffic/plain.h"

#include <string.h>

static bool share_link(const struct sim_host *host, const struct sim_interface *interface)
{
    for (size_t i = 0; i < host->box.interface_count; i++)
        if (host->box.interfaces[i]->link == interface->link) return true;
    return false;
}

// The first address on a link that both are on, else the first of all.
static bool find_address(const struct sim_flow *flow, bool shared, struct qe_ip *out)
{
    const struct sim_box *box = &flow->to->box;
    for (size_t i = 0; i < box->interface_count; i++) {
        const struct sim_interface *interface = box->interfaces[i];
        if (shared && !share_link(flow->from, interface)) continue;
        for (size_t k = 0; k < interface->address_count; k++)
            if (interface->addresses[k].ip.family == flow->settings->family) {
                *out = interface->addresses[k].ip;
                return true;
            }
    }
    return false;
}

void sim_plain_init(struct sim_flow *flow)
{
    flow->address = flow->settings->address;
    if (flow->address.ip.family) return;
    flow->address.port = SIM_FLOW_ID(flow->index);
    if (!find_address(flow, true, &flow->address.ip)) find_address(flow, false, &flow->address.ip);
}

void sim_plain_send(struct sim_flow *flow, size_t count)
{
    struct sim_box *box = &flow->from->box;
    struct qe_ip source = {0};
    if (flow->address.ip.family) source = sim_box_source(box, &flow->address.ip, 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = flow->sent;
        sim_flow_number(flow, i);
        if (!source.family) {
            flow->refused++;
            continue;
        }
        struct sim_packet *packet =
            sim_packet_new(&box->network->pool, flow->payload + i * flow->payload_size, flow->payload_size);
        packet->source.ip = source;
        packet->source.port = (uint16_t)(SIM_FLOW_ID(flow->index) + number % flow->settings->ports);
        packet->destination = flow->address;
        sim_box_send(box, packet, 0);
    }
}

bool sim_plain_take(struct sim_flows *flows, struct sim_host *host, const struct sim_packet *packet)
{
    struct qe_span payload = qe_span(packet->bytes, packet->size);
    struct sim_flow *flow = sim_flow_of(flows, payload);
    if (!flow || flow->settings->kind != SIM_FLOW_PLAIN || flow->to != host) return false;
    if (sim_flow_is_whole(flow, payload)) sim_flow_note_arrival(flow, host, payload);
    return true;
}
