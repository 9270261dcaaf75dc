// Captures of every kind, and damaged ones, written here byte by byte.
#include "pcap/pcap_link.h"
#include "pcap/pcap_reader.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static uint8_t file[65536];
static size_t file_size;
static bool little;

static void put(const void *bytes, size_t size)
{
    CU_ASSERT_FATAL(file_size + size <= sizeof(file));
    memcpy(file + file_size, bytes, size);
    file_size += size;
}

static void put_number(uint32_t value, size_t size)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < size; i++)
        bytes[little ? i : size - 1 - i] = (uint8_t)(value >> 8 * i);
    put(bytes, size);
}

static void put32(uint32_t value)
{
    put_number(value, 4);
}

static void put16(uint16_t value)
{
    put_number(value, 2);
}

static void begin_pcap(bool little_endian, uint32_t magic, uint32_t link)
{
    file_size = 0;
    little = little_endian;
    put32(magic);
    put16(2);
    put16(4);
    put32(0);
    put32(0);
    put32(65535);
    put32(link);
}

static void put_record(uint32_t seconds, uint32_t fraction, const void *bytes, uint32_t size)
{
    put32(seconds);
    put32(fraction);
    put32(size);
    put32(size);
    put(bytes, size);
}

static void put_section(bool little_endian)
{
    static const uint8_t mark[4] = {0x0A, 0x0D, 0x0D, 0x0A};
    little = little_endian;
    put(mark, 4);
    put32(28);
    put32(UINT32_C(0x1A2B3C4D));
    put16(1);
    put16(0);
    put32(UINT32_MAX);
    put32(UINT32_MAX);
    put32(28);
}

static void put_interface(uint16_t link, int resolution)
{
    uint32_t size = resolution < 0 ? 20 : 32;
    put32(1);
    put32(size);
    put16(link);
    put16(0);
    put32(65535);
    if (resolution >= 0) {
        uint8_t value[4] = {(uint8_t)resolution};
        put16(9);
        put16(1);
        put(value, 4);
        put32(0); // the end of the options
    }
    put32(size);
}

static void put_packet_block(uint32_t interface, uint64_t time, const uint8_t *bytes, uint32_t size)
{
    static const uint8_t zeros[4];
    uint32_t padded = (size + 3) & ~3u;
    put32(6);
    put32(32 + padded);
    put32(interface);
    put32((uint32_t)(time >> 32));
    put32((uint32_t)time);
    put32(size);
    put32(size);
    put(bytes, size);
    put(zeros, padded - size);
    put32(32 + padded);
}

// An IPv4 packet of that size whose last byte is `mark`.
static const uint8_t *four(uint16_t size, uint8_t mark)
{
    static uint8_t packet[2000];
    memset(packet, 0, sizeof(packet));
    packet[0] = 0x45;
    packet[2] = (uint8_t)(size >> 8);
    packet[3] = (uint8_t)size;
    packet[size - 1] = mark;
    return packet;
}

static struct sim_pcap_reader *reader;
static char error[SIM_PCAP_ERROR_SIZE];

