// Sweeps: every point of a grid is hit equally, a Latin hypercube hits every stratum of every axis once, values are
// exact in their own unit, and every mistake has its line.
#include "engine/memory.h"
#include "scenario/scale.h"
#include "scenario/template.h"
#include "scenario/units.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define HEAD  "[scenario]\nname = \"s\"\nduration = \"10s\"\n"                    // 4
#define HOSTS "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\n" // 9 after HEAD
#define LINK  "[[link]]\nbetween = [\"a\", \"b\"]\n"                              // 11
#define FLOW  "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n"             // 15
#define BASE  HEAD HOSTS LINK FLOW
#define SWEEP "[[sweep]]\n"

static char error[SIM_ERROR_SIZE];

static struct sim_template *template_of(const char *text)
{
    error[0] = '\0';
    return sim_template_parse("f.toml", text, strlen(text), error);
}

static bool accept(void *user, const struct sim_scenario *scenario, char why[SIM_ERROR_SIZE])
{
    (void)scenario;
    (void)why;
    ++*(size_t *)user;
    return true;
}

// The first mistake of a template, at any end of its axes; "" for none.
static const char *mistake(const char *text)
{
    size_t seen = 0;
    struct sim_template *template = template_of(text);
    if (template) sim_template_check(template, accept, &seen, error);
    sim_template_free(template);
    return error;
}

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"sweep = 1\n" BASE, "f.toml:1: 'sweep' is an integer; expected an array"},
    {"sweep = [1]\n" BASE, "f.toml:1: [[sweep]] is an integer; expected a table"},
    {BASE SWEEP, "f.toml:15: [[sweep]] has no 'set'; expected one such as \"link.a-b.delay\""},
    {BASE SWEEP "sets = 1",
        "f.toml:16: unknown key 'sets' in [[sweep]]; expected set, name, values, from, to, step, count, scale, latin"},
    {BASE SWEEP "set = []", "f.toml:16: 'set' is an empty list; expected what is to be set"},
    {BASE SWEEP "set = [3]", "f.toml:16: 'set' is an integer; expected a string"},
    {BASE SWEEP "set = \"sweep.0.set\"",
        "f.toml:16: 'set' is \"sweep.0.set\", which makes no scenario; expected what the scenario has"},
    {BASE SWEEP "set = \"link.a-b.delay\"",
        "f.toml:15: the range has no 'from'; expected a number, or a quantity such as \"15ms\""},
    {BASE SWEEP "set = \"link.a-b.delay\"\nvalues = 3", "f.toml:17: 'values' is an integer; expected an array"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nvalues = []", "f.toml:17: 'values' has 0 values; expected 1 to 10000"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nvalues = [\"1ms\"]\nstep = 3",
        "f.toml:18: 'step' does not belong to an axis with 'values'"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nvalues = [\"1ms\",\n\"2 parsecs\"]",
        "f.toml:18: 'delay' is \"2 parsecs\"; expected a duration such as \"15ms\" or \"1.5s\""},
    {BASE SWEEP "set = \"link.a-c.delay\"\nvalues = [\"1ms\"]",
        "f.toml:15: 'set' is \"link.a-c.delay\", and there is no \"a-c\"; expected what the file has"},
    {BASE SWEEP "set = \"links.a-b.delay\"\nvalues = [\"1ms\"]",
        "f.toml:15: 'set' is \"links.a-b.delay\", and there is no \"links\"; expected what the file has"},
    {BASE SWEEP "set = \"link.1.delay\"\nvalues = [\"1ms\"]",
        "f.toml:15: 'set' is \"link.1.delay\", and there is no \"1\"; expected what the file has"},
    {BASE SWEEP "set = \"link..delay\"\nvalues = [\"1ms\"]",
        "f.toml:15: 'set' is \"link..delay\", and there is no \"\"; expected what the file has"},
    {BASE SWEEP "set = \"flow.ping-a-b.delya\"\nvalues = [\"1ms\"]",
        "f.toml:17: unknown key 'delya' in [[flow]]; expected "},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = 1.5\nto = 2\ncount = 2",
        "f.toml:17: 'from' is no quantity; expected a number, or one such as \"15ms\", \"1Mbit/s\" or \"0.5%\""},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2%\"\ncount = 2",
        "f.toml:18: 'to' is of another kind than 'from'; expected the same"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"1ms\"\ncount = 2",
        "f.toml:18: 'to' is not above 'from'; expected the larger end"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"",
        "f.toml:15: the range has no 'count' or 'step'; expected one of them"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\ncount = 2\nstep = \"1ms\"",
        "f.toml:15: the range has 'count' and 'step'; expected one of them"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\ncount = 1",
        "f.toml:19: 'count' is 1; expected 2 to 10000"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\nstep = \"0.3ms\"",
        "f.toml:19: 'step' does not lead from 'from' to 'to'; expected whole steps"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\nstep = \"10ns\"",
        "f.toml:19: more than 10000 steps; expected fewer"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\nstep = 1",
        "f.toml:19: 'step' does not go with 'from'; expected a positive quantity of the same kind"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"0ms\"\nto = \"2ms\"\ncount = 3\nscale = \"log\"",
        "f.toml:20: a logarithmic scale from zero; expected 'from' above zero"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\nstep = \"1ms\"\nscale = \"log\"",
        "f.toml:19: a logarithmic scale has no 'step'; expected 'count'"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\ncount = 3\nscale = \"cubic\"",
        "f.toml:20: 'scale' is \"cubic\"; expected \"linear\" or \"log\""},
    {BASE SWEEP "set = \"link.a-b.delay\"\nlatin = {from = \"1ms\", to = \"2ms\"}",
        "f.toml:17: [scenario] has no 'samples'; expected how many samples a Latin hypercube has"},
    {HEAD "samples = 0\n" HOSTS LINK, "f.toml:4: 'samples' is 0; expected 1 to 1000000"},
    {HEAD "samples = 5\n" HOSTS LINK, "f.toml:4: 'samples' without [[sweep]] that has 'latin'"},
    {HEAD "samples = 5\n" HOSTS LINK SWEEP "set = \"link.a-b.delay\"\nlatin = {from = \"1ms\", too = 1}",
        "f.toml:14: unknown key 'too' in 'latin'; expected from, to, step, scale"},
    {HEAD "samples = 5\n" HOSTS LINK SWEEP
          "set = \"link.a-b.delay\"\nlatin = {from = \"1ms\", to = \"2ms\"}\ncount = 2",
        "f.toml:15: 'count' does not belong to an axis with 'latin'"},
    {BASE SWEEP "set = \"link.a-b.delay\"\nvalues = [\"1ms\"]\n" SWEEP "set = \"link.a-b.delay\"\nvalues = [\"2ms\"]",
        "f.toml:18: there is an axis \"link.a-b.delay\" already; expected another 'name', or another 'set'"},
    {BASE SWEEP "set = \"link.a-b.loss\"\nfrom = \"50%\"\nto = \"150%\"\ncount = 3",
        "f.toml:15: 'loss' is \"150%\"; expected a share such as \"0.5%\", at most \"100%\""},
    {BASE SWEEP "name = \"a\\nb\"\nset = \"link.a-b.loss\"\nvalues = [\"1%\"]",
        "f.toml:15: the axis's name has a control character in it"},
};

