// Flows from text: what each kind has, what is said of mistakes, and captures that are none.
#include "scenario/scenario.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD                                                                                                           \
    "[scenario]\nname = \"s\"\nduration = \"10s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n"                   \
    "[[link]]\nbetween = [\"a\", \"b\"]\n[[flow]]\nfrom = \"a\"\nto = \"b\"\n"

static char error[SIM_ERROR_SIZE];

static struct sim_scenario *parse(const char *flow)
{
    char text[2048];
    snprintf(text, sizeof(text), HEAD "%s\n", flow);
    return sim_scenario_parse("f.toml", text, strlen(text), error);
}

static const struct sim_scenario_flow *read_flow(const char *flow, struct sim_scenario **s)
{
    *s = parse(flow);
    if (!*s) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*s);
    return &(*s)->flows[0];
}

static void each_kind_has_its_defaults(void)
{
    struct sim_scenario *s;
    const struct sim_scenario_flow *f = read_flow("kind = \"bulk\"", &s);
    CU_ASSERT(f->kind == SIM_FLOW_BULK && f->bytes == 0 && f->offload && f->idle_ns == UINT64_C(10000000000));
    CU_ASSERT_STRING_EQUAL(f->name, "bulk-a-b");
    sim_scenario_free(s);
    f = read_flow("kind = \"bulk\"\nbytes = \"3MB\"\noffload = false\nidle = \"1s\"", &s);
    CU_ASSERT(f->bytes == 3000000 && !f->offload && f->idle_ns == 1000000000);
    sim_scenario_free(s);
    f = read_flow("kind = \"request\"", &s);
    CU_ASSERT(f->request_bytes == 200 && f->response_bytes == 16384 && f->interval_ns == 1000000000);
    CU_ASSERT_STRING_EQUAL(f->name, "request-a-b");
    sim_scenario_free(s);
}

static void mistakes_are_told(void)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"kind = \"bulk\"\nsize = 100", "f.toml:14: 'size' does not belong to a flow of kind \"bulk\""},
        {"kind = \"request\"\nbytes = 100", "f.toml:14: 'bytes' does not belong to a flow of kind \"request\""},
        {"kind = \"udp\"\nrate = \"1Mbit/s\"\nidle = \"1s\"",
            "f.toml:15: 'idle' does not belong to a flow of kind \"udp\""},
        {"kind = \"bulk\"\nbytes = 0", "f.toml:14: 'bytes' is 0; expected more, or no such key"},
        {"kind = \"bulk\"\nbytes = \"2000GB\"", "f.toml:10: more than 1 TB to be carried"},
        {"kind = \"bulk\"\nidle = \"1ms\"", "f.toml:10: 'idle' is below 100ms"},
        {"kind = \"request\"\nresponse = 7", "f.toml:10: 'request' or 'response' is below 8 bytes"},
        {"kind = \"request\"\ninterval = \"1us\"", "f.toml:10: 'interval' is below 10us"},
        {"kind = \"pcap\"", "f.toml:10: [[flow]] has no 'file'; expected a string"},
        {"kind = \"pcap\"\nfile = \"/nonexistent.pcap\"",
            "f.toml:14: 'file': /nonexistent.pcap: No such file or directory"},
        {"kind = \"pcap\"\nfile = \"/dev/null\"",
            "f.toml:14: 'file': /dev/null: empty; expected a capture (pcap or pcapng)"},
        {"kind = \"pcap\"\nfile = \"/dev/zero\"", "f.toml:14: 'file': /dev/zero: no capture; expected pcap or pcapng"},
        {"kind = \"bulk\"\n[[expect]]\nflow = \"bulk-a-b\"\nmeasure = \"latency_p50\"\nmax = \"1s\"",
            "f.toml:15: 'latency_p50' is no measure of a flow of kind \"bulk\""},
        {"kind = \"ping\"\n[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"completion\"\nmax = \"1s\"",
            "f.toml:15: 'completion' is no measure of a flow of kind \"ping\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_PTR_NULL(parse(rows[i].text));
        CU_ASSERT_STRING_EQUAL(error, rows[i].error);
        if (strcmp(error, rows[i].error) != 0) fprintf(stderr, "     got: %s\nexpected: %s\n", error, rows[i].error);
    }
}

// A capture of raw IP with a packet at each of these seconds; the last `cut` bytes are not there.
static void write_capture(char *name, const uint32_t *seconds, size_t count, long cut)
{
    static const uint32_t head[6] = {0xA1B2C3D4, 0x00040002, 0, 0, 65535, 101};
    strcpy(name, "/tmp/qe-flow-XXXXXX");
    int fd = mkstemp(name);
    CU_ASSERT_FATAL(fd >= 0);
    FILE *out = fdopen(fd, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fwrite(head, 1, sizeof(head), out);
    for (size_t i = 0; i < count; i++) {
        uint8_t packet[40] = {0x45, 0, 0, 40, [9] = 17};
        uint32_t record[4] = {seconds[i], 0, 40, 40};
        fwrite(record, 1, sizeof(record), out);
        fwrite(packet, 1, sizeof(packet), out);
    }
    fflush(out);
    CU_ASSERT_EQUAL(ftruncate(fd, ftell(out) - cut), 0);
    fclose(out);
}

static void a_capture_is_checked_as_far_as_it_is_played(void)
{
    static const uint32_t seconds[] = {100, 105, 200};
    char name[32], text[128], expected[256];
    struct sim_scenario *s;
    write_capture(name, seconds, 2, 0);
    snprintf(text, sizeof(text), "kind = \"pcap\"\nfile = \"%s\"", name);
    CU_ASSERT_STRING_EQUAL(read_flow(text, &s)->file, name);
    sim_scenario_free(s);
    remove(name);
    write_capture(name, seconds, 2, 5);
    snprintf(text, sizeof(text), "kind = \"pcap\"\nfile = \"%s\"", name);
    snprintf(expected, sizeof(expected),
        "f.toml:14: 'file': %s: record 2: the capture is cut short; expected 5 more bytes", name);
    CU_ASSERT_PTR_NULL(parse(text));
    CU_ASSERT_STRING_EQUAL(error, expected);
    remove(name);
    // The third packet is beyond the scenario's end; whatever is behind it does not matter.
    write_capture(name, seconds, 3, 0);
    FILE *more = fopen(name, "ab");
    CU_ASSERT_PTR_NOT_NULL_FATAL(more);
    fputs("no record", more);
    fclose(more);
    snprintf(text, sizeof(text), "kind = \"pcap\"\nfile = \"%s\"", name);
    read_flow(text, &s);
    sim_scenario_free(s);
    remove(name);
    write_capture(name, seconds, 0, 0);
    snprintf(text, sizeof(text), "kind = \"pcap\"\nfile = \"%s\"", name);
    snprintf(expected, sizeof(expected), "f.toml:14: 'file': %s: no IP packet; expected at least one", name);
    CU_ASSERT_PTR_NULL(parse(text));
    CU_ASSERT_STRING_EQUAL(error, expected);
    remove(name);
}

static const struct unit_case cases[] = {
    {"each kind has its defaults", each_kind_has_its_defaults},
    {"mistakes are told with their line", mistakes_are_told},
    {"a capture is checked as far as it is played", a_capture_is_checked_as_far_as_it_is_played},
};
UNIT_MAIN("flow_setting", cases)
