// NATs measured from outside, as RFC 5780's clients and RFC 4787's words would have it: for every combination of
// settings a battery of probes finds out what the settings were.
#include "probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// A server with two addresses, its two ports, and two hosts behind the NAT.
static struct qe_addr server[2][2];
static uint16_t fresh_port;

static const char *const dependences[] = {"endpoint-independent", "address-dependent", "address-and-port-dependent"};
static const char *const allocations[] = {"preserve", "sequential", "random"};
static const char *const hairpins[] = {"none", "external", "internal"};
static const char *const refreshes[] = {"outbound", "inbound", "both"};
static const char *const states[] = {"mapping", "endpoint"};

static void build(const char *nat)
{
    char text[4096];
    snprintf(text, sizeof(text),
        "[[host]]\nname = \"r\"\nrouter = true\n[host.nat]\noutside = \"wan\"\n%s"
        "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n"
        "[[host]]\nname = \"s\"\nnode = false\n"
        "[[link]]\nname = \"lan\"\nbetween = [\"r\", \"a\", \"b\"]\nsubnets = [\"192.168.1.0/24\"]\n"
        "[[link]]\nname = \"wan\"\nbetween = [\"r\", \"s\"]\naddresses.r = [\"203.0.113.10/24\"]\n"
        "addresses.s = [\"203.0.113.1/24\", \"203.0.113.2/24\"]\n",
        nat);
    probe_build(text);
    server[0][0] = probe_addr("203.0.113.1:3478");
    server[0][1] = probe_addr("203.0.113.1:3479");
    server[1][0] = probe_addr("203.0.113.2:3478");
    server[1][1] = probe_addr("203.0.113.2:3479");
    fresh_port = 20000;
}

static uint16_t new_port(void)
{
    return fresh_port += 7;
}

// The outside endpoint that `to` sees of the host's port.
static struct qe_addr reflexive(const char *host, uint16_t port, struct qe_addr to)
{
    const struct probe_seen *seen = probe_from(host, port, to);
    CU_ASSERT_PTR_NOT_NULL_FATAL(seen->box);
    return seen->source;
}

static bool lets_in(struct qe_addr from, struct qe_addr to)
{
    const struct probe_seen *seen = probe_send("s", from, to);
    return seen->box && strcmp(seen->box, "a") == 0;
}

// RFC 5780 §4.3
static size_t probe_mapping(void)
{
    uint16_t port = new_port();
    struct qe_addr first = reflexive("a", port, server[0][0]);
    struct qe_addr other_address = reflexive("a", port, server[1][0]);
    struct qe_addr other_port = reflexive("a", port, server[0][1]);
    if (qe_addr_equal(&first, &other_address)) return 0;
    return qe_addr_equal(&first, &other_port) ? 1 : 2;
}

// RFC 5780 §4.4
static size_t probe_filtering(void)
{
    struct qe_addr outside = reflexive("a", new_port(), server[0][0]);
    CU_ASSERT_TRUE(lets_in(server[0][0], outside));
    if (lets_in(server[1][1], outside)) return 0;
    return lets_in(server[0][1], outside) ? 1 : 2;
}

// RFC 4787 §4.2.1
static size_t probe_allocation(uint16_t *step)
{
    uint16_t ports[6], outside[6];
    bool preserved = true, sequential = true;
    for (size_t i = 0; i < 6; i++) {
        ports[i] = (uint16_t)(new_port() + i * i * 100);
        outside[i] = reflexive("a", ports[i], server[0][0]).port;
        preserved &= outside[i] == ports[i];
        if (i > 1) sequential &= outside[i] - outside[i - 1] == outside[1] - outside[0];
    }
    *step = (uint16_t)(outside[1] - outside[0]);
    fresh_port += 4000;
    return preserved ? 0 : sequential ? 1 : 2;
}

// Hairpinning, between two inside hosts of which each has sent to the other's outside endpoint, so that no filter is in
// the way. RFC 4787 §6.
static size_t probe_hairpin(void)
{
    uint16_t port_a = new_port(), port_b = new_port();
    struct qe_addr a = reflexive("a", port_a, server[0][0]), b = reflexive("b", port_b, server[0][0]);
    probe_from("a", port_a, b);
    const struct probe_seen *seen = probe_from("b", port_b, a);
    if (!seen->box || strcmp(seen->box, "a") != 0) return 0;
    return qe_ip_equal(&seen->source.ip, &a.ip) ? 1 : 2;
}

