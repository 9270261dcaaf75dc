#include "traffic/inner.h"

#include "base/cursor.h"

#include <string.h>

#define PROTOCOL_ICMP   1
#define PROTOCOL_UDP    17
#define PROTOCOL_ICMPV6 58
#define HOP_LIMIT       64
#define UDP_PORT        5001

size_t sim_inner_header_size(uint8_t family)
{
    return family == 6 ? 48 : 28;
}

uint32_t sim_inner_sum(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;
    for (; size >= 2; bytes += 2, size -= 2)
        sum += qe_load16(bytes);
    if (size) sum += (uint32_t)bytes[0] << 8;
    while (sum >> 24)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint32_t)sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)sum;
}

// Of the pseudo-header (RFC 768, RFC 8200 §8.1).
static uint32_t pseudo_sum(const struct qe_ip *source, const struct qe_ip *destination, uint8_t protocol, size_t size)
{
    return sim_inner_sum(source->bytes, qe_ip_size(source)) + sim_inner_sum(destination->bytes, qe_ip_size(source)) +
           protocol + (uint32_t)size;
}

static void write_ip(const struct sim_inner *inner, uint8_t protocol, size_t size, uint8_t *out)
{
    if (inner->source.family == 6) {
        memset(out, 0, 8);
        out[0] = 0x60;
        qe_store16(out + 4, (uint16_t)size);
        out[6] = protocol;
        out[7] = HOP_LIMIT;
        memcpy(out + 8, inner->source.bytes, 16);
        memcpy(out + 24, inner->destination.bytes, 16);
        return;
    }
    memset(out, 0, 20);
    out[0] = 0x45;
    qe_store16(out + 2, (uint16_t)(size + 20));
    out[6] = 0x40; // do not fragment
    out[8] = HOP_LIMIT;
    out[9] = protocol;
    memcpy(out + 12, inner->source.bytes, 4);
    memcpy(out + 16, inner->destination.bytes, 4);
    qe_store16(out + 10, (uint16_t)~fold(sim_inner_sum(out, 20)));
}

static void write_echo(const struct sim_inner *inner, bool six, uint8_t *out)
{
    bool request = inner->kind == SIM_INNER_ECHO_REQUEST;
    size_t size = 8 + inner->payload.size;
    uint8_t *icmp = out + (six ? 40 : 20);
    write_ip(inner, six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP, size, out);
    memset(icmp, 0, 8);
    icmp[0] = six ? (request ? 128 : 129) : (request ? 8 : 0);
    qe_store16(icmp + 4, inner->id);
    uint32_t sum = sim_inner_sum(icmp, 8) + inner->payload_sum;
    if (six) sum += pseudo_sum(&inner->source, &inner->destination, PROTOCOL_ICMPV6, size);
    qe_store16(icmp + 2, (uint16_t)~fold(sum));
}

void sim_inner_write(const struct sim_inner *inner, uint8_t *out, struct qe_offload *offload)
{
    bool six = inner->source.family == 6;
    size_t start = six ? 40 : 20, size = 8 + inner->payload.size;
    if (inner->kind != SIM_INNER_UDP && inner->kind != SIM_INNER_QUIC) {
        write_echo(inner, six, out);
        return;
    }
    uint8_t *udp = out + start;
    write_ip(inner, PROTOCOL_UDP, size, out);
    qe_store16(udp, inner->id);
    qe_store16(udp + 2, inner->kind == SIM_INNER_QUIC ? inner->id : inner->port ? inner->port : UDP_PORT);
    qe_store16(udp + 4, (uint16_t)size);
    qe_store16(udp + 6, 0);
    uint32_t pseudo = pseudo_sum(&inner->source, &inner->destination, PROTOCOL_UDP, size);
    if (offload) {
        qe_store16(udp + 6, fold(pseudo));
        *offload = (struct qe_offload){.needs_checksum = true, .checksum_start = (uint16_t)start, .checksum_offset = 6};
        if (inner->segment_size) {
            offload->kind = six ? QE_OFFLOAD_UDP6 : QE_OFFLOAD_UDP4;
            offload->header_size = (uint16_t)(start + 8);
            offload->segment_size = inner->segment_size;
        }
        return;
    }
    uint16_t checksum = (uint16_t)~fold(pseudo + sim_inner_sum(udp, 8) + inner->payload_sum);
    qe_store16(udp + 6, checksum ? checksum : 0xFFFF);
}

