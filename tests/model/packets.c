#include "packets.h"

#include "base/bytes.h"

struct model_flow model_flow(bool ipv6, bool udp)
{
    return (struct model_flow){
        .ipv6 = ipv6,
        .udp = udp,
        .dont_fragment = true,
        .hops = 64,
        .flags = MODEL_ACK,
        .host = 1,
        .id = 7,
        .source_port = 40000,
        .destination_port = 5201,
        .sequence = 0xfffff000, // wraps on the way
        .acknowledgement = 77,
        .options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
        .options_size = udp ? 0 : 12,
    };
}

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

uint16_t model_checksum(const uint8_t *bytes, size_t size)
{
    return (uint16_t)~sum_words(0, bytes, size);
}

static uint32_t pseudo_sum(const uint8_t *packet, uint8_t protocol, size_t length)
{
    uint8_t tail[8] = {0};
    qe_store32(tail, (uint32_t)length);
    tail[7] = protocol;
    uint32_t sum = packet[0] >> 4 == 6 ? sum_words(0, packet + 8, 32) : sum_words(0, packet + 12, 8);
    return sum_words(sum, tail, 8);
}

size_t model_header_size(const struct model_flow *flow)
{
    return (flow->ipv6 ? 40 : 20) + (flow->udp ? 8 : 20 + flow->options_size);
}

static size_t write_ip(const struct model_flow *flow, size_t size, uint8_t *out)
{
    uint8_t protocol = flow->udp ? 17 : 6;
    if (flow->ipv6) {
        memset(out, 0, 40);
        qe_store32(out, 0x60012345 | (uint32_t)flow->traffic_class << 20);
        qe_store16(out + 4, (uint16_t)(size - 40));
        out[6] = protocol;
        out[7] = flow->hops;
        out[8] = out[24] = 0xfd;
        out[23] = flow->host;
        out[39] = 200;
        return 40;
    }
    memset(out, 0, 20);
    out[0] = 0x45;
    out[1] = flow->traffic_class;
    qe_store16(out + 2, (uint16_t)size);
    qe_store16(out + 4, flow->id);
    if (flow->dont_fragment) out[6] = 0x40;
    out[8] = flow->hops;
    out[9] = protocol;
    memcpy(out + 12, (uint8_t[]){100, 64, 0, flow->host, 100, 64, 9, 200}, 8);
    qe_store16(out + 10, model_checksum(out, 20));
    return 20;
}

static void write_transport(const struct model_flow *flow, size_t size, uint8_t *out)
{
    qe_store16(out, flow->source_port);
    qe_store16(out + 2, flow->destination_port);
    if (flow->udp) {
        qe_store16(out + 4, (uint16_t)size);
        qe_store16(out + 6, 0);
        return;
    }
    qe_store32(out + 4, flow->sequence);
    qe_store32(out + 8, flow->acknowledgement);
    out[12] = (uint8_t)((20 + flow->options_size) / 4 << 4);
    out[13] = flow->flags;
    qe_store16(out + 14, 501);
    qe_store32(out + 16, 0);
    memcpy(out + 20, flow->options, flow->options_size);
}

size_t model_packet(const struct model_flow *flow, const uint8_t *payload, size_t size, uint8_t *out)
{
    size_t total = model_header_size(flow) + size;
    size_t at = write_ip(flow, total, out);
    write_transport(flow, total - at, out + at);
    if (size) memcpy(out + model_header_size(flow), payload, size);
    uint16_t sum = (uint16_t)~sum_words(pseudo_sum(out, flow->udp ? 17 : 6, total - at), out + at, total - at);
    qe_store16(out + at + (flow->udp ? 6 : 16), flow->udp && sum == 0 ? 0xffff : sum);
    return total;
}

size_t model_super_packet(const struct model_flow *flow, const uint8_t *payload, size_t size, uint16_t segment_size,
    uint8_t *out, struct qe_offload *offload)
{
    size_t total = model_packet(flow, payload, size, out);
    size_t at = flow->ipv6 ? 40 : 20;
    *offload = (struct qe_offload){
        .kind = flow->udp ? (flow->ipv6 ? QE_OFFLOAD_UDP6 : QE_OFFLOAD_UDP4)
                          : (flow->ipv6 ? QE_OFFLOAD_TCP6 : QE_OFFLOAD_TCP4),
        .needs_checksum = true,
        .header_size = (uint16_t)model_header_size(flow),
        .segment_size = segment_size,
        .checksum_start = (uint16_t)at,
        .checksum_offset = flow->udp ? 6 : 16,
    };
    qe_store16(out + at + offload->checksum_offset, (uint16_t)pseudo_sum(out, flow->udp ? 17 : 6, total - at));
    return total;
}

struct model_flow model_segment(const struct model_flow *flow, uint32_t index, uint32_t done, bool last)
{
    struct model_flow segment = *flow;
    segment.id = (uint16_t)(segment.id + index);
    segment.sequence += done;
    if (!last) segment.flags &= (uint8_t) ~(MODEL_FIN | MODEL_PSH);
    if (index != 0) segment.flags &= (uint8_t)~MODEL_CWR;
    return segment;
}

bool model_checksums_hold(const uint8_t *packet, size_t size)
{
    bool ipv6 = packet[0] >> 4 == 6;
    size_t at = ipv6 ? 40 : (packet[0] & 15u) * 4;
    if (!ipv6 && model_checksum(packet, at) != 0) return false;
    uint8_t protocol = ipv6 ? packet[6] : packet[9];
    return sum_words(pseudo_sum(packet, protocol, size - at), packet + at, size - at) == 0xffff;
}