static void open_file(void)
{
    FILE *in = fmemopen(file, file_size ? file_size : 1, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    if (!file_size) fgetc(in);
    reader = sim_pcap_read(in, "some.pcap", error);
}

static void expect_packet(uint64_t time_ns, size_t size, uint8_t mark)
{
    struct sim_pcap_packet packet;
    CU_ASSERT_EQUAL_FATAL(sim_pcap_next(reader, &packet), SIM_PCAP_PACKET);
    CU_ASSERT_EQUAL(packet.time_ns, time_ns);
    CU_ASSERT_EQUAL_FATAL(packet.ip.size, size);
    CU_ASSERT_EQUAL(packet.ip.data[size - 1], mark);
}

static void expect_end(void)
{
    struct sim_pcap_packet packet;
    CU_ASSERT_EQUAL(sim_pcap_next(reader, &packet), SIM_PCAP_END);
    CU_ASSERT_EQUAL(sim_pcap_next(reader, &packet), SIM_PCAP_END);
    CU_ASSERT_STRING_EQUAL(sim_pcap_error(reader), "");
    sim_pcap_close(reader);
}

static void expect_refused(const char *what)
{
    open_file();
    CU_ASSERT_PTR_NULL_FATAL(reader);
    CU_ASSERT_STRING_EQUAL(error, what);
}

static void expect_damaged(const char *what)
{
    struct sim_pcap_packet packet;
    CU_ASSERT_EQUAL(sim_pcap_next(reader, &packet), SIM_PCAP_DAMAGED);
    CU_ASSERT_EQUAL(sim_pcap_next(reader, &packet), SIM_PCAP_DAMAGED);
    CU_ASSERT_STRING_EQUAL(sim_pcap_error(reader), what);
    sim_pcap_close(reader);
}

static void pcap_in_both_orders_and_resolutions(void)
{
    for (int order = 0; order < 2; order++) {
        begin_pcap(order, UINT32_C(0xA1B2C3D4), 101);
        put_record(3, 999999, four(40, 7), 40);
        put_record(UINT32_MAX, 1, four(1500, 8), 1500);
        open_file();
        CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
        expect_packet(UINT64_C(3999999000), 40, 7);
        expect_packet(UINT64_C(4294967295000001000), 1500, 8);
        expect_end();
        begin_pcap(order, UINT32_C(0xA1B23C4D), 228);
        put_record(3, 999999999, four(40, 9), 40);
        open_file();
        CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
        expect_packet(UINT64_C(3999999999), 40, 9);
        expect_end();
    }
}

static void pcapng_in_both_orders_with_any_resolution(void)
{
    static const struct {
        int resolution;
        uint64_t units, ns;
    } rows[] = {{-1, 5000001, UINT64_C(5000001000)}, {9, 5000001, 5000001}, {0, 7, UINT64_C(7000000000)},
        {12, 5000001999, 5000001}, {0x80 | 10, 1536, 1500000000}, {0x80 | 127, 1, 0}, {127, UINT64_MAX, 0}};
    for (int order = 0; order < 2; order++) {
        file_size = 0;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            put_section(order); // each begins anew with its interfaces
            put_interface(1, -1);
            put_interface(101, rows[i].resolution);
            put_packet_block(1, rows[i].units, four((uint16_t)(41 + i), (uint8_t)(i + 1)), (uint32_t)(41 + i));
        }
        open_file();
        CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            expect_packet(rows[i].ns, 41 + i, (uint8_t)(i + 1));
        expect_end();
    }
}

static void blocks_beside_packets_are_passed_over(void)
{
    static const uint8_t body[400];
    file_size = 0;
    put_section(true);
    put_interface(101, 9);
    put32(5); // statistics
    put32(412);
    put(body, 400);
    put32(412);
    put32(3); // a simple packet
    put32(16 + 40);
    put32(40);
    put(four(40, 5), 40);
    put32(16 + 40);
    open_file();
    CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
    expect_packet(0, 40, 5);
    expect_end();
}

