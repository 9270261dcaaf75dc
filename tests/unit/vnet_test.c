#include "unit.h"
#include "vnet.h"

#include <linux/virtio_net.h>
#include <string.h>

#define GSO_UDP_L4 5

// An IPv4 or IPv6 packet of `size` bytes with its transport header at `start`; TCP options of `tcp_words`.
static struct qe_span packet(uint8_t version, size_t start, unsigned tcp_words, size_t size)
{
    static uint8_t bytes[4096];
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)(version << 4);
    bytes[start + 12] = (uint8_t)(tcp_words << 4);
    return qe_span(bytes, size);
}

static bool read_header(struct virtio_net_hdr hdr, struct qe_span bytes, struct qe_offload *out)
{
    uint8_t header[QE_VNET_SIZE];
    memset(out, 0xee, sizeof *out);
    memcpy(header, &hdr, sizeof header);
    return qe_vnet_read(header, bytes, out);
}

static void plain_packets_have_no_offload(void)
{
    struct qe_offload offload;
    CU_ASSERT_TRUE(read_header((struct virtio_net_hdr){0}, packet(4, 20, 5, 100), &offload));
    CU_ASSERT_EQUAL(offload.kind, QE_OFFLOAD_NONE);
    CU_ASSERT_FALSE(offload.needs_checksum);
    CU_ASSERT_FALSE(offload.checksum_valid);
    // Not IP, not even one byte: the core's affair.
    CU_ASSERT_TRUE(read_header((struct virtio_net_hdr){0}, packet(9, 20, 5, 100), &offload));
    struct virtio_net_hdr valid = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
    CU_ASSERT_TRUE(read_header(valid, packet(6, 40, 5, 100), &offload));
    CU_ASSERT_TRUE(offload.checksum_valid);
}

static void super_packets_are_told_by_kind(void)
{
    static const struct {
        uint8_t gso, version;
        uint16_t start, checksum;
        unsigned tcp_words;
        uint8_t kind;
        uint16_t header;
    } list[] = {
        {VIRTIO_NET_HDR_GSO_TCPV4, 4, 20, 16, 8, QE_OFFLOAD_TCP4, 52},
        {VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 4, 24, 16, 5, QE_OFFLOAD_TCP4, 44},
        {VIRTIO_NET_HDR_GSO_TCPV6, 6, 40, 16, 15, QE_OFFLOAD_TCP6, 100},
        {GSO_UDP_L4, 4, 20, 6, 0, QE_OFFLOAD_UDP4, 28},
        {GSO_UDP_L4, 6, 48, 6, 0, QE_OFFLOAD_UDP6, 56},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
            .gso_type = list[i].gso,
            .hdr_len = 9999,
            .gso_size = 1000,
            .csum_start = list[i].start,
            .csum_offset = list[i].checksum};
        struct qe_offload offload;
        CU_ASSERT_TRUE(read_header(hdr, packet(list[i].version, list[i].start, list[i].tcp_words, 3000), &offload));
        CU_ASSERT_EQUAL(offload.kind, list[i].kind);
        CU_ASSERT_EQUAL(offload.header_size, list[i].header);
        CU_ASSERT_EQUAL(offload.segment_size, 1000);
        CU_ASSERT_TRUE(offload.needs_checksum);
        CU_ASSERT_EQUAL(offload.checksum_start, list[i].start);
        CU_ASSERT_EQUAL(offload.checksum_offset, list[i].checksum);

        // And back: the same header, with the true header length.
        uint8_t bytes[QE_VNET_SIZE];
        struct virtio_net_hdr back;
        qe_vnet_write(&offload, bytes);
        memcpy(&back, bytes, sizeof back);
        CU_ASSERT_EQUAL(back.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
        CU_ASSERT_EQUAL(back.gso_type, list[i].gso & ~VIRTIO_NET_HDR_GSO_ECN);
        CU_ASSERT_EQUAL(back.hdr_len, list[i].header);
        CU_ASSERT_EQUAL(back.gso_size, 1000);
        CU_ASSERT_EQUAL(back.csum_start, list[i].start);
        CU_ASSERT_EQUAL(back.csum_offset, list[i].checksum);

        // With no more than one segment it is an ordinary packet that still needs its checksum.
        CU_ASSERT_TRUE(read_header(
            hdr, packet(list[i].version, list[i].start, list[i].tcp_words, 1000 + (size_t)list[i].header), &offload));
        CU_ASSERT_EQUAL(offload.kind, QE_OFFLOAD_NONE);
        CU_ASSERT_TRUE(offload.needs_checksum);
        CU_ASSERT_EQUAL(offload.segment_size, 0);
    }
}