// Whether what was sent by one mapping of an endpoint lets its target in by another. Nothing to see where there is one
// mapping only, or no filter.
static size_t probe_state(void)
{
    uint16_t port = new_port();
    struct qe_addr first = reflexive("a", port, server[0][0]);
    reflexive("a", port, server[1][1]);
    return lets_in(server[1][1], first);
}

static void classification_is_configuration(void)
{
    size_t cases = 0;
    for (size_t n = 0; n < 3 * 3 * 3 * 3 * 2; n++, cases++) {
        size_t mapping = n % 3, filtering = n / 3 % 3, allocation = n / 9 % 3, hairpin = n / 27 % 3, state = n / 81;
        char nat[512];
        uint16_t step;
        snprintf(nat, sizeof(nat),
            "mapping = \"%s\"\nfiltering = \"%s\"\nallocation = \"%s\"\nhairpin = \"%s\"\nfilter_state = \"%s\"\nstep "
            "= 3\n",
            dependences[mapping], dependences[filtering], allocations[allocation], hairpins[hairpin], states[state]);
        build(nat);
        size_t got_allocation = probe_allocation(&step);
        CU_ASSERT_EQUAL(got_allocation, allocation);
        if (allocation == 1) CU_ASSERT_EQUAL(step, 3);
        CU_ASSERT_EQUAL(probe_mapping(), mapping);
        CU_ASSERT_EQUAL(probe_filtering(), filtering);
        if (mapping == 0 || filtering == 0) CU_ASSERT_EQUAL(probe_hairpin(), hairpin);
        if (mapping == 2 && filtering != 0) CU_ASSERT_EQUAL(probe_state(), state);
        probe_unbuild();
    }
    CU_ASSERT_EQUAL(cases, 162);
}

static void kinds_are_what_their_names_say(void)
{
    static const struct {
        const char *kind;
        size_t mapping, filtering, allocation, hairpin;
    } kinds[] = {{"home-router", 0, 2, 0, 1}, {"full-cone", 0, 0, 0, 1}, {"restricted-cone", 0, 1, 0, 0},
        {"port-restricted-cone", 0, 2, 0, 0}, {"symmetric", 2, 2, 2, 0}, {"cgn", 0, 0, 2, 1},
        // It depends on the remote endpoint, but keeps the port for all of them, so nobody can tell.
        {"linux", 0, 2, 0, 0}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char nat[64];
        uint16_t step;
        snprintf(nat, sizeof(nat), "kind = \"%s\"\n", kinds[i].kind);
        build(nat);
        CU_ASSERT_EQUAL(probe_mapping(), kinds[i].mapping);
        CU_ASSERT_EQUAL(probe_filtering(), kinds[i].filtering);
        CU_ASSERT_EQUAL(probe_allocation(&step), kinds[i].allocation);
        CU_ASSERT_EQUAL(probe_hairpin(), kinds[i].hairpin);
        probe_unbuild();
    }
}

// Whether a mapping that was made `idle_ns` ago is still there. answered: after two answers it was idle.
static bool survives(uint64_t idle_ns, bool answered)
{
    uint16_t port = new_port();
    struct qe_addr outside = reflexive("a", port, server[0][0]);
    for (int i = 0; answered && i < 2; i++) {
        lets_in(server[0][0], outside);
        if (i == 0) reflexive("a", port, server[0][0]);
    }
    probe_wait(idle_ns);
    return lets_in(server[0][0], outside);
}

// The shortest idle time, in whole seconds, after which it is gone.
static uint64_t probe_timeout(bool answered)
{
    uint64_t alive = 0, gone = 4096;
    while (gone - alive > 1) {
        uint64_t middle = alive + (gone - alive) / 2;
        if (survives(middle * PROBE_S, answered))
            alive = middle;
        else
            gone = middle;
    }
    return gone;
}

