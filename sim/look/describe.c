#include "look/describe.h"

#include "dht/dht.h"

#define QUIC_VERSION_1 1

const char *sim_describe_quic(const uint8_t *bytes, size_t size)
{
    static const char *const longs[] = {"initial", "0rtt", "handshake", "retry"};
    if (size < 1) return "other";
    if (qe_dht_is_krpc(bytes, size)) return "krpc";
    if (!(bytes[0] & 0x80)) return bytes[0] & 0x40 ? "1rtt" : "other";
    if (size < 5) return "other";
    uint32_t version = qe_load32(bytes + 1);
    if (version == 0) return "version-negotiation";
    return version == QUIC_VERSION_1 ? longs[bytes[0] >> 4 & 3] : "other";
}

static void describe_transport(
    uint8_t protocol, bool first, const uint8_t *at, size_t left, struct sim_inner_summary *out)
{
    out->protocol = protocol == 1    ? "icmp"
                    : protocol == 58 ? "icmp6"
                    : protocol == 17 ? "udp"
                    : protocol == 6  ? "tcp"
                                     : "other";
    out->has_ports = (protocol == 17 || protocol == 6) && first && left >= 4;
    if (!out->has_ports) return;
    out->source_port = qe_load16(at);
    out->destination_port = qe_load16(at + 2);
}

bool sim_describe_ip(struct qe_span packet, struct sim_inner_summary *out)
{
    const uint8_t *p = packet.data;
    *out = (struct sim_inner_summary){0};
    if (packet.size >= 20 && p[0] >> 4 == 4) {
        size_t header = (size_t)(p[0] & 15) * 4;
        if (header < 20 || header > packet.size) return false;
        out->source = qe_ip4_from_u32(qe_load32(p + 12));
        out->destination = qe_ip4_from_u32(qe_load32(p + 16));
        describe_transport(p[9], (qe_load16(p + 6) & 0x1fff) == 0, p + header, packet.size - header, out);
        return true;
    }
    if (packet.size < 40 || p[0] >> 4 != 6) return false;
    out->source = qe_ip6(p + 8);
    out->destination = qe_ip6(p + 24);
    describe_transport(p[6], true, p + 40, packet.size - 40, out);
    return true;
}
