// Whole runs of the simulator around a scripted node: what it measures, and that it sees every broken rule.
#include "standin.h"
#include "unit.h"
#include "world/world.h"

#include <string.h>

#define HEAD                                                                                                           \
    "[scenario]\nname = \"s\"\nduration = \"2s\"\n"                                                                    \
    "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\nallow = [\"a\"]\n"
// 10 Mbit/s and 10 ms.
#define LINK HEAD "[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"10Mbit/s\"\ndelay = \"10ms\"\n"
#define PING LINK "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"100ms\"\nstart = \"100ms\"\n"

static struct sim_result result;

// Runs the text with the seed. The caller gives the result to sim_result_fini.
static void run(const char *text, uint64_t seed)
{
    char error[SIM_ERROR_SIZE] = "";
    struct sim_scenario *scenario = sim_scenario_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    struct sim_run_options options = {.scenario = scenario, .seed = seed, .core = &standin_core};
    sim_run(&options, &result);
    sim_scenario_free(scenario);
}

// Runs the text with expectations appended; each must measure what stands in `measured`, in order.
static void measures(const char *text, const char *const *measured)
{
    standin_reset();
    run(text, 1);
    CU_ASSERT_STRING_EQUAL(result.violation, "");
    for (size_t i = 0; i < result.outcome_count; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(measured[i]);
        CU_ASSERT_STRING_EQUAL(result.outcomes[i].measured, measured[i]);
        if (strcmp(result.outcomes[i].measured, measured[i]) != 0)
            fprintf(
                stderr, "%s: got %s, expected %s\n", result.outcomes[i].what, result.outcomes[i].measured, measured[i]);
    }
    CU_ASSERT_PTR_NULL(measured[result.outcome_count]);
    sim_result_fini(&result);
}

#define MEASURE(flow, measure) "[[expect]]\nflow = \"" flow "\"\nmeasure = \"" measure "\"\n"

static void latencies_are_exact(void)
{
    // 84 bytes of ping and a tail of 8 in UDP over IPv4: 120 bytes, 96 us each way. 19 pings, all answered.
    measures(
        PING MEASURE("ping-a-b", "latency_min") "min = \"0s\"\n" MEASURE("ping-a-b",
            "latency_max") "min = \"0s\"\n" MEASURE("ping-a-b", "latency_mean") "min = \"0s\"\n" MEASURE("ping-a-b",
            "sent") "min = 0\n" MEASURE("ping-a-b", "lost") "min = 0\n" MEASURE("ping-a-b",
            "first") "min = \"0s\"\n" MEASURE("ping-a-b", "sent") "min = 0\nafter = \"1s\"\nbefore = \"1500ms\"\n",
        (const char *[]){"20.192ms", "20.192ms", "20.192ms", "19", "0", "20.192ms", "5", NULL});
}

static void a_stream_is_measured_one_way(void)
{
    // 1000 packets of 1000 bytes a second: 8 Mbit/s inside, 1036 bytes and 828.8 us each outside.
    measures(LINK "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\nrate = \"8Mbit/s\"\nsize = 1000\n"
                  "start = \"500ms\"\nstop = \"1500ms\"\n" MEASURE("u", "sent") "min = 0\n" MEASURE(
                      "u", "delivered") "min = 0\n" MEASURE("u", "rate") "min = \"1bit/s\"\n" MEASURE("u",
                      "latency_p99") "min = \"0s\"\n" MEASURE("u", "reordered") "min = 0\n" MEASURE("u",
                      "gap_max") "min = \"0s\"\n",
        (const char *[]){"1000", "1000", "8Mbit/s", "10.828ms", "0", "10.828ms", NULL});
}

static void a_jitter_that_reorders_is_seen(void)
{
    standin_reset();
    run(HEAD "[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"10ms\"\njitter = \"5ms\"\nreorder = true\n"
             "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1ms\"\nstop = "
             "\"1500ms\"\n" MEASURE("u", "reordered") "min = 100\n" MEASURE("u", "lost") "is = 0\n" MEASURE(
                 "u", "latency_max") "max = \"15ms\"\n",
        1);
    CU_ASSERT_EQUAL(result.verdict, SIM_PASS);
    sim_result_fini(&result);
}