// Whether datagrams of one direction, each well within the timeout, keep a mapping far beyond it.
static bool probe_refresh(uint64_t timeout_s, bool outbound)
{
    uint16_t port = new_port();
    struct qe_addr outside = reflexive("a", port, server[0][0]);
    lets_in(server[0][0], outside);
    reflexive("a", port, server[0][0]);
    lets_in(server[0][0], outside);
    for (int i = 0; i < 3; i++) {
        probe_wait(timeout_s * PROBE_S * 6 / 10);
        struct qe_addr again = outside;
        if (outbound) again = reflexive("a", port, server[0][0]);
        if (!qe_addr_equal(&again, &outside)) return false;
        if (!outbound && !lets_in(server[0][0], outside)) return false;
    }
    return true;
}

static void timeouts_are_found_by_binary_search(void)
{
    for (size_t refresh = 0; refresh < 3; refresh++)
        for (size_t filtering = 0; filtering < 3; filtering++) {
            char nat[512];
            snprintf(nat, sizeof(nat),
                "mapping = \"endpoint-independent\"\nfiltering = \"%s\"\nrefresh = \"%s\"\nallocation = "
                "\"sequential\"\n"
                "timeout = \"187s\"\nunanswered_timeout = \"31s\"\n",
                dependences[filtering], refreshes[refresh]);
            build(nat);
            CU_ASSERT_EQUAL(probe_timeout(true), 187);
            CU_ASSERT_EQUAL(probe_timeout(false), 31);
            CU_ASSERT_EQUAL(probe_refresh(187, true), refresh != 1);
            CU_ASSERT_EQUAL(probe_refresh(187, false), refresh != 0);
            probe_unbuild();
        }
}

static void every_destination_has_a_timer_of_its_own(void)
{
    build("filtering = \"address-dependent\"\ntimeout = \"300s\"\nfilter_timeout = \"60s\"\n");
    uint16_t port = new_port();
    struct qe_addr outside = reflexive("a", port, server[0][0]);
    reflexive("a", port, server[1][0]);
    for (int i = 0; i < 5; i++) {
        probe_wait(29 * PROBE_S);
        CU_ASSERT_TRUE(lets_in(server[0][0], outside));
        if (i < 2) CU_ASSERT_EQUAL(reflexive("a", port, server[1][0]).port, outside.port);
    }
    // The one kept its way open, the other was last spoken to 87 s ago.
    CU_ASSERT_TRUE(lets_in(server[0][0], outside));
    CU_ASSERT_FALSE(lets_in(server[1][0], outside));
    probe_unbuild();
}

// RFC 4787 REQ-6: an attacker could keep it otherwise.
static void what_is_filtered_keeps_nothing(void)
{
    build("filtering = \"address-dependent\"\ntimeout = \"60s\"\n");
    struct qe_addr outside = reflexive("a", new_port(), server[0][0]);
    uint64_t before = probe_dropped(SIM_DROP_FILTERED);
    for (int i = 0; i < 5; i++) {
        probe_wait(13 * PROBE_S);
        CU_ASSERT_FALSE(lets_in(server[1][0], outside));
    }
    CU_ASSERT_FALSE(lets_in(server[0][0], outside));
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_FILTERED), before + 4); // the fifth found no mapping
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_NO_MAPPING), 2);
    probe_unbuild();
}

static void inside_addresses_are_no_addresses_outside(void)
{
    build("kind = \"full-cone\"\n");
    reflexive("a", 5000, server[0][0]);
    CU_ASSERT_FALSE(lets_in(server[0][0], probe_addr("192.168.1.2:5000")));
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_NO_MAPPING), 1);
    // Between two inside hosts nothing is translated.
    const struct probe_seen *seen = probe_from("a", 5000, probe_addr("192.168.1.3:6"));
    CU_ASSERT_STRING_EQUAL(seen->box, "b");
    CU_ASSERT_TRUE(qe_addr_equal(&seen->source, &(struct qe_addr){.ip = qe_ip4(192, 168, 1, 2), .port = 5000}));
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"classification is configuration", classification_is_configuration},
    {"kinds are what their names say", kinds_are_what_their_names_say},
    {"timeouts are found by binary search", timeouts_are_found_by_binary_search},
    {"every destination has a timer of its own", every_destination_has_a_timer_of_its_own},
    {"what is filtered keeps nothing", what_is_filtered_keeps_nothing},
    {"inside addresses are no addresses outside", inside_addresses_are_no_addresses_outside},
};

UNIT_MAIN("nat_probe", cases)
