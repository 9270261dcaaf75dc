// Firewalls, measured from outside: what leaves, what comes back, and for how long.
#include "probe.h"

#include <stdio.h>
#include <string.h>

// A host with a firewall behind a router with another; `out` is on the internet.
static void build(const char *router, const char *host)
{
    char text[4096];
    snprintf(text, sizeof(text),
        "[[host]]\nname = \"r\"\nrouter = true\n%s[[host]]\nname = \"in\"\nnode = false\n%s"
        "[[host]]\nname = \"out\"\nnode = false\n"
        "[[link]]\nname = \"lan\"\nbetween = [\"r\", \"in\"]\nsubnets = [\"10.1.0.0/24\", \"2001:db8:1::/64\"]\n"
        "[[link]]\nname = \"wan\"\nbetween = [\"r\", \"out\"]\nsubnets = [\"203.0.113.0/24\", \"2001:db8:2::/64\"]\n",
        router, host);
    probe_build(text);
}

#define ON_ROUTER "[host.firewall]\noutside = \"wan\"\n"
#define ON_HOST   "[host.firewall]\n"

static bool passes(const char *from, uint16_t port, const char *to)
{
    return probe_from(from, port, probe_addr(to))->box != NULL;
}

static const struct {
    const char *in, *out;
} addresses[] = {{"10.1.0.2", "203.0.113.2"}, {"[2001:db8:1::2]", "[2001:db8:2::2]"}};

static const char *at(const char *ip, int port)
{
    static char text[2][80];
    static int which;
    which = !which;
    snprintf(text[which], sizeof(text[which]), "%s:%d", ip, port);
    return text[which];
}

static void answers_come_in(const char *ip_in, const char *ip_out)
{
    CU_ASSERT_FALSE(passes("out", 5, at(ip_in, 9000)));
    CU_ASSERT_TRUE(passes("in", 9000, at(ip_out, 5)));
    CU_ASSERT_TRUE(passes("out", 5, at(ip_in, 9000)));
    CU_ASSERT_FALSE(passes("out", 6, at(ip_in, 9000)));
    CU_ASSERT_FALSE(passes("out", 5, at(ip_in, 9001)));
}

static void only_answers_come_in(void)
{
    for (size_t i = 0; i < 2; i++) {
        build(ON_ROUTER, "");
        answers_come_in(addresses[i].in, addresses[i].out);
        CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_FIREWALL), 3);
        probe_unbuild();
        build("", ON_HOST);
        answers_come_in(addresses[i].in, addresses[i].out);
        CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_FIREWALL), 3);
        probe_unbuild();
    }
}

static void answers_may_come_from_elsewhere(void)
{
    build(ON_ROUTER "filtering = \"address-dependent\"\n", "");
    CU_ASSERT_TRUE(passes("in", 9000, "203.0.113.2:5"));
    CU_ASSERT_TRUE(passes("out", 6, "10.1.0.2:9000"));
    CU_ASSERT_FALSE(passes("out", 6, "10.1.0.2:9001"));
    probe_unbuild();
    build(ON_ROUTER "filtering = \"endpoint-independent\"\n", "");
    CU_ASSERT_TRUE(passes("in", 9000, "[2001:db8:2::2]:5"));
    CU_ASSERT_TRUE(passes("out", 6, "[2001:db8:1::2]:9000"));
    CU_ASSERT_FALSE(passes("out", 6, "[2001:db8:1::2]:9001"));
    probe_unbuild();
}

// How long a way back stays open, in whole seconds, by binary search.
static uint64_t probe_timeout(bool answered)
{
    uint64_t open = 0, closed = 1024;
    static uint16_t port = 10000;
    while (closed - open > 1) {
        uint64_t middle = open + (closed - open) / 2;
        port++;
        CU_ASSERT_TRUE(passes("in", port, "203.0.113.2:5"));
        if (answered) {
            CU_ASSERT_TRUE(passes("out", 5, at("10.1.0.2", port)));
            CU_ASSERT_TRUE(passes("in", port, "203.0.113.2:5"));
        }
        probe_wait(middle * PROBE_S);
        if (passes("out", 5, at("10.1.0.2", port)))
            open = middle;
        else
            closed = middle;
    }
    return closed;
}

