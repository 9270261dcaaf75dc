#include "flow/packet.h"

#include "packets.h"
#include "unit.h"

static void checksums_equal_a_sum_byte_by_byte(void)
{
    struct unit_random random = unit_random();
    uint8_t bytes[700], copy[700];
    for (int round = 0; round < 3000; round++) {
        size_t at = unit_random_below(&random, 17), size = unit_random_below(&random, 600);
        unit_random_fill(&random, bytes, sizeof bytes);
        if (round % 3 == 0) memset(bytes, 0xff, sizeof bytes); // the most carries
        CU_ASSERT_EQUAL(qe_checksum_fold(qe_checksum_add(0, bytes + at, size)), model_checksum(bytes + at, size));
        size_t cut = unit_random_below(&random, size + 1) & ~(size_t)1;
        uint64_t sum = qe_checksum_add(qe_checksum_add(0, bytes + at, cut), bytes + at + cut, size - cut);
        CU_ASSERT_EQUAL(qe_checksum_fold(sum), model_checksum(bytes + at, size));
        memset(copy, 0xAA, sizeof copy);
        CU_ASSERT_EQUAL(
            qe_checksum_fold(qe_checksum_copy(0, copy + 3, bytes + at, size)), model_checksum(bytes + at, size));
        CU_ASSERT_EQUAL(memcmp(copy + 3, bytes + at, size), 0);
        CU_ASSERT_EQUAL(copy[3 + size], 0xAA);
        CU_ASSERT_EQUAL(copy[2], 0xAA);
    }
}

static void a_64_kib_packet_of_ones_does_not_overflow_the_sum(void)
{
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof bytes);
    CU_ASSERT_EQUAL(qe_checksum_fold(qe_checksum_add(0, bytes, sizeof bytes)), model_checksum(bytes, sizeof bytes));
}

static void fields_of_plain_packets_are_found(void)
{
    uint8_t packet[200], payload[10] = {0};
    for (int kind = 0; kind < 4; kind++) {
        struct model_flow flow = model_flow(kind & 1, kind & 2);
        flow.traffic_class = 0xb9;
        size_t size = model_packet(&flow, payload, sizeof payload, packet);
        memset(packet + size, 0x55, sizeof packet - size);
        struct qe_packet_info info;
        CU_ASSERT_TRUE_FATAL(qe_packet_parse(qe_span(packet, sizeof packet), &info));
        CU_ASSERT_EQUAL(info.version, flow.ipv6 ? 6 : 4);
        CU_ASSERT_EQUAL(info.protocol, flow.udp ? QE_IPPROTO_UDP : QE_IPPROTO_TCP);
        CU_ASSERT_EQUAL(info.ecn, 1);
        CU_ASSERT_EQUAL(info.dscp, 46);
        CU_ASSERT_FALSE(info.fragment);
        CU_ASSERT_FALSE(info.more_fragments);
        CU_ASSERT_EQUAL(info.source_port, 40000);
        CU_ASSERT_EQUAL(info.destination_port, 5201);
        CU_ASSERT_EQUAL(info.transport_offset, flow.ipv6 ? 40 : 20);
        CU_ASSERT_EQUAL(info.size, size);
        CU_ASSERT_EQUAL(info.source.family, info.version);
        CU_ASSERT_EQUAL(info.source.bytes[flow.ipv6 ? 15 : 3], 1);
        CU_ASSERT_EQUAL(info.destination.bytes[flow.ipv6 ? 15 : 3], 200);
        for (size_t cut = 0; cut < size; cut++)
            CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, cut), &info));
    }
}

static void what_is_no_ip_packet_is_refused(void)
{
    struct qe_packet_info info;
    uint8_t packet[60] = {0};
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, 0), &info));
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
    packet[0] = 0x44; // a header of 16 bytes
    qe_store16(packet + 2, 60);
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
    packet[0] = 0x45;
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
    qe_store16(packet + 2, 61);
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
    qe_store16(packet + 2, 19);
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
}

