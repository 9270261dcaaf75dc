// ICMP errors on their way through NATs and firewalls: they go with the datagram that they quote, whose addresses are
// rewritten inside them as well (RFC 5508 §4).
#include "net/middlebox_internal.h"

#include "base/bytes.h"

#include <string.h>

// The quoted datagram's endpoints, as they stood where it was too big.
struct quote {
    struct qe_addr source, destination;
};

static bool read_quote(const struct sim_packet *packet, struct quote *q)
{
    const uint8_t *b = packet->bytes;
    *q = (struct quote){0};
    if (packet->size >= SIM_IP4_HEADER + 4 && b[0] >> 4 == 4) {
        q->source = (struct qe_addr){.ip = qe_ip4_from_u32(qe_load32(b + 12)), .port = qe_load16(b + SIM_IP4_HEADER)};
        q->destination =
            (struct qe_addr){.ip = qe_ip4_from_u32(qe_load32(b + 16)), .port = qe_load16(b + SIM_IP4_HEADER + 2)};
        return true;
    }
    if (packet->size < SIM_IP6_HEADER + 4 || b[0] >> 4 != 6) return false;
    q->source = (struct qe_addr){.ip = qe_ip6(b + 8), .port = qe_load16(b + SIM_IP6_HEADER)};
    q->destination = (struct qe_addr){.ip = qe_ip6(b + 24), .port = qe_load16(b + SIM_IP6_HEADER + 2)};
    return true;
}

// IPv4 only: nothing else is translated.
static void write_quote(struct sim_packet *packet, const struct quote *q)
{
    uint8_t *b = packet->bytes;
    qe_store32(b + 12, qe_ip4_to_u32(&q->source.ip));
    qe_store32(b + 16, qe_ip4_to_u32(&q->destination.ip));
    qe_store16(b + SIM_IP4_HEADER, q->source.port);
    qe_store16(b + SIM_IP4_HEADER + 2, q->destination.port);
    qe_store16(b + 10, 0);
    qe_store16(b + 10, sim_icmp_checksum(b, SIM_IP4_HEADER));
}

static bool firewall_passes(struct sim_middlebox *m, const struct qe_addr *inside, const struct qe_addr *remote)
{
    if (!m->firewall || sim_firewall_lets_in(sim_firewall_settings(m->firewall), inside->port)) return true;
    return sim_firewall_knows(m->firewall, middlebox_now(m), inside, remote);
}

// An error about what an inside endpoint has sent.
static void bring_in(struct sim_middlebox *m, struct sim_packet *packet, struct quote *q)
{
    if (m->nat && packet->destination.ip.family == 4) {
        if (!sim_nat_error(m->nat, middlebox_now(m), &q->source, &q->destination)) {
            middlebox_drop(m, packet, SIM_DROP_NO_MAPPING);
            return;
        }
        packet->destination = q->source;
        write_quote(packet, q);
        middlebox_translated(m, packet);
    }
    if (firewall_passes(m, &q->source, &q->destination))
        sim_box_forward(m->box, packet);
    else
        middlebox_drop(m, packet, SIM_DROP_FIREWALL);
}

// An error about what has come to an inside endpoint. False: it is about nothing the NAT knows.
static bool translate_out(struct sim_middlebox *m, struct sim_packet *packet, struct quote *q)
{
    if (!m->nat || packet->destination.ip.family != 4) return true;
    if (!sim_nat_error_out(m->nat, middlebox_now(m), &q->destination, &q->source)) return false;
    packet->source = q->destination;
    write_quote(packet, q);
    middlebox_translated(m, packet);
    return true;
}

static void bring_out(struct sim_middlebox *m, struct sim_packet *packet, struct quote *q)
{
    if (!firewall_passes(m, &q->destination, &q->source))
        middlebox_drop(m, packet, SIM_DROP_FIREWALL);
    else if (!translate_out(m, packet, q))
        middlebox_drop(m, packet, SIM_DROP_NO_MAPPING);
    else
        sim_box_forward(m->box, packet);
}

void middlebox_receive_error(struct sim_middlebox *m, const struct sim_interface *interface, struct sim_packet *packet)
{
    struct quote q;
    const struct sim_route *route = sim_box_route(m->box, &packet->destination.ip, 0);
    bool own = sim_box_has(m->box, &packet->destination.ip);
    if (!read_quote(packet, &q))
        sim_box_take(m->box, packet);
    else if (!m->box->forwards && !firewall_passes(m, &q.source, &q.destination))
        middlebox_drop(m, packet, SIM_DROP_FIREWALL);
    else if (sim_middlebox_is_outside(m, interface) && m->box->forwards &&
             (!own || (m->nat && sim_nat_owns(m->nat, &packet->destination.ip))))
        bring_in(m, packet, &q);
    else if (m->box->forwards && !own && route && sim_middlebox_is_outside(m, route->interface))
        bring_out(m, packet, &q);
    else
        sim_box_take(m->box, packet);
}

bool middlebox_sends_error(struct sim_middlebox *m, struct sim_packet *packet)
{
    struct quote q;
    if (!m->nat || !read_quote(packet, &q)) return true;
    if (!sim_nat_owns(m->nat, &packet->destination.ip)) {
        // What came from outside and was too big inside is quoted with the address it had outside.
        translate_out(m, packet, &q);
        return true;
    }
    // Too big for the way out, after translation: it was an inside host's.
    bring_in(m, packet, &q);
    return false;
}
