// Faults of hosts and of the network, around a scripted node.
#include "around.h"
#include "unit.h"
#include "world/world.h"

#include <string.h>

static void a_partition_keeps_apart_until_it_heals(void)
{
    // The pings of 0.5 … 0.9 s.
    measures(PING AT("450ms", "partition = {between = [\"a\"], and = [\"b\"]}")
                 AT("950ms", "partition = {between = [\"a\"], and = [\"b\"], heal = true}") FLOW("ping-a-b", "lost")
                     OF_B("tun_out"),
        (const char *[]){"5", "14", NULL});
    CU_ASSERT_EQUAL(result.dropped_for[SIM_DROP_PARTITION], 5);
    // What is on its way when it begins does not arrive either.
    measures(PING AT("505ms", "partition = {between = [\"b\"]}") AT("1s", "partition = {heal = true}")
                 FLOW("ping-a-b", "lost"),
        (const char *[]){"5", NULL});
}

static void a_partition_may_be_one_way(void)
{
    measures(PING AT("450ms", "partition = {between = [\"b\"], and = [\"a\"], one_way = true}") FLOW("ping-a-b", "lost")
                 OF_B("tun_out"),
        (const char *[]){"15", "19", NULL});
}

static void a_partition_may_be_partial(void)
{
    static const char three[] =
        "[scenario]\nname = \"s\"\nduration = \"2s\"\n[[host]]\nname = \"a\"\npeers = [\"c\"]\n"
        "[[host]]\nname = \"b\"\npeers = [\"c\"]\n[[host]]\nname = \"c\"\nallow = [\"a\", \"b\"]\n"
        "[[link]]\nbetween = [\"a\", \"b\", \"c\"]\n"
        "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"c\"\ninterval = \"100ms\"\nstart = \"100ms\"\n"
        "[[flow]]\nname = \"v\"\nkind = \"udp\"\nfrom = \"b\"\nto = \"c\"\ninterval = \"100ms\"\nstart = \"100ms\"\n"
        "[[at]]\ntime = \"1050ms\"\npartition = {between = [\"a\"], and = [\"c\"]}\n" FLOW("u", "delivered")
            FLOW("v", "delivered");
    measures(three, (const char *[]){"10", "19", NULL});
}

static void who_sleeps_misses_what_comes(void)
{
    measures(PING AT_B("450ms", "suspend = \"500ms\"") FLOW("ping-a-b", "lost") LATENCY("ping-a-b", "latency_max"),
        (const char *[]){"5", "20ms", NULL});
    CU_ASSERT_EQUAL(result.dropped_for[SIM_DROP_ASLEEP], 5);
    uint64_t timeouts = standin_notes.timeouts;
    measures(PING FLOW("ping-a-b", "lost"), (const char *[]){"0", NULL});
    // Its timers of 0.5 and 0.75 s were late and one.
    CU_ASSERT(timeouts < standin_notes.timeouts);
    // A machine asleep sends nothing either.
    measures(
        PING AT("450ms", "host = \"a\"\nsuspend = \"500ms\"") FLOW("ping-a-b", "refused"), (const char *[]){"5", NULL});
}

static void who_stands_still_sees_it_late(void)
{
    // The request of 0.5 s is read at 0.95 s.
    measures(PING AT_B("450ms", "stall = \"500ms\"") FLOW("ping-a-b", "lost") LATENCY("ping-a-b", "latency_max")
                 FLOW("ping-a-b", "duplicated"),
        (const char *[]){"0", "460ms", "0", NULL});
}

static void queues_of_who_stands_still_are_bounded(void)
{
    // 1000 a second for 0.9 s: 500 wait, the others are refused.
    measures(UDP("") AT("200ms", "host = \"a\"\nstall = \"900ms\"") FLOW("u", "refused") FLOW("u", "lost"),
        (const char *[]){"400", "400", NULL});
    // 1 MB each 1 ms, in datagrams of 30000 bytes.
    measures(LINK("[host.config.network]\n") "[[flow]]\nname = \"u\"\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\n"
                                             "interval = \"1ms\"\nsize = 1400\nbatch = 20\nstart = \"100ms\"\nstop = "
                                             "\"900ms\"\n" AT_B("150ms", "stall = \"1s\"") FLOW("u", "sent"),
        (const char *[]){"16000", NULL});
    CU_ASSERT(result.dropped_for[SIM_DROP_SOCKET_FULL] > 1000);
}