static void extension_headers_are_walked(void)
{
    uint8_t packet[100] = {0};
    packet[0] = 0x60;
    qe_store16(packet + 4, 60);
    packet[6] = 0;   // hop by hop, 8 bytes
    packet[40] = 43; // routing, 16 bytes
    packet[48] = 51; // authentication, 12 bytes
    packet[49] = 1;
    packet[64] = 60; // destination options, 8 bytes
    packet[65] = 1;
    packet[76] = 17; // UDP
    qe_store16(packet + 84, 53);
    qe_store16(packet + 86, 99);
    struct qe_packet_info info;
    CU_ASSERT_TRUE_FATAL(qe_packet_parse(qe_span(packet, sizeof packet), &info));
    CU_ASSERT_EQUAL(info.protocol, QE_IPPROTO_UDP);
    CU_ASSERT_EQUAL(info.transport_offset, 84);
    CU_ASSERT_EQUAL(info.source_port, 53);
    CU_ASSERT_EQUAL(info.destination_port, 99);
    packet[77] = 9; // reaches beyond the packet
    CU_ASSERT_FALSE(qe_packet_parse(qe_span(packet, sizeof packet), &info));
}

static void later_fragments_have_no_ports(void)
{
    uint8_t packet[100], payload[60] = {0};
    struct model_flow flow = model_flow(false, true);
    size_t size = model_packet(&flow, payload, sizeof payload, packet);
    struct qe_packet_info first, later, whole;
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, size), &whole));
    qe_store16(packet + 6, 0x2000);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, size), &first));
    qe_store16(packet + 6, 0x0010);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, size), &later));
    CU_ASSERT_TRUE(first.more_fragments && !first.fragment && first.source_port == 40000);
    CU_ASSERT_TRUE(!later.more_fragments && later.fragment && later.source_port == 0);
    CU_ASSERT_EQUAL(qe_packet_flow_hash(&first, 5), qe_packet_flow_hash(&later, 5));
    CU_ASSERT_NOT_EQUAL(qe_packet_flow_hash(&whole, 5), qe_packet_flow_hash(&later, 5));

    memset(packet, 0, sizeof packet);
    packet[0] = 0x60;
    qe_store16(packet + 4, 60);
    packet[6] = 44;
    packet[40] = 17;
    qe_store16(packet + 42, 0x0009); // offset 8 and more
    qe_store16(packet + 48, 53);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, sizeof packet), &later));
    CU_ASSERT_TRUE(later.more_fragments && later.fragment && later.source_port == 0);
    CU_ASSERT_EQUAL(later.protocol, QE_IPPROTO_UDP);
    qe_store16(packet + 42, 0x0001);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, sizeof packet), &first));
    CU_ASSERT_TRUE(first.more_fragments && !first.fragment && first.source_port == 53);
}