// Reads the IP header; returns what follows it, an empty span where it is malformed.
static struct qe_span read_ip(struct qe_span packet, struct sim_inner *inner, uint8_t *protocol, const char **wrong)
{
    const uint8_t *p = packet.data;
    size_t header = packet.size && p[0] >> 4 == 6 ? 40 : 20;
    size_t total;
    *wrong = "not an IP packet";
    if (packet.size < header || (p[0] >> 4 != 4 && p[0] >> 4 != 6) || (header == 20 && p[0] != 0x45))
        return (struct qe_span){0};
    if (header == 40) {
        total = (size_t)qe_load16(p + 4) + 40;
        *protocol = p[6];
        inner->source = qe_ip6(p + 8);
        inner->destination = qe_ip6(p + 24);
    } else {
        total = qe_load16(p + 2);
        *protocol = p[9];
        inner->source = qe_ip4(p[12], p[13], p[14], p[15]);
        inner->destination = qe_ip4(p[16], p[17], p[18], p[19]);
        *wrong = "wrong IPv4 header checksum";
        if (fold(sim_inner_sum(p, 20)) != 0xFFFF) return (struct qe_span){0};
    }
    *wrong = "wrong length in the IP header";
    if (total != packet.size) return (struct qe_span){0};
    return qe_span(p + header, packet.size - header);
}

static bool read_too_big(struct qe_span icmp, bool six, struct sim_inner *inner)
{
    struct qe_span about = qe_span(icmp.data + 8, icmp.size - 8);
    size_t header = six ? 40 : 20;
    if (about.size < header + 8) return false;
    inner->mtu = six ? qe_load32(icmp.data + 4) : qe_load16(icmp.data + 6);
    uint8_t protocol = about.data[six ? 6 : 9];
    inner->id = qe_load16(about.data + header + (protocol == PROTOCOL_UDP ? 0 : 4));
    inner->kind = SIM_INNER_TOO_BIG;
    return true;
}

static bool read_icmp(struct qe_span icmp, bool six, struct sim_inner *inner, const char **wrong)
{
    *wrong = "wrong ICMP checksum";
    uint32_t sum = sim_inner_sum(icmp.data, icmp.size);
    if (six) sum += pseudo_sum(&inner->source, &inner->destination, PROTOCOL_ICMPV6, icmp.size);
    if (fold(sum) != 0xFFFF) return false;
    uint8_t type = icmp.data[0], code = icmp.data[1];
    inner->id = qe_load16(icmp.data + 4);
    inner->payload = qe_span(icmp.data + 8, icmp.size - 8);
    inner->kind = SIM_INNER_OTHER;
    if (type == (six ? 128 : 8)) inner->kind = SIM_INNER_ECHO_REQUEST;
    if (type == (six ? 129 : 0)) inner->kind = SIM_INNER_ECHO_REPLY;
    if (six ? type == 2 : type == 3 && code == 4) return read_too_big(icmp, six, inner);
    return true;
}

bool sim_inner_read(
    struct qe_span packet, const struct qe_offload *offload, struct sim_inner *inner, const char **wrong)
{
    uint8_t protocol = 0;
    bool super = offload->kind != QE_OFFLOAD_NONE;
    *inner = (struct sim_inner){.kind = SIM_INNER_OTHER};
    struct qe_span rest = read_ip(packet, inner, &protocol, wrong);
    if (!rest.data) return false;
    bool six = inner->source.family == 6;
    if (protocol == (six ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP)) {
        *wrong = "a short ICMP message";
        return rest.size >= 8 && read_icmp(rest, six, inner, wrong);
    }
    if (protocol != PROTOCOL_UDP) return true;
    *wrong = "a short UDP header";
    if (rest.size < 8) return false;
    *wrong = "wrong length in the UDP header";
    if (qe_load16(rest.data + 4) != rest.size) return false;
    *wrong = "wrong UDP checksum";
    if (offload->needs_checksum) {
        // Only begun: the sum of the pseudo-header, with 0 and 0xFFFF being the same.
        uint32_t begun = pseudo_sum(&inner->source, &inner->destination, PROTOCOL_UDP, rest.size);
        if (qe_load16(rest.data + 6) % 0xFFFF != fold(begun) % 0xFFFF) return false;
    } else if (!super && fold(sim_inner_sum(rest.data, rest.size) +
                              pseudo_sum(&inner->source, &inner->destination, PROTOCOL_UDP, rest.size)) != 0xFFFF)
        return false;
    inner->payload = qe_span(rest.data + 8, rest.size - 8);
    inner->id = qe_load16(rest.data);
    inner->segment_size = super ? offload->segment_size : 0;
    inner->checksum_is_partial = offload->needs_checksum;
    uint16_t port = inner->port = qe_load16(rest.data + 2);
    inner->is_udp = true;
    if (port == UDP_PORT) inner->kind = SIM_INNER_UDP;
    if (port == inner->id && port >= SIM_INNER_QUIC_PORTS && port < SIM_INNER_QUIC_PORTS + SIM_INNER_QUIC_COUNT)
        inner->kind = SIM_INNER_QUIC;
    return true;
}
