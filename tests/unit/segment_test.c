#include "flow/segment.h"

#include "flow/packet.h"
#include "packets.h"
#include "unit.h"

static uint8_t payload[65536], super[70000], got[70000], want[70000];

static size_t gather(const struct qe_span pieces[2], int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        memcpy(got + size, pieces[i].data, pieces[i].size);
        size += pieces[i].size;
    }
    return size;
}

// Cuts all of it with `size_max` drawn anew for each segment, comparing each with the packet that the plain way writes.
static void expect_segments(const struct model_flow *flow, size_t size, uint16_t segment_size, size_t size_max,
    struct unit_random *random, bool vary)
{
    struct qe_offload offload;
    size_t total = model_super_packet(flow, payload, size, segment_size, super, &offload);
    struct qe_segmenter s;
    CU_ASSERT_TRUE_FATAL(qe_segmenter_init(&s, super, total, &offload));
    uint32_t done = 0, index = 0;
    while (done < size) {
        CU_ASSERT_FALSE(qe_segmenter_finished(&s));
        size_t room = vary ? size_max - unit_random_below(random, 200) : size_max;
        struct qe_span pieces[2];
        int count = qe_segmenter_next(&s, room, pieces);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        if (vary && unit_random_below(random, 3) == 0) {
            room = size_max - unit_random_below(random, 200);
            count = qe_segmenter_next(&s, room, pieces);
        }
        size_t chunk = room - model_header_size(flow);
        if (chunk > segment_size) chunk = segment_size;
        if (chunk > size - done) chunk = size - done;
        struct model_flow segment = model_segment(flow, index, done, done + chunk == size);
        size_t expected = model_packet(&segment, payload + done, chunk, want);
        CU_ASSERT_EQUAL_FATAL(gather(pieces, count), expected);
        CU_ASSERT_EQUAL_FATAL(memcmp(got, want, expected), 0);
        qe_segmenter_taken(&s);
        done += (uint32_t)chunk;
        index++;
    }
    struct qe_span pieces[2];
    CU_ASSERT_TRUE(qe_segmenter_finished(&s));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 1500, pieces), 0);
}

static void segments_equal_those_cut_the_plain_way(void)
{
    struct unit_random random = unit_random();
    unit_random_fill(&random, payload, sizeof payload);
    for (int round = 0; round < 400; round++) {
        struct model_flow flow = model_flow(round & 1, round & 2);
        flow.flags =
            (uint8_t)(MODEL_ACK | (unit_random_next(&random) & (MODEL_PSH | MODEL_FIN | MODEL_CWR | MODEL_ECE)));
        flow.id = (uint16_t)unit_random_next(&random);
        if (!flow.udp) flow.options_size = unit_random_below(&random, 11) * 4;
        uint16_t segment_size = (uint16_t)(100 + unit_random_below(&random, 1300));
        size_t size = 1 + unit_random_below(&random, 65535 - model_header_size(&flow));
        bool shorter = !flow.udp && round & 4;
        expect_segments(&flow, size, segment_size, shorter ? 400 : 1500, &random, shorter);
    }
}

static void udp_is_never_cut_shorter_than_its_segments(void)
{
    struct model_flow flow = model_flow(false, true);
    struct qe_offload offload;
    size_t total = model_super_packet(&flow, payload, 2500, 1200, super, &offload);
    struct qe_segmenter s;
    struct qe_span pieces[2];
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, total, &offload));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 1227, pieces), -1);
    CU_ASSERT_EQUAL(gather(pieces, 2), 1228);
    struct model_flow segment = model_segment(&flow, 0, 0, false);
    CU_ASSERT_EQUAL(model_packet(&segment, payload, 1200, want), 1228);
    CU_ASSERT_EQUAL(memcmp(got, want, 1228), 0);
    qe_segmenter_taken(&s);
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 1228, pieces), 2);
    qe_segmenter_taken(&s);
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 128, pieces), 2);
    CU_ASSERT_EQUAL(gather(pieces, 2), 128);
    qe_segmenter_taken(&s);
    CU_ASSERT_TRUE(qe_segmenter_finished(&s));
}

static void udp_never_says_that_it_has_no_checksum(void)
{
    // The last word of the payload makes the sum come out as zero, which is sent as its equal (RFC 768).
    struct model_flow flow = model_flow(true, true);
    size_t size = model_packet(&flow, payload, 1000, want);
    uint16_t sum = qe_load16(want + 46), word = qe_load16(payload + 998);
    uint32_t adjusted = (uint32_t)word + sum;
    qe_store16(payload + 998, (uint16_t)(adjusted + (adjusted >> 16)));
    struct qe_offload offload;
    size_t total = model_super_packet(&flow, payload, 1010, 1000, super, &offload);
    struct qe_segmenter s;
    struct qe_span pieces[2];
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, total, &offload));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 1500, pieces), 2);
    CU_ASSERT_EQUAL(gather(pieces, 2), size);
    CU_ASSERT_EQUAL(qe_load16(got + 46), 0xffff);
    CU_ASSERT_TRUE(model_checksums_hold(got, size));
}