static void the_way_back_closes(void)
{
    build(ON_ROUTER "timeout = \"140s\"\nunanswered_timeout = \"20s\"\n", "");
    CU_ASSERT_EQUAL(probe_timeout(false), 20);
    CU_ASSERT_EQUAL(probe_timeout(true), 140);
    probe_unbuild();
    build(ON_ROUTER, "");
    CU_ASSERT_EQUAL(probe_timeout(false), 30);
    CU_ASSERT_EQUAL(probe_timeout(true), 120);
    probe_unbuild();
}

// Which datagrams keep the way back open far beyond the timeout.
static bool probe_refresh(bool outbound)
{
    static uint16_t port = 20000;
    port++;
    passes("in", port, "203.0.113.2:5");
    passes("out", 5, at("10.1.0.2", port));
    passes("in", port, "203.0.113.2:5");
    passes("out", 5, at("10.1.0.2", port));
    for (int i = 0; i < 3; i++) {
        probe_wait(60 * PROBE_S);
        if (outbound)
            passes("in", port, "203.0.113.2:5");
        else if (!passes("out", 5, at("10.1.0.2", port)))
            return false;
    }
    // What leaves now would open a way that was closed already, but not for an answered conversation's time.
    probe_wait(60 * PROBE_S);
    return passes("out", 5, at("10.1.0.2", port));
}

static void directions_refresh(void)
{
    static const struct {
        const char *refresh;
        bool outbound, inbound;
    } directions[] = {{"outbound", true, false}, {"inbound", false, true}, {"both", true, true}};
    for (size_t i = 0; i < 3; i++) {
        char rules[128];
        snprintf(rules, sizeof(rules), ON_ROUTER "timeout = \"100s\"\nunanswered_timeout = \"30s\"\nrefresh = \"%s\"\n",
            directions[i].refresh);
        build(rules, "");
        CU_ASSERT_EQUAL(probe_refresh(true), directions[i].outbound);
        CU_ASSERT_EQUAL(probe_refresh(false), directions[i].inbound);
        probe_unbuild();
    }
}

static void rules_are_kept(void)
{
    static const struct {
        const char *rules;
        bool out_443, out_9000, in_9000, in_80;
    } kept[] = {
        {"", true, true, false, false},
        {"kind = \"udp-blocked\"\n", false, false, false, false},
        {"udp = false\n", false, false, false, false},
        {"kind = \"only-443\"\n", true, false, false, false},
        {"outbound_ports = [9000, 9001]\n", false, true, false, false},
        {"outbound = \"block\"\n", false, false, false, false},
        {"inbound = \"allow\"\n", true, true, true, true},
        {"inbound_ports = [9000]\n", true, true, true, false},
        {"inbound = \"block\"\ninbound_ports = [9000]\n", true, true, false, false},
        {"kind = \"only-443\"\ninbound_ports = [80]\n", true, false, false, true},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        for (int on_host = 0; on_host < 2; on_host++) {
            char rules[256];
            snprintf(rules, sizeof(rules), "%s%s", on_host ? ON_HOST : ON_ROUTER, kept[i].rules);
            build(on_host ? "" : rules, on_host ? rules : "");
            CU_ASSERT_EQUAL(passes("out", 5, "10.1.0.2:9000"), kept[i].in_9000);
            CU_ASSERT_EQUAL(passes("out", 5, "10.1.0.2:80"), kept[i].in_80);
            // What was let in may be answered, whatever else may leave.
            if (kept[i].in_80) CU_ASSERT_TRUE(passes("in", 80, "203.0.113.2:5"));
            CU_ASSERT_EQUAL(passes("in", 77, "203.0.113.2:443"), kept[i].out_443);
            CU_ASSERT_EQUAL(passes("in", 77, "203.0.113.2:9000"), kept[i].out_9000);
            probe_unbuild();
        }
}

static void a_full_table_lets_nothing_new_out(void)
{
    build(ON_ROUTER "table = 3\n", "");
    for (uint16_t n = 0; n < 3; n++)
        CU_ASSERT_TRUE(passes("in", (uint16_t)(9000 + n), "203.0.113.2:5"));
    CU_ASSERT_FALSE(passes("in", 9003, "203.0.113.2:5"));
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_EXHAUSTED), 1);
    CU_ASSERT_TRUE(passes("in", 9001, "203.0.113.2:5"));
    probe_wait(31 * PROBE_S);
    CU_ASSERT_TRUE(passes("in", 9003, "203.0.113.2:5"));
    probe_reboot("r", 0);
    CU_ASSERT_FALSE(passes("out", 5, "10.1.0.2:9003"));
    probe_unbuild();
}

