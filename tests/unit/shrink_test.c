// The shrinker over made-up judges: what matters stays, what does not goes, and what mentions it goes with it.
#include "engine/memory.h"
#include "scenario/scenario.h"
#include "shrink/internal.h"
#include "shrink/shrink.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error[SIM_ERROR_SIZE];

static struct sim_tree *tree_of(const char *text)
{
    struct qe_toml *toml = sim_scenario_syntax("f.toml", text, strlen(text), error);
    if (!toml) fprintf(stderr, "%s in\n%s", error, text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(toml);
    struct sim_tree *tree = sim_tree_from_toml(qe_toml_root(toml));
    qe_toml_free(toml);
    return tree;
}

static void check_text(const struct sim_tree *tree, const char *expected)
{
    const struct sim_tree *refused;
    char *text = sim_tree_print(tree, &refused);
    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0) fprintf(stderr, "%s, not\n%s\n", text, expected);
    sim_release(text);
}

// A judge over one candidate, and how often it was asked, and when to stop.
struct fake {
    bool (*fails)(struct sim_tree *tree);
    uint64_t asked, stop_after;
};

static size_t first_same(void *user, struct sim_tree *const *candidates, size_t count)
{
    struct fake *fake = user;
    CU_ASSERT(count >= 1 && count <= SIM_SHRINK_BATCH);
    for (size_t i = 0; i < count; i++) {
        fake->asked++;
        if (fake->fails(candidates[i])) return i;
    }
    return count;
}

static bool stop(void *user)
{
    const struct fake *fake = user;
    return fake->stop_after && fake->asked >= fake->stop_after;
}

static struct sim_shrink shrink_of(struct fake *fake, struct sim_tree *tree)
{
    return (struct sim_shrink){.tree = tree, .user = fake, .first_same = first_same, .stop = stop};
}

static size_t entries(struct sim_tree *tree, const char *key)
{
    const struct sim_tree *entry = sim_tree_get(tree, key);
    return entry ? entry->count : 0;
}

// Whether some [[at]] has this value of `n`.
static bool has_at(struct sim_tree *tree, int64_t n)
{
    for (size_t i = 0; i < entries(tree, "at"); i++) {
        const struct sim_tree *number = sim_tree_get(sim_tree_get(tree, "at")->items[i], "n");
        if (number && number->integer == n) return true;
    }
    return false;
}

// A scenario with so many [[at]], numbered.
static struct sim_tree *with_ats(unsigned count)
{
    struct sim_tree *tree = tree_of("[scenario]\nname = \"s\"\nduration = \"10s\"\n");
    struct sim_tree *ats = sim_tree_new(QE_TOML_ARRAY, 1);
    for (unsigned i = 0; i < count; i++) {
        struct sim_tree *at = sim_tree_new(QE_TOML_TABLE, 1);
        sim_tree_put(at, "time", sim_tree_string("1s", 1));
        sim_tree_put(at, "n", sim_tree_integer(i, 1));
        sim_tree_append(ats, at);
    }
    sim_tree_put(tree, "at", ats);
    return tree;
}

static bool fails_with_7_and_31(struct sim_tree *tree)
{
    return has_at(tree, 7) && has_at(tree, 31);
}

static void two_faults_of_forty_are_left(void)
{
    struct fake fake = {.fails = fails_with_7_and_31};
    struct sim_shrink shrink = shrink_of(&fake, with_ats(40));
    CU_ASSERT_EQUAL(sim_shrink_measure(shrink.tree).faults, 40);
    sim_shrink_run(&shrink);
    CU_ASSERT_EQUAL(sim_shrink_measure(shrink.tree).faults, 2);
    CU_ASSERT(fails_with_7_and_31(shrink.tree));
    CU_ASSERT(fake.asked < 200);
    sim_tree_free(shrink.tree);
}

// Any subset may be what matters; what is left is exactly it.
static uint64_t wanted;

static bool fails_with_wanted(struct sim_tree *tree)
{
    for (unsigned i = 0; i < 20; i++)
        if (wanted >> i & 1 && !has_at(tree, i)) return false;
    return true;
}

