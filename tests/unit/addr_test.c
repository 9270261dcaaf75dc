#include "base/addr.h"
#include "unit.h"

#include <string.h>

struct text_case {
    const char *in;
    const char *out; // canonical form; NULL: refused
};

static void addresses_parse_exactly_and_print_canonically(void)
{
    static const struct text_case table[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"256.1.1.1", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"01.2.3.4", NULL},
        {"1.2.3.4 ", NULL},
        {"", NULL},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"fe80::1:2:3:4:5", "fe80::1:2:3:4:5"},
        {"fe80:0:0:0:0:0:0:1", "fe80::1"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1::2::3", NULL},
        {"12345::", NULL},
        {":1::", NULL},
        {"1:", NULL},
        {"::1.2.3.4.5", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
        {"fe80::1%3", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_ip ip;
        char text[QE_ADDR_TEXT_SIZE];
        bool ok = qe_ip_parse(table[i].in, &ip);
        CU_ASSERT_EQUAL(ok, table[i].out != NULL);
        if (ok && table[i].out) CU_ASSERT_STRING_EQUAL(qe_ip_format(&ip, text), table[i].out);
    }
}

static void endpoints_need_a_port_and_brackets_around_v6(void)
{
    static const struct text_case table[] = {
        {"1.2.3.4:9000", "1.2.3.4:9000"},
        {"[::]:0", "[::]:0"},
        {"[fe80::1%7]:65535", "[fe80::1%7]:65535"},
        {"1.2.3.4:65536", NULL},
        {"1.2.3.4", NULL},
        {"[1.2.3.4]:1", NULL},
        {"::1:9000", NULL},
        {"[::1]", NULL},
        {"[::1]:", NULL},
        {"[::1]:1x", NULL},
        {"[fe80::1%4294967296]:1", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct qe_addr addr;
        char text[QE_ADDR_TEXT_SIZE];
        bool ok = qe_addr_parse(table[i].in, &addr);
        CU_ASSERT_EQUAL(ok, table[i].out != NULL);
        if (ok && table[i].out) CU_ASSERT_STRING_EQUAL(qe_addr_format(&addr, text), table[i].out);
    }
}

static void the_longest_texts_fit(void)
{
    struct qe_addr addr;
    char text[QE_ADDR_TEXT_SIZE];
    const char *longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
    CU_ASSERT_TRUE_FATAL(qe_addr_parse(longest, &addr));
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&addr, text), longest);
}

static void random_addresses_survive_a_round_trip(void)
{
    struct unit_random random = unit_random();
    for (int i = 0; i < 20000; i++) {
        struct qe_addr addr = {{6, {0}}, (uint16_t)unit_random_next(&random), 0}, back;
        char text[QE_ADDR_TEXT_SIZE];
        if (i % 3 == 0) addr.ip.family = 4;
        unit_random_fill(&random, addr.ip.bytes, qe_ip_size(&addr.ip));
        // Many zero groups, so that "::" is put in every place.
        for (size_t j = 0; j < 8 && addr.ip.family == 6; j++)
            if (unit_random_below(&random, 2)) memset(addr.ip.bytes + j * 2, 0, 2);
        CU_ASSERT_TRUE(qe_addr_parse(qe_addr_format(&addr, text), &back));
        CU_ASSERT_TRUE(qe_addr_equal(&addr, &back));
    }
}

static bool contains(const char *net, const char *ip)
{
    struct qe_cidr c;
    struct qe_ip a;
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse(net, &c) && qe_ip_parse(ip, &a));
    return qe_cidr_contains(&c, &a);
}

static void prefixes_contain_their_addresses_only(void)
{
    CU_ASSERT_TRUE(contains("10.0.0.0/8", "10.255.1.2"));
    CU_ASSERT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
    CU_ASSERT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
    CU_ASSERT_FALSE(contains("0.0.0.0/0", "::"));
    CU_ASSERT_TRUE(contains("100.64.3.0/23", "100.64.2.255"));
    CU_ASSERT_TRUE(contains("1.2.3.4", "1.2.3.4"));
    CU_ASSERT_FALSE(contains("1.2.3.4", "1.2.3.5"));
    CU_ASSERT_TRUE(contains("fd71:6574:6872::/48", "fd71:6574:6872:1::9"));
    CU_ASSERT_FALSE(contains("fd71:6574:6872::/48", "fd71:6574:6873::"));
    struct qe_cidr c;
    CU_ASSERT_FALSE(qe_cidr_parse("1.2.3.4/33", &c));
    CU_ASSERT_FALSE(qe_cidr_parse("1.2.3.4/", &c));
    CU_ASSERT_FALSE(qe_cidr_parse("::/129", &c));
}

static void networks_lose_their_host_bits(void)
{
    struct qe_cidr c;
    char text[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse("100.64.255.1/22", &c));
    c = qe_cidr_network(c);
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&c, text), "100.64.252.0/22");
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse("ffff::ffff/0", &c));
    c = qe_cidr_network(c);
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&c, text), "::/0");
}

static const struct unit_case cases[] = {
    {"addresses parse exactly and print canonically", addresses_parse_exactly_and_print_canonically},
    {"endpoints need a port, and brackets around v6", endpoints_need_a_port_and_brackets_around_v6},
    {"the longest texts fit", the_longest_texts_fit},
    {"random addresses survive a round trip", random_addresses_survive_a_round_trip},
    {"prefixes contain their addresses only", prefixes_contain_their_addresses_only},
    {"networks lose their host bits", networks_lose_their_host_bits},
};
UNIT_MAIN("addr", cases)
