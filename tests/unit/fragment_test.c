#include "flow/fragment.h"

#include "unit.h"

enum { SIZE = QE_FRAGMENT_PACKET_MAX, HEADER = QE_FRAGMENT_HEADER_SIZE };

static uint8_t bytes[SIZE + 100], frame[SIZE + 100];
static struct qe_span packet;

static enum qe_reassembly add(
    struct qe_reassembler *r, uint16_t id, size_t offset, size_t size, bool more, uint64_t now_ns)
{
    frame[0] = 0x02;
    qe_store16(frame + 1, id);
    qe_store16(frame + 3, (uint16_t)(offset | (more ? 0x8000 : 0)));
    memcpy(frame + HEADER, bytes + offset, size);
    return qe_reassembler_add(r, qe_span(frame, HEADER + size), &packet, now_ns);
}

static struct qe_reassembler *start(void)
{
    struct unit_random random = unit_random();
    unit_random_fill(&random, bytes, sizeof bytes);
    struct qe_reassembler *r = qe_reassembler_new(unit_mem());
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    return r;
}

static void stop(struct qe_reassembler *r)
{
    qe_reassembler_free(r);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void headers_cover_the_packet_without_gap_or_overlap(void)
{
    for (size_t total = 1; total <= SIZE; total += 13)
        for (size_t size_max = HEADER + 1; size_max < 1500; size_max = size_max * 3 / 2) {
            size_t offset = 0, piece;
            uint8_t header[HEADER];
            while (offset < total) {
                CU_ASSERT_TRUE_FATAL(qe_fragment_header(0xabcd, offset, total, size_max, header, &piece));
                CU_ASSERT_EQUAL(header[0], 0x02);
                CU_ASSERT_EQUAL(qe_load16(header + 1), 0xabcd);
                CU_ASSERT_EQUAL(qe_load16(header + 3), offset + (offset + piece < total ? 0x8000 : 0));
                CU_ASSERT(piece >= 1 && piece + HEADER <= size_max);
                offset += piece;
            }
            CU_ASSERT_EQUAL(offset, total);
        }
}

static void fragments_that_make_no_progress_are_refused(void)
{
    uint8_t header[HEADER];
    size_t piece;
    CU_ASSERT_FALSE(qe_fragment_header(1, 0, 100, HEADER, header, &piece));
    CU_ASSERT_FALSE(qe_fragment_header(1, 0, 100, 0, header, &piece));
    CU_ASSERT_FALSE(qe_fragment_header(1, 100, 100, 50, header, &piece));
    CU_ASSERT_FALSE(qe_fragment_header(1, 0, 0, 50, header, &piece));
    CU_ASSERT_FALSE(qe_fragment_header(1, 0, SIZE + 1, 50, header, &piece));
}

static void two_fragments_in_either_order_make_the_packet(void)
{
    struct qe_reassembler *r = start();
    for (uint16_t id = 0; id < 2; id++) {
        CU_ASSERT_EQUAL(add(r, id, id ? 0 : 1000, id ? 1000 : 420, id, 0), QE_REASSEMBLY_WAITING);
        CU_ASSERT_EQUAL(packet.size, 0);
        CU_ASSERT_EQUAL(add(r, id, id ? 1000 : 0, id ? 420 : 1000, !id, 0), QE_REASSEMBLY_COMPLETE);
        CU_ASSERT_TRUE(qe_span_equal(packet, qe_span(bytes, 1420)));
    }
    CU_ASSERT_EQUAL(add(r, 9, 0, SIZE, false, 0), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_TRUE(qe_span_equal(packet, qe_span(bytes, SIZE)));
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 0);
    stop(r);
}

static void repeats_and_agreeing_overlaps_do_no_harm(void)
{
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 5, 100, 200, true, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 5, 100, 200, true, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 5, 250, 150, false, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 5, 250, 150, false, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 5, 0, 150, true, 0), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_TRUE(qe_span_equal(packet, qe_span(bytes, 400)));
    stop(r);
}

