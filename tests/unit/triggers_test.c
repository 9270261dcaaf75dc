// Triggers, around a scripted node.
#include "around.h"
#include "net/outer.h"
#include "unit.h"
#include "world/world.h"

#include <string.h>

#define TRIGGER(on, what) "[[trigger]]\nname = \"t\"\non = {" on "}\n" what "\n[[expect]]\ntrigger = \"t\"\nmin = 0\n"

static void the_third_is_dropped(void)
{
    // Nineteen pings and their answers.
    measures(PING TRIGGER("message = \"packet\", from = \"a\", to = \"b\", count = 3", "drop = true")
                 FLOW("ping-a-b", "lost") OF_B("tun_out"),
        (const char *[]){"1", "1", "18", NULL});
    CU_ASSERT_EQUAL(result.dropped_for[SIM_DROP_TRIGGER], 1);
    measures(PING TRIGGER("message = \"packet\", from = \"b\", count = 3, times = 4", "drop = true")
                 FLOW("ping-a-b", "lost") OF_B("tun_out"),
        (const char *[]){"4", "4", "19", NULL});
    measures(PING TRIGGER("message = \"packet\", from = \"a\", count = 3, times = \"always\"", "drop = true")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"17", "17", NULL});
    measures(PING TRIGGER("message = \"packet\", to = \"b\", every = 5, times = \"always\"", "drop = true")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"4", "4", NULL});
}

static void only_what_is_named_counts(void)
{
    measures(PING TRIGGER("message = \"hello\", times = \"always\"", "drop = true") FLOW("ping-a-b", "lost"),
        (const char *[]){"0", "0", NULL});
    measures(PING TRIGGER("message = [\"hello\", \"packet\"], times = \"always\"", "drop = true")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"19", "19", NULL});
    measures(PING TRIGGER("message = \"any\", from = \"b\", to = \"b\", times = \"always\"", "drop = true")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"0", "0", NULL});
    // Sent at 0.5 … 0.9 s.
    measures(PING TRIGGER("message = \"any\", from = \"a\", times = \"always\", after = \"450ms\", before = \"950ms\"",
                 "drop = true") FLOW("ping-a-b", "lost"),
        (const char *[]){"5", "5", NULL});
}

static void what_arrives_counts_there(void)
{
    // The link is down for the first four.
    measures(PING AT("0s", "link = \"a-b\"\ndown = true") AT("450ms", "link = \"a-b\"\nup = true")
                 TRIGGER("message = \"packet\", from = \"a\", to = \"b\", arrives = true", "drop = true")
                     FLOW("ping-a-b", "lost"),
        (const char *[]){"1", "5", NULL});
}

static void a_message_is_late(void)
{
    measures(PING TRIGGER("message = \"packet\", from = \"a\", count = 2", "delay = \"250ms\"")
                 LATENCY("ping-a-b", "latency_max") FLOW("ping-a-b", "lost") FLOW("ping-a-b", "reordered"),
        (const char *[]){"1", "270ms", "0", "1", NULL});
    measures(PING TRIGGER("message = \"packet\", to = \"a\", arrives = true", "delay = \"250ms\"")
                 LATENCY("ping-a-b", "latency_max") FLOW("ping-a-b", "lost"),
        (const char *[]){"1", "270ms", "0", NULL});
    // One that is late at the end of the run is under way.
    measures(PING TRIGGER("message = \"packet\", from = \"a\", times = \"always\"", "delay = \"1h\"")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"19", "19", NULL});
}

static void a_message_comes_twice(void)
{
    // The scripted node has no protection against that, and the run says so.
    sim_result_fini(&result);
    char error[SIM_ERROR_SIZE];
    static const char text[] = PING TRIGGER("message = \"packet\", from = \"a\", count = 2", "duplicate = true");
    struct sim_scenario *scenario = sim_scenario_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    struct sim_run_options options = {.scenario = scenario, .seed = 1, .core = &standin_core};
    standin_reset();
    sim_run(&options, &result);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.violation, "twice"));
    sim_scenario_free(scenario);
}

static void a_message_is_damaged(void)
{
    sim_result_fini(&result);
    char error[SIM_ERROR_SIZE];
    static const char text[] = PING TRIGGER("message = \"packet\", from = \"a\", count = 2", "corrupt = true");
    struct sim_scenario *scenario = sim_scenario_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    struct sim_run_options options = {.scenario = scenario, .seed = 2, .core = &standin_core};
    standin_reset();
    sim_run(&options, &result);
    CU_ASSERT(result.violation[0]);
    sim_scenario_free(scenario);
}

