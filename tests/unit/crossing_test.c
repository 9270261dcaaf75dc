// Who can meet across NATs: what is found by sending datagrams through doubles, against the closed form that is known
// for two NATs on the way (docs/decisions/0014-nats-by-behaviour.md).
#include "net/crossing.h"
#include "probe.h"

#include <stdio.h>

static const char *const behaviours[] = {"endpoint-independent", "address-dependent", "address-and-port-dependent"};

struct kind {
    int mapping, filtering;
};

// Two homes with NATs, two nodes outside that help. `more`: further keys of both NATs.
static void build(struct kind a, struct kind b, const char *more)
{
    char text[8192];
    snprintf(text, sizeof(text),
        "[[host]]\nname = \"ra\"\nrouter = true\n[host.nat]\noutside = \"ia\"\nmapping = \"%s\"\nfiltering = \"%s\"\n%s"
        "[[host]]\nname = \"rb\"\nrouter = true\n[host.nat]\noutside = \"ib\"\nmapping = \"%s\"\nfiltering = \"%s\"\n%s"
        "[[host]]\nname = \"core\"\nrouter = true\n"
        "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n"
        "[[host]]\nname = \"p\"\nnode = false\n[[host]]\nname = \"q\"\nnode = false\n"
        "[[link]]\nname = \"ia\"\nbetween = [\"core\", \"ra\"]\nsubnets = [\"203.0.113.0/28\"]\n"
        "[[link]]\nname = \"ib\"\nbetween = [\"core\", \"rb\"]\nsubnets = [\"203.0.113.16/28\"]\n"
        "[[link]]\nname = \"public\"\nbetween = [\"core\", \"p\", \"q\"]\nsubnets = [\"198.51.100.0/24\"]\n"
        "[[link]]\nname = \"la\"\nbetween = [\"ra\", \"a\"]\nsubnets = [\"192.168.1.0/24\"]\n"
        "[[link]]\nname = \"lb\"\nbetween = [\"rb\", \"b\"]\nsubnets = [\"192.168.2.0/24\"]\n",
        behaviours[a.mapping], behaviours[a.filtering], more, behaviours[b.mapping], behaviours[b.filtering], more);
    probe_build(text);
}

static struct sim_crossing_node node(const char *name)
{
    return (struct sim_crossing_node){.box = probe_box(name), .port4 = 9000};
}

static enum sim_crossing meet(const char *a, const char *b)
{
    struct sim_crossing_node x = node(a), y = node(b), helpers[] = {node("p"), node("q")};
    return sim_crossing_pair(&x, &y, helpers, 2);
}

// Of the two NATs, with permissions kept for each mapping; by endpoint, two that map and filter by address meet, too.
static bool succeeds(struct kind a, struct kind b, bool by_endpoint)
{
    bool easy_a = a.mapping == 0, easy_b = b.mapping == 0;
    if (easy_a && easy_b) return true;
    if (easy_a != easy_b) return (easy_a ? a.filtering : b.filtering) <= 1;
    if ((a.filtering == 0 && b.filtering <= 1) || (b.filtering == 0 && a.filtering <= 1)) return true;
    return by_endpoint && a.filtering == 1 && b.filtering == 1;
}

static void all_pairs_agree_with_the_closed_form(void)
{
    static const char *const states[] = {"mapping", "endpoint"}, *const allocations[] = {"preserve", "random"};
    for (int state = 0; state < 2; state++)
        for (int allocation = 0; allocation < 2; allocation++) {
            int unordered = 0;
            char more[128];
            snprintf(more, sizeof(more), "filter_state = \"%s\"\nallocation = \"%s\"\n", states[state],
                allocations[allocation]);
            for (int i = 0; i < 81; i++) {
                struct kind a = {i / 9 / 3, i / 9 % 3}, b = {i % 9 / 3, i % 9 % 3};
                build(a, b, more);
                enum sim_crossing found = meet("a", "b");
                probe_unbuild();
                bool regress = a.mapping == 2 && b.mapping == 2 && a.filtering < 2 && b.filtering < 2;
                if ((found >= SIM_CROSSING_ASYMMETRIC) != succeeds(a, b, state == 1) ||
                    (found == SIM_CROSSING_ASYMMETRIC && !regress)) {
                    printf("%s: %d/%d and %d/%d\n", more, a.mapping, a.filtering, b.mapping, b.filtering);
                    CU_FAIL("the oracle and the closed form differ");
                }
                unordered += i / 9 <= i % 9 && found >= SIM_CROSSING_ASYMMETRIC;
            }
            CU_ASSERT_EQUAL(unordered, state ? 28 : 25);
        }
}

