// ICMP "too big" through NATs and firewalls: it comes to whoever sent the datagram, however often that was translated
// on the way, and to nobody else.
#include "net/icmp.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

static uint64_t told(const char *box)
{
    return probe_box(box)->too_big_received;
}

static const struct probe_seen *send_big(const char *from, struct qe_addr to)
{
    static const uint8_t bytes[1400];
    return probe_send_bytes(from, (struct qe_addr){.port = 9000}, to, bytes, sizeof(bytes));
}

// a - home - isp - cgn - wan - core - net - s, with a small MTU on one of the links.
static void build(const char *small, const char *more)
{
    static const char *const links[][3] = {{"lan", "\"home\", \"a\"", "192.168.1.0/24"},
        {"isp", "\"cgn\", \"home\"", "100.64.0.0/24"}, {"wan", "\"core\", \"cgn\"", "203.0.113.0/24"},
        {"net", "\"core\", \"s\"", "198.51.100.0/24"}};
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof(text),
        "[[host]]\nname = \"home\"\nrouter = true\n[host.nat]\noutside = \"isp\"\n%s"
        "[[host]]\nname = \"cgn\"\nrouter = true\n[host.nat]\nkind = \"cgn\"\noutside = \"wan\"\n"
        "[[host]]\nname = \"core\"\nrouter = true\n[[host]]\nname = \"a\"\nnode = false\n"
        "[[host]]\nname = \"s\"\nnode = false\n",
        more);
    for (size_t i = 0; i < 4; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
            "[[link]]\nname = \"%s\"\nbetween = [%s]\nsubnets = [\"%s\"]\nicmp = true\nmtu = %d\n", links[i][0],
            links[i][1], links[i][2], strcmp(links[i][0], small) == 0 ? 1300 : 1500);
    probe_build(text);
}

static void the_sender_is_told_through_two_nats(void)
{
    static const char *const links[] = {"lan", "isp", "wan", "net"};
    struct qe_addr server = probe_addr("198.51.100.2:5");
    for (size_t i = 0; i < 4; i++) {
        build(links[i], "");
        CU_ASSERT_PTR_NULL(send_big("a", server)->box);
        CU_ASSERT_EQUAL(told("a"), 1);
        CU_ASSERT_EQUAL(told("home") + told("cgn") + told("core") + told("s"), 0);
        probe_unbuild();
    }
}

static void a_server_is_told_about_answers(void)
{
    static const char *const links[] = {"lan", "isp", "wan", "net"};
    for (size_t i = 0; i < 4; i++) {
        build(links[i], "[host.firewall]\n");
        const struct probe_seen *seen = probe_from("a", 9000, probe_addr("198.51.100.2:9000"));
        CU_ASSERT_STRING_EQUAL_FATAL(seen->box ? seen->box : "", "s");
        struct qe_addr outside = seen->source;
        CU_ASSERT_PTR_NULL(send_big("s", outside)->box);
        CU_ASSERT_EQUAL(told("s"), 1);
        CU_ASSERT_EQUAL(told("home") + told("cgn") + told("core") + told("a"), 0);
        probe_unbuild();
    }
}

// The core says that a datagram was too big which nobody may have sent.
static void invent(struct qe_addr source, struct qe_addr destination)
{
    struct sim_box *core = probe_box("core");
    struct sim_packet *packet = sim_packet_new(&core->network->pool, (const uint8_t *)"quoted", 6);
    packet->source = source;
    packet->destination = destination;
    sim_icmp_tell_too_big(core, packet, 1300);
    sim_packet_free(&core->network->pool, packet);
    probe_wait(PROBE_S);
}

static void an_invented_error_ends_at_the_nat(void)
{
    struct qe_addr server = probe_addr("198.51.100.2:9000");
    build("", "timeout = \"60s\"\n");
    const struct probe_seen *seen = probe_from("a", 9000, server);
    CU_ASSERT_PTR_NOT_NULL_FATAL(seen->box);
    struct qe_addr outside = seen->source, other = outside;
    invent(outside, server);
    CU_ASSERT_EQUAL(told("a"), 1);
    other.port++;
    invent(other, server);
    invent(outside, probe_addr("198.51.100.2:9001"));
    CU_ASSERT_EQUAL(told("a"), 1);
    probe_wait(60 * PROBE_S);
    invent(outside, server);
    CU_ASSERT_EQUAL(told("a"), 1);
    CU_ASSERT_EQUAL(told("home") + told("cgn"), 0);
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"the sender is told through two NATs", the_sender_is_told_through_two_nats},
    {"a server is told about answers", a_server_is_told_about_answers},
    {"an invented error ends at the NAT", an_invented_error_ends_at_the_nat},
};

UNIT_MAIN("nat_icmp", cases)
