// Any bytes as a packet from the TUN with any offload: what comes out is no larger than asked for, well-formed, with
// right checksums and lengths, and its payloads in a row are the payload that went in.
#include "flow/segment.h"

#include "flow/packet.h"
#include "packets.h"

#include <assert.h>
#include <stdlib.h>

struct input {
    const uint8_t *at, *end;
};

static unsigned take8(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static unsigned take16(struct input *in)
{
    unsigned high = take8(in);
    return high << 8 | take8(in);
}

// A well-formed super-packet in most cases, so that the way past the checks is found.
static uint8_t *make_packet(struct input *in, size_t *size, struct qe_offload *offload)
{
    unsigned shape = take8(in);
    uint8_t *packet;
    if (shape & 1) {
        *offload = (struct qe_offload){.kind = (uint8_t)(shape >> 1 & 7),
            .needs_checksum = shape >> 4 & 1,
            .segment_size = (uint16_t)take16(in),
            .checksum_start = (uint16_t)(take16(in) & 127),
            .checksum_offset = (uint16_t)(take16(in) & 127)};
        *size = (size_t)(in->end - in->at);
        packet = malloc(*size ? *size : 1);
        memcpy(packet, in->at, *size);
        return packet;
    }
    struct model_flow flow = model_flow(shape & 2, shape & 4);
    flow.flags = (uint8_t)take8(in);
    flow.id = (uint16_t)take16(in);
    if (!flow.udp) flow.options_size = (shape >> 3 & 3) * 4;
    unsigned segment_size = take16(in), repeat = 1 + take8(in);
    size_t left = (size_t)(in->end - in->at), header = model_header_size(&flow);
    uint8_t *payload = malloc(65536);
    size_t count = 0;
    for (unsigned i = 0; i < repeat && left != 0 && count + left <= 65535 - header; i++, count += left)
        memcpy(payload + count, in->at, left);
    packet = malloc(header + count);
    *size = model_super_packet(&flow, payload, count, (uint16_t)segment_size, packet, offload);
    free(payload);
    return packet;
}

static void check_segment(const struct qe_segmenter *s, const uint8_t *segment, size_t size, const uint8_t *whole)
{
    struct qe_packet_info info;
    assert(qe_packet_parse(qe_span(segment, size), &info));
    assert(info.size == size && info.transport_offset == s->transport_offset);
    bool extended = info.version == 6 && info.transport_offset != 40;
    if (!extended) assert(model_checksums_hold(segment, size));
    const uint8_t *transport = segment + info.transport_offset, *original = whole + info.transport_offset;
    if (info.protocol == QE_IPPROTO_TCP)
        assert(qe_load32(transport + 4) == qe_load32(original + 4) + s->done);
    else
        assert(qe_load16(transport + 4) == size - info.transport_offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size)
{
    struct input in = {data, data + data_size};
    size_t size_max = take16(&in) % 3000;
    unsigned vary = take8(&in);
    size_t size;
    struct qe_offload offload;
    uint8_t *packet = make_packet(&in, &size, &offload);
    uint8_t *joined = malloc(size + 1), *segment = malloc(size + QE_SEGMENT_HEADER_MAX);
    size_t joined_size = 0;
    struct qe_segmenter s;
    if (qe_segmenter_init(&s, packet, size, &offload)) {
        size_t header = s.header_size;
        assert(header < size);
        for (unsigned i = 0; !qe_segmenter_finished(&s) && i < 5000; i++) {
            struct qe_span pieces[2];
            size_t room = size_max + i * vary % 100;
            int count = qe_segmenter_next(&s, room, pieces);
            assert(count != 0);
            size_t first = pieces[0].size, second = pieces[1].size;
            memcpy(segment, pieces[0].data, first);
            if (second) memcpy(segment + first, pieces[1].data, second);
            assert((count > 0) == (first + second <= room));
            if (header != 0) {
                assert(first == header && second >= 1 && second <= offload.segment_size);
                check_segment(&s, segment, first + second, packet);
            }
            assert(first - header + second <= size - joined_size);
            memcpy(joined + joined_size, segment + header, first - header + second);
            joined_size += first - header + second;
            qe_segmenter_taken(&s);
        }
        if (qe_segmenter_finished(&s)) {
            struct qe_span pieces[2];
            assert(joined_size == size - header && memcmp(joined, packet + header, joined_size) == 0);
            assert(qe_segmenter_next(&s, 1500, pieces) == 0);
        }
    }
    free(segment);
    free(joined);
    free(packet);
    return 0;
}
