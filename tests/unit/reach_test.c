// What can be dialled from where, against what a datagram and its answer really do.
#include "net/reach.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

#define R(name, more)     "[[host]]\nname = \"" name "\"\nrouter = true\n" more
#define H(name, more)     "[[host]]\nname = \"" name "\"\nnode = false\n" more
#define L(name, hosts, s) "[[link]]\nname = \"" name "\"\nbetween = [" hosts "]\nsubnets = [\"" s "\"]\n"

// Two homes and two public hosts, all on the internet.
static void build(const char *nat1, const char *nat2, const char *firewall)
{
    char text[8192];
    snprintf(text, sizeof(text),
        R("h1", "%s") R("h2", "%s") R("core", "") H("a", "") H("b", "") H("c", "") H("p", "%s") H("q", "")
            L("i1", "\"core\", \"h1\"", "203.0.113.0/28") L("i2", "\"core\", \"h2\"", "203.0.113.16/28")
                L("public", "\"core\", \"p\", \"q\"", "198.51.100.0/24")
                    L("lan1", "\"h1\", \"a\", \"c\"", "192.168.1.0/24") L("lan2", "\"h2\", \"b\"", "192.168.1.0/24"),
        nat1, nat2, firewall);
    probe_build(text);
}

static struct qe_addr addr(const char *text)
{
    return probe_addr(text);
}

// Whether a datagram arrives at the box and its answer comes back, at this moment.
static bool really(const char *from, const char *to, const char *remote)
{
    const struct probe_seen *seen = probe_from(from, 9000, addr(remote));
    if (!seen->box || strcmp(seen->box, to) != 0) return false;
    struct qe_addr source = seen->source, destination = seen->destination;
    seen = probe_send(to, destination, source);
    return seen->box && strcmp(seen->box, from) == 0;
}

#define NAT1(more) "[host.nat]\noutside = \"i1\"\n" more
#define NAT2(more) "[host.nat]\noutside = \"i2\"\n" more