static void what_a_link_does_is_counted(void)
{
    // Down from 0.5 to 1 s: the pings of 0.5 … 0.9 s do not leave. Silent from 1.5 s.
    measures(PING
        "[[at]]\ntime = \"450ms\"\nlink = \"a-b\"\ndown = true\n[[at]]\ntime = \"950ms\"\nlink = \"a-b\"\nup = true\n"
        "[[at]]\ntime = \"1450ms\"\nlink = \"a-b\"\nfrom = \"b\"\nblackhole = true\n" MEASURE(
            "ping-a-b", "lost") "min = 0\n" MEASURE("ping-a-b",
            "first") "min = \"0s\"\nafter = \"450ms\"\n"
                     "[[expect]]\nlink = \"a-b\"\nmeasure = \"dropped_down\"\nmin = 0\n"
                     "[[expect]]\nlink = \"a-b\"\nfrom = \"b\"\nmeasure = \"dropped_down\"\nmin = 0\n"
                     "[[expect]]\nlink = \"a-b\"\nfrom = \"a\"\nmeasure = \"entered\"\nmin = 0\n"
                     "[[expect]]\nlink = \"a-b\"\nfrom = \"a\"\nmeasure = \"entered_bytes\"\nmin = 0\n",
        (const char *[]){"10", "570.192ms", "10", "5", "19", "2280B", NULL});
    // Each end sees the first cut and its end, neither the second.
    CU_ASSERT_EQUAL(standin_notes.links_down, 2);
    CU_ASSERT_EQUAL(standin_notes.links_up, 2 + 2);
}

static void settings_change_at_their_time(void)
{
    measures(PING "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ndelay = \"20ms\"\n" MEASURE(
                 "ping-a-b", "latency_max") "min = \"0s\"\nbefore = \"950ms\"\n" MEASURE("ping-a-b",
                 "latency_min") "min = \"0s\"\nafter = \"1050ms\"\n",
        (const char *[]){"20.192ms", "40.192ms", NULL});
}

static void a_node_restarts_with_what_it_stored(void)
{
    measures(PING
        "[[at]]\ntime = \"500ms\"\nhost = \"b\"\nrestart = true\n[[at]]\ntime = \"1s\"\nhost = \"b\"\ncrash = true\n"
        "[[at]]\ntime = \"1200ms\"\nhost = \"b\"\nstart = true\n"
        "[[expect]]\nhost = \"b\"\nmeasure = \"starts\"\nmin = 0\n"
        "[[expect]]\nhost = \"b\"\nlog = \"starts 3\"\nmin = 0\n"
        "[[expect]]\nhost = \"b\"\nlog = \"starts 2\"\nmin = 0\nbefore = \"500ms\"\n"
        "[[expect]]\nhost = \"a\"\nlog = \"starts\"\nmin = 0\n" MEASURE("ping-a-b", "lost") "min = 0\n",
        (const char *[]){"3", "1", "0", "1", "2", NULL});
}

static void clocks_are_off_and_jump(void)
{
    standin_reset();
    run("[scenario]\nname = \"s\"\nduration = \"2s\"\nwall_clock_ms = 1000000000\n[[host]]\nname = \"a\"\n"
        "clock_offset = \"-1h\"\n[[at]]\ntime = \"1s\"\nhost = \"a\"\nclock = \"10s\"\n",
        1);
    CU_ASSERT_EQUAL(standin_notes.wall_ms_last, 1000000000 - 3600000 + 10000 + 2000);
    sim_result_fini(&result);
}

static void who_is_connected_is_judged_on_both_sides(void)
{
    measures(PING "[[expect]]\nconnected = [\"a\", \"b\"]\nwithin = \"1s\"\n"
                  "[[expect]]\nnever_connected = [\"a\", \"b\"]\n"
                  "[[expect]]\ndisconnected = [\"a\", \"b\"]\nwithin = \"1s\"\nafter = \"500ms\"\n"
                  "[[expect]]\nconnected = [\"a\", \"b\"]\nwithin = \"1s\"\nafter = \"500ms\"\n"
                  "[[expect]]\nconnected = [\"a\", \"b\"]\nby = \"direct\"\nwithin = \"1s\"\n"
                  "[[expect]]\nconnected = [\"a\", \"b\"]\nby = \"gateway\"\nwithin = \"1s\"\n"
                  "[[expect]]\nnever_connected = [\"a\", \"b\"]\nby = \"gateway\"\n",
        (const char *[]){"120.192ms", "1 times", "never", "0s", "120.192ms", "never", "never", NULL});
    measures(PING "[[at]]\ntime = \"1s\"\nhost = \"a\"\ncrash = true\n"
                  "[[expect]]\ndisconnected = [\"a\", \"b\"]\nwithin = \"1s\"\nafter = \"500ms\"\n",
        (const char *[]){"500ms", NULL});
}

