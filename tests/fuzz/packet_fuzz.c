// Any bytes as an IP packet: what is found lies within it, marking keeps its checksum, errors about it are well-formed,
// and its checksum is the one that a sum byte by byte gives.
#include "flow/packet.h"

#include "packets.h"

#include <assert.h>
#include <stdlib.h>

static void check_checksums(const uint8_t *data, size_t size, size_t cut)
{
    cut &= ~(size_t)1;
    uint8_t *copy = malloc(size + 1);
    uint64_t sum = qe_checksum_copy(0, copy, data, cut);
    sum = qe_checksum_copy(sum, copy + cut, data + cut, size - cut);
    assert(qe_checksum_fold(sum) == model_checksum(data, size));
    assert(qe_checksum_fold(qe_checksum_add(0, data, size)) == model_checksum(data, size));
    assert(size == 0 || memcmp(copy, data, size) == 0);
    free(copy);
}

static void check_too_big(struct qe_span packet)
{
    static const struct qe_ip from[2] = {{4, {100, 64, 0, 9}}, {6, {0xfd, 9}}};
    for (int i = 0; i < 2; i++) {
        uint8_t *out = malloc(QE_ICMP_ERROR_MAX);
        size_t size = qe_packet_too_big(packet, &from[i], 1420, out);
        assert(size <= (i ? 1280 : 576));
        struct qe_packet_info info;
        if (size != 0) {
            assert(qe_packet_parse(qe_span(out, size), &info));
            assert(info.size == size && qe_ip_equal(&info.source, &from[i]));
            // An error about the error is never due.
            out[6] |= i ? 0 : 0x40;
            assert(qe_packet_too_big(qe_span(out, size), &from[i], 1420, NULL) == 0);
        }
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8) return 0;
    struct qe_offload offload = {
        .needs_checksum = data[0] & 1, .checksum_start = qe_load16(data + 1), .checksum_offset = qe_load16(data + 3)};
    if (data[0] & 2) offload.checksum_start %= 64, offload.checksum_offset %= 64;
    check_checksums(data, size, data[5] * size / 256);
    data += 8, size -= 8;

    uint8_t *packet = malloc(size + 1);
    memcpy(packet, data, size);
    packet = realloc(packet, size ? size : 1);
    struct qe_packet_info info;
    if (qe_packet_parse(qe_span(packet, size), &info)) {
        assert(info.size <= size && info.transport_offset <= info.size);
        assert(info.version == packet[0] >> 4);
        assert(!info.fragment || (info.source_port == 0 && info.destination_port == 0));
        struct qe_packet_info again;
        assert(qe_packet_parse(qe_span(packet, info.size), &again));
        assert(qe_packet_flow_hash(&info, 7) == qe_packet_flow_hash(&again, 7));
    }
    check_too_big(qe_span(packet, size));
    bool ipv4 = size >= 20 && packet[0] == 0x45;
    bool held = ipv4 && model_checksum(packet, 20) == 0;
    if (qe_packet_mark_ce(packet, size)) {
        assert(size >= 20 && (packet[0] >> 4 == 4 ? packet[1] & 3 : packet[1] >> 4 & 3) == 3);
        if (ipv4) assert((model_checksum(packet, 20) == 0) == held);
    }
    qe_packet_finish_checksum(packet, size, &offload);
    free(packet);
    return 0;
}