static void every_mistake_is_told_with_its_line(void)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const char *said = mistake(mistakes[i].text);
        bool right = strncmp(said, mistakes[i].error, strlen(mistakes[i].error)) == 0;
        CU_ASSERT(right);
        if (!right) fprintf(stderr, "%s\n  is said, not\n%s\n", said, mistakes[i].error);
    }
}

// What axis `name` has for a seed.
static void chosen(struct sim_template *template, uint64_t seed, const char *name, char out[64])
{
    struct sim_scenario *scenario = sim_template_expand(template, seed, error);
    if (!scenario) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    out[0] = '\0';
    for (size_t i = 0; i < scenario->parameter_count; i++)
        if (strcmp(scenario->parameters[i].name, name) == 0) snprintf(out, 64, "%s", scenario->parameters[i].value);
    sim_scenario_free(scenario);
}

static void check_values(const char *text, const char *name, const char *const *values)
{
    struct sim_template *template = template_of(text);
    if (!template) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    for (uint64_t seed = 1; values[seed - 1]; seed++) {
        char value[64];
        chosen(template, seed, name, value);
        CU_ASSERT_STRING_EQUAL(value, values[seed - 1]);
        if (strcmp(value, values[seed - 1]) != 0) fprintf(stderr, "%s, not %s\n", value, values[seed - 1]);
    }
    sim_template_free(template);
}