// Nobody helps the two, so that no meeting is possible that was not configured: the oracle calls their own impossible.
static void what_nats_allow_is_expected(void)
{
#define CROSSING "[[expect]]\ncrossing = [\"a\", \"b\"]\nwithin = \"1s\"\n"
    static const char helper[] = "[[host]]\nname = \"c\"\n[[link]]\nname = \"net\"\nbetween = [\"a\", \"b\", \"c\"]\n";
    char text[2048];
    measures(PING CROSSING, (const char *[]){"connected directly, which is impossible", NULL});
    snprintf(text, sizeof text, "%s%s%s", PING, helper, CROSSING);
    measures(text, (const char *[]){"connected directly at 120.192ms", NULL});
    snprintf(text, sizeof text, "%s%s%s", LINK, helper, CROSSING);
    measures(text, (const char *[]){"not connected, and not told", NULL});
}

static void counters_are_asked_of_the_node(void)
{
    measures(PING "[[expect]]\nhost = \"a\"\ncounter = \"answers\"\nis = 42\n"
                  "[[expect]]\nhost = \"a\"\ncounter = \"no_such_thing\"\nis = 0\n",
        (const char *[]){"42", "nothing", NULL});
}

static void sockets_are_bound_as_a_system_binds_them(void)
{
    standin_reset();
    run(PING, 1);
    CU_ASSERT_EQUAL(standin_notes.sockets_refused, 2);
    CU_ASSERT(standin_notes.second_port >= 49152);
    CU_ASSERT_EQUAL(standin_notes.timeouts, 2 * 8);
    sim_result_fini(&result);
}

static void one_instant_is_one_batch(void)
{
    // 40 packets at once over a link without a rate arrive together: one event, one entry.
    standin_reset();
    run(HEAD "[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"10ms\"\n"
             "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1s\"\nbatch = 40\ncount = "
             "40\n" MEASURE("u", "lost") "is = 0\n",
        1);
    CU_ASSERT_EQUAL(result.verdict, SIM_PASS);
    CU_ASSERT_EQUAL(standin_notes.packet_events, 1);
    CU_ASSERT_EQUAL(standin_notes.packets, 40);
    CU_ASSERT_EQUAL(standin_notes.datagram_events, 1);
    CU_ASSERT_EQUAL(standin_notes.datagram_entries, 1);
    CU_ASSERT_EQUAL(standin_notes.entries_with_many, 1);
    CU_ASSERT_EQUAL(standin_notes.datagrams, 40);
    sim_result_fini(&result);
    // With a rate they arrive one by one.
    standin_reset();
    run(LINK
        "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1s\"\nbatch = 10\ncount = 10\n",
        1);
    CU_ASSERT_EQUAL(standin_notes.datagram_events, 10);
    CU_ASSERT_EQUAL(standin_notes.entries_with_many, 0);
    sim_result_fini(&result);
}

static void always_is_at_every_time(void)
{
    // The scripted node is connected from its first packet on.
    standin_reset();
    run(PING "[[expect]]\nconnected = [\"a\", \"b\"]\nalways = true\nafter = \"500ms\"\n"
             "[[expect]]\nconnected = [\"a\", \"b\"]\nalways = true\n"
             "[[expect]]\ndisconnected = [\"a\", \"b\"]\nalways = true\nbefore = \"100ms\"\n",
        1);
    CU_ASSERT_STRING_EQUAL(result.outcomes[0].measured, "always");
    CU_ASSERT_TRUE(result.outcomes[0].passed);
    CU_ASSERT_STRING_EQUAL(result.outcomes[1].measured, "not at 0s");
    CU_ASSERT_FALSE(result.outcomes[1].passed);
    CU_ASSERT_TRUE(result.outcomes[2].passed);
    sim_result_fini(&result);
}

