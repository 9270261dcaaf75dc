// Reads IP headers. Everything is checked against the bytes given before it is looked at, so that any input is safe;
// what is not a well-formed packet is refused as a whole.
#include "flow/packet.h"
#include "base/mutants.h"

// RFC 8200 §4, and the registry of IPv6 extension headers.
enum {
    NEXT_HOP_BY_HOP = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_AUTHENTICATION = 51,
    NEXT_DESTINATION = 60,
    NEXT_MOBILITY = 135,
};

enum { IPV4_HEADER = 20, IPV6_HEADER = 40 };

static void read_ports(struct qe_span packet, struct qe_packet_info *info)
{
    if (info->fragment || (info->protocol != QE_IPPROTO_TCP && info->protocol != QE_IPPROTO_UDP)) return;
    if (info->size < info->transport_offset + 4u) return;
    info->source_port = qe_load16(packet.data + info->transport_offset);
    info->destination_port = qe_load16(packet.data + info->transport_offset + 2);
}

static bool parse4(struct qe_span packet, struct qe_packet_info *info)
{
    const uint8_t *p = packet.data;
    if (packet.size < IPV4_HEADER) return false;
    unsigned header = (p[0] & 0x0fu) * 4;
    unsigned total = qe_load16(p + 2);
    if (header < IPV4_HEADER || total < header || total > packet.size) return false;
    unsigned fragment = qe_load16(p + 6);
    info->version = 4;
    info->protocol = p[9];
    info->ecn = p[1] & 3;
    info->dscp = p[1] >> 2;
    info->fragment = (fragment & 0x1fff) != 0;
    info->more_fragments = (fragment & 0x2000) != 0;
    info->source.family = info->destination.family = 4;
    memcpy(info->source.bytes, p + 12, 4);
    memcpy(info->destination.bytes, p + 16, 4);
    info->transport_offset = (uint16_t)header;
    info->size = total;
    read_ports(packet, info);
    return true;
}

// Walks the extension headers up to the transport header, or to the fragment header of a piece that has none.
static bool walk_extensions(struct qe_span packet, struct qe_packet_info *info)
{
    const uint8_t *p = packet.data;
    uint8_t next = p[6];
    uint32_t at = IPV6_HEADER;
    for (;;) {
        uint32_t size;
        if (next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_DESTINATION || next == NEXT_MOBILITY ||
            next == NEXT_FRAGMENT || next == NEXT_AUTHENTICATION) {
            if (at + 8 > info->size || QE_MUTANT(extension_header)) return false;
            size = next == NEXT_FRAGMENT         ? 8
                   : next == NEXT_AUTHENTICATION ? (p[at + 1] + 2u) * 4
                                                 : (p[at + 1] + 1u) * 8;
            if (at + size > info->size) return false;
        } else {
            break;
        }
        if (next == NEXT_FRAGMENT) {
            unsigned fragment = qe_load16(p + at + 2);
            info->fragment = (fragment & 0xfff8) != 0;
            info->more_fragments = (fragment & 1) != 0;
        }
        next = p[at];
        at += size;
        if (info->fragment) break;
    }
    if (at > UINT16_MAX) return false;
    info->protocol = next;
    info->transport_offset = (uint16_t)at;
    return true;
}

static bool parse6(struct qe_span packet, struct qe_packet_info *info)
{
    const uint8_t *p = packet.data;
    if (packet.size < IPV6_HEADER) return false;
    uint32_t size = IPV6_HEADER + (uint32_t)qe_load16(p + 4);
    if (size > packet.size) return false;
    unsigned class = (qe_load16(p) >> 4) & 0xff;
    info->version = 6;
    info->ecn = class & 3;
    info->dscp = (uint8_t)(class >> 2);
    info->source.family = info->destination.family = 6;
    memcpy(info->source.bytes, p + 8, 16);
    memcpy(info->destination.bytes, p + 24, 16);
    info->size = size;
    if (!walk_extensions(packet, info)) return false;
    read_ports(packet, info);
    return true;
}

bool qe_packet_parse(struct qe_span packet, struct qe_packet_info *info)
{
    *info = (struct qe_packet_info){0};
    if (packet.size == 0) return false;
    switch (packet.data[0] >> 4) {
    case 4:
        return parse4(packet, info);
    case 6:
        return parse6(packet, info);
    default:
        return false;
    }
}

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

uint32_t qe_packet_flow_hash(const struct qe_packet_info *info, uint32_t seed)
{
    uint64_t hash = mix(UINT64_C(0xD6E8FEB86659FD93), seed);
    if (info->version == 6) {
        hash = mix(hash, qe_load64(info->source.bytes));
        hash = mix(hash, qe_load64(info->source.bytes + 8));
        hash = mix(hash, qe_load64(info->destination.bytes));
        hash = mix(hash, qe_load64(info->destination.bytes + 8));
    } else {
        hash = mix(hash, (uint64_t)qe_load32(info->source.bytes) << 32 | qe_load32(info->destination.bytes));
    }
    uint64_t rest = (uint64_t)info->version << 40 | (uint64_t)info->protocol << 32;
    if (!info->fragment && !info->more_fragments)
        rest |= (uint32_t)info->source_port << 16 | (uint32_t)info->destination_port;
    hash = mix(hash, rest);
    // The top bits of a product are its best ones.
    return (uint32_t)((hash * UINT64_C(0xBF58476D1CE4E5B9)) >> 32);
}

uint64_t qe_packet_pseudo_sum(const uint8_t *packet, uint8_t protocol)
{
    return packet[0] >> 4 == 6 ? qe_checksum_add(protocol, packet + 8, 32) : qe_checksum_add(protocol, packet + 12, 8);
}

bool qe_packet_finish_checksum(uint8_t *packet, size_t size, const struct qe_offload *offload)
{
    if (!offload->needs_checksum) return true;
    size_t start = offload->checksum_start, field = start + offload->checksum_offset;
    if (start >= size || field + 2 > size) return false;
    uint16_t sum = qe_checksum_fold(qe_checksum_add(0, packet + start, size - start));
    // 0 means "none" to UDP (RFC 768), and its equal 0xffff is as good to everybody else.
    qe_store16(packet + field, sum == 0 ? 0xffff : sum);
    return true;
}

bool qe_packet_mark_ce(uint8_t *packet, size_t size)
{
    if (size >= IPV4_HEADER && packet[0] >> 4 == 4) {
        if ((packet[1] & 3) == 0 && !QE_MUTANT(ce_without_ect)) return false;
        uint16_t before = qe_load16(packet);
        packet[1] |= 3;
        // RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
        uint64_t sum = (uint16_t)~qe_load16(packet + 10) + (uint64_t)(uint16_t)~before + qe_load16(packet);
        qe_store16(packet + 10, qe_checksum_fold(sum));
        return true;
    }
    if (size >= IPV6_HEADER && packet[0] >> 4 == 6) {
        if ((packet[1] & 0x30) == 0) return false;
        packet[1] |= 0x30;
        return true;
    }
    return false;
}