static void buffers_are_held(void)
{
    // The scripted node drops what it has no buffer for: 320 are enough for 50 packets, and not for 500.
    measures(UDP("") AT_B("500ms", "hold_buffers = \"50ms\"") FLOW("u", "lost"), (const char *[]){"0", NULL});
    run(UDP("") AT_B("300ms", "hold_buffers = \"500ms\"") "[[expect]]\nflow = \"u\"\nmeasure = \"lost\"\nmin = 100\n"
                                                          "max = 250\n");
    CU_ASSERT_EQUAL(result.verdict, SIM_PASS);
}

static void a_crash_can_be_between_two_writes(void)
{
    // b stores one item at each start: how many there were.
    static const char text[] = PING AT_B("100ms", "%s = 1\nstart_after = \"200ms\"") AT_B("500ms", "restart = true")
        OF_B("starts") LOG_B("starts 2") LOG_B("starts 3");
    char at[sizeof(text) + 40];
    snprintf(at, sizeof(at), text, "crash_at_write");
    measures(at, (const char *[]){"3", "0", "1", NULL});
    snprintf(at, sizeof(at), text, "crash_before_write");
    measures(at, (const char *[]){"3", "1", "0", NULL});
}

static void a_crash_may_lose_what_was_not_on_the_disk(void)
{
    measures(PING AT_B("500ms", "crash = true\nlose_unsynced = \"400ms\"\nstart_after = \"100ms\"") LOG_B("starts 2"),
        (const char *[]){"1", NULL});
    measures(PING AT_B("500ms", "crash = true\nlose_unsynced = \"600ms\"\nstart_after = \"100ms\"") LOG_B("starts 1")
                 LOG_B("starts 2"),
        (const char *[]){"2", "0", NULL});
    // Of two changes the later one only.
    measures(PING AT_B("500ms", "restart = true")
                 AT_B("800ms", "crash = true\nlose_unsynced = \"400ms\"\nstart_after = \"100ms\"") LOG_B("starts 2")
                     LOG_B("starts 3"),
        (const char *[]){"2", "0", NULL});
}

static void stored_state_is_damaged(void)
{
    measures(PING AT_B("500ms", "erase_state = \"st*\"") AT_B("600ms", "restart = true") LOG_B("starts 1"),
        (const char *[]){"2", NULL});
    measures(PING AT_B("500ms", "erase_state = \"other*\"") AT_B("600ms", "restart = true") LOG_B("starts 2"),
        (const char *[]){"1", NULL});
    measures(PING AT_B("500ms", "corrupt_state = \"starts\"") AT_B("600ms", "restart = true") LOG_B("starts 2"),
        (const char *[]){"0", NULL});
    measures(PING AT_B("500ms", "truncate_state = \"*\"") AT_B("600ms", "restart = true") OF_B("starts"),
        (const char *[]){"2", NULL});
    CU_ASSERT_EQUAL(standin_notes.stored_empty, 1);
}

static void a_clock_drifts(void)
{
    run(PING AT("1s", "host = \"a\"\nclock_drift = \"-50000ppm\"") AT("1s", "host = \"b\"\nstop = true"));
    CU_ASSERT_EQUAL(standin_notes.wall_ms_last, 1000000000 + 2000 - 50);
    // What it gained stays when it runs true again, and adds to jumps.
    run(PING AT("0s", "host = \"a\"\nclock_drift = \"100000ppm\"") AT("1s", "host = \"a\"\nclock_drift = \"0ppm\"")
            AT("1500ms", "host = \"a\"\nclock = \"-1s\"") AT("1s", "host = \"b\"\nstop = true"));
    CU_ASSERT_EQUAL(standin_notes.wall_ms_last, 1000000000 + 2000 + 100 - 1000);
}