static void frames_that_cannot_be_are_malformed(void)
{
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 1, 0, 0, true, 0), QE_REASSEMBLY_MALFORMED);
    CU_ASSERT_EQUAL(add(r, 1, 0, 0, false, 0), QE_REASSEMBLY_MALFORMED);
    CU_ASSERT_EQUAL(add(r, 1, 1, SIZE, false, 0), QE_REASSEMBLY_MALFORMED);
    CU_ASSERT_EQUAL(add(r, 1, 1, SIZE - 1, true, 0), QE_REASSEMBLY_MALFORMED); // more could not fit
    CU_ASSERT_EQUAL(add(r, 1, 1, SIZE - 1, false, 0), QE_REASSEMBLY_WAITING);
    frame[0] = 0x01;
    CU_ASSERT_EQUAL(qe_reassembler_add(r, qe_span(frame, 50), &packet, 0), QE_REASSEMBLY_MALFORMED);
    for (size_t size = 0; size <= HEADER; size++)
        CU_ASSERT_EQUAL(qe_reassembler_add(r, qe_span(frame, size), &packet, 0), QE_REASSEMBLY_MALFORMED);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 0);
    stop(r);
}

// After a fragment [100, 200) with more to come: one that contradicts it.
struct contradiction_case {
    size_t first_offset, first_size;
    bool first_more;
    size_t offset, size;
    bool more;
};

static void contradictions_drop_the_packet(void)
{
    static const struct contradiction_case table[] = {
        {100, 100, false, 200, 10, false}, // beyond the end
        {100, 100, false, 200, 10, true},  // beyond the end
        {100, 100, false, 50, 150, true},  // more after the end
        {100, 100, false, 0, 50, false},   // another end
        {100, 100, true, 0, 50, false},    // an end before what has come
        {100, 100, true, 100, 100, false}, // the same, now said to be the last
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_reassembler *r = start();
        const struct contradiction_case *t = &table[i];
        CU_ASSERT_EQUAL(add(r, 1, t->first_offset, t->first_size, t->first_more, 0), QE_REASSEMBLY_WAITING);
        CU_ASSERT_EQUAL(add(r, 1, t->offset, t->size, t->more, 0), QE_REASSEMBLY_MALFORMED);
        CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
        stop(r);
    }
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 1, 0, 100, true, 0), QE_REASSEMBLY_WAITING);
    bytes[99] ^= 1; // an overlap in one byte that differs
    CU_ASSERT_EQUAL(add(r, 1, 99, 50, false, 0), QE_REASSEMBLY_MALFORMED);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
    CU_ASSERT_EQUAL(add(r, 1, 0, 100, true, 0), QE_REASSEMBLY_WAITING); // and it may start anew
    CU_ASSERT_EQUAL(add(r, 1, 100, 50, false, 0), QE_REASSEMBLY_COMPLETE);
    stop(r);
}

static void incomplete_packets_are_given_up_after_the_timeout(void)
{
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 1, 0, 100, true, 10), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 2, 0, 100, true, 11), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 1, 100, 10, true, 9 + QE_FRAGMENT_TIMEOUT_NS), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 0);
    CU_ASSERT_EQUAL(add(r, 2, 100, 10, false, 10 + QE_FRAGMENT_TIMEOUT_NS), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
    CU_ASSERT_EQUAL(add(r, 1, 110, 10, false, 10 + QE_FRAGMENT_TIMEOUT_NS), QE_REASSEMBLY_WAITING);
    stop(r);
}