static void a_message_makes_something_happen(void)
{
    // The third ping arrives at 0.31 s: b crashes, is back at 0.5 s, and misses those of 0.4 s and its own answer.
    measures(PING TRIGGER("message = \"packet\", to = \"b\", arrives = true, count = 3",
                 "host = \"b\"\ncrash = true\nstart_after = \"190ms\"") FLOW("ping-a-b", "lost") OF_B("starts"),
        (const char *[]){"1", "2", "2", NULL});
    // Whoever sends it may be who it happens to.
    measures(PING TRIGGER("message = \"packet\", from = \"a\", count = 3",
                 "host = \"a\"\ncrash = true\nstart_after = \"1ms\"") FLOW("ping-a-b", "lost"),
        (const char *[]){"1", "0", NULL});
    measures(PING TRIGGER("message = \"packet\", from = \"a\", count = 3", "link = \"a-b\"\ndelay = \"20ms\"")
                 LATENCY("ping-a-b", "latency_max"),
        (const char *[]){"1", "40ms", NULL});
    measures(PING TRIGGER("message = \"packet\", from = \"a\", count = 3", "partition = {between = [\"a\"]}")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"1", "17", NULL});
}

static void the_first_trigger_that_takes_it_has_it(void)
{
    measures(PING TRIGGER("message = \"packet\", from = \"a\"",
                 "drop = true") "[[trigger]]\nname = \"u\"\non = {message = \"packet\", from = \"a\"}\ndrop = true\n"
                                "[[expect]]\ntrigger = \"u\"\nmin = 0\n" FLOW("ping-a-b", "lost"),
        (const char *[]){"1", "1", "2", NULL});
}

static const struct {
    const char *bytes;
    size_t size;
    uint64_t classes;
} datagrams[] = {
#define OUTER(bytes, classes)                                                                                          \
    {                                                                                                                  \
        bytes, sizeof(bytes) - 1, classes                                                                              \
    }
    OUTER("", 0),
    OUTER("\x00\x01", 0),
    OUTER("\x45zzz", QE_CARRIED_BIT(ONE_RTT)),
    // IDs of 1 and 2 bytes; an Initial with a token of 1 and a length of 2.
    OUTER("\xc0\0\0\0\1\1a\2bb\1t\2xx", QE_CARRIED_BIT(INITIAL)),
    OUTER("\xc0\0\0\0\1\1a\2bb\1t\2xx\0\0\0", QE_CARRIED_BIT(INITIAL)),
    OUTER("\xc0\0\0\0\1\1a\2bb\1t\2xx\xe0\0\0\0\1\1a\2bb\3yyy\x40z",
        QE_CARRIED_BIT(INITIAL) | QE_CARRIED_BIT(HANDSHAKE) | QE_CARRIED_BIT(ONE_RTT)),
    OUTER("\xd0\0\0\0\1\1a\2bb\x40\2xx", QE_CARRIED_BIT(ZERO_RTT)),
    OUTER("\xf0\0\0\0\1\1a\2bbtoken", QE_CARRIED_BIT(RETRY)),
    OUTER("\x80\0\0\0\0\1a\2bb\0\0\0\1", QE_CARRIED_BIT(VERSION_NEGOTIATION)),
    // Cut short, or longer than there is.
    OUTER("\xc0\0\0\0\1\1a", 0),
    OUTER("\xe0\0\0\0\1\1a\2bb\x7f\xffyyy", 0),
    OUTER("\xe0\0\0\0\1\1a\2bb\xff\xff\xff\xff\xff\xff\xff\xff", 0),
};

static void what_shows_on_the_wire_is_read(void)
{
    for (size_t i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
        uint64_t classes = sim_outer_classes((const uint8_t *)datagrams[i].bytes, datagrams[i].size);
        CU_ASSERT_EQUAL(classes, datagrams[i].classes);
        if (classes != datagrams[i].classes) fprintf(stderr, "datagram %zu: %llx\n", i, (unsigned long long)classes);
    }
}

static const struct unit_case cases[] = {
    {"the third is dropped", the_third_is_dropped},
    {"only what is named counts", only_what_is_named_counts},
    {"what arrives counts there", what_arrives_counts_there},
    {"a message is late", a_message_is_late},
    {"a message comes twice", a_message_comes_twice},
    {"a message is damaged", a_message_is_damaged},
    {"a message makes something happen", a_message_makes_something_happen},
    {"the first trigger that takes it has it", the_first_trigger_that_takes_it_has_it},
    {"what shows on the wire is read", what_shows_on_the_wire_is_read},
};
UNIT_MAIN("triggers", cases)
