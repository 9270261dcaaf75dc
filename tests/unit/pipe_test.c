// One direction of a link, against times worked out by hand and against a naive model.
#include "net/pipe.h"
#include "unit.h"

#include <string.h>

#define ARRIVALS_MAX 4096

static struct sim_engine engine;
static struct sim_packet_pool pool;
static struct sim_pipe under_test;

static struct arrival {
    uint64_t number, at_ns;
    bool dropped;
    enum sim_drop reason;
} arrivals[ARRIVALS_MAX];
static size_t arrival_count;

static void note(struct sim_packet *packet, bool dropped, enum sim_drop reason)
{
    CU_ASSERT_FATAL(arrival_count < ARRIVALS_MAX);
    arrivals[arrival_count++] = (struct arrival){packet->number, engine.now_ns, dropped, reason};
    sim_packet_free(&pool, packet);
}

static void arrived(void *user, struct sim_pipe *pipe, struct sim_packet *packet)
{
    (void)user;
    (void)pipe;
    note(packet, false, SIM_DROP_COUNT);
}

static void dropped(void *user, struct sim_pipe *pipe, struct sim_packet *packet, enum sim_drop reason)
{
    (void)user;
    (void)pipe;
    note(packet, true, reason);
}

static void begin(struct sim_pipe_settings settings)
{
    if (!settings.mtu) settings.mtu = 1500;
    arrival_count = 0;
    sim_engine_init(&engine);
    sim_packet_pool_init(&pool);
    sim_pipe_init(
        &under_test, &engine, &settings, 1, "under-test", (struct sim_pipe_owner){NULL, arrived, dropped, NULL});
}

static void end(void)
{
    CU_ASSERT_TRUE(sim_pipe_conserves(&under_test));
    sim_pipe_fini(&under_test);
    CU_ASSERT_EQUAL(pool.out, 0);
    sim_packet_pool_fini(&pool);
    sim_engine_fini(&engine);
}

// An IPv4 packet of `ip_size` bytes, headers and all, enters at `at_ns`.
static void enter(uint64_t at_ns, uint32_t ip_size)
{
    static const uint8_t zeros[2048];
    while (sim_engine_step(&engine, at_ns))
        ;
    sim_engine_advance(&engine, at_ns);
    struct sim_packet *packet = sim_packet_new(&pool, zeros, ip_size - SIM_UDP_HEADER - SIM_IP4_HEADER);
    packet->destination.ip.family = 4;
    sim_pipe_enter(&under_test, packet);
}

static void play(void)
{
    while (sim_engine_step(&engine, UINT64_MAX))
        ;
}

static void check(const struct arrival *expected, size_t count)
{
    CU_ASSERT_EQUAL_FATAL(arrival_count, count);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(arrivals[i].number, expected[i].number);
        CU_ASSERT_EQUAL(arrivals[i].at_ns, expected[i].at_ns);
        CU_ASSERT_EQUAL(arrivals[i].dropped, expected[i].dropped);
        if (expected[i].dropped) CU_ASSERT_EQUAL(arrivals[i].reason, expected[i].reason);
    }
}

static void a_packet_takes_its_bits_over_the_rate_and_then_the_delay(void)
{
    // 1250 bytes at 10 Mbit/s: 1 ms. The second waits for the first; the third finds the line free.
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .delay_ns = 15000000});
    enter(0, 1250);
    enter(500000, 1250);
    enter(5000000, 125);
    play();
    check((struct arrival[]){{.number = 1, .at_ns = 16000000}, {.number = 2, .at_ns = 17000000},
              {.number = 3, .at_ns = 20100000}},
        3);
    end();
}

static void times_are_cut_to_whole_nanoseconds(void)
{
    // 100 bytes with 2 of overhead at 3 bit/ns: 272 ns.
    begin((struct sim_pipe_settings){.rate_bits = UINT64_C(3000000000), .overhead = 2});
    enter(0, 100);
    enter(0, 101); // 824 bits: 274.67 ns
    play();
    check((struct arrival[]){{.number = 1, .at_ns = 272}, {.number = 2, .at_ns = 272 + 274}}, 2);
    end();
}