static void exactly_what_matters_is_left(void)
{
    struct unit_random random = unit_random();
    for (int round = 0; round < 60; round++) {
        wanted = unit_random_below(&random, 1 << 20) & unit_random_next(&random);
        struct fake fake = {.fails = fails_with_wanted};
        struct sim_shrink shrink = shrink_of(&fake, with_ats(20));
        sim_shrink_run(&shrink);
        size_t expected = 0;
        for (unsigned i = 0; i < 20; i++)
            expected += wanted >> i & 1;
        // The number of an entry that matters may be rounded to the same.
        CU_ASSERT_EQUAL(entries(shrink.tree, "at"), expected);
        CU_ASSERT(fails_with_wanted(shrink.tree));
        sim_tree_free(shrink.tree);
    }
}

static bool fails_always(struct sim_tree *tree)
{
    (void)tree;
    return true;
}

static void nothing_is_left_where_nothing_matters(void)
{
    struct fake fake = {.fails = fails_always};
    struct sim_shrink shrink = shrink_of(
        &fake, tree_of("[scenario]\nname = \"s\"\nduration = \"10s\"\ndescription = \"x\"\n[[host]]\nname = \"a\"\n"
                       "[[link]]\nbetween = [\"a\", \"b\"]\n[faults]\nx = 1\n[[expect]]\nflow = \"x\"\n[[flow]]\nkind "
                       "= \"ping\"\n"));
    sim_shrink_run(&shrink);
    check_text(shrink.tree, "[scenario]\nname = \"s\"\nduration = \"0.039s\"\n");
    sim_tree_free(shrink.tree);
}

#define NETWORK                                                                                                        \
    "[[host]]\nname = \"a\"\npeers = [\"b\", \"c@192.0.2.1:1\"]\n[[host]]\nname = \"b\"\n[[host]]\nname = \"c\"\n"     \
    "[[link]]\nbetween = [\"a\", \"b\", \"c\"]\n[link.from.c]\nloss = \"1%\"\n[[link]]\nbetween = [\"b\", \"c\"]\n"    \
    "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"c\"\n"        \
    "[[at]]\nlink = \"b-c\"\ndown = true\n[[at]]\nlink = \"a-b-c\"\ndown = true\n[[at]]\nhost = \"c\"\ncrash = true\n" \
    "[[at]]\npartition = [[\"a\"], [\"c\"]]\n"                                                                         \
    "[[expect]]\nflow = \"udp-a-c\"\n[[expect]]\nflow = \"ping-a-b\"\n[[expect]]\nconnected = [\"a\", \"c\"]\n"

static void what_mentions_something_that_is_gone_goes_with_it(void)
{
    struct sim_tree *tree = tree_of(NETWORK);
    struct sim_elements hosts = {0};
    sim_elements_tables(&hosts, tree, "host");
    CU_ASSERT_EQUAL(hosts.count, 3);
    struct sim_tree *without = sim_reduce(tree, &hosts, (bool[]){true, true, false}, SIM_GUARD_NONE);
    check_text(without,
        "[[host]]\nname = \"a\"\npeers = [\"b\"]\n\n[[host]]\nname = \"b\"\n\n[[link]]\nbetween = [\"a\", "
        "\"b\"]\nname = \"a-b-c\"\n\n[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n\n[[at]]\n"
        "link = \"a-b-c\"\ndown = true\n\n[[expect]]\nflow = \"ping-a-b\"\n");
    sim_tree_free(without);
    sim_elements_fini(&hosts);
    struct sim_elements links = {0};
    sim_elements_tables(&links, tree, "link");
    without = sim_reduce(tree, &links, (bool[]){false, true}, SIM_GUARD_NONE);
    CU_ASSERT_EQUAL(entries(without, "at"), 3);
    CU_ASSERT_EQUAL(entries(without, "flow"), 2);
    sim_tree_free(without);
    sim_elements_fini(&links);
    sim_tree_free(tree);
}

// As an expectation fails that wants traffic: also for want of a link or of a peer.
static bool fails_without_traffic(struct sim_tree *tree)
{
    if (!entries(tree, "expect") || !entries(tree, "flow")) return false;
    return !entries(tree, "link") || !sim_tree_look(tree, "host.a.peers") || has_at(tree, 3);
}

