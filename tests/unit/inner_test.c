// Packets of the simulated machines: what is written is read, and what is damaged is not.
#include "engine/digest.h"
#include "traffic/inner.h"
#include "unit.h"

#include <string.h>

static struct qe_ip address(uint8_t family, uint8_t last)
{
    uint8_t bytes[16] = {0xfd, [15] = last};
    return family == 6 ? qe_ip6(bytes) : qe_ip4(100, 64, 0, last);
}

// Writes a packet of that kind with `size` bytes of payload into `out`; returns its size.
static size_t write(enum sim_inner_kind kind, uint8_t family, size_t size, uint8_t *out, struct qe_offload *offload)
{
    struct unit_random random = unit_random();
    size_t header = sim_inner_header_size(family);
    unit_random_fill(&random, out + header, size);
    struct sim_inner inner = {.kind = kind,
        .source = address(family, 1),
        .destination = address(family, 2),
        .id = 40007,
        .payload = qe_span(out + header, size),
        .payload_sum = sim_inner_sum(out + header, size)};
    sim_inner_write(&inner, out, offload);
    return header + size;
}

static void what_is_written_is_read(void)
{
    static const enum sim_inner_kind kinds[] = {SIM_INNER_ECHO_REQUEST, SIM_INNER_ECHO_REPLY, SIM_INNER_UDP};
    static uint8_t packet[2048];
    const struct qe_offload none = {0};
    for (uint8_t family = 4; family <= 6; family += 2)
        for (size_t k = 0; k < 3; k++)
            for (size_t size = 0; size < 1500; size += 1 + size / 7) {
                struct sim_inner inner;
                const char *wrong = NULL;
                size_t whole = write(kinds[k], family, size, packet, NULL);
                CU_ASSERT_TRUE_FATAL(sim_inner_read(qe_span(packet, whole), &none, &inner, &wrong));
                CU_ASSERT_EQUAL(inner.kind, kinds[k]);
                CU_ASSERT_EQUAL(inner.id, 40007);
                CU_ASSERT_EQUAL(inner.source.bytes[family == 6 ? 15 : 3], 1);
                CU_ASSERT_EQUAL(inner.destination.bytes[family == 6 ? 15 : 3], 2);
                CU_ASSERT_EQUAL(inner.payload.size, size);
            }
}

static void every_damaged_bit_is_seen(void)
{
    // But for bits that no checksum covers: IPv6's class, flow label and hop limit.
    static uint8_t packet[256];
    const struct qe_offload none = {0};
    for (uint8_t family = 4; family <= 6; family += 2) {
        size_t whole = write(SIM_INNER_UDP, family, 100, packet, NULL), unseen = 0;
        for (size_t bit = 0; bit < whole * 8; bit++) {
            struct sim_inner inner;
            const char *wrong;
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            bool read = sim_inner_read(qe_span(packet, whole), &none, &inner, &wrong);
            bool other = read && (inner.kind != SIM_INNER_UDP || inner.id != 40007);
            unseen += read && !other;
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        CU_ASSERT_EQUAL(unseen, family == 6 ? 4 + 24 + 8 : 0);
    }
}

static void anything_can_be_read(void)
{
    static uint8_t packet[128];
    struct unit_random random = unit_random();
    size_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        struct sim_inner inner;
        const char *wrong;
        struct qe_offload offload = {.kind = (uint8_t)unit_random_below(&random, 5),
            .needs_checksum = unit_random_below(&random, 2),
            .segment_size = (uint16_t)unit_random_next(&random)};
        size_t size = (size_t)unit_random_below(&random, sizeof(packet) + 1);
        unit_random_fill(&random, packet, size);
        if (size) packet[0] = unit_random_below(&random, 2) ? 0x45 : 0x60;
        refused += !sim_inner_read(qe_span(packet, size), &offload, &inner, &wrong);
    }
    CU_ASSERT(refused > 1000);
}

static void a_partial_checksum_is_the_pseudo_headers(void)
{
    static uint8_t packet[2048];
    struct qe_offload offload = {0};
    size_t whole = write(SIM_INNER_UDP, 4, 1001, packet, &offload);
    CU_ASSERT_TRUE(offload.needs_checksum);
    CU_ASSERT_EQUAL(offload.checksum_start, 20);
    CU_ASSERT_EQUAL(offload.checksum_offset, 6);
    // Completing it over header and payload gives a right packet.
    uint32_t sum = sim_inner_sum(packet + 20, whole - 20);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    qe_store16(packet + 26, (uint16_t)~sum);
    struct sim_inner inner;
    const char *wrong;
    const struct qe_offload none = {0};
    CU_ASSERT_TRUE(sim_inner_read(qe_span(packet, whole), &none, &inner, &wrong));
}

static void the_sum_is_that_of_its_parts(void)
{
    static uint8_t bytes[70000];
    struct unit_random random = unit_random();
    unit_random_fill(&random, bytes, sizeof(bytes));
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)unit_random_below(&random, 65536), half = size / 2 & ~(size_t)1;
        uint32_t whole = sim_inner_sum(bytes, size);
        uint32_t parts = sim_inner_sum(bytes, half) + sim_inner_sum(bytes + half, size - half);
        CU_ASSERT_EQUAL(whole % 65535, parts % 65535);
    }
    CU_ASSERT_EQUAL(sim_inner_sum((const uint8_t *)"\x12\x34\x56", 3), 0x1234 + 0x5600);
}

static void every_bit_and_the_length_change_the_digest(void)
{
    uint8_t bytes[200] = {0}, first[SIM_DIGEST_SIZE], other[SIM_DIGEST_SIZE];
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        sim_digest(bytes, size, first);
        if (size) {
            sim_digest(bytes, size - 1, other);
            CU_ASSERT_NOT_EQUAL(memcmp(first, other, sizeof(first)), 0);
        }
        for (size_t bit = 0; bit < size * 8; bit += 1 + bit / 64) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            sim_digest(bytes, size, other);
            CU_ASSERT_NOT_EQUAL(memcmp(first, other, sizeof(first)), 0);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static const struct unit_case cases[] = {
    {"what is written is read", what_is_written_is_read},
    {"every damaged bit is seen", every_damaged_bit_is_seen},
    {"anything can be read", anything_can_be_read},
    {"a partial checksum is the pseudo-header's", a_partial_checksum_is_the_pseudo_headers},
    {"the sum is that of its parts", the_sum_is_that_of_its_parts},
    {"every bit and the length change the digest", every_bit_and_the_length_change_the_digest},
};
UNIT_MAIN("inner", cases)