static void without_a_rate_only_the_delay_counts(void)
{
    begin((struct sim_pipe_settings){.delay_ns = 1000, .queue_packets = 1});
    for (int i = 0; i < 5; i++)
        enter(0, 1500);
    play();
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(arrivals[i].at_ns, 1000);
    end();
}

static void the_queue_holds_so_many_packets_beside_the_one_being_sent(void)
{
    // 1 ms each: one on the wire, two wait, two are dropped; after the first has left there is room for one.
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .queue_packets = 2});
    for (int i = 0; i < 5; i++)
        enter(0, 1250);
    enter(1000000, 1250);
    enter(1000001, 1250);
    play();
    check((struct arrival[]){{4, 0, true, SIM_DROP_QUEUE}, {5, 0, true, SIM_DROP_QUEUE},
              {.number = 1, .at_ns = 1000000}, {7, 1000001, true, SIM_DROP_QUEUE}, {.number = 2, .at_ns = 2000000},
              {.number = 3, .at_ns = 3000000}, {.number = 6, .at_ns = 4000000}},
        7);
    CU_ASSERT_EQUAL(under_test.stats.queue_packets_peak, 2);
    end();
}

static void the_queue_holds_so_many_bytes(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .queue_bytes = 2000});
    enter(0, 1250); // on the wire
    enter(0, 1250); // waits
    enter(0, 751);  // 2001 bytes would wait
    enter(0, 750);  // 2000 do
    play();
    CU_ASSERT_EQUAL(arrivals[0].number, 3);
    CU_ASSERT_EQUAL(arrivals[0].reason, SIM_DROP_QUEUE);
    CU_ASSERT_EQUAL(arrivals[3].number, 4);
    CU_ASSERT_EQUAL(arrivals[3].at_ns, 2600000);
    end();
}

static void a_queue_in_time_is_what_the_rate_sends_in_it_but_never_tiny(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 100000000, .queue_ns = 50000000});
    CU_ASSERT_EQUAL(under_test.settings.queue_bytes, 625000);
    end();
    begin((struct sim_pipe_settings){.rate_bits = 1000, .queue_ns = 50000000});
    CU_ASSERT_EQUAL(under_test.settings.queue_bytes, SIM_QUEUE_BYTES_MIN);
    end();
    begin((struct sim_pipe_settings){.rate_bits = UINT64_MAX, .queue_ns = UINT64_MAX / 4});
    CU_ASSERT_EQUAL(under_test.settings.queue_bytes, UINT64_MAX / 2);
    end();
}

static void too_big_is_dropped_at_once(void)
{
    begin((struct sim_pipe_settings){.mtu = 1280, .delay_ns = 10});
    enter(0, 1281);
    enter(0, 1280);
    play();
    check((struct arrival[]){{1, 0, true, SIM_DROP_MTU}, {.number = 2, .at_ns = 10}}, 2);
    end();
}

static void a_lost_packet_takes_its_time_on_the_wire(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .loss_ppb = SIM_CHANCE_ONE, .delay_ns = 5});
    enter(0, 1250);
    play();
    struct sim_pipe_settings healed = under_test.settings;
    healed.loss_ppb = 0;
    sim_pipe_set(&under_test, &healed);
    enter(1000005, 1250);
    play();
    check((struct arrival[]){{1, 1000005, true, SIM_DROP_LOSS}, {.number = 2, .at_ns = 2000010}}, 2);
    end();
}

