// The machine around the node, as its kernel treats the TUN: what it routes there, and what it forwards between the TUN
// and its links for hosts behind it, as themselves or under its own address (source NAT). The node's own sockets are
// marked and never routed into the TUN, so that a network which covers a peer's underlay address does not swallow the
// tunnel.
#include "host/host.h"

#include "traffic/inner.h"

#include <string.h>

#define NAT_PORT_FIRST 20000
#define NAT_PORTS      8192

void sim_host_set_prefixes(struct qe_cidr **list, size_t *count, const struct qe_prefixes *prefixes)
{
    sim_release(*list);
    *list = prefixes->count ? sim_obtain(prefixes->count, sizeof(**list)) : NULL;
    *count = prefixes->count;
    if (prefixes->count) memcpy(*list, prefixes->list, prefixes->count * sizeof(**list));
}

static int longest(const struct qe_cidr *list, size_t count, const struct qe_ip *ip)
{
    int bits = -1;
    for (size_t i = 0; i < count; i++)
        if (list[i].bits > bits && qe_cidr_contains(&list[i], ip)) bits = list[i].bits;
    return bits;
}

bool sim_host_into_tun(struct sim_host *host, const struct qe_ip *ip)
{
    if (!host->tun_open || sim_box_has(&host->box, ip)) return false;
    int bits = longest(host->tun_addresses, host->tun_address_count, ip);
    int routed = longest(host->routes, host->route_count, ip);
    if (routed > bits) bits = routed;
    const struct sim_route *route = sim_box_route(&host->box, ip, 0);
    return bits >= 0 && (!route || bits >= route->to.bits);
}

static bool tun_send(
    struct sim_host *host, const struct qe_addr *from, const struct qe_addr *to, const uint8_t *bytes, size_t size)
{
    uint8_t packet[UINT16_MAX + 1];
    struct qe_offload none = {0};
    size_t header = sim_inner_header_size(to->ip.family);
    struct sim_inner inner = {.kind = SIM_INNER_UDP,
        .source = from->ip,
        .destination = to->ip,
        .id = from->port,
        .port = to->port,
        .payload = qe_span(bytes, size),
        .payload_sum = sim_inner_sum(bytes, size)};
    if (header + size > UINT16_MAX) return false;
    sim_inner_write(&inner, packet, NULL);
    memcpy(packet + header, bytes, size);
    return sim_host_tun_input(host, packet, header + size, &none);
}

bool sim_host_send_udp(
    struct sim_host *host, const struct qe_addr *from, const struct qe_addr *to, const uint8_t *bytes, size_t size)
{
    struct qe_addr source = *from;
    if (sim_host_into_tun(host, &to->ip)) {
        const struct qe_cidr *own = sim_host_tun_address(host, to->ip.family);
        if (!source.ip.family && own) source.ip = own->ip;
        return source.ip.family && tun_send(host, &source, to, bytes, size);
    }
    if (!source.ip.family) source.ip = sim_box_source(&host->box, &to->ip, 0);
    if (!source.ip.family) return false;
    struct sim_packet *packet = sim_packet_new(&host->box.network->pool, bytes, size);
    packet->source = source;
    packet->destination = *to;
    sim_box_send(&host->box, packet, 0);
    return true;
}

// The port under which packets from `inside` to `remote` go out. The oldest of a full table is forgotten.
static uint16_t nat_port(struct sim_host *host, const struct qe_addr *inside, const struct qe_addr *remote)
{
    for (size_t i = 0; i < host->nat_count; i++)
        if (qe_addr_equal(&host->nat[i].inside, inside) && qe_addr_equal(&host->nat[i].remote, remote))
            return (uint16_t)(NAT_PORT_FIRST + i);
    if (!host->nat) host->nat = sim_obtain(NAT_PORTS, sizeof(*host->nat));
    size_t at = host->nat_next++ % NAT_PORTS;
    host->nat[at] = (struct sim_masquerade){*inside, *remote};
    if (host->nat_count <= at) host->nat_count = at + 1;
    return (uint16_t)(NAT_PORT_FIRST + at);
}

bool sim_host_unmasquerade(struct sim_host *host, const struct sim_packet *packet)
{
    size_t at = (size_t)packet->destination.port - NAT_PORT_FIRST;
    if (packet->destination.port < NAT_PORT_FIRST || at >= host->nat_count || !host->tun_open) return false;
    if (!qe_addr_equal(&host->nat[at].remote, &packet->source)) return false;
    tun_send(host, &packet->source, &host->nat[at].inside, packet->bytes, packet->size);
    return true;
}

bool sim_host_is_own(const struct sim_host *host, const struct qe_ip *ip)
{
    for (size_t i = 0; i < host->tun_address_count; i++)
        if (qe_ip_equal(&host->tun_addresses[i].ip, ip)) return true;
    return sim_box_has(&host->box, ip);
}

static bool forwards(const struct sim_host *host, const struct qe_ip *ip)
{
    return host->box.forwards || longest(host->forwarded, host->forwarded_count, ip) >= 0;
}

bool sim_host_forward(struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct sim_inner inner;
    const char *wrong;
    if (!sim_inner_read(packet, offload, &inner, &wrong) || sim_host_is_own(host, &inner.destination)) return false;
    if (!inner.is_udp || !forwards(host, &inner.destination) || sim_host_into_tun(host, &inner.destination)) {
        host->counts.not_forwarded++;
        return true;
    }
    struct qe_addr from = {inner.source, inner.id, 0}, to = {inner.destination, inner.port, 0};
    struct qe_addr source = from;
    if (host->masquerade) {
        source.ip = sim_box_source(&host->box, &to.ip, 0);
        source.port = nat_port(host, &from, &to);
    }
    size_t segment = inner.segment_size ? inner.segment_size : inner.payload.size;
    for (size_t done = 0; done < inner.payload.size; done += segment) {
        size_t left = inner.payload.size - done;
        host->counts.forwarded++;
        sim_host_send_udp(host, &source, &to, inner.payload.data + done, left < segment ? left : segment);
    }
    return true;
}

bool sim_host_take_into_tun(struct sim_box *box, const struct sim_packet *packet)
{
    struct sim_host *host = (struct sim_host *)box;
    if (packet->kind != SIM_PACKET_UDP || !sim_host_into_tun(host, &packet->destination.ip)) return false;
    if (!host->box.forwards && host->forwarded_count == 0) return false;
    tun_send(host, &packet->source, &packet->destination, packet->bytes, packet->size);
    return true;
}