static void allocations_fail(void)
{
    // The one that a start needs.
    measures(PING AT_B("400ms", "fail_allocation = 1") AT_B("500ms", "restart = true") OF_B("allocations_refused")
                 OF_B("starts") LOG_B("starts 2"),
        (const char *[]){"1", "2", "0", NULL});
    measures(PING AT_B("400ms", "fail_allocation = 2") AT_B("500ms", "restart = true") LOG_B("starts 2"),
        (const char *[]){"1", NULL});
    measures(PING AT_B("400ms", "fail_allocations = \"100%\"\nfor = \"1s\"") AT_B("500ms", "restart = true") AT_B(
                 "1300ms", "start = true") AT_B("1500ms", "start = true") OF_B("allocations_refused") LOG_B("starts 2"),
        (const char *[]){"2", "1", NULL});
    measures(PING AT_B("400ms", "memory = 100") AT_B("500ms", "restart = true") AT_B("1s", "memory = 0")
                 AT_B("1100ms", "start = true") OF_B("allocations_refused") LOG_B("starts 2"),
        (const char *[]){"1", "1", NULL});
}

static void who_ends_unasked_is_started_again(void)
{
    measures(UDP("respawn = \"300ms\"\n") AT_B("400ms", "crash = true") AT_B("400ms", "fail_allocation = 1")
                 OF_B("starts") FLOW("u", "delivered"),
        (const char *[]){"3", "800", NULL});
    measures(UDP("respawn = \"300ms\"\n") AT_B("400ms", "stop = true") OF_B("starts"), (const char *[]){"1", NULL});
}

static void stores_fail(void)
{
    measures(PING AT_B("400ms", "fail_stores = true\nfor = \"500ms\"") AT_B("500ms", "restart = true")
                 AT_B("1s", "restart = true") LOG_B("starts 2") OF_B("writes") OF_B("writes_failed"),
        (const char *[]){"2", "3", "1", NULL});
}

static void sockets_and_the_tun_are_refused(void)
{
    measures(PING AT_B("400ms", "refuse_sockets = true") AT_B("500ms", "restart = true") FLOW("ping-a-b", "lost"),
        (const char *[]){"15", NULL});
    measures(UDP("") AT("50ms", "host = \"a\"\nrefuse_tun = true\nfor = \"500ms\"") AT("100ms",
                 "host = \"a\"\nrestart = true") AT("600ms", "host = \"a\"\nrestart = true") FLOW("u", "refused"),
        (const char *[]){"500", NULL});
}

#define TWO_LINKS                                                                                                      \
    "[scenario]\nname = \"s\"\nduration = \"2s\"\n"                                                                    \
    "[[host]]\nname = \"a\"\npeers = [\"b@10.9.0.2:9000\"]\n[[host]]\nname = \"b\"\nallow = [\"a\"]\n"                 \
    "[[host]]\nname = \"r\"\nrouter = true\n"                                                                          \
    "[[link]]\nname = \"wifi\"\nbetween = [\"a\", \"r\"]\n"                                                            \
    "[[link]]\nname = \"lte\"\nbetween = [\"a\", \"r\"]\nabsent = [\"a\"]\ndelay = \"20ms\"\n"                         \
    "[[link]]\nname = \"core\"\nbetween = [\"r\", \"b\"]\nsubnets = [\"10.9.0.0/24\"]\n"                               \
    "[[flow]]\nname = \"p\"\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"100ms\"\nstart = \"100ms\"\n"

static void a_host_roams(void)
{
    static const char far[] = "[[expect]]\nflow = \"p\"\nmeasure = \"latency_min\"\nmin = \"0s\"\nafter = \"1s\"\n";
    char text[4096];
    snprintf(text, sizeof(text), "%s%s%s", TWO_LINKS,
        AT("950ms", "host = \"a\"\nroam = {from = \"wifi\", to = \"lte\"}") FLOW("p", "lost")
            LATENCY("p", "latency_min"),
        far);
    measures(text, (const char *[]){"0", "0s", "40ms", NULL});
    // a saw wifi up, lte down, wifi down, lte up; b its only link.
    CU_ASSERT_EQUAL(standin_notes.links_up, 3);
    CU_ASSERT_EQUAL(standin_notes.links_down, 2);
}

static void a_link_may_go_without_a_word(void)
{
    // The way by the old link is still the first, and leads nowhere, until the host notices.
    measures(TWO_LINKS AT("950ms", "host = \"a\"\nroam = {from = \"wifi\", to = \"lte\"}\nsilently = true")
                 AT("1450ms", "host = \"a\"\nlink = \"wifi\"\nleave = true") FLOW("p", "lost"),
        (const char *[]){"5", NULL});
    // Away, and back.
    measures(TWO_LINKS AT("450ms", "host = \"a\"\nlink = \"wifi\"\nleave = true")
                 AT("950ms", "host = \"a\"\nlink = \"wifi\"\njoin = true") FLOW("p", "lost"),
        (const char *[]){"5", NULL});
    CU_ASSERT_EQUAL(result.dropped_for[SIM_DROP_NO_ROUTE], 5);
}

