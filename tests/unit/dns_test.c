#include "dns/answer.h"
#include "dns/message.h"

#include "unit.h"

#include <string.h>

// A zone of two names, one of which is being looked for until it is.
static bool late_known;

static enum qe_dns_found find_addresses(void *user, const char *name, struct qe_ip *out, size_t *count)
{
    (void)user;
    if (strcmp(name, "home-server") == 0) {
        out[0] = qe_ip4(100, 64, 5, 6);
        out[1] = qe_ip6((const uint8_t[16]){0xfd, 0x71, 0x65, 0x74, 0x68, 0x72, [15] = 9});
        *count = 2;
        return QE_DNS_FOUND;
    }
    if (strcmp(name, "four") == 0) {
        out[0] = qe_ip4(100, 64, 7, 8);
        *count = 1;
        return QE_DNS_FOUND;
    }
    if (strcmp(name, "late") == 0) {
        out[0] = qe_ip4(100, 64, 9, 9);
        *count = 1;
        return late_known ? QE_DNS_FOUND : QE_DNS_LATER;
    }
    return QE_DNS_ABSENT;
}

static enum qe_dns_found find_name(void *user, const struct qe_ip *ip, char out[QE_NAME_SIZE])
{
    struct qe_ip four = qe_ip4(100, 64, 5, 6);
    (void)user;
    if (!qe_ip_equal(ip, &four) && ip->bytes[15] != 9) return QE_DNS_ABSENT;
    strcpy(out, "home-server");
    return QE_DNS_FOUND;
}

static struct qe_cidr networks[2];

static struct qe_dns_zone zone(void)
{
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse("100.64.3.3/16", &networks[0]));
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse("fd71:6574:6872::1/48", &networks[1]));
    return (struct qe_dns_zone){"qe", networks, 2, NULL, find_addresses, find_name};
}