static void a_margin_widens_a_bound(void)
{
    standin_reset();
    run(PING MEASURE("ping-a-b", "latency_p50") "is = \"20ms\"\nmargin = \"1%\"\n" MEASURE(
            "ping-a-b", "latency_p50") "is = \"20ms\"\nmargin = \"0.9%\"\n",
        1);
    CU_ASSERT_STRING_EQUAL(result.outcomes[0].measured, "20.192ms");
    CU_ASSERT_STRING_EQUAL(result.outcomes[0].bound, "19.8ms to 20.2ms");
    CU_ASSERT_TRUE(result.outcomes[0].passed);
    CU_ASSERT_FALSE(result.outcomes[1].passed);
    sim_result_fini(&result);
}

static void what_need_hold_only_sometimes_fails_no_run(void)
{
    standin_reset();
    run(PING MEASURE("ping-a-b", "lost") "min = 1\nsometimes = true\n" MEASURE(
            "ping-a-b", "lost") "is = 0\nsometimes = \"30%\"\n",
        1);
    CU_ASSERT_EQUAL(result.verdict, SIM_PASS);
    CU_ASSERT(!result.outcomes[0].passed && result.outcomes[0].sometimes && result.outcomes[0].sometimes_ppb == 0);
    CU_ASSERT(result.outcomes[1].passed && result.outcomes[1].sometimes_ppb == 300000000);
    sim_result_fini(&result);
}

static void a_missed_expectation_fails_the_run(void)
{
    standin_reset();
    run(PING MEASURE("ping-a-b", "lost") "min = 1\n" MEASURE("ping-a-b", "lost") "is = 0\n", 1);
    CU_ASSERT_EQUAL(result.verdict, SIM_FAIL);
    CU_ASSERT_FALSE(result.outcomes[0].passed);
    CU_ASSERT_TRUE(result.outcomes[1].passed);
    CU_ASSERT_EQUAL(result.failure, SIM_FAILURE_EXPECTATION);
    CU_ASSERT_STRING_EQUAL(result.signature, "expect flow lost");
    sim_result_fini(&result);
    run(PING MEASURE("ping-a-b", "latency_p50") "max = \"1s\"\nafter = \"1999ms\"\n", 1); // nothing was sent then
    CU_ASSERT_EQUAL(result.verdict, SIM_FAIL);
    sim_result_fini(&result);
}

static void every_broken_rule_is_seen_with_its_host(void)
{
    static const struct {
        enum standin_fault fault;
        const char *host, *words;
        enum sim_failure kind;
    } faults[] = {
        {STANDIN_LEAKS_MEMORY, "b", "memory was not freed", SIM_FAILURE_LEAK},
        {STANDIN_LEAKS_BUFFER, "b", "output buffers were not given back", SIM_FAILURE_LEAK},
        {STANDIN_LEAKS_PACKET, "a", "packets from the TUN were not given back", SIM_FAILURE_LEAK},
        {STANDIN_OVERDRAWS, "a", "more buffers than it has credit for", SIM_FAILURE_CONTRACT},
        {STANDIN_GIVES_FOREIGN, "a", "gave a buffer back that it does not own", SIM_FAILURE_CONTRACT},
        {STANDIN_DEADLINE_STANDS, "b", "timer storm", SIM_FAILURE_STORM},
        {STANDIN_TALKS_FOR_EVER, "a", "timer storm", SIM_FAILURE_STORM},
        {STANDIN_DELIVERS_TWICE, "a", "delivered twice", SIM_FAILURE_DUPLICATE},
        {STANDIN_DELIVERS_DAMAGED, "a", "not what was sent", SIM_FAILURE_DAMAGED},
        {STANDIN_DELIVERS_WRONG_SUM, "b", "wrong ICMP checksum", SIM_FAILURE_DAMAGED},
        {STANDIN_DELIVERS_TO_SELF, "a", "came back out of the TUN", SIM_FAILURE_LOOP},
        {STANDIN_DELIVERS_CLOSED, "a", "a packet for a TUN that is not open", SIM_FAILURE_CONTRACT},
        {STANDIN_SENDS_NOWHERE, "a", "a send without a fitting socket", SIM_FAILURE_CONTRACT},
        {STANDIN_CLOSES_TWICE, "b", "a socket was closed that is not open", SIM_FAILURE_CONTRACT},
        {STANDIN_WILL_NOT_BE_MADE, "b", "could not be created", SIM_FAILURE_CREATE},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        char where[64];
        standin_reset();
        standin_set(faults[i].fault, faults[i].host);
        run(PING, 1);
        snprintf(where, sizeof(where), "host %s: ", faults[i].host);
        bool seen =
            result.verdict == SIM_FAIL && strstr(result.violation, where) && strstr(result.violation, faults[i].words);
        CU_ASSERT_TRUE(seen);
        snprintf(where, sizeof(where), "invariant %s", sim_failure_name(faults[i].kind));
        CU_ASSERT_STRING_EQUAL(result.signature, where);
        if (!seen) fprintf(stderr, "case %zu: %s\n", i, result.violation);
        sim_result_fini(&result);
    }
    standin_reset();
}

