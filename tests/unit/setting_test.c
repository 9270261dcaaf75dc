// A link's settings from text: what they become, how [[at]] changes them, and what is said of mistakes.
#include "scenario/scenario.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                                           \
    "[scenario]\nname = \"s\"\nduration = \"10s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n"                   \
    "[[link]]\nbetween = [\"a\", \"b\"]\n"

static char error[SIM_ERROR_SIZE];
static char folder[64];

static struct sim_scenario *parse(const char *text)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/f.toml", folder);
    return sim_scenario_parse(folder[0] ? file : "f.toml", text, strlen(text), error);
}

static struct sim_scenario *with(const char *settings)
{
    char text[2048];
    snprintf(text, sizeof(text), HEAD "%s\n", settings);
    struct sim_scenario *s = parse(text);
    if (!s) fprintf(stderr, "%s\n", error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static void settings_are_what_they_say(void)
{
    struct sim_scenario *s =
        with("jitter = \"5ms\"\njitter_model = \"normal\"\nlate = {share = \"1%\", by = \"10ms\"}\n"
             "loss = {p = \"1%\", r = \"25%\", good = \"0.1%\"}\n"
             "loss_bursts = {every = \"2s\", lasts = \"30ms\", random = true}\n"
             "duplicate = \"2%\"\ncorrupt = \"3%\"\nchecksum = true\nicmp = true\n"
             "codel = {target = \"10ms\", ecn = true}\nmark_above = \"5ms\"\n"
             "from.b = {codel = true, loss = \"1%\", late = false, loss_bursts = false, "
             "mark_above = \"16KiB\", jitter_model = \"wifi\"}");
    const struct sim_pipe_settings *a = &s->links[0].settings[0], *b = &s->links[0].settings[1];
    CU_ASSERT(a->jitter_ns == 5000000 && a->jitter_model == SIM_JITTER_NORMAL);
    CU_ASSERT(a->late_ppb == 10000000 && a->late_ns == 10000000);
    CU_ASSERT(a->gilbert.on && a->gilbert.p_ppb == 10000000 && a->gilbert.r_ppb == 250000000);
    CU_ASSERT(a->gilbert.good_ppb == 1000000 && a->gilbert.bad_ppb == 1000000000 && a->loss_ppb == 0);
    CU_ASSERT(a->bursts.every_ns == 2000000000 && a->bursts.lasts_ns == 30000000 && a->bursts.random);
    CU_ASSERT(a->duplicate_ppb == 20000000 && a->corrupt_ppb == 30000000 && a->checksum && a->icmp);
    CU_ASSERT(a->codel.target_ns == 10000000 && a->codel.interval_ns == 100000000 && a->codel.ecn);
    CU_ASSERT_EQUAL(a->mark_above.ns, 5000000);
    CU_ASSERT(b->codel.target_ns == 5000000 && b->codel.interval_ns == 100000000 && !b->codel.ecn);
    CU_ASSERT(!b->gilbert.on && b->loss_ppb == 10000000 && b->late_ppb == 0 && b->bursts.every_ns == 0);
    CU_ASSERT(b->mark_above.ns == 0 && b->mark_above.bytes == 16384 && b->jitter_model == SIM_JITTER_WIFI);
    sim_scenario_free(s);
}

static void a_rate_is_constant_or_planned(void)
{
    struct sim_scenario *s =
        with("rate_timeline = [[\"0s\", \"10Mbit/s\"], [\"5s\", \"0bit/s\"]]\nrate_repeat = \"6s\"\n"
             "from.b = {rate = \"1Mbit/s\"}\n"
             "[[at]]\ntime = \"2s\"\nlink = \"a-b\"\nrate_timeline = [[\"0s\", \"3Mbit/s\"]]");
    const struct sim_pipe_settings *a = &s->links[0].settings[0], *b = &s->links[0].settings[1];
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->plan);
    CU_ASSERT(a->rate_bits == 0 && a->plan->count == 2 && a->plan->period_ns == UINT64_C(6000000000));
    CU_ASSERT(a->plan->steps[1].at_ns == UINT64_C(5000000000) && a->plan->steps[1].rate_bits == 0);
    CU_ASSERT(b->plan == NULL && b->rate_bits == 1000000);
    // As [[at]] would: twice the same plan, and nothing is read anew.
    struct sim_reader reader = sim_scenario_reader(s);
    struct sim_pipe_settings one = *b, two = *b;
    size_t count = s->rates.count;
    sim_parse_settings(&reader, s->ats[0].change, &one);
    sim_parse_settings(&reader, s->ats[0].change, &two);
    CU_ASSERT_FALSE(reader.failed);
    CU_ASSERT_PTR_EQUAL(one.plan, two.plan);
    CU_ASSERT(one.rate_bits == 0 && one.plan->steps[0].rate_bits == 3000000);
    CU_ASSERT_EQUAL(s->rates.count, count);
    sim_scenario_free(s);
}

static void a_trace_is_found_beside_the_scenario(void)
{
    char name[] = "/tmp/qe-setting-XXXXXX", file[128];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(name));
    snprintf(folder, sizeof(folder), "%s", name);
    snprintf(file, sizeof(file), "%s/cell.trace", folder);
    FILE *out = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fputs("1\n2\n", out);
    fclose(out);
    struct sim_scenario *s = with("rate_trace = \"cell.trace\"\nfrom.b = {rate_trace = \"cell.trace\"}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->links[0].settings[0].plan);
    CU_ASSERT_EQUAL(s->links[0].settings[0].plan->count, 2);
    // One file, one plan.
    CU_ASSERT_PTR_EQUAL(s->links[0].settings[0].plan, s->links[0].settings[1].plan);
    sim_scenario_free(s);
    out = fopen(file, "w");
    fputs("1\nx\n", out);
    fclose(out);
    char expected[512];
    snprintf(expected, sizeof(expected),
        "%s/f.toml:10: 'rate_trace': %s:2: \"x\"; expected a whole number of milliseconds below 2^32", folder, file);
    CU_ASSERT_PTR_NULL(parse(HEAD "rate_trace = \"cell.trace\"\n"));
    CU_ASSERT_STRING_EQUAL(error, expected);
    remove(file);
    remove(folder);
    folder[0] = 0;
}

static void mistakes_are_told(void)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"jitter_model = \"cauchy\"",
            "f.toml:10: 'jitter_model' is \"cauchy\"; expected \"uniform\", \"normal\" or \"wifi\""},
        {"loss = {p = \"1%\"}",
            "f.toml:10: 'loss' lacks 'p' or 'r'; expected the chances to become bad and good again"},
        {"loss = {p = \"1%\", r = \"1%\", ugly = \"1%\"}",
            "f.toml:10: unknown key 'ugly' in 'loss'; expected p, r, good, bad"},
        {"loss = true", "f.toml:10: 'loss' is a boolean; expected a share such as \"0.5%\", at most \"100%\""},
        {"loss_bursts = {every = \"1s\", lasts = \"1s\"}", "f.toml:10: 'loss_bursts' takes 'every' of at least \"1ms\" "
                                                           "and a shorter 'lasts', such as {every = \"2s\", "
                                                           "lasts = \"30ms\"}"},
        {"loss_bursts = {every = \"1us\", lasts = \"1ns\"}", "f.toml:10: 'loss_bursts' takes 'every' of at least "
                                                             "\"1ms\" and a shorter 'lasts', such as {every = \"2s\", "
                                                             "lasts = \"30ms\"}"},
        {"loss_bursts = true", "f.toml:10: 'loss_bursts' is a boolean; expected a table"},
        {"late = {share = \"1%\"}",
            "f.toml:10: 'late' lacks 'share' or 'by'; expected {share = \"1%\", by = \"10ms\"}"},
        {"codel = {target = \"0s\"}",
            "f.toml:10: 'codel' takes 'target' above 0 and an 'interval' from there to \"1h\""},
        {"codel = {interval = \"1ms\"}",
            "f.toml:10: 'codel' takes 'target' above 0 and an 'interval' from there to \"1h\""},
        {"codel = \"yes\"", "f.toml:10: 'codel' is a string; expected a table"},
        {"mark_above = \"much\"",
            "f.toml:10: 'mark_above' is \"much\"; expected \"10packets\", \"16KiB\", \"5ms\" or false"},
        {"rate = \"1Mbit/s\"\nrate_timeline = [[\"0s\", \"1Mbit/s\"]]",
            "f.toml:11: two rates; expected one of 'rate', 'rate_timeline', 'rate_trace'"},
        {"rate_repeat = \"1s\"", "f.toml:10: 'rate_repeat' without 'rate_timeline'"},
        {"rate_timeline = []",
            "f.toml:10: 'rate_timeline' is no list of at most 65536 steps such as [\"5s\", \"1Mbit/s\"]"},
        {"rate_timeline = [[\"0s\", \"fast\"]]",
            "f.toml:10: 'rate_timeline' has \"fast\"; expected a rate such as \"1Mbit/s\" or \"0bit/s\""},
        {"rate_timeline = [\"0s\", \"1Mbit/s\"]",
            "f.toml:10: a step of 'rate_timeline' is no pair; expected one such as [\"5s\", \"1Mbit/s\"]"},
        {"rate_timeline = [[\"1s\", \"1Mbit/s\"]]", "f.toml:10: 'rate_timeline' begins at another time than \"0s\""},
        {"rate_timeline = [[\"0s\", \"1Mbit/s\"],\n[\"2s\", \"1Mbit/s\"],\n[\"2s\", \"1Mbit/s\"]]",
            "f.toml:12: 'rate_timeline' goes back; expected a later time than the one before"},
        {"rate_timeline = [[\"0s\", \"1Mbit/s\"], [\"1s\", \"0bit/s\"]]",
            "f.toml:10: 'rate_timeline' ends with no rate; expected a rate above 0"},
        {"rate_timeline = [[\"0s\", \"0bit/s\"]]\nrate_repeat = \"1s\"",
            "f.toml:10: 'rate_timeline' has no rate; expected a rate above 0"},
        {"rate_timeline = [[\"0s\", \"1Mbit/s\"], [\"1s\", \"2Mbit/s\"]]\nrate_repeat = \"1s\"",
            "f.toml:10: 'rate_repeat' is not after the last step of 'rate_timeline'"},
        {"rate_trace = \"/nonexistent/x\"", "f.toml:10: 'rate_trace': /nonexistent/x: No such file or directory"},
        {"rate_trace = \"a\\nb\\u001b\"", "f.toml:10: 'rate_trace': a?b?: No such file or directory"},
        {"rate_trace = \"\"", "f.toml:10: 'rate_trace' is no file's name; expected one relative to the scenario"},
        {"icmp = 1", "f.toml:10: 'icmp' is an integer; expected true or false"},
        {"[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ncodel = 7", "f.toml:13: 'codel' is an integer; expected a table"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[2048];
        snprintf(text, sizeof(text), HEAD "%s\n", rows[i].text);
        CU_ASSERT_PTR_NULL(parse(text));
        CU_ASSERT_STRING_EQUAL(error, rows[i].error);
        if (strcmp(error, rows[i].error) != 0) fprintf(stderr, "     got: %s\nexpected: %s\n", error, rows[i].error);
    }
}

static const struct unit_case cases[] = {
    {"settings are what they say", settings_are_what_they_say},
    {"a rate is constant or planned", a_rate_is_constant_or_planned},
    {"a trace is found beside the scenario", a_trace_is_found_beside_the_scenario},
    {"mistakes are told with their line", mistakes_are_told},
};
UNIT_MAIN("setting", cases)
