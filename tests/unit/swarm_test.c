// Swarms: every seed of a network that has everything makes a right scenario, each kind is on in half of the seeds, all
// is over in time and as it was before, and every mistake has its line.
#include "engine/memory.h"
#include "host/configs.h"
#include "scenario/swarm.h"
#include "scenario/template.h"
#include "scenario/units.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "[scenario]\nname = \"s\"\nduration = \"120s\"\ncalm = \"40s\"\n" // 5
#define BASE                                                                                                           \
    HEAD "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\n" // 12
#define SWARM "[swarm]\n"

// Two ways between a and b, one through a NAT, and directions that differ.
#define RICH                                                                                                           \
    HEAD "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\nallow = [\"a\"]\n[[host]]\nname = \"r\"\n"  \
         "router = true\nnat = {outside = \"r-b\"}\n"                                                                  \
         "[[link]]\nbetween = [\"a\", \"b\"]\nloss = \"1%\"\nrate = \"5Mbit/s\"\nabsent = [\"a\"]\n"                   \
         "[link.from.a]\ndelay = \"7ms\"\n[[link]]\nbetween = [\"a\", \"r\"]\n[[link]]\nbetween = [\"r\", \"b\"]\n"

static char error[SIM_ERROR_SIZE];

static struct sim_template *template_of(const char *text)
{
    error[0] = '\0';
    return sim_template_parse("f.toml", text, strlen(text), error);
}

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"swarm = 1\n" BASE, "f.toml:1: 'swarm' is an integer; expected a table"},
    {BASE SWARM "fault = []", "f.toml:13: unknown key 'fault' in [swarm]; expected faults, except, links, hosts, "},
    {BASE SWARM "faults = [\"magic\"]", "f.toml:13: 'faults' has \"magic\"; expected loss, bursts, "},
    {BASE SWARM "faults = []", "f.toml:12: [swarm] has no kind of fault left; expected one or more"},
    {BASE SWARM "faults = [\"loss\"]\nexcept = [\"loss\"]", "f.toml:12: [swarm] has no kind of fault left"},
    {BASE SWARM "faults = [\"nat_reboot\"]",
        "f.toml:13: 'faults' has \"nat_reboot\", for which the network has nothing"},
    {BASE SWARM "faults = [\"roam\"]", "f.toml:13: 'faults' has \"roam\", for which the network has nothing"},
    {BASE SWARM "links = [\"a-c\"]", "f.toml:13: 'links' has \"a-c\"; expected a link's name"},
    {BASE SWARM "hosts = [\"c\"]", "f.toml:13: 'hosts' has \"c\"; expected a host with a node, or a router with a NAT"},
    {BASE SWARM "hosts = [3]", "f.toml:13: 'hosts' is an integer; expected a string"},
    {BASE SWARM "faults_max = 0", "f.toml:12: 'faults_max' is 0; expected 1 to 1000"},
    {BASE SWARM "until = \"121s\"", "f.toml:13: 'until' is beyond the scenario's duration"},
    {BASE SWARM "from = \"50s\"", "f.toml:12: 'from' is not before 'until'; expected a time for faults between them"},
    {BASE SWARM "loss_max = \"0%\"", "f.toml:12: 'loss_max' is at least \"0.01%\""},
    {BASE SWARM "delay_max = \"1us\"", "f.toml:12: 'lasts_max' and 'delay_max' are at least \"1ms\""},
    {"at = 1\n" BASE SWARM, "f.toml:1: 'at' is an integer; expected an array"},
};

static void every_mistake_is_told_with_its_line(void)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct sim_template *template = template_of(mistakes[i].text);
        bool right = !template && strncmp(error, mistakes[i].error, strlen(mistakes[i].error)) == 0;
        CU_ASSERT(right);
        if (!right) fprintf(stderr, "%s\n  is said, not\n%s\n", error, mistakes[i].error);
        sim_template_free(template);
    }
}

// All kinds as a list for `faults`.
static const char *all_kinds(void)
{
    static char list[2048];
    size_t used = 0;
    for (size_t i = 0; sim_swarm_kinds[i].name; i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"", i ? ", " : "", sim_swarm_kinds[i].name);
    return list;
}

static const char *text_with(const char *network, const char *kinds, const char *more)
{
    static char text[8192];
    snprintf(text, sizeof(text), "%s[swarm]\nfaults = [%s]\n%s", network, kinds, more);
    return text;
}

static const char *on_of(const struct sim_scenario *s)
{
    for (size_t i = 0; i < s->parameter_count; i++)
        if (strcmp(s->parameters[i].name, "swarm") == 0) return s->parameters[i].value;
    return "";
}