static void the_same_seed_is_the_same_run_and_another_is_not(void)
{
    uint8_t first[SIM_TRACE_HASH_SIZE];
    standin_reset();
    run(PING, 1);
    memcpy(first, result.hash, sizeof(first));
    sim_result_fini(&result);
    run(PING, 1);
    CU_ASSERT_EQUAL(memcmp(first, result.hash, sizeof(first)), 0);
    sim_result_fini(&result);
    run(PING, 2);
    CU_ASSERT_NOT_EQUAL(memcmp(first, result.hash, sizeof(first)), 0);
    sim_result_fini(&result);
}

static void a_draw_of_one_node_moves_nothing_elsewhere(void)
{
    uint8_t hash[SIM_TRACE_HASH_SIZE];
    standin_reset();
    run(PING, 1);
    uint64_t a = standin_drawn("a"), b = standin_drawn("b");
    memcpy(hash, result.hash, sizeof(hash));
    sim_result_fini(&result);
    CU_ASSERT(a != 0 && b != 0 && a != b);
    // More draws by b, for a purpose that nothing else of it uses: not a bit of the run changes.
    standin_reset();
    standin_set(STANDIN_DRAWS_MORE, "b");
    run(PING, 1);
    CU_ASSERT_EQUAL(standin_drawn("a"), a);
    CU_ASSERT_EQUAL(standin_drawn("b"), b);
    CU_ASSERT_EQUAL(memcmp(hash, result.hash, sizeof(hash)), 0);
    sim_result_fini(&result);
    // Another host before them: what they draw stays what it was.
    standin_reset();
    run("[[host]]\nname = \"before\"\n" PING, 1);
    CU_ASSERT_EQUAL(standin_drawn("a"), a);
    CU_ASSERT_EQUAL(standin_drawn("b"), b);
    sim_result_fini(&result);
}

static void every_byte_is_in_the_hash(void)
{
    // The only difference is the content of pings, which follows from the flow's name.
    uint8_t first[SIM_TRACE_HASH_SIZE];
    standin_reset();
    run(PING "name = \"one\"\n", 1);
    memcpy(first, result.hash, sizeof(first));
    sim_result_fini(&result);
    run(PING "name = \"two\"\n", 1);
    CU_ASSERT_NOT_EQUAL(memcmp(first, result.hash, sizeof(first)), 0);
    sim_result_fini(&result);
}

static const struct unit_case cases[] = {
    {"latencies are exact", latencies_are_exact},
    {"a stream is measured one way", a_stream_is_measured_one_way},
    {"a jitter that reorders is seen", a_jitter_that_reorders_is_seen},
    {"what a link does is counted", what_a_link_does_is_counted},
    {"settings change at their time", settings_change_at_their_time},
    {"a node restarts with what it stored", a_node_restarts_with_what_it_stored},
    {"clocks are off and jump", clocks_are_off_and_jump},
    {"who is connected is judged on both sides", who_is_connected_is_judged_on_both_sides},
    {"what NATs allow is expected", what_nats_allow_is_expected},
    {"counters are asked of the node", counters_are_asked_of_the_node},
    {"sockets are bound as a system binds them", sockets_are_bound_as_a_system_binds_them},
    {"one instant is one batch", one_instant_is_one_batch},
    {"always is at every time", always_is_at_every_time},
    {"a margin widens a bound", a_margin_widens_a_bound},
    {"what need hold only sometimes fails no run", what_need_hold_only_sometimes_fails_no_run},
    {"a missed expectation fails the run", a_missed_expectation_fails_the_run},
    {"every broken rule is seen, with its host", every_broken_rule_is_seen_with_its_host},
    {"the same seed is the same run, and another is not", the_same_seed_is_the_same_run_and_another_is_not},
    {"a draw of one node moves nothing elsewhere", a_draw_of_one_node_moves_nothing_elsewhere},
    {"every byte is in the hash", every_byte_is_in_the_hash},
};
UNIT_MAIN("world", cases)