static void loss_is_as_often_as_it_says_and_independent(void)
{
    // 2 % of 200,000: 4,000, standard deviation 63; pairs of losses in a row: 80, standard deviation about 9.
    begin((struct sim_pipe_settings){.loss_ppb = SIM_CHANCE_ONE / 50});
    unsigned lost = 0, pairs = 0;
    bool before = false;
    for (unsigned i = 0; i < 200000; i++) {
        arrival_count = 0;
        enter(i, 100);
        play();
        lost += arrivals[0].dropped;
        pairs += before && arrivals[0].dropped;
        before = arrivals[0].dropped;
    }
    CU_ASSERT(lost > 4000 - 6 * 63 && lost < 4000 + 6 * 63);
    CU_ASSERT(pairs > 80 - 6 * 9 && pairs < 80 + 6 * 9);
    end();
}

static void a_packets_luck_does_not_hang_on_the_others(void)
{
    // The same packets, once with a loss that starts late and a queue that drops: the n-th has the same luck.
    struct sim_pipe_settings settings = {.loss_ppb = SIM_CHANCE_ONE / 3};
    bool lost[64], again[64];
    begin(settings);
    for (uint64_t i = 0; i < 64; i++) {
        arrival_count = 0;
        enter(i, 100);
        play();
        lost[i] = arrivals[0].dropped;
    }
    end();
    settings.loss_ppb = 0;
    begin(settings);
    for (uint64_t i = 0; i < 64; i++) {
        arrival_count = 0;
        if (i == 32) {
            settings = under_test.settings;
            settings.loss_ppb = SIM_CHANCE_ONE / 3;
            sim_pipe_set(&under_test, &settings);
        }
        enter(i, 100);
        play();
        again[i] = arrivals[0].dropped;
    }
    CU_ASSERT_EQUAL(memcmp(lost + 32, again + 32, 32), 0);
    end();
}

static void jitter_is_within_its_bound_and_keeps_the_order(void)
{
    bool any_late = false;
    begin((struct sim_pipe_settings){.delay_ns = 1000, .jitter_ns = 500});
    for (uint64_t i = 0; i < 1000; i++)
        enter(i * 10, 100);
    play();
    for (size_t i = 0; i < 1000; i++) {
        uint64_t latency = arrivals[i].at_ns - i * 10;
        CU_ASSERT_EQUAL(arrivals[i].number, i + 1);
        CU_ASSERT(latency >= 1000 && latency <= 1500);
        any_late = any_late || latency > 1400;
    }
    CU_ASSERT_TRUE(any_late);
    end();
}

static void jitter_reorders_only_where_that_is_asked_for(void)
{
    size_t out_of_order = 0;
    begin((struct sim_pipe_settings){.delay_ns = 1000, .jitter_ns = 500, .reorder = true});
    for (uint64_t i = 0; i < 1000; i++)
        enter(i * 10, 100);
    play();
    for (size_t i = 0; i < 1000; i++) {
        uint64_t latency = arrivals[i].at_ns - (arrivals[i].number - 1) * 10;
        CU_ASSERT(latency >= 1000 && latency <= 1500);
        if (i) CU_ASSERT(arrivals[i].at_ns >= arrivals[i - 1].at_ns);
        out_of_order += i && arrivals[i].number < arrivals[i - 1].number;
    }
    CU_ASSERT(out_of_order > 100);
    end();
}

static void going_down_drops_what_is_under_way_and_what_comes(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .delay_ns = 10000000});
    enter(0, 1250);
    enter(0, 1250);
    enter(1000, 1250);
    sim_pipe_set_down(&under_test, true);
    CU_ASSERT_EQUAL(arrival_count, 3);
    enter(2000, 1250);
    sim_pipe_set_down(&under_test, false);
    enter(3000, 1250); // the transmitter starts anew
    play();
    check((struct arrival[]){{1, 1000, true, SIM_DROP_DOWN}, {2, 1000, true, SIM_DROP_DOWN},
              {3, 1000, true, SIM_DROP_DOWN}, {4, 2000, true, SIM_DROP_DOWN}, {.number = 5, .at_ns = 11003000}},
        5);
    end();
}

// The naive model works out every packet's fate by looking at all packets before it.
struct model_packet {
    uint64_t enter_ns, start_ns, end_ns, size;
    bool dropped;
};

