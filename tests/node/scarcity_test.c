// Two whole nodes that run out of memory, at each of many places: nothing crashes or leaks, and once there is memory
// again they are connected and carry packets.
#include "base/time.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>

// How many places are tried in a sweep; the steps between them follow from how often the whole story allocates.
#define PLACES 150

static struct world world;
static struct world_host *a, *b;

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static void send(struct world_host *from, struct world_host *to, uint32_t count, size_t size)
{
    uint8_t packet[1420];
    for (uint32_t i = 0; from->node && i < count; i++) {
        world_packet(from, to, i % 2 ? 4 : 6, i, size, packet);
        world_tun(from, packet, size, NULL);
    }
}

static bool passes(struct world_host *from, struct world_host *to)
{
    size_t before = to->delivered_count;
    send(from, to, 1, 300);
    run_for(400 * QE_NS_PER_MS);
    return to->delivered_count == before + 1;
}

static bool both_connected(struct world *w)
{
    (void)w;
    return a->node && b->node && world_connected(a, b) && world_connected(b, a);
}

static void restart(struct world_host *h)
{
    if (h->node) world_kill(h);
    world_start(h);
}

static void begin(void)
{
    world_init(&world, 5);
    world.mtu = 1280;
    a = world_add(&world);
    b = world_add(&world);
    world_allow(a, b, true);
    world_allow(b, a, true);
}

// Both start, meet, talk (in fragments too), and restart one after the other.
static void live(void)
{
    world_start(b);
    world_start(a);
    send(a, b, 3, 1420);
    run_for(500 * QE_NS_PER_MS);
    send(a, b, 5, 1420);
    send(b, a, 5, 200);
    run_for(500 * QE_NS_PER_MS);
    if (a->node) world_command(a, QE_COMMAND_STATUS, NULL);
    if (a->node) world_command(a, QE_COMMAND_PING, "host1");
    restart(a);
    run_for(500 * QE_NS_PER_MS);
    send(a, b, 2, 1420);
    restart(b);
    run_for(500 * QE_NS_PER_MS);
    send(b, a, 2, 1420);
    run_for(500 * QE_NS_PER_MS);
}

// Memory is back: whoever did not start, or said that it cannot, is started; the rest must find together by itself.
static bool recovers(void)
{
    world.fail_count = 0;
    if (!a->node || a->stopped) restart(a);
    if (!b->node || b->stopped) restart(b);
    if (!world_until(&world, both_connected, 45 * QE_NS_PER_S)) return false;
    run_for(500 * QE_NS_PER_MS); // what is sent to a restarted peer before one hears of the restart is lost
    return passes(a, b) && passes(b, a);
}

static void sweep(uint64_t count)
{
    begin();
    live();
    CU_ASSERT_TRUE(recovers());
    uint64_t all = world.allocations;
    CU_ASSERT_EQUAL(world_fini(&world), 0);
    uint64_t stride = all / PLACES + 1;
    for (uint64_t nth = 1; nth <= all; nth += nth < 60 ? 1 : stride) {
        begin();
        world.fail_at = nth;
        world.fail_count = count;
        live();
        bool well = recovers();
        size_t left = world_fini(&world);
        if (!well || left != 0)
            printf("\n    allocations %llu..%llu refused: %s, %zu blocks leaked\n", (unsigned long long)nth,
                (unsigned long long)(nth + count - 1), well ? "recovers" : "does not recover", left);
        CU_ASSERT_TRUE(well);
        CU_ASSERT_EQUAL(left, 0);
    }
}

static void any_one_allocation_may_fail(void)
{
    sweep(1);
}

static void a_while_without_memory_is_survived(void)
{
    sweep(40);
}

// Whoever asks gets an answer within the time that a ping may take, if only that there was no memory.
static void every_command_is_answered(void)
{
    static const enum qe_command_verb verbs[] = {
        QE_COMMAND_STATUS, QE_COMMAND_PEERS, QE_COMMAND_ROUTES, QE_COMMAND_METRICS, QE_COMMAND_PING};
    unsigned late = 0;
    begin();
    world_start(b);
    world_start(a);
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_connected, 5 * QE_NS_PER_S));
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        for (uint64_t nth = 1; nth <= 40; nth++) {
            world.fail_at = world.allocations + nth;
            world.fail_count = 6;
            int status = world_command(a, verbs[i], "host1");
            late += status == 503;
            CU_ASSERT(status != 0);
            if (status == 0)
                printf("\n    verb %d: allocations %llu to +5 refused\n", verbs[i], (unsigned long long)nth);
            world.fail_count = 0;
        }
    CU_ASSERT(late > 5);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"every command is answered", every_command_is_answered},
    {"any one allocation may fail", any_one_allocation_may_fail},
    {"a while without memory is survived", a_while_without_memory_is_survived},
};
UNIT_MAIN("scarcity", cases)
