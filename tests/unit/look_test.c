// What is written of a run: numbers and addresses by hand against the C library's, filters, key logs without
// repetition, and captures that the reader of captures takes in as they were meant.
#include "look/capture.h"
#include "look/describe.h"
#include "look/filter.h"
#include "look/jsonl.h"
#include "look/readable.h"
#include "net/network.h"
#include "pcap/pcap_reader.h"
#include "unit.h"

#include "flow/checksum.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct sim_out out;
static FILE *file;

static void open_out(void)
{
    file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    sim_out_init(&out, file);
}

// What was written, NUL-terminated; the caller frees it.
static char *written(FILE *from)
{
    long size = ftell(from);
    char *text = calloc(1, (size_t)size + 1);
    rewind(from);
    CU_ASSERT_EQUAL(fread(text, 1, (size_t)size, from), (size_t)size);
    return text;
}

static char *close_out(void)
{
    CU_ASSERT_EQUAL(sim_out_flush(&out), 0);
    char *text = written(file);
    fclose(file);
    return text;
}

static void numbers_are_those_of_printf(void)
{
    struct unit_random random = unit_random();
    for (int i = 0; i < 2000; i++) {
        char expected[64];
        uint64_t number = i == 0 ? 0 : i == 1 ? UINT64_MAX : unit_random_next(&random) >> (i % 64);
        open_out();
        sim_out_number(&out, number);
        sim_out_char(&out, ' ');
        sim_out_time(&out, number);
        snprintf(expected, sizeof(expected), "%" PRIu64 " %" PRIu64 ".%09" PRIu64, number, number / 1000000000,
            number % 1000000000);
        char *text = close_out();
        CU_ASSERT_STRING_EQUAL(text, expected);
        free(text);
    }
}

static void addresses_are_those_of_the_core(void)
{
    struct unit_random random = unit_random();
    open_out();
    char *expected = calloc(400, 2 * QE_ADDR_TEXT_SIZE);
    for (int i = 0; i < 400; i++) {
        char address[QE_ADDR_TEXT_SIZE], ip[QE_ADDR_TEXT_SIZE];
        // Few different ones, so that they are found again.
        struct qe_addr a = {.ip = qe_ip4(10, 0, 0, (uint8_t)unit_random_below(&random, 40)),
            .port = (uint16_t)unit_random_below(&random, 3)};
        uint8_t six[16] = {0xfd, 0, 0, 1, [15] = a.ip.bytes[3]};
        if (i % 3 == 0) a.ip = qe_ip6(six);
        sim_out_address(&out, &a);
        sim_out_char(&out, ' ');
        sim_out_ip(&out, &a.ip);
        sim_out_char(&out, '\n');
        strcat(strcat(strcat(strcat(expected, qe_addr_format(&a, address)), " "), qe_ip_format(&a.ip, ip)), "\n");
    }
    char *text = close_out();
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
    free(expected);
}

static void any_text_is_a_json_string(void)
{
    static const char *const texts[] = {
        "", "plain", "a\"b\\c", "\x01\n\t\x1f", "grün", "\xff\xfe", "x\xc3", "\xe2\x82y"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        open_out();
        sim_out_string(&out, texts[i]);
        char *text = close_out();
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        CU_ASSERT_PTR_NOT_NULL(value);
        if (i < 5) CU_ASSERT_STRING_EQUAL(json_string_value(value), texts[i]);
        json_decref(value);
        free(text);
    }
}

static void what_cannot_be_written_is_said_once(void)
{
    FILE *full = fopen("/dev/full", "wb");
    if (!full) return;
    sim_out_init(&out, full);
    for (int i = 0; i < 100000; i++)
        sim_out_text(&out, "something");
    CU_ASSERT_EQUAL(sim_out_flush(&out), -1);
    fclose(full);
}

static bool parses(const char *text)
{
    char error[SIM_FILTER_ERROR_SIZE] = "";
    struct sim_filter filter;
    sim_filter_init(&filter);
    bool good = sim_filter_parse(&filter, text, error);
    CU_ASSERT_EQUAL(good, error[0] == '\0');
    return good;
}

static bool matches(const char *text, uint64_t now_ns, const struct sim_trace_item *item)
{
    char error[SIM_FILTER_ERROR_SIZE];
    struct sim_filter filter;
    sim_filter_init(&filter);
    CU_ASSERT_TRUE_FATAL(sim_filter_parse(&filter, text, error));
    return (filter.wants & SIM_TRACE_BIT(item->event)) && sim_filter_match(&filter, now_ns, item);
}