static void the_oldest_goes_where_there_are_too_many(void)
{
    struct qe_reassembler *r = start();
    for (uint16_t id = 0; id <= QE_FRAGMENT_SLOTS; id++)
        CU_ASSERT_EQUAL(add(r, id, 0, 100, true, id), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
    CU_ASSERT(unit_mem_outstanding() <= QE_FRAGMENT_SLOTS + 2);
    for (uint16_t id = 1; id <= QE_FRAGMENT_SLOTS; id++)
        CU_ASSERT_EQUAL(add(r, id, 100, 100, false, 99), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_EQUAL(add(r, 0, 100, 100, false, 99), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
    CU_ASSERT(unit_mem_outstanding() <= 4);
    stop(r);
}

static void an_id_that_comes_round_again_is_another_packet(void)
{
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 7, 0, 100, true, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 7 + QE_FRAGMENT_WINDOW, 0, 10, false, 0), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 0);
    CU_ASSERT_EQUAL(add(r, 8 + QE_FRAGMENT_WINDOW, 0, 10, false, 0), QE_REASSEMBLY_COMPLETE);
    CU_ASSERT_EQUAL(qe_reassembler_lost(r), 1);
    CU_ASSERT_EQUAL(add(r, 7, 100, 100, false, 0), QE_REASSEMBLY_WAITING);
    // A sender that jumps back is followed.
    CU_ASSERT_EQUAL(add(r, 7, 0, 100, true, 0), QE_REASSEMBLY_COMPLETE);
    stop(r);
}

static void without_memory_only_the_fragment_is_lost(void)
{
    unit_mem_fail_at(1);
    CU_ASSERT_PTR_NULL(qe_reassembler_new(unit_mem()));
    struct qe_reassembler *r = start();
    CU_ASSERT_EQUAL(add(r, 1, 0, 100, true, 0), QE_REASSEMBLY_WAITING);
    unit_mem_fail_at(1);
    CU_ASSERT_EQUAL(add(r, 2, 0, 100, true, 0), QE_REASSEMBLY_MEMORY);
    CU_ASSERT_EQUAL(add(r, 1, 100, 100, false, 0), QE_REASSEMBLY_COMPLETE);
    // From here on the first one's memory is used again.
    unit_mem_fail_at(1);
    CU_ASSERT_EQUAL(add(r, 3, 0, 100, true, 0), QE_REASSEMBLY_WAITING);
    CU_ASSERT_EQUAL(add(r, 3, 100, 100, false, 0), QE_REASSEMBLY_COMPLETE);
    unit_mem_fail_at(0);
    stop(r);
}

// The oracle: what of each packet has come, as plain flags.
struct model_packet {
    size_t size;
    size_t offset; // where the sender is
    bool came[SIZE];
    uint8_t bytes[SIZE];
    bool done;
};

enum { PACKETS = 40 };
static struct model_packet model[PACKETS];

static bool model_is_whole(const struct model_packet *m)
{
    for (size_t i = 0; i < m->size; i++)
        if (!m->came[i]) return false;
    return true;
}

static void packets_come_out_exactly_when_all_their_bytes_have_come(void)
{
    struct unit_random random = unit_random();
    for (int round = 0; round < 60; round++) {
        struct qe_reassembler *r = qe_reassembler_new(unit_mem());
        size_t completed = 0;
        memset(model, 0, sizeof model);
        for (size_t i = 0; i < PACKETS; i++) {
            model[i].size = 1 + unit_random_below(&random, SIZE);
            unit_random_fill(&random, model[i].bytes, model[i].size);
        }
        for (int step = 0; step < 3000; step++) {
            // Pieces of random packets from random places, so that order, repeats and overlaps are all mixed.
            uint16_t id = (uint16_t)unit_random_below(&random, PACKETS);
            struct model_packet *m = &model[id];
            size_t offset = unit_random_below(&random, m->size), piece;
            if (unit_random_below(&random, 3) == 0) offset = 0;
            size_t size_max = HEADER + 1 + unit_random_below(&random, 1000);
            CU_ASSERT_TRUE_FATAL(qe_fragment_header(id, offset, m->size, size_max, frame, &piece));
            memcpy(frame + HEADER, m->bytes + offset, piece);
            if (m->done) continue;
            for (size_t i = 0; i < piece; i++)
                m->came[offset + i] = true;
            m->done = model_is_whole(m);
            enum qe_reassembly got = qe_reassembler_add(r, qe_span(frame, HEADER + piece), &packet, (uint64_t)step);
            CU_ASSERT_EQUAL_FATAL(got, m->done ? QE_REASSEMBLY_COMPLETE : QE_REASSEMBLY_WAITING);
            if (m->done) CU_ASSERT_TRUE(qe_span_equal(packet, qe_span(m->bytes, m->size)));
            completed += m->done;
        }
        CU_ASSERT(completed > PACKETS / 2);
        CU_ASSERT_EQUAL(qe_reassembler_lost(r), 0);
        stop(r);
    }
}

static const struct unit_case cases[] = {
    {"headers cover the packet without gap or overlap", headers_cover_the_packet_without_gap_or_overlap},
    {"fragments that make no progress are refused", fragments_that_make_no_progress_are_refused},
    {"two fragments in either order make the packet", two_fragments_in_either_order_make_the_packet},
    {"repeats and agreeing overlaps do no harm", repeats_and_agreeing_overlaps_do_no_harm},
    {"frames that cannot be are malformed", frames_that_cannot_be_are_malformed},
    {"contradictions drop the packet", contradictions_drop_the_packet},
    {"incomplete packets are given up after the timeout", incomplete_packets_are_given_up_after_the_timeout},
    {"the oldest goes where there are too many", the_oldest_goes_where_there_are_too_many},
    {"an id that comes round again is another packet", an_id_that_comes_round_again_is_another_packet},
    {"without memory only the fragment is lost", without_memory_only_the_fragment_is_lost},
    {"packets come out exactly when all their bytes have come",
        packets_come_out_exactly_when_all_their_bytes_have_come},
};
UNIT_MAIN("fragment", cases)
