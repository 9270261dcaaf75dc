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
    for (size_t i = 0; i < count; i++) {
        uint64_t number = flow->sent;
        sim_flow_number(flow, i);
        const struct qe_addr from = {.port = (uint16_t)(SIM_FLOW_ID(flow->index) + number % flow->settings->ports)};
        const uint8_t *payload = flow->payload + i * flow->payload_size;
        if (!flow->address.ip.family ||
            !sim_host_send_udp(flow->from, &from, &flow->address, payload, flow->payload_size))
            flow->refused++;
    }
}

// One that is answered counts when it is back.
static bool take(struct sim_flows *flows, struct sim_host *host, const struct qe_addr *source,
    const struct qe_addr *destination, struct qe_span payload)
{
    struct sim_flow *flow = sim_flow_of(flows, payload);
    if (!flow || flow->settings->kind != SIM_FLOW_PLAIN || (flow->to != host && flow->from != host)) return false;
    if (flow->to == host && flow->settings->answered) {
        sim_host_send_udp(host, destination, source, payload.data, payload.size);
        return true;
    }
    if (flow->to != host && !flow->settings->answered) return false;
    if (sim_flow_is_whole(flow, payload)) sim_flow_note_arrival(flow, host, payload);
    return true;
}

bool sim_plain_take(struct sim_flows *flows, struct sim_host *host, const struct sim_packet *packet)
{
    return take(flows, host, &packet->source, &packet->destination, qe_span(packet->bytes, packet->size));
}

bool sim_plain_take_inner(struct sim_flows *flows, struct sim_host *host, const struct sim_inner *inner)
{
    const struct qe_addr source = {inner->source, inner->id, 0}, destination = {inner->destination, inner->port, 0};
    size_t segment = inner->segment_size ? inner->segment_size : inner->payload.size;
    bool all = inner->payload.size > 0;
    for (size_t done = 0; done < inner->payload.size; done += segment) {
        size_t left = inner->payload.size - done;
        struct qe_span payload = qe_span(inner->payload.data + done, left < segment ? left : segment);
        all = take(flows, host, &source, &destination, payload) && all;
    }
    return all;
}