static void an_expectation_fails_for_its_own_reason(void)
{
    static const char text[] = "[scenario]\nname = \"s\"\nduration = \"10s\"\n[[host]]\nname = \"a\"\npeers = [\"b\"]\n"
                               "[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nloss = \"1%\"\n[[flow]]\n"
                               "kind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n[[expect]]\nflow = \"ping-a-b\"\n"
                               "[[at]]\ntime = \"1s\"\nn = 2\n[[at]]\ntime = \"2s\"\nn = 3\n";
    struct fake fake = {.fails = fails_without_traffic};
    struct sim_shrink shrink = shrink_of(&fake, tree_of(text));
    shrink.guard = sim_shrink_find_guard(&shrink);
    CU_ASSERT_EQUAL(shrink.guard, SIM_GUARD_FAULTS);
    sim_shrink_run(&shrink);
    CU_ASSERT(has_at(shrink.tree, 3) && !has_at(shrink.tree, 2));
    CU_ASSERT_EQUAL(entries(shrink.tree, "link"), 1);
    CU_ASSERT_PTR_NOT_NULL(sim_tree_look(shrink.tree, "host.a.peers"));
    CU_ASSERT_PTR_NULL(sim_tree_look(shrink.tree, "link.a-b.loss"));
    sim_tree_free(shrink.tree);
}

static bool fails_with_loss(struct sim_tree *tree)
{
    return sim_tree_look(tree, "link.a-b.loss") != NULL || entries(tree, "host") < 2;
}

static bool fails_with_two_hosts(struct sim_tree *tree)
{
    return entries(tree, "host") <= 3;
}

static bool fails_with_flow(struct sim_tree *tree)
{
    return sim_tree_look(tree, "flow.0.from") && sim_tree_look(tree, "flow.0.to");
}

static void the_guard_is_the_strictest_that_there_is(void)
{
    struct fake fake = {.fails = fails_with_loss};
    static const char text[] = "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"c\"\n[[link]]\n"
                               "between = [\"a\", \"b\"]\nloss = \"1%\"\n[[flow]]\nfrom = \"a\"\nto = \"b\"\n";
    struct sim_shrink shrink = shrink_of(&fake, tree_of(text));
    CU_ASSERT_EQUAL(sim_shrink_find_guard(&shrink), SIM_GUARD_SETTINGS);
    fake.fails = fails_with_two_hosts;
    shrink.guard = sim_shrink_find_guard(&shrink);
    CU_ASSERT_EQUAL(shrink.guard, SIM_GUARD_SHAPE);
    // The shape stays: only the host that nothing needs may go.
    fake.fails = fails_with_flow;
    sim_shrink_run(&shrink);
    CU_ASSERT_EQUAL(entries(shrink.tree, "link"), 1);
    CU_ASSERT_EQUAL(entries(shrink.tree, "host"), 2);
    sim_tree_free(shrink.tree);
    // One that another names stays as well: without it, it may be something else that fails.
    shrink.tree = tree_of(NETWORK);
    shrink.guard = SIM_GUARD_SHAPE;
    fake.fails = fails_always;
    sim_shrink_run(&shrink);
    CU_ASSERT_EQUAL(entries(shrink.tree, "host"), 3);
    CU_ASSERT_EQUAL(entries(shrink.tree, "link"), 2);
    sim_tree_free(shrink.tree);
}