// The same IPv4 packet behind each link's header.
static void every_link_type_leads_to_the_packet(void)
{
    static const struct {
        uint32_t link;
        size_t header;
        uint8_t bytes[24];
    } rows[] = {{1, 14, {[12] = 8, [13] = 0}}, {1, 18, {[12] = 0x81, [16] = 8}},
        {1, 22, {[12] = 0x88, [13] = 0xA8, [16] = 0x81, [20] = 8}}, {0, 4, {2}}, {108, 4, {[3] = 2}}, {101, 0, {0}},
        {12, 0, {0}}, {14, 0, {0}}, {228, 0, {0}}, {113, 16, {[14] = 8}}, {276, 20, {8}}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t record[200] = {0};
        struct qe_span ip;
        uint32_t total;
        memcpy(record, rows[i].bytes, rows[i].header);
        memcpy(record + rows[i].header, four(100, 6), 100);
        CU_ASSERT_TRUE(sim_pcap_link_known(rows[i].link));
        // With six bytes of padding, as Ethernet has behind short packets.
        CU_ASSERT_TRUE_FATAL(sim_pcap_link_ip(rows[i].link, qe_span(record, rows[i].header + 106), &ip, &total));
        CU_ASSERT_PTR_EQUAL(ip.data, record + rows[i].header);
        CU_ASSERT_EQUAL(ip.size, 100);
        CU_ASSERT_EQUAL(total, 100);
        // Cut short by the capture.
        CU_ASSERT_TRUE_FATAL(sim_pcap_link_ip(rows[i].link, qe_span(record, rows[i].header + 60), &ip, &total));
        CU_ASSERT_EQUAL(ip.size, 60);
        CU_ASSERT_EQUAL(total, 100);
        // Too short for any header.
        for (size_t size = 0; size < rows[i].header + 20; size++)
            CU_ASSERT_FALSE(sim_pcap_link_ip(rows[i].link, qe_span(record, size), &ip, &total));
    }
    uint8_t six[80] = {0x60, [5] = 20, [59] = 3};
    struct qe_span ip;
    uint32_t total;
    CU_ASSERT_TRUE_FATAL(sim_pcap_link_ip(229, qe_span(six, sizeof(six)), &ip, &total));
    CU_ASSERT_EQUAL(ip.size, 60);
}

static void what_is_not_ip_is_passed_over(void)
{
    uint8_t arp[60] = {[12] = 8, [13] = 6};
    uint8_t frame[60] = {[12] = 8};
    memcpy(frame + 14, four(46, 0), 46);
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 1);
    put_record(1, 0, arp, sizeof(arp));
    put_record(2, 0, "", 0);
    put_record(3, 0, frame, sizeof(frame));
    open_file();
    CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
    expect_packet(UINT64_C(3000000000), 46, 0);
    CU_ASSERT_EQUAL(sim_pcap_passed_over(reader), 2);
    expect_end();
}

static void what_is_no_capture_is_refused_in_one_line(void)
{
    file_size = 0;
    expect_refused("some.pcap: empty; expected a capture (pcap or pcapng)");
    put("text", 4);
    expect_refused("some.pcap: no capture; expected pcap or pcapng");
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 105);
    expect_refused("some.pcap: link type 105; expected Ethernet, raw IP, BSD loopback or Linux cooked");
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 1);
    file_size = 20;
    expect_refused("some.pcap: the capture is cut short; expected 4 more bytes");
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 1);
    file[4] = 1;
    expect_refused("some.pcap: pcap of version 1; expected 2");
    CU_ASSERT_PTR_NULL(sim_pcap_open("/nonexistent/x.pcap", error));
    CU_ASSERT_STRING_EQUAL(error, "/nonexistent/x.pcap: No such file or directory");
    CU_ASSERT_PTR_NULL(sim_pcap_open("/", error));
    CU_ASSERT_STRING_EQUAL(error, "/: cannot be read: Is a directory");
}

static void damage_is_named_with_its_record(void)
{
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 101);
    put_record(1, 0, four(40, 1), 40);
    put_record(2, 0, four(40, 1), 40);
    size_t whole = file_size;
    file_size = whole - 1;
    open_file();
    expect_packet(UINT64_C(1000000000), 40, 1);
    expect_damaged("some.pcap: record 2: the capture is cut short; expected 1 more bytes");
    file_size = 24 + 56 + 3;
    open_file();
    expect_packet(UINT64_C(1000000000), 40, 1);
    expect_damaged("some.pcap: record 1: the capture is cut short; expected 13 more bytes");
    file_size = whole;
    file[24 + 56 + 8 + 3] = 0x7F; // the size of the second
    open_file();
    expect_packet(UINT64_C(1000000000), 40, 1);
    expect_damaged("some.pcap: record 2: 2130706472 bytes; expected at most 262144");
    file[24 + 56 + 8 + 3] = 0;
    file[24 + 7] = 1; // microseconds of the first
    open_file();
    expect_damaged("some.pcap: record 1: 16777216 microseconds in a second");
}