static void guesses_are_for_one_random_side_at_most(void)
{
    static const struct {
        struct kind a, b;
        const char *allocation;
        enum sim_crossing found;
    } guesses[] = {
        {{0, 2}, {2, 2}, "random", SIM_CROSSING_MAYBE},
        {{0, 2}, {2, 2}, "sequential", SIM_CROSSING_MAYBE},
        {{2, 2}, {2, 2}, "sequential", SIM_CROSSING_MAYBE},
        {{2, 2}, {2, 2}, "random", SIM_CROSSING_NO},
        {{1, 1}, {2, 1}, "random", SIM_CROSSING_NO},
    };
    for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
        char more[128];
        snprintf(more, sizeof(more), "allocation = \"%s\"\n", guesses[i].allocation);
        build(guesses[i].a, guesses[i].b, more);
        CU_ASSERT_EQUAL(meet("a", "b"), guesses[i].found);
        probe_unbuild();
    }
}

// Two homes behind one carrier's NAT, and two hosts in one home.
#define CARRIER(more)                                                                                                  \
    "[[host]]\nname = \"cgn\"\nrouter = true\n[host.nat]\nkind = \"cgn\"\noutside = \"net\"\n" more                    \
    "[[host]]\nname = \"ra\"\nrouter = true\nnat = {outside = \"access\"}\n"                                           \
    "[[host]]\nname = \"rb\"\nrouter = true\nnat = {outside = \"access\"}\n"                                           \
    "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n"                                     \
    "[[host]]\nname = \"c\"\nnode = false\n[[host]]\nname = \"p\"\nnode = false\n[[host]]\nname = \"q\"\nnode = "      \
    "false\n"                                                                                                          \
    "[[link]]\nname = \"la\"\nbetween = [\"ra\", \"a\", \"c\"]\nsubnets = [\"192.168.1.0/24\"]\n"                      \
    "[[link]]\nname = \"lb\"\nbetween = [\"rb\", \"b\"]\nsubnets = [\"192.168.2.0/24\"]\n"                             \
    "[[link]]\nname = \"access\"\nbetween = [\"cgn\", \"ra\", \"rb\"]\nsubnets = [\"100.64.0.0/24\"]\n"                \
    "[[link]]\nname = \"net\"\nbetween = [\"cgn\", \"p\", \"q\"]\nsubnets = [\"198.51.100.0/24\"]\n"

static void a_carrier_turns_back_or_nobody_meets(void)
{
    probe_build(CARRIER("hairpin = \"external\"\n"));
    CU_ASSERT_EQUAL(meet("a", "b"), SIM_CROSSING_DIRECT);
    CU_ASSERT_EQUAL(meet("a", "c"), SIM_CROSSING_DIRECT);
    probe_unbuild();
    probe_build(CARRIER("hairpin = \"none\"\n"));
    CU_ASSERT_EQUAL(meet("a", "b"), SIM_CROSSING_NO);
    CU_ASSERT_EQUAL(meet("a", "c"), SIM_CROSSING_DIRECT);
    CU_ASSERT_EQUAL(meet("a", "p"), SIM_CROSSING_DIRECT);
    probe_unbuild();
}

static void who_has_no_udp_meets_nobody(void)
{
    struct kind open = {0, 0};
    build(open, open, "[host.firewall]\nkind = \"udp-blocked\"\n");
    struct sim_crossing_node a = node("a"), p = node("p");
    CU_ASSERT_EQUAL(meet("a", "b"), SIM_CROSSING_NO);
    CU_ASSERT_FALSE(sim_crossing_reaches(&a, &p));
    probe_unbuild();
    build(open, open, "");
    a = node("a"), p = node("p");
    CU_ASSERT_TRUE(sim_crossing_reaches(&a, &p));
    // Nobody outside knows where it is before it has sent.
    CU_ASSERT_FALSE(sim_crossing_reaches(&p, &a));
    probe_unbuild();
}

static void without_help_there_is_no_punching(void)
{
    struct kind easy = {0, 2};
    build(easy, easy, "");
    struct sim_crossing_node a = node("a"), b = node("b");
    CU_ASSERT_EQUAL(sim_crossing_pair(&a, &b, NULL, 0), SIM_CROSSING_NO);
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"all pairs of NATs agree with the closed form", all_pairs_agree_with_the_closed_form},
    {"guesses are for one random side at most", guesses_are_for_one_random_side_at_most},
    {"a carrier turns back or nobody meets", a_carrier_turns_back_or_nobody_meets},
    {"who has no UDP meets nobody", who_has_no_udp_meets_nobody},
    {"without help there is no punching", without_help_there_is_no_punching},
};

UNIT_MAIN("crossing", cases)