static bool model_is_full(
    const struct model_packet *all, size_t count, uint64_t now, uint64_t size, const struct sim_pipe_settings *s)
{
    uint64_t packets = 0, bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (!all[i].dropped && all[i].start_ns > now) {
            packets++;
            bytes += all[i].size;
        }
    return (s->queue_packets && packets >= s->queue_packets) || (s->queue_bytes && bytes + size > s->queue_bytes);
}

static void it_is_the_naive_model(void)
{
    enum { PACKETS = 400 };
    static struct model_packet all[PACKETS];
    struct unit_random random = unit_random();
    for (int round = 0; round < 20; round++) {
        struct sim_pipe_settings s = {.rate_bits = 1000000 + unit_random_below(&random, 100000000),
            .delay_ns = unit_random_below(&random, 50000000),
            .queue_packets = unit_random_below(&random, 2) ? 1 + unit_random_below(&random, 20) : 0,
            .queue_bytes = unit_random_below(&random, 2) ? 1500 + unit_random_below(&random, 20000) : 0,
            .overhead = (uint32_t)unit_random_below(&random, 40)};
        uint64_t now = 0, free_ns = 0;
        size_t delivered = 0;
        begin(s);
        for (size_t i = 0; i < PACKETS; i++) {
            uint32_t ip_size = 28 + (uint32_t)unit_random_below(&random, 1472);
            now += unit_random_below(&random, 400000);
            struct model_packet *p = &all[i];
            *p = (struct model_packet){.enter_ns = now, .size = ip_size + s.overhead};
            p->dropped = free_ns > now && model_is_full(all, i, now, p->size, &s);
            if (!p->dropped) {
                p->start_ns = free_ns > now ? free_ns : now;
                p->end_ns = free_ns = p->start_ns + p->size * 8 * 1000000000 / s.rate_bits;
                delivered++;
            }
            enter(now, ip_size);
        }
        play();
        CU_ASSERT_EQUAL(arrival_count, PACKETS);
        CU_ASSERT_EQUAL(under_test.stats.delivered, delivered);
        for (size_t i = 0; i < arrival_count; i++) {
            const struct model_packet *p = &all[arrivals[i].number - 1];
            CU_ASSERT_EQUAL(arrivals[i].dropped, p->dropped);
            CU_ASSERT_EQUAL(arrivals[i].at_ns, p->dropped ? p->enter_ns : p->end_ns + s.delay_ns);
        }
        end();
    }
}

static const struct unit_case cases[] = {
    {"a packet takes its bits over the rate, and then the delay",
        a_packet_takes_its_bits_over_the_rate_and_then_the_delay},
    {"times are cut to whole nanoseconds", times_are_cut_to_whole_nanoseconds},
    {"without a rate only the delay counts", without_a_rate_only_the_delay_counts},
    {"the queue holds so many packets beside the one being sent",
        the_queue_holds_so_many_packets_beside_the_one_being_sent},
    {"the queue holds so many bytes", the_queue_holds_so_many_bytes},
    {"a queue in time is what the rate sends in it, but never tiny",
        a_queue_in_time_is_what_the_rate_sends_in_it_but_never_tiny},
    {"too big is dropped at once", too_big_is_dropped_at_once},
    {"a lost packet takes its time on the wire", a_lost_packet_takes_its_time_on_the_wire},
    {"loss is as often as it says, and independent", loss_is_as_often_as_it_says_and_independent},
    {"a packet's luck does not hang on the others", a_packets_luck_does_not_hang_on_the_others},
    {"jitter is within its bound and keeps the order", jitter_is_within_its_bound_and_keeps_the_order},
    {"jitter reorders only where that is asked for", jitter_reorders_only_where_that_is_asked_for},
    {"going down drops what is under way and what comes", going_down_drops_what_is_under_way_and_what_comes},
    {"it is the naive model", it_is_the_naive_model},
};
UNIT_MAIN("pipe", cases)