static void values_are_exact_in_their_unit(void)
{
    check_values(BASE SWEEP "set = \"link.a-b.loss\"\nfrom = \"0%\"\nto = \"0.3%\"\nstep = \"0.1%\"", "link.a-b.loss",
        (const char *[]){"0%", "0.1%", "0.2%", "0.3%", "0%", NULL});
    check_values(BASE SWEEP "set = \"link.a-b.delay\"\nfrom = \"1ms\"\nto = \"2ms\"\ncount = 4", "link.a-b.delay",
        (const char *[]){"1ms", "1.333333ms", "1.666667ms", "2ms", NULL});
    check_values(BASE SWEEP "set = \"link.a-b.rate\"\nfrom = \"1Mbit/s\"\nto = \"1Gbit/s\"\ncount = 4\nscale = \"log\"",
        "link.a-b.rate", (const char *[]){"1Mbit/s", "10Mbit/s", "100Mbit/s", "1000Mbit/s", NULL});
    check_values(BASE SWEEP "set = \"link.a-b.queue\"\nfrom = \"1KiB\"\nto = \"4KiB\"\ncount = 3\nscale = \"log\"",
        "link.a-b.queue", (const char *[]){"1KiB", "2KiB", "4KiB", NULL});
    check_values(BASE SWEEP "set = \"host.b.clock_offset\"\nfrom = \"-1min\"\nto = \"1min\"\ncount = 3",
        "host.b.clock_offset", (const char *[]){"-1min", "0min", "1min", NULL});
    check_values(BASE SWEEP "set = \"flow.0.size\"\nname = \"size\"\nfrom = 100\nto = 300\nstep = 100", "size",
        (const char *[]){"100", "200", "300", "100", NULL});
    check_values(BASE SWEEP "set = \"host.a.start\"\nfrom = \"1h\"\nto = \"2h\"\ncount = 4", "host.a.start",
        (const char *[]){"1h", "80min", "100min", "2h", NULL});
    check_values(BASE SWEEP "set = [\"link.a-b.delay\", \"link.a-b.jitter\"]\nvalues = [\"1ms\", \"3ms\"]",
        "link.a-b.delay", (const char *[]){"1ms", "3ms", "1ms", NULL});
}

static void what_is_swept_is_set(void)
{
    struct sim_template *template =
        template_of(BASE SWEEP "set = [\"link.a-b.delay\", \"link.0.jitter\"]\nvalues = [\"1ms\", \"3ms\"]\n" SWEEP
                               "set = \"host.b.config.tun.mtu\"\nvalues = [1300]\n" SWEEP
                               "set = \"host.a.peers.0\"\nvalues = [\"b@10.0.0.2:9000\"]\n" SWEEP
                               "set = \"link.a-b.from.b.loss\"\nvalues = [\"100%\"]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    struct sim_scenario *s = sim_template_expand(template, 2, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->links[0].settings[0].delay_ns, 3000000);
    CU_ASSERT_EQUAL(s->links[0].settings[1].jitter_ns, 3000000);
    CU_ASSERT_EQUAL(s->links[0].settings[0].loss_ppb, 0);
    CU_ASSERT_EQUAL(s->links[0].settings[1].loss_ppb, 1000000000);
    CU_ASSERT_EQUAL(s->hosts[0].peers[0].addr.port, 9000);
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_get(qe_toml_get(s->hosts[1].config, "tun"), "mtu")), 1300);
    CU_ASSERT_EQUAL(s->parameter_count, 4);
    sim_scenario_free(s);
    sim_template_free(template);
}