static void hashes_of_flows_spread_over_buckets_and_change_with_the_seed(void)
{
    enum { FLOWS = 4096, BUCKETS = 64 };
    unsigned buckets[BUCKETS] = {0}, same = 0;
    struct qe_packet_info info = {.version = 4, .protocol = 6};
    for (unsigned i = 0; i < FLOWS; i++) {
        info.source_port = (uint16_t)(1024 + i % 64);
        info.destination.bytes[3] = (uint8_t)(i / 64);
        uint32_t hash = qe_packet_flow_hash(&info, 99);
        buckets[hash % BUCKETS]++;
        same += hash == qe_packet_flow_hash(&info, 100);
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        CU_ASSERT(buckets[i] > 24 && buckets[i] < 120); // 64 expected, ±5 deviations
    CU_ASSERT(same <= 1);
}

static void a_partial_checksum_is_completed(void)
{
    static uint8_t packet[3000], payload[2000];
    struct unit_random random = unit_random();
    unit_random_fill(&random, payload, sizeof payload);
    for (int kind = 0; kind < 4; kind++) {
        struct model_flow flow = model_flow(kind & 1, kind & 2);
        struct qe_offload offload;
        size_t size = model_super_packet(&flow, payload, sizeof payload - (unsigned)kind, 0, packet, &offload);
        CU_ASSERT_FALSE(model_checksums_hold(packet, size));
        CU_ASSERT_TRUE(qe_packet_finish_checksum(packet, size, &offload));
        CU_ASSERT_TRUE(model_checksums_hold(packet, size));
        offload.checksum_start = (uint16_t)(size - 1);
        CU_ASSERT_FALSE(qe_packet_finish_checksum(packet, size, &offload));
        offload.checksum_start = (uint16_t)(size - 17);
        offload.checksum_offset = 16;
        CU_ASSERT_FALSE(qe_packet_finish_checksum(packet, size, &offload));
    }
}

static void only_ecn_capable_packets_are_marked(void)
{
    uint8_t packet[200], payload[10] = {1, 2, 3};
    for (int kind = 0; kind < 2; kind++)
        for (unsigned class = 0; class < 256; class ++) {
            struct model_flow flow = model_flow(kind, false);
            flow.traffic_class = (uint8_t) class;
            size_t size = model_packet(&flow, payload, sizeof payload, packet);
            CU_ASSERT_EQUAL(qe_packet_mark_ce(packet, size), (class & 3) != 0);
            CU_ASSERT_TRUE(model_checksums_hold(packet, size));
            struct qe_packet_info info;
            CU_ASSERT_TRUE(qe_packet_parse(qe_span(packet, size), &info));
            CU_ASSERT_EQUAL(info.ecn, class & 3 ? 3 : 0);
            CU_ASSERT_EQUAL(info.dscp, class >> 2);
            CU_ASSERT_FALSE(qe_packet_mark_ce(packet, kind ? 39 : 19));
        }
}

static void too_big_quotes_the_packet_and_tells_the_mtu(void)
{
    static uint8_t packet[3000], payload[2000], out[QE_ICMP_ERROR_MAX];
    struct qe_packet_info info;
    struct model_flow flow = model_flow(false, false);
    size_t size = model_packet(&flow, payload, sizeof payload, packet);
    struct qe_ip from4 = qe_ip4(100, 64, 0, 9), from6 = qe_ip6((uint8_t[16]){0xfd, [15] = 9});
    size_t icmp = qe_packet_too_big(qe_span(packet, size), &from4, 1420, out);
    CU_ASSERT_EQUAL_FATAL(icmp, 576);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(out, icmp), &info));
    CU_ASSERT_TRUE(qe_ip_equal(&info.source, &from4));
    CU_ASSERT_EQUAL(info.destination.bytes[3], 1);
    CU_ASSERT_EQUAL(info.protocol, QE_IPPROTO_ICMP);
    CU_ASSERT_EQUAL(out[20], 3);
    CU_ASSERT_EQUAL(out[21], 4);
    CU_ASSERT_EQUAL(qe_load16(out + 26), 1420);
    CU_ASSERT_EQUAL(model_checksum(out, 20), 0);
    CU_ASSERT_EQUAL(model_checksum(out + 20, icmp - 20), 0);
    CU_ASSERT_EQUAL(memcmp(out + 28, packet, icmp - 28), 0);
    CU_ASSERT_EQUAL(qe_packet_too_big(qe_span(packet, size), &from6, 1420, out), 0);

    flow = model_flow(true, false);
    size = model_packet(&flow, payload, sizeof payload, packet);
    icmp = qe_packet_too_big(qe_span(packet, size), &from6, 1420, out);
    CU_ASSERT_EQUAL_FATAL(icmp, 1280);
    CU_ASSERT_TRUE(qe_packet_parse(qe_span(out, icmp), &info));
    CU_ASSERT_TRUE(qe_ip_equal(&info.source, &from6));
    CU_ASSERT_EQUAL(info.protocol, QE_IPPROTO_ICMPV6);
    CU_ASSERT_EQUAL(out[40], 2);
    CU_ASSERT_EQUAL(qe_load32(out + 44), 1420);
    CU_ASSERT_TRUE(model_checksums_hold(out, icmp));
    CU_ASSERT_EQUAL(memcmp(out + 48, packet, icmp - 48), 0);
    CU_ASSERT_EQUAL(qe_packet_too_big(qe_span(packet, size), &from4, 1420, out), 0);
}