static void damaged_blocks_are_named(void)
{
    file_size = 0;
    put_section(true);
    put_interface(101, -1);
    size_t start = file_size;
    put_packet_block(0, 1, four(40, 1), 40);
    file[start + 8] = 1;
    open_file();
    expect_damaged("some.pcap: record 1: of interface 1, of which there is no block before it");
    file[start + 8] = 0;
    file[start + 20] = 41;
    open_file();
    expect_damaged("some.pcap: record 1: 41 bytes in a block with 40");
    file[start + 20] = 40;
    file[start + 4] = 7;
    open_file();
    expect_damaged("some.pcap: record 1: a block of 7 bytes; expected 12 or more, in fours");
    file[start + 4] = 72;
    file[file_size - 4]++;
    open_file();
    expect_damaged("some.pcap: record 1: a block that ends with another length than it begins with");
    file[file_size - 4]--;
    open_file();
    expect_packet(1000, 40, 1);
    expect_end();
}

// A stream of a gigabyte, made as it is read.
#define HUGE_RECORD (16 + 65536)
static uint64_t huge_done;

static ssize_t read_huge(void *cookie, char *out, size_t size)
{
    (void)cookie;
    uint64_t left = UINT64_C(24) + UINT64_C(16384) * HUGE_RECORD - huge_done;
    if (size > left) size = (size_t)left;
    for (size_t i = 0; i < size;) {
        uint64_t at = huge_done + i;
        size_t phase = at < 24 ? (size_t)at : 24 + (size_t)((at - 24) % HUGE_RECORD);
        if (phase < file_size) {
            out[i++] = (char)file[phase];
            continue;
        }
        size_t rest = 24 + HUGE_RECORD - phase, part = size - i < rest ? size - i : rest;
        memset(out + i, 0, part);
        i += part;
    }
    huge_done += size;
    return (ssize_t)size;
}

static void a_gigabyte_is_read_record_by_record(void)
{
    struct sim_pcap_packet packet;
    uint64_t count = 0;
    begin_pcap(true, UINT32_C(0xA1B2C3D4), 101);
    put32(1);
    put32(0);
    put32(65536);
    put32(65536);
    put(four(1400, 0), 1400);
    huge_done = 0;
    FILE *in = fopencookie(NULL, "rb", (cookie_io_functions_t){.read = read_huge});
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    reader = sim_pcap_read(in, "huge.pcap", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
    while (sim_pcap_next(reader, &packet) == SIM_PCAP_PACKET)
        count += packet.ip.size == 1400;
    CU_ASSERT_EQUAL(count, 16384);
    expect_end();
}

static const struct unit_case cases[] = {
    {"pcap in both byte orders, in micro- and nanoseconds", pcap_in_both_orders_and_resolutions},
    {"pcapng in both byte orders, with any resolution", pcapng_in_both_orders_with_any_resolution},
    {"blocks beside packets are passed over", blocks_beside_packets_are_passed_over},
    {"every link type leads to the packet", every_link_type_leads_to_the_packet},
    {"what is not IP is passed over", what_is_not_ip_is_passed_over},
    {"what is no capture is refused in one line", what_is_no_capture_is_refused_in_one_line},
    {"damage is named with its record", damage_is_named_with_its_record},
    {"damaged blocks are named", damaged_blocks_are_named},
    {"a gigabyte is read record by record", a_gigabyte_is_read_record_by_record},
};
UNIT_MAIN("pcap", cases)