static void tcp_without_room_for_a_byte_cannot_be_made_to_fit(void)
{
    struct model_flow flow = model_flow(true, false);
    struct qe_offload offload;
    size_t total = model_super_packet(&flow, payload, 2500, 1200, super, &offload);
    struct qe_segmenter s;
    struct qe_span pieces[2];
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, total, &offload));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 72, pieces), -1);
    CU_ASSERT_EQUAL(gather(pieces, 2), 1272);
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, 73, pieces), 2);
    CU_ASSERT_EQUAL(gather(pieces, 2), 73);
}

static void a_plain_packet_goes_whole_with_its_checksum_completed(void)
{
    struct model_flow flow = model_flow(false, false);
    struct qe_offload offload;
    size_t total = model_super_packet(&flow, payload, 900, 0, super, &offload);
    offload.kind = QE_OFFLOAD_NONE;
    struct qe_segmenter s;
    struct qe_span pieces[2];
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, total, &offload));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, total - 1, pieces), -1);
    CU_ASSERT_EQUAL(gather(pieces, 1), total);
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, total, pieces), 1);
    CU_ASSERT_EQUAL(gather(pieces, 1), total);
    CU_ASSERT_TRUE(model_checksums_hold(got, total));
    CU_ASSERT_FALSE(qe_segmenter_finished(&s));
    qe_segmenter_taken(&s);
    CU_ASSERT_TRUE(qe_segmenter_finished(&s));
    CU_ASSERT_EQUAL(qe_segmenter_next(&s, total, pieces), 0);
}

static void options_before_the_transport_header_stay_in_every_segment(void)
{
    struct model_flow flow = model_flow(true, false);
    struct qe_offload offload;
    size_t total = model_super_packet(&flow, payload, 3000, 1000, super, &offload);
    // Eight bytes of destination options between the headers.
    memmove(super + 48, super + 40, total - 40);
    memset(super + 40, 0, 8);
    super[40] = 6;
    super[42] = 1, super[43] = 4;
    super[6] = 60;
    qe_store16(super + 4, (uint16_t)(total - 40 + 8));
    offload.checksum_start = 48;
    struct qe_segmenter s;
    struct qe_span pieces[2];
    CU_ASSERT_TRUE_FATAL(qe_segmenter_init(&s, super, total + 8, &offload));
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(qe_segmenter_next(&s, 1500, pieces), 2);
        size_t size = gather(pieces, 2);
        struct qe_packet_info info;
        CU_ASSERT_TRUE(qe_packet_parse(qe_span(got, size), &info));
        CU_ASSERT_EQUAL(info.size, size);
        CU_ASSERT_EQUAL(info.transport_offset, 48);
        // The same packet without the options has the same transport checksum.
        struct model_flow segment = model_segment(&flow, i, i * 1000, i == 2);
        CU_ASSERT_EQUAL(model_packet(&segment, payload + i * 1000, 1000, want), size - 8);
        CU_ASSERT_EQUAL(memcmp(got + 48, want + 40, size - 48), 0);
        qe_segmenter_taken(&s);
    }
    super[6] = 43; // a routing header changes whom the checksum is for
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total + 8, &offload));
}

static void contradictions_between_packet_and_offload_are_refused(void)
{
    struct model_flow flow = model_flow(false, false);
    struct qe_offload good, bad;
    size_t total = model_super_packet(&flow, payload, 3000, 1000, super, &good);
    struct qe_segmenter s;
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, total, &good));
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, 0, &good));
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, 52, &good)); // no payload
    CU_ASSERT_TRUE(qe_segmenter_init(&s, super, 53, &good));
    bad = good, bad.kind = QE_OFFLOAD_TCP6;
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    bad = good, bad.kind = QE_OFFLOAD_UDP4;
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    bad = good, bad.kind = 9;
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    bad = good, bad.segment_size = 0;
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    bad = good, bad.checksum_start = 24;
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    bad = good, bad.segment_size = 65535; // longer than an IPv4 packet with its headers
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &bad));
    super[7] = 1; // a fragment
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &good));
    super[7] = 0;
    super[32] = 0x40; // a TCP header of 16 bytes
    CU_ASSERT_FALSE(qe_segmenter_init(&s, super, total, &good));
}

static const struct unit_case cases[] = {
    {"segments equal those cut the plain way", segments_equal_those_cut_the_plain_way},
    {"UDP is never cut shorter than its segments", udp_is_never_cut_shorter_than_its_segments},
    {"UDP never says that it has no checksum", udp_never_says_that_it_has_no_checksum},
    {"TCP without room for a byte cannot be made to fit", tcp_without_room_for_a_byte_cannot_be_made_to_fit},
    {"a plain packet goes whole with its checksum completed", a_plain_packet_goes_whole_with_its_checksum_completed},
    {"options before the transport header stay in every segment",
        options_before_the_transport_header_stay_in_every_segment},
    {"contradictions between packet and offload are refused", contradictions_between_packet_and_offload_are_refused},
};
UNIT_MAIN("segment", cases)