static void a_filter_is_read_or_refused(void)
{
    static const char *const good[] = {"host=a", "host=a,host=b,event=dropped", "event=tun*", "event=crash",
        "packet=17,packet=18", "after=10s,before=20s", "name=session.*", "carries=hello,carries=goodbye"};
    static const char *const bad[] = {"", "host", "host=", "=a", "event=nothing", "event=keylog", "packet=x",
        "packet=-1", "packet=1x", "carries=nothing", "after=10", "colour=red", "host=a,", "host=a,,event=sent"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_TRUE(parses(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(parses(bad[i]));
    char many[400] = "host=a";
    for (int i = 0; i < SIM_FILTER_VALUES_MAX; i++)
        strcat(many, ",host=a");
    CU_ASSERT_FALSE(parses(many));
    char name[200] = "host=";
    memset(name + 5, 'x', 100);
    CU_ASSERT_FALSE(parses(name));
}

static void a_filter_wants_all_keys_and_any_of_their_values(void)
{
    struct sim_packet *packet = calloc(1, sizeof(*packet));
    packet->number = 17;
    const struct sim_trace_item sent = {.event = SIM_TRACE_SENT, .who = {0, "a"}, .packet = packet};
    const struct sim_trace_item crash = {.event = SIM_TRACE_STOP, .who = {1, "bb"}, .ok = true};
    const struct sim_trace_item stop = {.event = SIM_TRACE_STOP, .who = {1, "bb"}};
    const struct sim_trace_item core = {.event = SIM_TRACE_CORE, .who = {1, "bb"}, .name = "session.lost"};
    CU_ASSERT_TRUE(matches("host=a", 0, &sent));
    CU_ASSERT_FALSE(matches("host=b", 0, &crash));
    CU_ASSERT_TRUE(matches("host=b*", 0, &crash));
    CU_ASSERT_TRUE(matches("host=x,host=a,event=sent,packet=17", 0, &sent));
    CU_ASSERT_FALSE(matches("host=x,host=a,event=sent,packet=18", 0, &sent));
    CU_ASSERT_FALSE(matches("packet=17", 0, &stop));
    packet->carried = QE_CARRIED_BIT(HELLO);
    CU_ASSERT_TRUE(matches("carries=hello,carries=ack", 0, &sent));
    CU_ASSERT_FALSE(matches("carries=ack", 0, &sent));
    CU_ASSERT_FALSE(matches("carries=hello", 0, &stop));
    CU_ASSERT_TRUE(matches("event=crash", 0, &crash));
    CU_ASSERT_FALSE(matches("event=crash", 0, &stop));
    CU_ASSERT_FALSE(matches("event=stop", 0, &crash));
    CU_ASSERT_TRUE(matches("event=stop", 0, &stop));
    CU_ASSERT_TRUE(matches("name=session*", 0, &core));
    CU_ASSERT_FALSE(matches("name=path*", 0, &core));
    CU_ASSERT_FALSE(matches("after=1s", 999999999, &sent));
    CU_ASSERT_TRUE(matches("after=1s,before=2s", 1000000000, &sent));
    CU_ASSERT_FALSE(matches("after=1s,before=2s", 2000000000, &sent));
    free(packet);
}

static void quic_packets_are_told_by_their_first_bytes(void)
{
    static const struct {
        uint8_t bytes[5];
        size_t size;
        const char *form;
    } cases[] = {{{0xc0, 0, 0, 0, 1}, 5, "initial"}, {{0xd0, 0, 0, 0, 1}, 5, "0rtt"},
        {{0xe0, 0, 0, 0, 1}, 5, "handshake"}, {{0xf0, 0, 0, 0, 1}, 5, "retry"},
        {{0x80, 0, 0, 0, 0}, 5, "version-negotiation"}, {{0x40}, 1, "1rtt"}, {{0xc0, 0, 0, 0, 2}, 5, "other"},
        {{0xc0, 0, 0}, 3, "other"}, {{0}, 1, "other"}, {{0}, 0, "other"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CU_ASSERT_STRING_EQUAL(sim_describe_quic(cases[i].bytes, cases[i].size), cases[i].form);
}

static void no_packet_is_read_past_its_end(void)
{
    struct unit_random random = unit_random();
    struct sim_inner_summary summary;
    for (int i = 0; i < 20000; i++) {
        size_t size = (size_t)unit_random_below(&random, 64);
        uint8_t *bytes = malloc(size ? size : 1);
        unit_random_fill(&random, bytes, size);
        if (size) bytes[0] = (uint8_t)((i & 1 ? 0x40 : 0x60) | (bytes[0] & 15));
        sim_describe_ip(qe_span(bytes, size), &summary);
        free(bytes);
    }
    const uint8_t udp[28] = {0x45, [9] = 17, [12] = 10, [16] = 11, [20] = 1, [21] = 2, [22] = 3, [23] = 4};
    CU_ASSERT_TRUE(sim_describe_ip(qe_span(udp, sizeof(udp)), &summary));
    CU_ASSERT_STRING_EQUAL(summary.protocol, "udp");
    CU_ASSERT_TRUE(summary.has_ports && summary.source_port == 0x102 && summary.destination_port == 0x304);
}

static void a_secret_is_new_once(void)
{
    struct sim_secrets secrets = {0};
    char line[64];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            snprintf(line, sizeof(line), "CLIENT_TRAFFIC_SECRET_0 %04x", i);
            CU_ASSERT_EQUAL(sim_secrets_add(&secrets, line), round == 0);
        }
    sim_secrets_fini(&secrets);
}

static struct sim_packet *make_packet(struct unit_random *random, bool four, size_t size)
{
    struct sim_packet *packet = calloc(1, sizeof(*packet) + size);
    uint8_t six[16] = {0xfd, [15] = 7};
    packet->number = unit_random_below(random, 100000);
    packet->size = (uint32_t)size;
    packet->ecn = (uint8_t)unit_random_below(random, 4);
    packet->hops_left = 60;
    packet->source = (struct qe_addr){.ip = four ? qe_ip4(10, 0, 0, 1) : qe_ip6(six), .port = 9000};
    packet->destination = (struct qe_addr){.ip = four ? qe_ip4(10, 0, 0, 2) : qe_ip6(six), .port = 9001};
    unit_random_fill(random, packet->bytes, size);
    return packet;
}

// Over pseudo-header and all, as a receiver would have it.
static void has_right_checksums(struct qe_span ip)
{
    bool four = ip.data[0] >> 4 == 4;
    size_t header = four ? 20 : 40;
    if (four) CU_ASSERT_EQUAL(qe_checksum_fold(qe_checksum_add(0, ip.data, 20)), 0);
    uint64_t sum = qe_checksum_add(17 + (ip.size - header), ip.data + (four ? 12 : 8), four ? 8 : 32);
    CU_ASSERT_EQUAL(qe_checksum_fold(qe_checksum_add(sum, ip.data + header, ip.size - header)), 0);
}

static void a_capture_reads_back_as_what_was_sent(void)
{
    struct unit_random random = unit_random();
    char error[SIM_PCAP_ERROR_SIZE] = "";
    struct sim_interface interface = {.index = 2, .name = "eth0"};
    struct sim_box box = {.name = "a", .index = 0};
    struct sim_capture *capture = calloc(1, sizeof(*capture));
    struct sim_packet *packets[40];
    FILE *captured = tmpfile();
    interface.box = &box;
    CU_ASSERT_EQUAL_FATAL(sim_capture_underlay_init(capture, captured, "test", "a test"), 0);
    capture->sink.begin(&capture->sink, NULL, 0);
    for (size_t i = 0; i < 40; i++) {
        packets[i] = make_packet(&random, i % 2, (size_t)unit_random_below(&random, 1473));
        struct sim_trace_item item = {.event = i % 3 ? SIM_TRACE_LEFT : SIM_TRACE_DROPPED,
            .who = {0, "a"},
            .interface = &interface,
            .packet = packets[i]};
        capture->sink.see(&capture->sink, i * 1000001, &item);
        item = (struct sim_trace_item){.event = SIM_TRACE_KEYLOG, .who = {0, "a"}, .text = "CLIENT_RANDOM 00 11"};
        capture->sink.see(&capture->sink, i, &item);
    }
    CU_ASSERT_EQUAL(sim_capture_fini(capture), 0);
    rewind(captured);
    struct sim_pcap_reader *reader = sim_pcap_read(captured, "capture", error);
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(reader);
    for (size_t i = 0; i < 40; i++) {
        struct sim_pcap_packet read;
        CU_ASSERT_EQUAL_FATAL(sim_pcap_next(reader, &read), SIM_PCAP_PACKET);
        size_t header = i % 2 ? 28 : 48;
        CU_ASSERT_EQUAL(read.time_ns, i * 1000001);
        CU_ASSERT_EQUAL_FATAL(read.ip.size, header + packets[i]->size);
        CU_ASSERT_EQUAL(memcmp(read.ip.data + header, packets[i]->bytes, packets[i]->size), 0);
        has_right_checksums(read.ip);
        free(packets[i]);
    }
    struct sim_pcap_packet none;
    CU_ASSERT_EQUAL(sim_pcap_next(reader, &none), SIM_PCAP_END);
    sim_pcap_close(reader);
    free(capture);
}

static const struct unit_case cases[] = {
    {"numbers are those of printf", numbers_are_those_of_printf},
    {"addresses are those of the core", addresses_are_those_of_the_core},
    {"any text is a JSON string", any_text_is_a_json_string},
    {"what cannot be written is said", what_cannot_be_written_is_said_once},
    {"a filter is read or refused", a_filter_is_read_or_refused},
    {"a filter wants all keys and any of their values", a_filter_wants_all_keys_and_any_of_their_values},
    {"QUIC packets are told by their first bytes", quic_packets_are_told_by_their_first_bytes},
    {"no packet is read past its end", no_packet_is_read_past_its_end},
    {"a secret is new once", a_secret_is_new_once},
    {"a capture reads back as what was sent", a_capture_reads_back_as_what_was_sent},
};
UNIT_MAIN("look", cases)