static void an_address_changes(void)
{
    measures(TWO_LINKS AT("550ms", "host = \"a\"\nlink = \"wifi\"\naddresses = [\"10.0.0.77/24\"]") FLOW("p", "lost"),
        (const char *[]){"0", NULL});
    // The router does not know that one; nothing comes back.
    measures(TWO_LINKS AT("550ms", "host = \"a\"\nlink = \"wifi\"\naddresses = [\"10.77.0.77/24\"]") FLOW("p", "lost"),
        (const char *[]){"14", NULL});
    measures(TWO_LINKS AT("550ms", "host = \"a\"\nlink = \"wifi\"\naddresses = []") FLOW("p", "lost"),
        (const char *[]){"14", NULL});
}

#define POINT "[[expect]]\npoint = \"early-timer\"\nmin = 0\n"

static void fault_points_fire_by_their_chance(void)
{
    // Each of the two nodes asks every 250 ms of 2 s.
    measures(PING "[faults]\npoints = [\"early-timer\"]\nchance = \"100%\"\n" POINT, (const char *[]){"16", NULL});
    CU_ASSERT_EQUAL(standin_notes.points, 16);
    CU_ASSERT_EQUAL(standin_notes.timeouts, 16);
    measures(
        PING "[faults]\npoints = \"all\"\nchance = \"100%\"\nhosts = [\"b\"]\n" POINT, (const char *[]){"8", NULL});
    measures(PING "[faults]\npoints = \"all\"\nchance = \"100%\"\nafter = \"1s\"\nbefore = \"1600ms\"\n" POINT,
        (const char *[]){"6", NULL});
    measures(PING "[faults]\npoints = \"all\"\nchance = \"100%\"\ndrawn = \"0%\"\n" POINT, (const char *[]){"0", NULL});
    measures(PING "[faults]\npoints = [\"batch-of-one\"]\nchance = \"100%\"\n" POINT, (const char *[]){"0", NULL});
    CU_ASSERT_EQUAL(standin_notes.points, 0);
}

static void the_same_faults_are_the_same_run(void)
{
    static const char text[] = PING AT_B("300ms", "corrupt_state = \"*\"") AT_B("400ms", "fail_allocations = \"50%\"")
        AT_B("500ms", "crash = true\nstart_after = \"1ms\"") AT_B("600ms", "start = true");
    run(text);
    struct sim_result first = result;
    run(text);
    CU_ASSERT_EQUAL(memcmp(first.hash, result.hash, sizeof(first.hash)), 0);
}

static const struct unit_case cases[] = {
    {"a partition keeps apart until it heals", a_partition_keeps_apart_until_it_heals},
    {"a partition may be one way", a_partition_may_be_one_way},
    {"a partition may be partial", a_partition_may_be_partial},
    {"who sleeps misses what comes", who_sleeps_misses_what_comes},
    {"who stands still sees it late", who_stands_still_sees_it_late},
    {"queues of who stands still are bounded", queues_of_who_stands_still_are_bounded},
    {"buffers are held", buffers_are_held},
    {"a crash can be between two writes", a_crash_can_be_between_two_writes},
    {"a crash may lose what was not on the disk", a_crash_may_lose_what_was_not_on_the_disk},
    {"stored state is damaged", stored_state_is_damaged},
    {"a clock drifts", a_clock_drifts},
    {"allocations fail", allocations_fail},
    {"who ends unasked is started again", who_ends_unasked_is_started_again},
    {"stores fail", stores_fail},
    {"sockets and the TUN are refused", sockets_and_the_tun_are_refused},
    {"a host roams", a_host_roams},
    {"a link may go without a word", a_link_may_go_without_a_word},
    {"an address changes", an_address_changes},
    {"fault points fire by their chance", fault_points_fire_by_their_chance},
    {"the same faults are the same run", the_same_faults_are_the_same_run},
};
UNIT_MAIN("faults", cases)
