// Captured packets as those of the overlay: their checksums, as the simulator's own network stack sees them, and what
// they are known by.
#include "traffic/inner.h"
#include "traffic/rewrite.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static uint8_t out[SIM_REWRITE_MAX], packet[2000];
static const struct qe_offload none;

static struct qe_ip ip(const char *text)
{
    struct qe_ip parsed;
    CU_ASSERT_TRUE_FATAL(qe_ip_parse(text, &parsed));
    return parsed;
}

// A UDP packet or an echo request, as sim_inner_write has them.
static size_t write(enum sim_inner_kind kind, bool six, size_t payload_size)
{
    uint8_t payload[1500];
    struct unit_random random = {payload_size};
    unit_random_fill(&random, payload, payload_size);
    struct sim_inner inner = {.kind = kind,
        .source = ip(six ? "2001:db8::1" : "192.0.2.1"),
        .destination = ip(six ? "2001:db8::2" : "192.0.2.2"),
        .id = 777,
        .payload = qe_span(payload, payload_size),
        .payload_sum = sim_inner_sum(payload, payload_size)};
    size_t header = sim_inner_header_size(six ? 6 : 4);
    sim_inner_write(&inner, packet, NULL);
    memcpy(packet + header, payload, payload_size);
    return header + payload_size;
}

static size_t rewrite(size_t captured, size_t total, bool six)
{
    struct qe_ip source = ip(six ? "fd00::1" : "10.1.2.3"), to = ip(six ? "fd00::2" : "10.1.2.4");
    return sim_rewrite(qe_span(packet, captured), (uint32_t)total, &source, &to, out);
}

static void check_good(size_t size, bool six)
{
    struct sim_inner inner;
    const char *wrong = "";
    bool good = sim_inner_read(qe_span(out, size), &none, &inner, &wrong);
    CU_ASSERT_TRUE(good);
    if (!good) fprintf(stderr, "%s\n", wrong);
    struct qe_ip source = ip(six ? "fd00::1" : "10.1.2.3");
    CU_ASSERT_TRUE(qe_ip_equal(&inner.source, &source));
}

static void checksums_are_right_for_the_new_addresses(void)
{
    static const enum sim_inner_kind kinds[] = {SIM_INNER_UDP, SIM_INNER_ECHO_REQUEST};
    for (int six = 0; six < 2; six++)
        for (size_t kind = 0; kind < 2; kind++)
            for (size_t payload = 0; payload < 300; payload++) {
                size_t size = write(kinds[kind], six, payload);
                CU_ASSERT_EQUAL(rewrite(size, size, six), size);
                check_good(size, six);
                // A checksum that the capture had before the card filled it in.
                packet[(six ? 40 : 20) + (kind ? 2 : 6)] ^= 0x55;
                CU_ASSERT_EQUAL(rewrite(size, size, six), size);
                check_good(size, six);
            }
}

static void what_was_cut_off_is_zeros(void)
{
    size_t size = write(SIM_INNER_UDP, false, 500);
    CU_ASSERT_EQUAL(rewrite(60, size, false), size);
    check_good(size, false);
    for (size_t i = 60; i < size; i++)
        CU_ASSERT_EQUAL(out[i], 0);
}

static void udp_without_a_checksum_stays_so(void)
{
    size_t size = write(SIM_INNER_UDP, false, 100);
    packet[26] = packet[27] = 0;
    rewrite(size, size, false);
    CU_ASSERT(out[26] == 0 && out[27] == 0);
}

static void tcp_and_fragments_too(void)
{
    // TCP over a UDP packet's IP header: its checksum, by hand.
    size_t size = write(SIM_INNER_UDP, false, 100);
    packet[9] = 6;
    packet[32] = 0x50;
    CU_ASSERT_EQUAL(rewrite(size, size, false), size);
    uint32_t sum = sim_inner_sum(out + 12, 8) + 6 + (uint32_t)(size - 20) + sim_inner_sum(out + 20, size - 20);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    CU_ASSERT_EQUAL(sum, 0xFFFF);
    // A first fragment changes by its addresses alone; put together with its rest it must sum up.
    size = write(SIM_INNER_UDP, false, 100);
    uint8_t rest[40];
    memcpy(rest, packet + size - 40, 40);
    packet[2] = 0;
    packet[3] = (uint8_t)(size - 40);
    packet[6] = 0x20;
    CU_ASSERT_EQUAL(rewrite(size - 40, size - 40, false), size - 40);
    sum = sim_inner_sum(out + 12, 8) + 17 + (uint32_t)(size - 20) + sim_inner_sum(out + 20, size - 60) +
          sim_inner_sum(rest, 40);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    CU_ASSERT_EQUAL(sum, 0xFFFF);
}

static void what_is_no_packet_is_refused(void)
{
    struct unit_random random = unit_random();
    CU_ASSERT_EQUAL(rewrite(0, 0, false), 0);
    CU_ASSERT_EQUAL(rewrite(19, 19, false), 0);
    size_t size = write(SIM_INNER_UDP, false, 10);
    CU_ASSERT_EQUAL(rewrite(size, SIM_REWRITE_MAX + 1, false), 0);
    // Anything goes through without harm.
    for (int i = 0; i < 100000; i++) {
        size = (size_t)unit_random_below(&random, 120);
        unit_random_fill(&random, packet, size);
        if (size && i % 4) packet[0] = i % 2 ? 0x45 : 0x60;
        if (size > 10 && i % 3) packet[i % 2 ? 9 : 6] = (uint8_t)(i % 61);
        bool six = size && packet[0] >> 4 == 6;
        size_t written = rewrite(size, size, six);
        CU_ASSERT(written == 0 || written == size);
        sim_rewrite_identity(qe_span(packet, size));
    }
}

static void a_packet_is_known_by_its_content(void)
{
    size_t size = write(SIM_INNER_UDP, false, 100);
    uint64_t before = sim_rewrite_identity(qe_span(packet, size));
    CU_ASSERT_NOT_EQUAL(before, 0);
    rewrite(size, size, false);
    CU_ASSERT_EQUAL(sim_rewrite_identity(qe_span(out, size)), before);
    out[8]--; // a hop
    CU_ASSERT_EQUAL(sim_rewrite_identity(qe_span(out, size)), before);
    out[size - 1] ^= 1;
    CU_ASSERT_NOT_EQUAL(sim_rewrite_identity(qe_span(out, size)), before);
    out[size - 1] ^= 1;
    out[20] ^= 1; // a port
    CU_ASSERT_NOT_EQUAL(sim_rewrite_identity(qe_span(out, size)), before);
    CU_ASSERT_EQUAL(sim_rewrite_identity(qe_span(out, 10)), 0);
}

static const struct unit_case cases[] = {
    {"checksums are right for the new addresses", checksums_are_right_for_the_new_addresses},
    {"what was cut off is zeros", what_was_cut_off_is_zeros},
    {"UDP without a checksum stays so", udp_without_a_checksum_stays_so},
    {"TCP and fragments too", tcp_and_fragments_too},
    {"what is no packet is refused", what_is_no_packet_is_refused},
    {"a packet is known by its content", a_packet_is_known_by_its_content},
};
UNIT_MAIN("rewrite", cases)