// IPv6 is not translated, and needs a firewall to be as closed as IPv4 behind a NAT.
static void a_nat_leaves_ipv6_alone(void)
{
    build("[host.nat]\noutside = \"wan\"\n", "");
    CU_ASSERT_TRUE(passes("out", 5, "[2001:db8:1::2]:9000"));
    CU_ASSERT_FALSE(passes("out", 5, "10.1.0.2:9000"));
    const struct probe_seen *seen = probe_from("in", 9000, probe_addr("[2001:db8:2::2]:5"));
    struct qe_addr inside = probe_addr("[2001:db8:1::2]:9000");
    CU_ASSERT(seen->box && qe_addr_equal(&seen->source, &inside));
    probe_unbuild();
    build("[host.nat]\noutside = \"wan\"\n[host.firewall]\n", "");
    answers_come_in(addresses[1].in, addresses[1].out);
    CU_ASSERT_TRUE(passes("in", 9000, "203.0.113.2:5"));
    CU_ASSERT_TRUE(passes("out", 5, "203.0.113.1:9000"));
    CU_ASSERT_FALSE(passes("out", 6, "203.0.113.1:9000"));
    probe_unbuild();
}

// A node may stand in front of hosts without one: its host forwards.
static void hosts_stand_behind_a_host(void)
{
    probe_build("[[host]]\nname = \"gw\"\nrouter = true\nnode = true\n[[host]]\nname = \"pc\"\nnode = false\n"
                "[[host]]\nname = \"far\"\nnode = false\n"
                "[[link]]\nbetween = [\"gw\", \"pc\"]\nsubnets = [\"10.20.0.0/16\"]\n"
                "[[link]]\nbetween = [\"gw\", \"far\"]\nsubnets = [\"203.0.113.0/24\"]\n");
    const struct probe_seen *seen = probe_from("far", 5, probe_addr("10.20.0.2:80"));
    CU_ASSERT_STRING_EQUAL(seen->box ? seen->box : "", "pc");
    seen = probe_send("pc", seen->destination, seen->source);
    CU_ASSERT_STRING_EQUAL(seen->box ? seen->box : "", "far");
    seen = probe_from("pc", 5, probe_addr("10.20.0.1:9000"));
    CU_ASSERT_STRING_EQUAL(seen->box ? seen->box : "", "gw");
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"only answers come in", only_answers_come_in},
    {"answers may come from elsewhere", answers_may_come_from_elsewhere},
    {"the way back closes", the_way_back_closes},
    {"directions refresh", directions_refresh},
    {"rules are kept", rules_are_kept},
    {"a full table lets nothing new out", a_full_table_lets_nothing_new_out},
    {"a NAT leaves IPv6 alone", a_nat_leaves_ipv6_alone},
    {"hosts stand behind a host", hosts_stand_behind_a_host},
};

UNIT_MAIN("firewall", cases)
