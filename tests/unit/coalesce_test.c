#include "flow/coalesce.h"

#include "flow/packet.h"
#include "flow/segment.h"
#include "packets.h"
#include "unit.h"

#include <stdlib.h>

enum { OUT_MAX = 4096 };

// What the coalescer emitted, and how many buffers it may still have.
struct sink {
    struct qe_coalesce_out out[OUT_MAX];
    size_t count;
    size_t buffers;
};

static struct qe_buf *lend(void *user)
{
    struct sink *sink = user;
    if (sink->buffers == 0) return NULL;
    sink->buffers--;
    struct qe_buf *buf = malloc(sizeof *buf);
    *buf = (struct qe_buf){malloc(QE_BUF_SIZE), QE_BUF_SIZE, QE_BUF_HEADROOM, 0, NULL};
    return buf;
}

static void take(void *user, const struct qe_coalesce_out *out)
{
    struct sink *sink = user;
    CU_ASSERT_FATAL(sink->count < OUT_MAX);
    sink->out[sink->count++] = *out;
}

static void sink_empty(struct sink *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        free(sink->out[i].buf->data);
        free(sink->out[i].buf);
    }
    sink->count = 0;
}

static struct sink sink;

static struct qe_coalescer *start(size_t buffers)
{
    sink.buffers = buffers;
    struct qe_coalescer *c = qe_coalescer_new(unit_mem(), &(struct qe_coalesce_owner){&sink, lend, take});
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    return c;
}

static void stop(struct qe_coalescer *c)
{
    qe_coalescer_flush(c);
    sink_empty(&sink);
    qe_coalescer_free(c);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static uint8_t packet[70000], payload[65536], whole[70000];

// Adds packet `index` of a flow whose packets all carry `size` bytes.
static bool add(struct qe_coalescer *c, const struct model_flow *flow, uint32_t index, size_t size)
{
    struct model_flow segment = model_segment(flow, index, (uint32_t)(index * size), true);
    size_t total = model_packet(&segment, payload + index * size % 4096, size, packet);
    return qe_coalescer_add(c, qe_span(packet, total));
}

static void a_run_becomes_the_super_packet_it_was_cut_from(void)
{
    struct unit_random random = unit_random();
    unit_random_fill(&random, payload, sizeof payload);
    for (int kind = 0; kind < 4; kind++) {
        struct model_flow flow = model_flow(kind & 1, kind & 2);
        if (!flow.udp) flow.flags |= MODEL_PSH;
        uint16_t segment_size = 1300;
        size_t size = 40 * 1300 + 7;
        struct qe_offload offload;
        size_t total = model_super_packet(&flow, payload, size, segment_size, whole, &offload);
        struct qe_coalescer *c = start(1);
        for (uint32_t done = 0, i = 0; done < size; done += segment_size, i++) {
            size_t chunk = size - done < segment_size ? size - done : segment_size;
            struct model_flow segment = model_segment(&flow, i, done, done + chunk == size);
            size_t bytes = model_packet(&segment, payload + done, chunk, packet);
            CU_ASSERT_EQUAL(sink.count, 0);
            CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, bytes)));
        }
        // The short one at the end closes it without a flush.
        CU_ASSERT_EQUAL_FATAL(sink.count, 1);
        CU_ASSERT_EQUAL(sink.out[0].buf->offset, QE_BUF_HEADROOM);
        CU_ASSERT_EQUAL_FATAL(sink.out[0].buf->size, total);
        CU_ASSERT_EQUAL(memcmp(qe_buf_bytes(sink.out[0].buf), whole, total), 0);
        const struct qe_offload *got = &sink.out[0].offload;
        CU_ASSERT_EQUAL(got->kind, offload.kind);
        CU_ASSERT_TRUE(got->needs_checksum);
        CU_ASSERT_FALSE(got->checksum_valid);
        CU_ASSERT_EQUAL(got->header_size, offload.header_size);
        CU_ASSERT_EQUAL(got->segment_size, offload.segment_size);
        CU_ASSERT_EQUAL(got->checksum_start, offload.checksum_start);
        CU_ASSERT_EQUAL(got->checksum_offset, offload.checksum_offset);
        stop(c);
    }
}

