// A script of packets, some continuing their flow and some damaged anywhere: cut again, what the coalescer emits is
// what it was given, each flow in its order; and it never vouches for a packet whose checksum is wrong.
#include "flow/coalesce.h"

#include "flow/packet.h"
#include "flow/segment.h"
#include "mem.h"
#include "packets.h"

#include <assert.h>
#include <stdlib.h>

enum { PACKETS_MAX = 300, SIZE_MAX_PACKET = 1600 };

struct packet {
    size_t size;
    bool matched;
    uint8_t bytes[SIZE_MAX_PACKET];
};

static struct packet went_in[PACKETS_MAX], came_out[PACKETS_MAX];
static size_t in_count, out_count;

// 0 and 0xffff are one number, but a sum that is made anew is always the same of the two.
static void normalize_sum(uint8_t *field)
{
    if (qe_load16(field) == 0xffff) qe_store16(field, 0);
}

static void remember(struct packet *p, const uint8_t *bytes, size_t size)
{
    assert(size <= SIZE_MAX_PACKET);
    p->size = size;
    p->matched = false;
    memcpy(p->bytes, bytes, size);
    if (size >= 20 && bytes[0] == 0x45) {
        if (bytes[6] & 0x40) { // an ID that means nothing, and the sum over it
            memset(p->bytes + 4, 0, 2);
            memset(p->bytes + 10, 0, 2);
        }
        normalize_sum(p->bytes + 10);
        if (size >= 40 && bytes[9] == 6) normalize_sum(p->bytes + 36);
    }
    if (size >= 60 && bytes[0] >> 4 == 6 && bytes[6] == 6) normalize_sum(p->bytes + 56);
}

static struct qe_buf *lend(void *user)
{
    (void)user;
    struct qe_buf *buf = malloc(sizeof *buf);
    *buf = (struct qe_buf){malloc(QE_BUF_SIZE), QE_BUF_SIZE, QE_BUF_HEADROOM, 0, NULL};
    return buf;
}

static void take(void *user, const struct qe_coalesce_out *out)
{
    (void)user;
    uint8_t *bytes = qe_buf_bytes(out->buf), segment[SIZE_MAX_PACKET];
    size_t size = out->buf->size;
    if (out->offload.checksum_valid) assert(model_checksums_hold(bytes, size));
    if (out->offload.kind == QE_OFFLOAD_NONE) assert(!out->offload.needs_checksum);
    if (out->offload.kind != QE_OFFLOAD_NONE) {
        struct qe_packet_info info;
        assert(out->offload.needs_checksum && !out->offload.checksum_valid);
        assert(qe_packet_parse(qe_span(bytes, size), &info) && info.size == size);
    }
    struct qe_segmenter s;
    assert(qe_segmenter_init(&s, bytes, size, &out->offload));
    while (!qe_segmenter_finished(&s)) {
        struct qe_span pieces[2];
        int count = qe_segmenter_next(&s, SIZE_MAX_PACKET, pieces);
        assert(count > 0 && out_count < PACKETS_MAX);
        memcpy(segment, pieces[0].data, pieces[0].size);
        if (count == 2) memcpy(segment + pieces[0].size, pieces[1].data, pieces[1].size);
        remember(&came_out[out_count++], segment, pieces[0].size + (count == 2 ? pieces[1].size : 0));
        qe_segmenter_taken(&s);
    }
    free(out->buf->data);
    free(out->buf);
}

static bool same_flow(const struct packet *a, const struct packet *b)
{
    if (a->size < 44 || b->size < 44 || a->bytes[0] != b->bytes[0]) return false;
    if (a->bytes[0] == 0x45) return a->bytes[9] == b->bytes[9] && memcmp(a->bytes + 12, b->bytes + 12, 12) == 0;
    if (a->bytes[0] >> 4 != 6) return false;
    return a->bytes[6] == b->bytes[6] && memcmp(a->bytes + 8, b->bytes + 8, 36) == 0;
}

static void compare(void)
{
    assert(out_count == in_count);
    for (size_t i = 0; i < in_count; i++) {
        // The first of its flow that is still unmatched must be it.
        size_t o = 0;
        for (; o < out_count; o++) {
            if (came_out[o].matched) continue;
            bool equal = came_out[o].size == went_in[i].size &&
                         memcmp(came_out[o].bytes, went_in[i].bytes, went_in[i].size) == 0;
            if (equal) break;
            assert(!same_flow(&came_out[o], &went_in[i]));
        }
        assert(o < out_count);
        came_out[o].matched = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t payload[2048], packet[SIZE_MAX_PACKET];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    struct model_flow flows[12];
    for (uint8_t i = 0; i < 12; i++) {
        flows[i] = model_flow(i & 1, i & 2);
        flows[i].dont_fragment = i & 4;
        flows[i].host = i / 2; // two flows between some addresses
        flows[i].source_port = (uint16_t)(1000 + i % 3);
    }
    in_count = out_count = 0;
    struct qe_coalescer *c = qe_coalescer_new(fuzz_mem(), &(struct qe_coalesce_owner){NULL, lend, take});
    assert(c);
    // Five bytes a packet: flow and kind of step, length, and a byte of it to change.
    for (; size >= 5 && in_count < PACKETS_MAX; data += 5, size -= 5) {
        struct model_flow *flow = &flows[data[0] % 12];
        unsigned step = data[0] / 12;
        static const size_t lengths[] = {0, 1, 100, 1000, 1000, 1000, 1400, 1500};
        size_t length = data[1] & 128 ? data[1] & 127 : lengths[data[1] & 7];
        struct model_flow segment = *flow;
        if (step & 1) segment.flags |= MODEL_PSH;
        if (step & 2) segment.acknowledgement += data[2];
        if (step & 4) segment.traffic_class = data[2];
        size_t bytes = model_packet(&segment, payload + (data[2] & 15), length, packet);
        size_t at = (size_t)data[3] % bytes;
        if (data[1] & 64) packet[at] ^= data[4];
        flow->sequence += (uint32_t)length;
        flow->id++;
        remember(&went_in[in_count++], packet, bytes);
        assert(qe_coalescer_add(c, qe_span(packet, bytes)));
        if (step == 20) qe_coalescer_flush(c);
    }
    qe_coalescer_flush(c);
    qe_coalescer_free(c);
    compare();
    return 0;
}