// Byte `at` of a 100-byte packet set to `value`: whether an answer may be given.
struct answer_case {
    bool ipv6;
    size_t at;
    uint8_t value;
    bool may;
};

static void no_answer_is_given_where_the_rfcs_forbid_it(void)
{
    static const struct answer_case table[] = {
        {false, 6, 0x40, true},  // DF, as it was
        {false, 6, 0x00, false}, // no DF: it may be fragmented on the way
        {false, 7, 0x01, false}, // a later fragment
        {false, 12, 0, false},   // from this network
        {false, 12, 127, false}, // from loopback
        {false, 12, 224, false}, // from multicast
        {false, 12, 255, false}, // from broadcast
        {false, 16, 224, false}, // to multicast
        {false, 16, 255, false}, // to broadcast
        {true, 8, 0xff, false},  // from multicast
        {true, 8, 0xfd, true},   // as it was
        {true, 24, 0xff, true},  // to multicast (RFC 4443 §2.4 (e.3))
    };
    uint8_t packet[200], out[QE_ICMP_ERROR_MAX], payload[60] = {0};
    struct qe_ip from[2] = {qe_ip4(100, 64, 0, 9), qe_ip6((uint8_t[16]){0xfd, [15] = 9})};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct model_flow flow = model_flow(table[i].ipv6, true);
        size_t size = model_packet(&flow, payload, sizeof payload, packet);
        packet[table[i].at] = table[i].value;
        CU_ASSERT_EQUAL(qe_packet_too_big(qe_span(packet, size), &from[table[i].ipv6], 50, out) != 0, table[i].may);
    }
    for (int kind = 0; kind < 2; kind++)
        for (unsigned type = 0; type < 256; type++) {
            struct model_flow flow = model_flow(kind, true);
            size_t size = model_packet(&flow, payload, sizeof payload, packet);
            packet[kind ? 6 : 9] = kind ? QE_IPPROTO_ICMPV6 : QE_IPPROTO_ICMP;
            packet[kind ? 40 : 20] = (uint8_t)type;
            size_t got = qe_packet_too_big(qe_span(packet, size), &from[kind], 50, out);
            bool is_error =
                kind ? type < 128 || type == 137 : type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
            if (is_error) CU_ASSERT_EQUAL(got, 0);
            if (type == (kind ? 128 : 8)) CU_ASSERT_NOT_EQUAL(got, 0);
        }
}

static const struct unit_case cases[] = {
    {"checksums equal a sum byte by byte", checksums_equal_a_sum_byte_by_byte},
    {"a 64 KiB packet of ones does not overflow the sum", a_64_kib_packet_of_ones_does_not_overflow_the_sum},
    {"fields of plain packets are found", fields_of_plain_packets_are_found},
    {"what is no IP packet is refused", what_is_no_ip_packet_is_refused},
    {"extension headers are walked", extension_headers_are_walked},
    {"later fragments have no ports", later_fragments_have_no_ports},
    {"hashes of flows spread over buckets and change with the seed",
        hashes_of_flows_spread_over_buckets_and_change_with_the_seed},
    {"a partial checksum is completed", a_partial_checksum_is_completed},
    {"only ECN-capable packets are marked", only_ecn_capable_packets_are_marked},
    {"too big quotes the packet and tells the MTU", too_big_quotes_the_packet_and_tells_the_mtu},
    {"no answer is given where the RFCs forbid it", no_answer_is_given_where_the_rfcs_forbid_it},
};
UNIT_MAIN("packet", cases)