// A second packet with one field changed: whether it still joins.
struct field_case {
    const char *field;
    bool ipv6, udp, joins;
    size_t at; // byte of the packet, or SIZE_MAX for none
    uint8_t with;
};

static void mend_checksums(uint8_t *p, size_t size, bool udp)
{
    size_t at = p[0] >> 4 == 6 ? 40 : 20;
    struct qe_offload offload = {
        .needs_checksum = true, .checksum_start = (uint16_t)at, .checksum_offset = udp ? 6 : 16};
    uint8_t protocol = udp ? 17 : 6;
    uint16_t sum = (uint16_t)~qe_checksum_fold(qe_packet_pseudo_sum(p, protocol) + size - at);
    qe_store16(p + at + offload.checksum_offset, sum);
    qe_packet_finish_checksum(p, size, &offload);
    if (at == 20) {
        qe_store16(p + 10, 0);
        qe_store16(p + 10, model_checksum(p, 20));
    }
}

static void packets_that_differ_do_not_join(void)
{
    static const struct field_case table[] = {
        {"nothing", false, false, true, SIZE_MAX, 0},
        {"nothing", false, true, true, SIZE_MAX, 0},
        {"nothing", true, false, true, SIZE_MAX, 0},
        {"nothing", true, true, true, SIZE_MAX, 0},
        {"traffic class", false, false, false, 1, 3},
        {"DF", false, false, false, 6, 0x40},
        {"more fragments", false, false, false, 6, 0x20},
        {"reserved bit", false, false, false, 6, 0x80},
        {"fragment offset", false, false, false, 7, 1},
        {"TTL", false, false, false, 8, 1},
        {"source", false, false, false, 15, 8},
        {"destination", false, false, false, 19, 8},
        {"IPv4 ID", false, false, false, 5, 2},
        {"source port", false, false, false, 21, 1},
        {"destination port", false, false, false, 23, 1},
        {"sequence", false, false, false, 27, 1},
        {"acknowledgement", false, false, false, 31, 1},
        {"flags: FIN", false, false, false, 33, 1},
        {"flags: SYN", false, false, false, 33, 2},
        {"flags: RST", false, false, false, 33, 4},
        {"flags: PSH", false, false, true, 33, 8},
        {"flags: no ACK", false, false, false, 33, 16},
        {"flags: URG", false, false, false, 33, 32},
        {"flags: ECE", false, false, false, 33, 64},
        {"flags: CWR", false, false, false, 33, 128},
        {"window", false, false, false, 35, 1},
        {"urgent pointer", false, false, false, 39, 1},
        {"timestamp", false, false, false, 47, 1},
        {"payload", false, false, true, 60, 1},
        {"traffic class", true, false, false, 1, 0x30},
        {"flow label", true, false, false, 3, 1},
        {"hop limit", true, false, false, 7, 1},
        {"source", true, false, false, 9, 1},
        {"destination", true, false, false, 30, 1},
        {"source port", true, true, false, 41, 1},
        {"destination port", true, true, false, 43, 1},
        {"UDP length", true, true, false, 45, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct field_case *row = &table[i];
        struct model_flow flow = model_flow(row->ipv6, row->udp);
        flow.dont_fragment = false;
        struct qe_coalescer *c = start(10);
        CU_ASSERT_TRUE(add(c, &flow, 0, 500));
        struct model_flow second = model_segment(&flow, 1, 500, true);
        size_t size = model_packet(&second, payload, 500, packet);
        if (row->at != SIZE_MAX) {
            packet[row->at] ^= row->with;
            mend_checksums(packet, size, row->udp);
        }
        CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
        qe_coalescer_flush(c);
        CU_ASSERT_EQUAL(sink.count, row->joins ? 1 : 2);
        if (sink.count != (row->joins ? 1u : 2u)) fprintf(stderr, "field: %s\n", row->field);
        if (!row->joins) CU_ASSERT_EQUAL(sink.out[1].buf->size, size);
        stop(c);
    }
}

static void damaged_packets_leave_alone_and_unvouched(void)
{
    // Byte changed: payload, TCP header, IPv4 header.
    static const size_t damage[] = {200, 26, 10};
    for (size_t i = 0; i < 3; i++)
        for (uint32_t which = 0; which < 3; which++) {
            struct model_flow flow = model_flow(false, false);
            struct qe_coalescer *c = start(10);
            for (uint32_t n = 0; n < 3; n++) {
                struct model_flow segment = model_segment(&flow, n, n * 500, true);
                size_t size = model_packet(&segment, payload, 500, packet);
                // Something that the header comparison alone would not see.
                if (n == which) packet[i == 1 ? 36 : damage[i]] ^= 4;
                if (n == which) memcpy(whole, packet, size);
                CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
            }
            qe_coalescer_flush(c);
            size_t found = 0;
            for (size_t n = 0; n < sink.count; n++) {
                const struct qe_coalesce_out *out = &sink.out[n];
                bool is_damaged = out->buf->size == 552 && memcmp(qe_buf_bytes(out->buf), whole, 552) == 0;
                found += is_damaged;
                if (is_damaged) CU_ASSERT_FALSE(out->offload.checksum_valid || out->offload.needs_checksum);
                if (!is_damaged) CU_ASSERT_TRUE(out->offload.checksum_valid || out->offload.needs_checksum);
            }
            CU_ASSERT_EQUAL(found, 1);
            CU_ASSERT_EQUAL(sink.count, which == 1 ? 3 : 2);
            stop(c);
        }
}

static void unfragmentable_packets_join_whatever_their_ids(void)
{
    struct model_flow flow = model_flow(false, false);
    struct qe_coalescer *c = start(1);
    for (uint32_t i = 0; i < 5; i++) {
        struct model_flow segment = model_segment(&flow, 0, i * 100, true);
        size_t size = model_packet(&segment, payload, 100, packet);
        CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
    }
    qe_coalescer_flush(c);
    CU_ASSERT_EQUAL(sink.count, 1);
    stop(c);
}

static void lengths_stay_within_16_bits(void)
{
    for (int kind = 0; kind < 4; kind++) {
        struct model_flow flow = model_flow(kind & 1, kind & 2);
        struct qe_coalescer *c = start(200);
        for (uint32_t i = 0; i < 150; i++)
            CU_ASSERT_TRUE(add(c, &flow, i, 1400));
        qe_coalescer_flush(c);
        size_t total = 0;
        for (size_t i = 0; i < sink.count; i++) {
            const struct qe_coalesce_out *out = &sink.out[i];
            CU_ASSERT(out->buf->size <= 65535);
            total += out->buf->size - model_header_size(&flow);
            struct qe_packet_info info;
            CU_ASSERT_TRUE(qe_packet_parse(qe_span(qe_buf_bytes(out->buf), out->buf->size), &info));
            CU_ASSERT_EQUAL(info.size, out->buf->size);
        }
        CU_ASSERT_EQUAL(total, 150 * 1400);
        CU_ASSERT_EQUAL(sink.count, 4); // 46 of 1400 bytes fit
        stop(c);
    }
    // Two that are too long together.
    struct model_flow flow = model_flow(false, false);
    struct qe_coalescer *c = start(2);
    for (uint32_t i = 0; i < 2; i++) {
        struct model_flow segment = model_segment(&flow, i, i * 40000, true);
        size_t size = model_packet(&segment, payload, 40000, packet);
        CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
    }
    qe_coalescer_flush(c);
    CU_ASSERT_EQUAL(sink.count, 2);
    stop(c);
}

static void udp_joins_at_most_64_datagrams(void)
{
    struct model_flow flow = model_flow(false, true);
    struct qe_coalescer *c = start(10);
    for (uint32_t i = 0; i < 100; i++)
        CU_ASSERT_TRUE(add(c, &flow, i, 50));
    qe_coalescer_flush(c);
    CU_ASSERT_EQUAL(sink.count, 2);
    CU_ASSERT_EQUAL(sink.out[0].buf->size, 28 + 64 * 50);
    CU_ASSERT_EQUAL(sink.out[1].buf->size, 28 + 36 * 50);
    stop(c);
}

static void udp_without_a_checksum_does_not_join(void)
{
    struct model_flow flow = model_flow(false, true);
    struct qe_coalescer *c = start(10);
    for (int i = 0; i < 2; i++) {
        size_t size = model_packet(&flow, payload, 50, packet);
        qe_store16(packet + 26, 0);
        CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
    }
    CU_ASSERT_EQUAL(sink.count, 2);
    CU_ASSERT_FALSE(sink.out[0].offload.checksum_valid);
    stop(c);
}

static void a_ninth_flow_pushes_out_the_longest_unused(void)
{
    struct qe_coalescer *c = start(30);
    struct model_flow flow = model_flow(false, false);
    for (uint32_t round = 0; round < 2; round++)
        for (uint8_t host = 0; host < 8; host++) {
            // In the second round host 0 is not heard of.
            flow.host = host;
            if (round == 0 || host != 0) CU_ASSERT_TRUE(add(c, &flow, round, 100));
        }
    CU_ASSERT_EQUAL(sink.count, 0);
    flow.host = 8;
    CU_ASSERT_TRUE(add(c, &flow, 0, 100));
    CU_ASSERT_EQUAL_FATAL(sink.count, 1);
    CU_ASSERT_EQUAL(qe_buf_bytes(sink.out[0].buf)[15], 0);
    qe_coalescer_flush(c);
    CU_ASSERT_EQUAL(sink.count, 9);
    stop(c);
}

static void without_a_buffer_the_packet_is_refused_and_the_rest_goes_on(void)
{
    struct qe_coalescer *c = start(1);
    struct model_flow flow = model_flow(false, false), other = flow;
    other.host = 2;
    CU_ASSERT_TRUE(add(c, &flow, 0, 100));
    CU_ASSERT_FALSE(add(c, &other, 0, 100));
    other.flags = MODEL_SYN;
    CU_ASSERT_FALSE(add(c, &other, 0, 100));
    CU_ASSERT_TRUE(add(c, &flow, 1, 100));
    qe_coalescer_flush(c);
    CU_ASSERT_EQUAL(sink.count, 1);
    stop(c);
}

static void without_memory_there_is_no_coalescer(void)
{
    unit_mem_fail_at(1);
    CU_ASSERT_PTR_NULL(qe_coalescer_new(unit_mem(), &(struct qe_coalesce_owner){&sink, lend, take}));
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// A packet as it was added or as it came out again, with what may change made equal.
struct seen {
    uint8_t host;
    size_t size;
    uint8_t bytes[1600];
};

static void remember(struct seen *seen, const uint8_t *bytes, size_t size)
{
    CU_ASSERT_FATAL(size <= sizeof seen->bytes);
    memcpy(seen->bytes, bytes, size);
    seen->size = size;
    bool ipv6 = bytes[0] >> 4 == 6;
    seen->host = bytes[ipv6 ? 23 : 15];
    if (!ipv6 && bytes[6] & 0x40) { // IDs mean nothing here, and IPv4's checksum covers them
        memset(seen->bytes + 4, 0, 2);
        memset(seen->bytes + 10, 0, 2);
    }
}

enum { HOSTS = 12, PACKETS = 1500 };
static struct seen went_in[PACKETS], came_out[PACKETS];
static size_t out_count;

static void cut_anew(const struct qe_coalesce_out *out)
{
    struct qe_segmenter s;
    uint8_t *bytes = qe_buf_bytes(out->buf);
    CU_ASSERT_TRUE_FATAL(qe_segmenter_init(&s, bytes, out->buf->size, &out->offload));
    for (;;) {
        struct qe_span pieces[2];
        int count = qe_segmenter_next(&s, 1500, pieces);
        if (count == 0) break;
        CU_ASSERT_FATAL(count > 0 && out_count < PACKETS);
        memcpy(whole, pieces[0].data, pieces[0].size);
        if (count == 2) memcpy(whole + pieces[0].size, pieces[1].data, pieces[1].size);
        remember(&came_out[out_count++], whole, pieces[0].size + (count == 2 ? pieces[1].size : 0));
        qe_segmenter_taken(&s);
    }
}

// The next packet of a flow: mostly the one that continues it, sometimes one that breaks the run.
static size_t next_packet(struct model_flow *flow, struct unit_random *random)
{
    static const uint16_t sizes[] = {1, 80, 1000, 1000, 1000, 1000, 1000, 1400};
    size_t size = sizes[unit_random_below(random, 8)];
    struct model_flow segment = *flow;
    switch (unit_random_below(random, 24)) {
    case 0:
        segment.flags |= MODEL_PSH;
        break;
    case 1:
        segment.flags = MODEL_ACK | MODEL_FIN;
        break;
    case 2:
        segment.sequence -= 5;
        break;
    case 3:
        segment.traffic_class = 3;
        break;
    case 4:
        size = 0;
        break;
    case 5:
        flow->acknowledgement++;
        break;
    default:
        break;
    }
    size_t total = model_packet(&segment, payload + unit_random_below(random, 1000), size, packet);
    if (size != 0 && unit_random_below(random, 24) == 0) packet[total - 1 - unit_random_below(random, size)] ^= 1;
    if (!flow->ipv6 && unit_random_below(random, 40) == 0) packet[7] ^= 4; // a fragment
    flow->sequence += (uint32_t)size;
    flow->id++;
    return total;
}

static void cut_anew_every_flow_is_what_was_added_in_order(void)
{
    struct unit_random random = unit_random();
    unit_random_fill(&random, payload, sizeof payload);
    for (int round = 0; round < 20; round++) {
        struct model_flow flows[HOSTS];
        for (uint8_t i = 0; i < HOSTS; i++) {
            flows[i] = model_flow(i & 1, i & 2);
            flows[i].dont_fragment = i & 4;
            flows[i].host = i;
        }
        struct qe_coalescer *c = start(PACKETS);
        out_count = 0;
        uint8_t host = 0;
        for (size_t i = 0; i < PACKETS; i++) {
            if (unit_random_below(&random, 4) == 0) host = (uint8_t)unit_random_below(&random, HOSTS);
            size_t size = next_packet(&flows[host], &random);
            remember(&went_in[i], packet, size);
            CU_ASSERT_TRUE(qe_coalescer_add(c, qe_span(packet, size)));
            if (unit_random_below(&random, 200) == 0) qe_coalescer_flush(c);
        }
        qe_coalescer_flush(c);
        CU_ASSERT(sink.count < PACKETS * 3 / 4); // it did join
        for (size_t i = 0; i < sink.count; i++)
            cut_anew(&sink.out[i]);
        CU_ASSERT_EQUAL_FATAL(out_count, PACKETS);
        for (uint8_t h = 0; h < HOSTS; h++)
            for (size_t i = 0, o = 0; i < PACKETS; i++) {
                if (went_in[i].host != h) continue;
                while (came_out[o].host != h)
                    o++;
                CU_ASSERT_EQUAL_FATAL(went_in[i].size, came_out[o].size);
                CU_ASSERT_EQUAL_FATAL(memcmp(went_in[i].bytes, came_out[o].bytes, went_in[i].size), 0);
                o++;
            }
        stop(c);
    }
}

static const struct unit_case cases[] = {
    {"a run becomes the super-packet it was cut from", a_run_becomes_the_super_packet_it_was_cut_from},
    {"packets that differ do not join", packets_that_differ_do_not_join},
    {"damaged packets leave alone and unvouched", damaged_packets_leave_alone_and_unvouched},
    {"unfragmentable packets join whatever their IDs", unfragmentable_packets_join_whatever_their_ids},
    {"lengths stay within 16 bits", lengths_stay_within_16_bits},
    {"UDP joins at most 64 datagrams", udp_joins_at_most_64_datagrams},
    {"UDP without a checksum does not join", udp_without_a_checksum_does_not_join},
    {"a ninth flow pushes out the longest unused", a_ninth_flow_pushes_out_the_longest_unused},
    {"without a buffer the packet is refused and the rest goes on",
        without_a_buffer_the_packet_is_refused_and_the_rest_goes_on},
    {"without memory there is no coalescer", without_memory_there_is_no_coalescer},
    {"cut anew, every flow is what was added, in order", cut_anew_every_flow_is_what_was_added_in_order},
};
UNIT_MAIN("coalesce", cases)