static void what_ends_a_fault_stays_with_it(void)
{
    struct sim_tree *tree = tree_of(
        "[[link]]\nbetween = [\"a\", \"b\"]\nloss = \"1%\"\n"
        "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ndown = true\n[[at]]\ntime = \"2s\"\nlink = \"a-b\"\nup = true\n"
        "[[at]]\ntime = \"3s\"\nhost = \"a\"\ncrash = true\n[[at]]\ntime = \"4s\"\nhost = \"b\"\nstart = true\n"
        "[[at]]\ntime = \"5s\"\nhost = \"a\"\nstart = true\n[[at]]\ntime = \"6s\"\nlink = \"a-b\"\nloss = \"9%\"\n"
        "[[at]]\ntime = \"7s\"\nlink = \"a-b\"\nloss = \"1%\"\n[[at]]\ntime = \"8s\"\nlink = \"a-b\"\nloss = \"9%\"\n");
    struct sim_elements ats = {0};
    sim_elements_tables(&ats, tree, "at");
    CU_ASSERT_EQUAL_FATAL(ats.count, 8);
    static const struct {
        bool keep[8];
        size_t left;
    } cases[] = {{{true}, 2}, {{false, true}, 1}, {{false, false, true}, 2}, {{false, false, false, true}, 1},
        {{false, false, false, false, false, true}, 2}, {{false, false, false, false, false, false, false, true}, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_tree *left = sim_reduce(tree, &ats, cases[i].keep, SIM_GUARD_FAULTS);
        CU_ASSERT_EQUAL(entries(left, "at"), cases[i].left);
        sim_tree_free(left);
        left = sim_reduce(tree, &ats, cases[i].keep, SIM_GUARD_NONE);
        CU_ASSERT_EQUAL(entries(left, "at"), 1);
        sim_tree_free(left);
    }
    sim_elements_fini(&ats);
    sim_tree_free(tree);
}

static void it_ends_when_it_is_told_to(void)
{
    struct fake fake = {.fails = fails_with_7_and_31, .stop_after = 5};
    struct sim_shrink shrink = shrink_of(&fake, with_ats(40));
    sim_shrink_run(&shrink);
    CU_ASSERT(fake.asked <= 5 + SIM_SHRINK_BATCH);
    CU_ASSERT(fails_with_7_and_31(shrink.tree));
    sim_tree_free(shrink.tree);
}

static struct sim_tree *judged[4096];
static size_t judged_count;

static bool fails_once_each(struct sim_tree *tree)
{
    for (size_t i = 0; i < judged_count; i++)
        CU_ASSERT(!sim_tree_equal(judged[i], tree));
    judged[judged_count++] = sim_tree_copy(tree);
    return fails_with_7_and_31(tree);
}

static void nothing_is_judged_twice(void)
{
    struct fake fake = {.fails = fails_once_each};
    struct sim_shrink shrink = shrink_of(&fake, with_ats(40));
    sim_shrink_run(&shrink);
    CU_ASSERT_EQUAL(shrink.judged, judged_count);
    CU_ASSERT(shrink.cached > 0);
    for (size_t i = 0; i < judged_count; i++)
        sim_tree_free(judged[i]);
    sim_tree_free(shrink.tree);
}

// Fails where something happens at 12.345 s or later.
static bool fails_late(struct sim_tree *tree)
{
    const struct sim_tree *at = sim_tree_get(tree, "at");
    const char *time = at && at->count ? sim_tree_text(at->items[0], "time") : NULL;
    return time && strtod(time, NULL) >= 12.3;
}

static void time_is_cut_and_values_are_rounded(void)
{
    struct fake fake = {.fails = fails_late};
    struct sim_shrink shrink = shrink_of(&fake,
        tree_of("[scenario]\nname = \"s\"\nduration = \"60s\"\n[[at]]\ntime = \"25.3456s\"\n[[at]]\ntime = \"50s\"\n"));
    sim_shrink_run(&shrink);
    check_text(shrink.tree, "[scenario]\nname = \"s\"\nduration = \"13.5s\"\n\n[[at]]\ntime = \"12.6s\"\n");
    sim_tree_free(shrink.tree);
}

static const struct unit_case cases[] = {
    {"two faults of forty are left", two_faults_of_forty_are_left},
    {"exactly what matters is left", exactly_what_matters_is_left},
    {"nothing is left where nothing matters", nothing_is_left_where_nothing_matters},
    {"what mentions something that is gone goes with it", what_mentions_something_that_is_gone_goes_with_it},
    {"an expectation fails for its own reason", an_expectation_fails_for_its_own_reason},
    {"the guard is the strictest that there is", the_guard_is_the_strictest_that_there_is},
    {"what ends a fault stays with it", what_ends_a_fault_stays_with_it},
    {"it ends when it is told to", it_ends_when_it_is_told_to},
    {"nothing is judged twice", nothing_is_judged_twice},
    {"time is cut and values are rounded", time_is_cut_and_values_are_rounded},
};
UNIT_MAIN("shrink", cases)