static void every_point_of_a_grid_is_hit_equally(void)
{
    struct sim_template *template =
        template_of(BASE SWEEP "set = \"link.a-b.delay\"\nvalues = [\"1ms\", \"2ms\", \"3ms\"]\n" SWEEP
                               "set = \"link.a-b.loss\"\nfrom = \"1%\"\nto = \"4%\"\nstep = \"1%\"\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    unsigned hits[3][4] = {{0}};
    char delay[64], loss[64];
    for (uint64_t seed = 1; seed <= 5 * 12; seed++) {
        chosen(template, seed, "link.a-b.delay", delay);
        chosen(template, seed, "link.a-b.loss", loss);
        hits[delay[0] - '1'][loss[0] - '1']++;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            CU_ASSERT_EQUAL(hits[i][k], 5);
    // The last axis varies fastest; seed 0 comes before seed 1.
    chosen(template, 2, "link.a-b.loss", loss);
    CU_ASSERT_STRING_EQUAL(loss, "2%");
    chosen(template, 0, "link.a-b.loss", loss);
    chosen(template, 0, "link.a-b.delay", delay);
    CU_ASSERT(strcmp(loss, "4%") == 0 && strcmp(delay, "3ms") == 0);
    sim_template_free(template);
}

// Each of `samples` samples in a stratum of its own, over any N seeds in a row from 1; returns how often two samples
// stand in the same order on the first two axes.
static void check_latin(unsigned samples, uint64_t first, uint64_t range_from, uint64_t range_to, uint64_t step)
{
    char text[1024];
    snprintf(text, sizeof(text),
        HEAD "samples = %u\n" HOSTS LINK FLOW SWEEP
             "set = \"link.a-b.delay\"\nlatin = {from = \"%lluns\", to = \"%lluns\", step = \"%lluns\"}\n" SWEEP
             "set = \"link.a-b.jitter\"\nlatin = {from = \"%lluns\", to = \"%lluns\", step = \"%lluns\"}\n",
        samples, (unsigned long long)range_from, (unsigned long long)range_to, (unsigned long long)step,
        (unsigned long long)range_from, (unsigned long long)range_to, (unsigned long long)step);
    struct sim_template *template = template_of(text);
    if (!template) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    unsigned *hits = sim_obtain(samples * 2, sizeof(*hits));
    unsigned same = 0;
    uint64_t lattice = (range_to - range_from) / step + 1;
    for (uint64_t seed = first; seed < first + samples; seed++) {
        struct sim_scenario *s = sim_template_expand(template, seed, error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        uint64_t values[2] = {s->links[0].settings[0].delay_ns, s->links[0].settings[0].jitter_ns}, strata[2];
        for (int i = 0; i < 2; i++) {
            CU_ASSERT(values[i] >= range_from && values[i] <= range_to && (values[i] - range_from) % step == 0);
            strata[i] = (values[i] - range_from) / step * samples / lattice;
            hits[(size_t)i * samples + strata[i]]++;
        }
        same += strata[0] == strata[1];
        sim_scenario_free(s);
    }
    for (size_t i = 0; i < samples * 2; i++)
        CU_ASSERT_EQUAL(hits[i], 1);
    // Two independent orders agree in one place on average.
    CU_ASSERT(samples < 10 || same < samples / 2);
    sim_release(hits);
    sim_template_free(template);
}

static void a_latin_hypercube_hits_every_stratum_of_every_axis_once(void)
{
    check_latin(1, 1, 0, 1000000, 1);
    check_latin(10, 1, 1000, 1000000, 1);
    check_latin(37, 1 + 37 * 5, 1, 1000003, 1);
    check_latin(100, 1, 0, 1000, 10); // 101 values for 100 strata
    check_latin(64, 1, 0, 63000, 1000);
}

static void samples_of_one_stratum_differ_by_seed(void)
{
    struct sim_template *template = template_of(
        HEAD "samples = 4\n" HOSTS LINK FLOW SWEEP "set = \"link.a-b.delay\"\nlatin = {from = \"0s\", to = \"1s\"}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    struct sim_scenario *one = sim_template_expand(template, 1, error), *five = sim_template_expand(template, 5, error),
                        *again = sim_template_expand(template, 5, error);
    uint64_t x = one->links[0].settings[0].delay_ns, y = five->links[0].settings[0].delay_ns;
    CU_ASSERT(x != y && x / 250000001 == y / 250000001);
    CU_ASSERT_EQUAL(y, again->links[0].settings[0].delay_ns);
    sim_scenario_free(one);
    sim_scenario_free(five);
    sim_scenario_free(again);
    sim_template_free(template);
}

static void a_logarithmic_sample_stays_between_its_ends(void)
{
    struct sim_template *template =
        template_of(HEAD "samples = 30\n" HOSTS LINK FLOW SWEEP
                         "set = \"link.a-b.rate\"\nlatin = {from = \"1kbit/s\", to = \"1Gbit/s\", scale = \"log\"}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    unsigned below[3] = {0};
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_scenario *s = sim_template_expand(template, seed, error);
        uint64_t rate = s->links[0].settings[0].rate_bits;
        CU_ASSERT(rate >= 1000 && rate <= 1000000000);
        below[rate < 100000 ? 0 : rate < 10000000 ? 1 : 2]++;
        sim_scenario_free(s);
    }
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(below[i], 10);
    sim_template_free(template);
}

static void a_grid_and_samples_go_together(void)
{
    struct sim_template *template = template_of(
        HEAD "samples = 8\n" HOSTS LINK FLOW SWEEP "set = \"link.a-b.loss\"\nvalues = [\"1%\", \"2%\"]\n" SWEEP
             "set = \"link.a-b.delay\"\nlatin = {from = \"0ms\", to = \"7ms\", step = \"1ms\"}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    unsigned hits[2][8] = {{0}};
    for (uint64_t seed = 1; seed <= 16; seed++) {
        char loss[64], delay[64];
        chosen(template, seed, "link.a-b.loss", loss);
        chosen(template, seed, "link.a-b.delay", delay);
        hits[loss[0] - '1'][delay[0] - '0']++;
    }
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 8; k++)
            CU_ASSERT_EQUAL(hits[i][k], 1);
    sim_template_free(template);
}

static void every_end_is_checked(void)
{
    size_t seen = 0;
    struct sim_template *template =
        template_of(BASE SWEEP "set = \"link.a-b.delay\"\nvalues = [\"1ms\", \"2ms\", \"3ms\"]\n" SWEEP
                               "set = \"link.a-b.loss\"\nfrom = \"1%\"\nto = \"4%\"\nstep = \"1%\"\n");
    CU_ASSERT(sim_template_check(template, accept, &seen, error));
    CU_ASSERT_EQUAL(seen, 1 + 3 + 2);
    sim_template_free(template);
}

static void a_logarithmic_scale_is_exact_at_powers(void)
{
    for (uint64_t i = 0; i <= 62; i++)
        CU_ASSERT_EQUAL(sim_scale_log(1, UINT64_C(1) << 62, i, 62), UINT64_C(1) << i);
    for (uint64_t i = 0, power = 1; i <= 18; i++, power *= 10) {
        uint64_t value = sim_scale_log(1, UINT64_C(1000000000000000000), i, 18);
        uint64_t off = value > power ? value - power : power - value;
        CU_ASSERT(off <= power / 1000000000000000);
    }
    CU_ASSERT_EQUAL(sim_scale_log(7, 7, 3, 5), 7);
    uint64_t before = 3;
    for (uint64_t i = 0; i <= 1000; i++) {
        uint64_t value = sim_scale_log(3, INT64_MAX, i, 1000);
        CU_ASSERT(value >= before);
        before = value;
    }
}

static void a_quantity_reads_as_it_was_written(void)
{
    static const char *const texts[] = {"15ms", "1.5s", "-90s", "0.5%", "64KiB", "0.001GiB", "25packets", "10Mbit/s",
        "0.0000001%", "3h", "1.048576MB", "12ns"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sim_quantity quantity;
        char text[SIM_UNITS_TEXT_SIZE];
        bool whole = strcmp(texts[i], "0.001GiB") != 0;
        CU_ASSERT_EQUAL(sim_quantity_parse(texts[i], &quantity), whole);
        if (whole) CU_ASSERT_STRING_EQUAL(sim_quantity_format(&quantity, text), texts[i]);
    }
    struct sim_quantity wrong;
    CU_ASSERT(!sim_quantity_parse("", &wrong) && !sim_quantity_parse("-", &wrong) && !sim_quantity_parse("5", &wrong));
    CU_ASSERT(!sim_quantity_parse("--5s", &wrong) && !sim_quantity_parse("9999999999999999999bit/s", &wrong));
}

static const struct unit_case cases[] = {
    {"every mistake is told with its line", every_mistake_is_told_with_its_line},
    {"values are exact in their unit", values_are_exact_in_their_unit},
    {"what is swept is set", what_is_swept_is_set},
    {"every point of a grid is hit equally", every_point_of_a_grid_is_hit_equally},
    {"a Latin hypercube hits every stratum of every axis once",
        a_latin_hypercube_hits_every_stratum_of_every_axis_once},
    {"samples of one stratum differ by seed", samples_of_one_stratum_differ_by_seed},
    {"a logarithmic sample stays between its ends", a_logarithmic_sample_stays_between_its_ends},
    {"a grid and samples go together", a_grid_and_samples_go_together},
    {"every end is checked", every_end_is_checked},
    {"a logarithmic scale is exact at powers", a_logarithmic_scale_is_exact_at_powers},
    {"a quantity reads as it was written", a_quantity_reads_as_it_was_written},
};
UNIT_MAIN("axes", cases)
