// The one ICMP message that a tunnel must be able to write: "your packet is too big". It must never answer an error,
// nor a packet that did not come from one single host, so that no two nodes can keep each other busy (RFC 1122 §3.2.2,
// RFC 4443 §2.4).
#include "base/mutants.h"
#include "flow/packet.h"

enum {
    ICMP_HEADER = 8,
    ICMP4_HEADERS = 20 + ICMP_HEADER,
    ICMP6_HEADERS = 40 + ICMP_HEADER,
    // As much of the packet as fits without exceeding these (RFC 1812 §4.3.2.3, RFC 4443 §3.2).
    ICMP4_SIZE_MAX = 576,
    ICMP6_SIZE_MAX = QE_ICMP_ERROR_MAX,
};

enum { ICMP4_UNREACHABLE = 3, ICMP4_FRAGMENTATION_NEEDED = 4, ICMP6_TOO_BIG = 2, ICMP6_REDIRECT = 137 };

static bool icmp4_is_query(uint8_t type)
{
    // Echo, router discovery, timestamp, information, address mask: all that are no errors (RFC 792, 1256, 950).
    return type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18);
}

// Loopback, multicast and class E (255.255.255.255 among it), and "this network".
static bool is_single_host4(const struct qe_ip *ip)
{
    return ip->bytes[0] != 0 && ip->bytes[0] != 127 && ip->bytes[0] < 224;
}

static bool may_answer4(struct qe_span packet, const struct qe_packet_info *info)
{
    bool may_fragment = (packet.data[6] & 0x40) == 0;
    if (may_fragment || info->fragment) return false;
    if (!is_single_host4(&info->source) || info->destination.bytes[0] >= 224) return false;
    if (info->protocol != QE_IPPROTO_ICMP) return true;
    return info->size > info->transport_offset && icmp4_is_query(packet.data[info->transport_offset]);
}

static size_t too_big4(
    struct qe_span packet, const struct qe_packet_info *info, const struct qe_ip *from, uint32_t mtu, uint8_t *out)
{
    size_t quoted = info->size < ICMP4_SIZE_MAX - ICMP4_HEADERS ? info->size : ICMP4_SIZE_MAX - ICMP4_HEADERS;
    size_t size = ICMP4_HEADERS + quoted;
    memset(out, 0, ICMP4_HEADERS);
    out[0] = 0x45;
    out[1] = 0xc0; // precedence 6, internetwork control (RFC 1812 §4.3.2.5)
    qe_store16(out + 2, (uint16_t)size);
    out[8] = 64;
    out[9] = QE_IPPROTO_ICMP;
    memcpy(out + 12, from->bytes, 4);
    memcpy(out + 16, info->source.bytes, 4);
    qe_store16(out + 10, qe_checksum_fold(qe_checksum_add(0, out, 20)));

    uint8_t *icmp = out + 20;
    icmp[0] = ICMP4_UNREACHABLE;
    icmp[1] = ICMP4_FRAGMENTATION_NEEDED;
    if (QE_MUTANT(icmp_mtu)) mtu += 20;
    qe_store16(icmp + 6, mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu);
    memcpy(out + ICMP4_HEADERS, packet.data + (QE_MUTANT(icmp_quote) ? 4 : 0), quoted);
    qe_store16(icmp + 2, qe_checksum_fold(qe_checksum_add(0, icmp, size - 20)));
    return size;
}

static bool may_answer6(struct qe_span packet, const struct qe_packet_info *info)
{
    // A multicast destination is allowed here, unlike for any other error (RFC 4443 §2.4 (e.3)).
    static const uint8_t loopback[16] = {[15] = 1}, unspecified[16] = {0};
    const uint8_t *source = info->source.bytes;
    if (source[0] == 0xff || memcmp(source, loopback, 16) == 0 || memcmp(source, unspecified, 16) == 0) return false;
    if (info->protocol != QE_IPPROTO_ICMPV6 || info->fragment) return true;
    if (info->size <= info->transport_offset) return false;
    uint8_t type = packet.data[info->transport_offset];
    return type >= 128 && type != ICMP6_REDIRECT;
}

static size_t too_big6(
    struct qe_span packet, const struct qe_packet_info *info, const struct qe_ip *from, uint32_t mtu, uint8_t *out)
{
    size_t quoted = info->size < ICMP6_SIZE_MAX - ICMP6_HEADERS ? info->size : ICMP6_SIZE_MAX - ICMP6_HEADERS;
    size_t size = ICMP6_HEADERS + quoted;
    memset(out, 0, ICMP6_HEADERS);
    out[0] = 0x60;
    qe_store16(out + 4, (uint16_t)(size - 40));
    out[6] = QE_IPPROTO_ICMPV6;
    out[7] = 64;
    memcpy(out + 8, from->bytes, 16);
    memcpy(out + 24, info->source.bytes, 16);

    uint8_t *icmp = out + 40;
    icmp[0] = ICMP6_TOO_BIG;
    qe_store32(icmp + 4, mtu);
    memcpy(out + ICMP6_HEADERS, packet.data, quoted);
    uint64_t sum = qe_packet_pseudo_sum(out, QE_IPPROTO_ICMPV6) + (size - 40);
    qe_store16(icmp + 2, qe_checksum_fold(qe_checksum_add(sum, icmp, size - 40)));
    return size;
}

size_t qe_packet_too_big(struct qe_span packet, const struct qe_ip *from, uint32_t mtu, uint8_t *out)
{
    struct qe_packet_info info;
    if (!qe_packet_parse(packet, &info) || from->family != info.version) return 0;
    if (info.version == 4) return may_answer4(packet, &info) ? too_big4(packet, &info, from, mtu, out) : 0;
    return may_answer6(packet, &info) ? too_big6(packet, &info, from, mtu, out) : 0;
}