// Writes a query for a dotted name.
static size_t query(uint8_t *out, const char *name, uint16_t type, bool opt)
{
    struct qe_writer w = qe_writer(out, 512);
    qe_write16(&w, 0x1234);
    qe_write16(&w, 0x0100); // RD
    qe_write16(&w, 1);
    qe_write32(&w, 0);
    qe_write16(&w, opt);
    while (*name) {
        size_t size = strcspn(name, ".");
        qe_write8(&w, (uint8_t)size);
        qe_write_bytes(&w, name, size);
        name += size + (name[size] == '.');
    }
    qe_write8(&w, 0);
    qe_write16(&w, type);
    qe_write16(&w, 1);
    if (opt) qe_write_bytes(&w, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
    CU_ASSERT_FALSE_FATAL(w.failed);
    return qe_writer_size(&w);
}

struct answered {
    size_t size;
    uint8_t bytes[QE_DNS_ANSWER_SIZE];
    int rcode;
    bool authoritative, cut, later;
    unsigned answers, authorities, additionals;
};

static struct answered ask_bytes(const uint8_t *bytes, size_t size)
{
    struct answered a = {.rcode = -1};
    struct qe_dns_zone z = zone();
    a.size = qe_dns_answer(&z, qe_span(bytes, size), false, a.bytes, sizeof a.bytes, &a.later);
    if (a.size == 0) return a;
    CU_ASSERT_TRUE_FATAL(a.size >= 12 && a.size <= 512);
    CU_ASSERT_EQUAL(a.bytes[2] & 0x80, 0x80);
    CU_ASSERT_EQUAL(memcmp(a.bytes, bytes, 2), 0);
    a.rcode = a.bytes[3] & 0xf;
    a.authoritative = a.bytes[2] & 0x04;
    a.cut = a.bytes[2] & 0x02;
    a.answers = qe_load16(a.bytes + 6);
    a.authorities = qe_load16(a.bytes + 8);
    a.additionals = qe_load16(a.bytes + 10);
    return a;
}

static struct answered ask(const char *name, uint16_t type)
{
    uint8_t bytes[512];
    size_t size = query(bytes, name, type, true);
    return ask_bytes(bytes, size);
}

static void names_are_answered_by_type(void)
{
    static const struct {
        const char *name;
        uint16_t type;
        int rcode;
        unsigned answers, authorities;
    } table[] = {
        {"home-server.qe", QE_DNS_A, QE_DNS_NOERROR, 1, 0},
        {"HOME-Server.QE", QE_DNS_A, QE_DNS_NOERROR, 1, 0},
        {"home-server.qe", QE_DNS_AAAA, QE_DNS_NOERROR, 1, 0},
        {"home-server.qe", QE_DNS_ANY, QE_DNS_NOERROR, 2, 0},
        {"home-server.qe", 15, QE_DNS_NOERROR, 0, 1}, // MX: the name is there, and has none
        {"four.qe", QE_DNS_AAAA, QE_DNS_NOERROR, 0, 1},
        {"nobody.qe", QE_DNS_A, QE_DNS_NXDOMAIN, 0, 1},
        {"www.home-server.qe", QE_DNS_A, QE_DNS_NXDOMAIN, 0, 1},
        {"no such.qe", QE_DNS_A, QE_DNS_NXDOMAIN, 0, 1},
        {"qe", QE_DNS_SOA, QE_DNS_NOERROR, 1, 0},
        {"qe", QE_DNS_A, QE_DNS_NOERROR, 0, 1},
        {"example.org", QE_DNS_A, QE_DNS_REFUSED, 0, 0},
        {"home-server", QE_DNS_A, QE_DNS_REFUSED, 0, 0},
        {"", QE_DNS_A, QE_DNS_REFUSED, 0, 0},
        {"qe.org", QE_DNS_A, QE_DNS_REFUSED, 0, 0},
        {"home-server.qe", QE_DNS_AXFR, QE_DNS_REFUSED, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answered a = ask(table[i].name, table[i].type);
        CU_ASSERT_EQUAL(a.rcode, table[i].rcode);
        CU_ASSERT_EQUAL(a.answers, table[i].answers);
        CU_ASSERT_EQUAL(a.authorities, table[i].authorities);
        CU_ASSERT_EQUAL(a.authoritative, table[i].rcode == QE_DNS_NOERROR || table[i].rcode == QE_DNS_NXDOMAIN);
        CU_ASSERT_EQUAL(a.additionals, 1);
    }
}

static void an_answer_is_these_bytes(void)
{
    static const uint8_t expected[] = "\x12\x34\x85\x00\0\1\0\1\0\0\0\0\4four\2qe\0\0\1\0\1"
                                      "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x64\x40\x07\x08";
    uint8_t bytes[512];
    struct answered a = ask_bytes(bytes, query(bytes, "four.qe", QE_DNS_A, false));
    CU_ASSERT_EQUAL_FATAL(a.size, sizeof expected - 1);
    CU_ASSERT_EQUAL(memcmp(a.bytes, expected, a.size), 0);
}

static void the_question_comes_back_in_its_own_case(void)
{
    uint8_t bytes[512];
    struct answered a = ask_bytes(bytes, query(bytes, "FoUr.qE", QE_DNS_A, false));
    CU_ASSERT_EQUAL(memcmp(a.bytes + 12, "\4FoUr\2qE\0", 9), 0);
}

static void addresses_are_answered_with_names(void)
{
#define ULA "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.7.8.6.4.7.5.6.1.7.d.f.ip6.arpa"
    static const struct {
        const char *name;
        uint16_t type;
        int rcode;
        unsigned answers, authorities;
    } table[] = {
        {"6.5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_NOERROR, 1, 0},
        {"6.5.64.100.in-addr.arpa", QE_DNS_A, QE_DNS_NOERROR, 0, 1},
        {"7.5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_NXDOMAIN, 0, 1},
        {"5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_NOERROR, 0, 1},
        {"64.100.in-addr.arpa", QE_DNS_SOA, QE_DNS_NOERROR, 1, 0},
        {"6.5.65.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"100.in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"256.5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"06.5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"1.6.5.64.100.in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"in-addr.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {ULA, QE_DNS_PTR, QE_DNS_NOERROR, 1, 0},
        {"0.0." ULA, QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
        {"x.7.8.6.4.7.5.6.1.7.d.f.ip6.arpa", QE_DNS_PTR, QE_DNS_REFUSED, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct answered a = ask(table[i].name, table[i].type);
        CU_ASSERT_EQUAL(a.rcode, table[i].rcode);
        CU_ASSERT_EQUAL(a.answers, table[i].answers);
        CU_ASSERT_EQUAL(a.authorities, table[i].authorities);
    }
}

static void what_is_being_looked_for_is_answered_later(void)
{
    struct qe_dns_zone z = zone();
    uint8_t bytes[512], out[512];
    bool later;
    size_t size = query(bytes, "late.qe", QE_DNS_A, false);
    CU_ASSERT_EQUAL(qe_dns_answer(&z, qe_span(bytes, size), false, out, sizeof out, &later), 0);
    CU_ASSERT_TRUE(later);
    CU_ASSERT_TRUE(qe_dns_answer(&z, qe_span(bytes, size), true, out, sizeof out, &later) > 0);
    CU_ASSERT_EQUAL(out[3] & 0xf, QE_DNS_SERVFAIL);
    CU_ASSERT_FALSE(later);
    late_known = true;
    CU_ASSERT_TRUE(qe_dns_answer(&z, qe_span(bytes, size), false, out, sizeof out, &later) > 0);
    CU_ASSERT_EQUAL(out[3] & 0xf, QE_DNS_NOERROR);
    late_known = false;
}

static void what_is_malformed_gets_an_error_or_silence(void)
{
    uint8_t bytes[512], changed[512];
    size_t size = query(bytes, "four.qe", QE_DNS_A, true);
    for (size_t cut = 0; cut < size; cut++)
        CU_ASSERT_EQUAL(ask_bytes(bytes, cut).rcode, cut < 12 ? -1 : QE_DNS_FORMERR);
    static const struct {
        size_t at;
        uint8_t value;
        int rcode;
        const char *what;
    } table[] = {
        {2, 0x81, -1, "an answer"},
        {2, 0x29, QE_DNS_NOTIMP, "NOTIFY-like opcode 5"},
        {5, 0, QE_DNS_FORMERR, "no question"},
        {5, 2, QE_DNS_FORMERR, "two questions"},
        {7, 1, QE_DNS_FORMERR, "an answer record in a query"},
        {11, 0, QE_DNS_FORMERR, "bytes behind the end"},
        {12, 0xc0, QE_DNS_FORMERR, "a pointer in the question"},
        {12, 64, QE_DNS_FORMERR, "a label of 64"},
        {24, 3, QE_DNS_REFUSED, "class CHAOS"},
        {25, 1, QE_DNS_FORMERR, "OPT not at the root"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        memcpy(changed, bytes, size);
        changed[table[i].at] = table[i].value;
        CU_ASSERT_EQUAL(ask_bytes(changed, size).rcode, table[i].rcode);
    }
    // EDNS version 1: BADVERS, whose upper bits are in OPT.
    memcpy(changed, bytes, size);
    changed[size - 5] = 1;
    struct answered a = ask_bytes(changed, size);
    CU_ASSERT_EQUAL(a.rcode, 0);
    CU_ASSERT_EQUAL(a.bytes[a.size - 6], 1);
}

static void names_of_every_length_are_read_up_to_the_longest(void)
{
    for (size_t labels = 1; labels <= 140; labels++) {
        char text[300] = "";
        uint8_t bytes[512];
        for (size_t i = 0; i < labels; i++)
            strcat(text, "a.");
        struct answered a = ask_bytes(bytes, query(bytes, text, QE_DNS_A, false));
        CU_ASSERT_EQUAL(a.rcode, labels * 2 + 1 <= QE_DNS_NAME_MAX ? QE_DNS_REFUSED : QE_DNS_FORMERR);
    }
}

static void an_answer_without_room_says_so(void)
{
    struct qe_dns_zone z = zone();
    uint8_t bytes[512], out[512];
    bool later;
    size_t size = query(bytes, "home-server.qe", QE_DNS_ANY, true);
    size_t whole = qe_dns_answer(&z, qe_span(bytes, size), false, out, sizeof out, &later);
    for (size_t room = 0; room < whole; room++) {
        size_t got = qe_dns_answer(&z, qe_span(bytes, size), false, out, room, &later);
        if (got == 0) {
            CU_ASSERT_TRUE(room < size);
            continue;
        }
        CU_ASSERT_TRUE(got <= room);
        CU_ASSERT_EQUAL(out[2] & 0x02, 0x02);
        CU_ASSERT_EQUAL(qe_load16(out + 6), 0);
    }
}

static void arbitrary_bytes_are_met_calmly(void)
{
    struct unit_random random = unit_random();
    uint8_t bytes[512];
    for (int round = 0; round < 200000; round++) {
        size_t size = query(bytes, unit_random_below(&random, 2) ? "home-server.qe" : ULA, QE_DNS_PTR, true);
        for (uint64_t n = unit_random_below(&random, 6); n > 0; n--)
            bytes[unit_random_below(&random, size)] = (uint8_t)unit_random_next(&random);
        if (unit_random_below(&random, 4) == 0) size = unit_random_below(&random, size + 1);
        ask_bytes(bytes, size);
    }
}

static const struct unit_case cases[] = {
    {"names are answered by type", names_are_answered_by_type},
    {"an answer is these bytes", an_answer_is_these_bytes},
    {"the question comes back in its own case", the_question_comes_back_in_its_own_case},
    {"addresses are answered with names", addresses_are_answered_with_names},
    {"what is being looked for is answered later", what_is_being_looked_for_is_answered_later},
    {"what is malformed gets an error or silence", what_is_malformed_gets_an_error_or_silence},
    {"names of every length are read up to the longest", names_of_every_length_are_read_up_to_the_longest},
    {"an answer without room says so", an_answer_without_room_says_so},
    {"arbitrary bytes are met calmly", arbitrary_bytes_are_met_calmly},
};
UNIT_MAIN("dns", cases)