static void facts_are_what_datagrams_do(void)
{
    static const struct {
        const char *nat1, *nat2, *firewall, *from, *to, *remote;
        enum sim_reach reach;
    } facts[] = {
        {NAT1(""), NAT2(""), "", "a", "p", "198.51.100.2:9000", SIM_REACH_YES},
        {NAT1("kind = \"symmetric\"\n"), NAT2(""), "", "a", "p", "198.51.100.2:9000", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "", "p", "q", "198.51.100.3:9000", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "", "p", "a", "203.0.113.2:9000", SIM_REACH_MAYBE},
        {NAT1(""), NAT2(""), "", "p", "a", "192.168.1.2:9000", SIM_REACH_NO},
        {NAT1(""), NAT2(""), "", "b", "a", "203.0.113.2:9000", SIM_REACH_MAYBE},
        {NAT1("forward = [{port = 9000, to = \"192.168.1.2:9000\"}]\n"), NAT2(""), "", "p", "a", "203.0.113.2:9000",
            SIM_REACH_YES},
        {NAT1("forward = [{port = 9000, to = \"192.168.1.2:9000\"}]\n"), NAT2("kind = \"symmetric\"\n"), "", "b", "a",
            "203.0.113.2:9000", SIM_REACH_YES},
        // From the same home by its outside address.
        {NAT1("forward = [{port = 9000, to = \"192.168.1.2:9000\"}]\n"), NAT2(""), "", "c", "a", "203.0.113.2:9000",
            SIM_REACH_YES},
        {NAT1("hairpin = \"none\"\nforward = [{port = 9000, to = \"192.168.1.2:9000\"}]\n"), NAT2(""), "", "c", "a",
            "203.0.113.2:9000", SIM_REACH_NO},
        {NAT1(""), NAT2(""), "", "c", "a", "192.168.1.2:9000", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "[host.firewall]\n", "q", "p", "198.51.100.2:9000", SIM_REACH_MAYBE},
        {NAT1(""), NAT2(""), "[host.firewall]\n", "p", "q", "198.51.100.3:9000", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "[host.firewall]\ninbound_ports = [9000]\n", "q", "p", "198.51.100.2:9000", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "[host.firewall]\nkind = \"udp-blocked\"\n", "q", "p", "198.51.100.2:9000", SIM_REACH_NO},
        {NAT1(""), NAT2(""), "[host.firewall]\nkind = \"udp-blocked\"\n", "p", "q", "198.51.100.3:9000", SIM_REACH_NO},
        {NAT1(""), NAT2(""), "[host.firewall]\nkind = \"only-443\"\n", "p", "q", "198.51.100.3:9000", SIM_REACH_NO},
        {NAT1(""), NAT2(""), "[host.firewall]\nkind = \"only-443\"\n", "p", "q", "198.51.100.3:443", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "[host.firewall]\ninbound = \"block\"\n", "p", "q", "198.51.100.3:9000", SIM_REACH_NO},
        {NAT1("[host.firewall]\nkind = \"only-443\"\n"), NAT2(""), "", "a", "p", "198.51.100.2:9000", SIM_REACH_NO},
        {NAT1("[host.firewall]\nkind = \"only-443\"\n"), NAT2(""), "", "a", "p", "198.51.100.2:443", SIM_REACH_YES},
        {NAT1(""), NAT2(""), "", "a", "p", "10.9.9.9:9000", SIM_REACH_NO},
        // Without a NAT it is the router's own address.
        {"", "", "", "p", "h2", "203.0.113.18:9000", SIM_REACH_YES},
    };
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        struct sim_reach_end end;
        struct qe_addr remote = addr(facts[i].remote);
        build(facts[i].nat1, facts[i].nat2, facts[i].firewall);
        enum sim_reach got = sim_reach_dial(probe_box(facts[i].from), 9000, &remote, &end);
        if (got != facts[i].reach) fprintf(stderr, "fact %zu\n", i);
        CU_ASSERT_EQUAL(got, facts[i].reach);
        if (got == SIM_REACH_YES) CU_ASSERT_PTR_EQUAL(end.box, probe_box(facts[i].to));
        // Nothing has been sent before, so what depends on that does not arrive.
        CU_ASSERT_EQUAL(really(facts[i].from, facts[i].to, facts[i].remote), facts[i].reach == SIM_REACH_YES);
        probe_unbuild();
    }
}

static void what_depends_can_be(void)
{
    build(NAT1("kind = \"full-cone\"\n"), NAT2(""), "");
    CU_ASSERT_FALSE(really("p", "a", "203.0.113.2:9000"));
    probe_from("a", 9000, addr("198.51.100.3:1"));
    CU_ASSERT_TRUE(really("p", "a", "203.0.113.2:9000"));
    probe_unbuild();
}

static void one_of_two_needs_to_be_dialled(void)
{
    build(NAT1(""), NAT2(""), "");
    struct qe_addr to_p = addr("198.51.100.2:9000"), to_a = addr("203.0.113.2:9000"), wrong = addr("198.51.100.2:9001");
    struct sim_reach_node a = {probe_box("a"), 9000, NULL}, p = {probe_box("p"), 9000, NULL};
    CU_ASSERT_EQUAL(sim_reach_connect(&a, &p), SIM_REACH_NO);
    p.dials = &to_a;
    CU_ASSERT_EQUAL(sim_reach_connect(&a, &p), SIM_REACH_MAYBE);
    a.dials = &wrong;
    CU_ASSERT_EQUAL(sim_reach_connect(&a, &p), SIM_REACH_MAYBE);
    a.dials = &to_p;
    CU_ASSERT_EQUAL(sim_reach_connect(&a, &p), SIM_REACH_YES);
    CU_ASSERT_EQUAL(sim_reach_connect(&p, &a), SIM_REACH_YES);
    struct sim_reach_node q = {probe_box("q"), 9000, &to_p};
    CU_ASSERT_EQUAL(sim_reach_connect(&a, &q), SIM_REACH_NO);
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"facts are what datagrams do", facts_are_what_datagrams_do},
    {"what depends can be", what_depends_can_be},
    {"one of two needs to be dialled", one_of_two_needs_to_be_dialled},
};

UNIT_MAIN("reach", cases)