static void headers_that_make_no_sense_are_refused(void)
{
    const uint8_t needs = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    const struct {
        struct virtio_net_hdr hdr;
        uint8_t version;
        size_t size;
        unsigned tcp_words;
    } list[] = {
        // fields outside of the packet
        {{.flags = needs, .csum_start = 99, .csum_offset = 0}, 4, 100, 5},
        {{.flags = needs, .csum_start = 20, .csum_offset = 79}, 4, 100, 5},
        {{.flags = needs, .csum_start = 65535, .csum_offset = 65535}, 4, 100, 5},
        // no segment size, no checksum, wrong family, unknown or unasked-for kinds
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .csum_start = 20, .csum_offset = 16}, 4, 3000, 5},
        {{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000}, 4, 3000, 5},
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000, .csum_start = 20, .csum_offset = 16},
            6, 3000, 5},
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1000, .csum_start = 20, .csum_offset = 6}, 4,
            3000, 5},
        {{.flags = needs, .gso_type = 77, .gso_size = 1000, .csum_start = 20, .csum_offset = 6}, 4, 3000, 5},
        // a transport header that is cut off, or shorter than itself
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1, .csum_start = 20, .csum_offset = 16}, 4,
            39, 5},
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1, .csum_start = 20, .csum_offset = 16}, 4,
            79, 15},
        {{.flags = needs, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1, .csum_start = 20, .csum_offset = 16}, 4,
            3000, 4},
        {{.flags = needs, .gso_type = GSO_UDP_L4, .gso_size = 1, .csum_start = 20, .csum_offset = 4}, 4, 27, 0},
        {{.flags = needs, .gso_type = GSO_UDP_L4, .gso_size = 1, .csum_start = 20, .csum_offset = 6}, 4, 0, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct qe_offload offload;
        CU_ASSERT_FALSE(
            read_header(list[i].hdr, packet(list[i].version, 20, list[i].tcp_words, list[i].size), &offload));
    }
}

// Any ten bytes before any packet: refused, or offsets that lie inside.
static void random_headers_never_lead_outside(void)
{
    struct unit_random random = unit_random();
    size_t taken = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t header[QE_VNET_SIZE], bytes[128];
        struct qe_offload offload;
        unit_random_fill(&random, header, sizeof header);
        unit_random_fill(&random, bytes, sizeof bytes);
        header[0] &= 3;
        header[1] = (uint8_t)unit_random_below(&random, 6);
        header[7] = header[9] = 0;
        size_t size = (size_t)unit_random_below(&random, sizeof bytes + 1);
        if (!qe_vnet_read(header, qe_span(bytes, size), &offload)) continue;
        taken++;
        CU_ASSERT(!offload.needs_checksum || (size_t)offload.checksum_start + offload.checksum_offset + 2 <= size);
        CU_ASSERT(offload.kind == QE_OFFLOAD_NONE || (offload.header_size < size && offload.segment_size > 0));
    }
    CU_ASSERT(taken > 1000);
}

static const struct unit_case cases[] = {
    {"plain packets have no offload", plain_packets_have_no_offload},
    {"super-packets are told by kind", super_packets_are_told_by_kind},
    {"headers that make no sense are refused", headers_that_make_no_sense_are_refused},
    {"random headers never lead outside", random_headers_never_lead_outside},
};
UNIT_MAIN("vnet", cases)
