#include "net/icmp.h"

#include "base/bytes.h"

#include <string.h>

// An ICMP error is at most so large, IP header and all (RFC 1812 §4.3.2.3, RFC 4443 §2.4).
#define ERROR4_MAX   576
#define ERROR6_MAX   1280
#define PROTOCOL_UDP 17

uint16_t sim_icmp_checksum(const uint8_t *header, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 2)
        sum += qe_load16(header + i);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

// The datagram as it stood on the wire, as far as it fits. Its UDP checksum is left out, as UDP over IPv4 may.
static size_t quote(const struct sim_packet *packet, uint8_t *out, size_t max)
{
    bool six = packet->destination.ip.family == 6;
    size_t ip = six ? SIM_IP6_HEADER : SIM_IP4_HEADER, used = ip + SIM_UDP_HEADER;
    uint16_t udp_size = (uint16_t)(packet->size + SIM_UDP_HEADER);
    memset(out, 0, used);
    if (six) {
        out[0] = 0x60;
        out[1] = (uint8_t)(packet->ecn << 4);
        qe_store16(out + 4, udp_size);
        out[6] = PROTOCOL_UDP;
        out[7] = packet->hops_left;
        memcpy(out + 8, packet->source.ip.bytes, 16);
        memcpy(out + 24, packet->destination.ip.bytes, 16);
    } else {
        out[0] = 0x45;
        out[1] = packet->ecn;
        qe_store16(out + 2, (uint16_t)(udp_size + SIM_IP4_HEADER));
        out[6] = 0x40; // do not fragment
        out[8] = packet->hops_left;
        out[9] = PROTOCOL_UDP;
        memcpy(out + 12, packet->source.ip.bytes, 4);
        memcpy(out + 16, packet->destination.ip.bytes, 4);
        qe_store16(out + 10, sim_icmp_checksum(out, SIM_IP4_HEADER));
    }
    qe_store16(out + ip, packet->source.port);
    qe_store16(out + ip + 2, packet->destination.port);
    qe_store16(out + ip + 4, udp_size);
    size_t rest = packet->size < max - used ? packet->size : max - used;
    memcpy(out + used, packet->bytes, rest);
    return used + rest;
}

void sim_icmp_tell_too_big(struct sim_box *box, const struct sim_packet *packet, uint32_t mtu)
{
    uint8_t bytes[ERROR6_MAX];
    bool six = packet->source.ip.family == 6;
    struct qe_addr from = {.port = packet->destination.port};
    from.ip = sim_box_has(box, &packet->source.ip) ? packet->source.ip : sim_box_source(box, &packet->source.ip, 0);
    if (packet->kind != SIM_PACKET_UDP || !from.ip.family) return;
    size_t max = six ? ERROR6_MAX - SIM_IP6_HEADER - SIM_UDP_HEADER : ERROR4_MAX - SIM_IP4_HEADER - SIM_UDP_HEADER;
    size_t size = quote(packet, bytes, max);
    struct sim_packet *told = sim_packet_new(&box->network->pool, bytes, size);
    told->kind = SIM_PACKET_TOO_BIG;
    told->mtu = (uint16_t)mtu;
    told->source = from;
    told->destination = packet->source;
    sim_box_send(box, told, 0);
}