static bool is_on(const struct sim_scenario *s, const char *kind)
{
    char words[4096], word[64];
    snprintf(words, sizeof(words), " %s ", on_of(s));
    snprintf(word, sizeof(word), " %s ", kind);
    return strstr(words, word) != NULL;
}

static struct sim_scenario *expand(struct sim_template *template, uint64_t seed)
{
    struct sim_scenario *s = sim_template_expand(template, seed, error);
    if (!s) fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static void every_seed_is_a_right_scenario_and_each_kind_is_on_in_half(void)
{
    enum { SEEDS = 2000 };
    struct sim_template *template = template_of(text_with(RICH, all_kinds(), "faults_max = 30\n"));
    if (!template) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    unsigned on[SIM_SWARM_KINDS_MAX] = {0};
    size_t most = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_scenario *s = expand(template, seed);
        struct qe_config *configs = sim_configs_new(s, seed, 0, error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(configs);
        sim_configs_free(configs, s);
        for (size_t i = 0; sim_swarm_kinds[i].name; i++)
            on[i] += is_on(s, sim_swarm_kinds[i].name);
        for (size_t i = 0; i < s->at_count; i++)
            CU_ASSERT(s->ats[i].time_ns <= UINT64_C(40000000000));
        if (s->at_count + s->trigger_count > most) most = s->at_count + s->trigger_count;
        sim_scenario_free(s);
    }
    for (size_t i = 0; sim_swarm_kinds[i].name; i++) // five standard deviations
        CU_ASSERT(abs((int)on[i] - SEEDS / 2) < 112);
    CU_ASSERT(most > 30 && most <= 90);
    sim_template_free(template);
}

// Each kind alone: it draws something, and a literal of it is the same scenario.
static void each_kind_draws_something_literal(void)
{
    for (size_t k = 0; sim_swarm_kinds[k].name; k++) {
        char kinds[64];
        snprintf(kinds, sizeof(kinds), "\"%s\"", sim_swarm_kinds[k].name);
        struct sim_template *template = template_of(text_with(RICH, kinds, ""));
        if (!template) fprintf(stderr, "%s\n", error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(template);
        size_t drawn = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct sim_scenario *s = expand(template, seed);
            struct sim_tree *tree = sim_template_tree(template, seed, error);
            const struct sim_tree *refused;
            char *text = sim_tree_print(tree, &refused);
            struct sim_scenario *literal = sim_scenario_parse("f.toml", text, strlen(text), error);
            if (!literal) fprintf(stderr, "%s\n%s", error, text);
            CU_ASSERT_PTR_NOT_NULL_FATAL(literal);
            CU_ASSERT(literal->at_count == s->at_count && literal->trigger_count == s->trigger_count);
            for (size_t i = 0; i < s->at_count; i++)
                CU_ASSERT(s->ats[i].kind == literal->ats[i].kind && s->ats[i].time_ns == literal->ats[i].time_ns &&
                          s->ats[i].link == literal->ats[i].link && s->ats[i].host == literal->ats[i].host);
            drawn += s->at_count + s->trigger_count + (sim_tree_get(tree, "faults") != NULL);
            if (on_of(s)[0] == '\0') CU_ASSERT_EQUAL(s->at_count + s->trigger_count, 0);
            sim_scenario_free(literal);
            sim_release(text);
            sim_tree_free(tree);
            sim_scenario_free(s);
        }
        CU_ASSERT(drawn > 10);
        sim_template_free(template);
    }
}

// The settings of every port after all of the timeline are those of the file.
static void links_are_as_before_in_the_end(void)
{
    static const char kinds[] = "\"loss\", \"bursts\", \"delay\", \"jitter\", \"reordering\", \"duplication\", "
                                "\"corruption\", \"rate\", \"mtu\"";
    struct sim_template *template = template_of(text_with(RICH, kinds, "faults_max = 12\n"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    size_t changes = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sim_scenario *s = expand(template, seed);
        struct sim_reader reader = sim_scenario_reader(s);
        struct sim_pipe_settings settings[3][2];
        for (size_t l = 0; l < 3; l++)
            for (size_t port = 0; port < 2; port++)
                settings[l][port] = s->links[l].settings[port];
        for (size_t i = 0; i < s->at_count; i++)
            for (size_t port = 0; port < 2; port++) {
                if (s->ats[i].port != SIM_NONE && s->ats[i].port != port) continue;
                sim_parse_settings(&reader, s->ats[i].change, &settings[s->ats[i].link][port]);
                changes++;
            }
        for (size_t l = 0; l < 3; l++)
            for (size_t port = 0; port < 2; port++) {
                const struct sim_pipe_settings *now = &settings[l][port], *then = &s->links[l].settings[port];
                CU_ASSERT(now->loss_ppb == then->loss_ppb && now->delay_ns == then->delay_ns);
                CU_ASSERT(now->jitter_ns == then->jitter_ns && now->rate_bits == then->rate_bits);
                CU_ASSERT(now->mtu == then->mtu && now->late_ppb == then->late_ppb);
                CU_ASSERT(now->duplicate_ppb == then->duplicate_ppb && now->corrupt_ppb == then->corrupt_ppb);
                CU_ASSERT(now->bursts.every_ns == then->bursts.every_ns);
            }
        sim_scenario_free(s);
    }
    CU_ASSERT(changes > 1000);
    sim_template_free(template);
}

static void a_kind_that_is_forbidden_changes_no_other(void)
{
    struct sim_template *all = template_of(text_with(RICH, "\"loss\", \"crash\", \"down\"", ""));
    struct sim_template *some = template_of(text_with(RICH, "\"loss\", \"crash\", \"down\"", "except = [\"down\"]\n"));
    CU_ASSERT_FATAL(all && some);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sim_scenario *x = expand(all, seed), *y = expand(some, seed);
        CU_ASSERT(!is_on(y, "down"));
        CU_ASSERT_EQUAL(is_on(x, "loss"), is_on(y, "loss"));
        CU_ASSERT_EQUAL(is_on(x, "crash"), is_on(y, "crash"));
        for (size_t i = 0; i < y->at_count; i++)
            CU_ASSERT(y->ats[i].kind == SIM_AT_LINK_CHANGE || y->ats[i].kind == SIM_AT_HOST_CRASH);
        sim_scenario_free(x);
        sim_scenario_free(y);
    }
    sim_template_free(all);
    sim_template_free(some);
}

static void bounds_are_kept(void)
{
    struct sim_template *template = template_of(text_with(RICH, "\"loss\", \"delay\", \"crash\"",
        "links = [\"r-b\"]\nhosts = [\"b\"]\nloss_max = \"2%\"\ndelay_max = \"20ms\"\nfrom = \"10s\"\nuntil = \"12s\"\n"
        "lasts_max = \"1s\"\nfaults_max = 20\n"));
    if (!template) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sim_scenario *s = expand(template, seed);
        struct sim_reader reader = sim_scenario_reader(s);
        CU_ASSERT(s->at_count <= 40);
        for (size_t i = 0; i < s->at_count; i++) {
            const struct sim_scenario_at *at = &s->ats[i];
            struct sim_pipe_settings settings = {0};
            CU_ASSERT(at->time_ns >= UINT64_C(10000000000) && at->time_ns <= UINT64_C(12000000000));
            if (at->kind == SIM_AT_HOST_CRASH) {
                CU_ASSERT_EQUAL(at->host, 1);
                CU_ASSERT(at->start_after_ns <= 1000000000);
                continue;
            }
            CU_ASSERT_EQUAL(at->link, 2);
            sim_parse_settings(&reader, at->change, &settings);
            CU_ASSERT(settings.loss_ppb <= 20000000 && settings.delay_ns <= 20000000);
        }
        sim_scenario_free(s);
    }
    sim_template_free(template);
}

static void without_a_list_everything_usual_may_happen(void)
{
    struct sim_template *template = template_of(BASE "[swarm]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    char seen[4096] = "";
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_scenario *s = expand(template, seed);
        CU_ASSERT(!is_on(s, "nat_reboot") && !is_on(s, "roam") && !is_on(s, "state"));
        if (is_on(s, "loss") && is_on(s, "partition") && is_on(s, "crash")) seen[0] = 'x';
        sim_scenario_free(s);
    }
    CU_ASSERT_EQUAL(seen[0], 'x');
    sim_template_free(template);
}

static const struct unit_case cases[] = {
    {"every mistake is told with its line", every_mistake_is_told_with_its_line},
    {"every seed is a right scenario, and each kind is on in half",
        every_seed_is_a_right_scenario_and_each_kind_is_on_in_half},
    {"each kind draws something literal", each_kind_draws_something_literal},
    {"links are as before in the end", links_are_as_before_in_the_end},
    {"a kind that is forbidden changes no other", a_kind_that_is_forbidden_changes_no_other},
    {"bounds are kept", bounds_are_kept},
    {"without a list everything usual may happen", without_a_list_everything_usual_may_happen},
};
UNIT_MAIN("swarm", cases)
