// One direction of a link with everything that a link can do to packets: marks, copies, damage, late ones, bursts,
// changing rates and CoDel, and that packets add up through all of it.
#include "net/pipe.h"
#include "unit.h"

#include <string.h>

#define NOTES_MAX 60000
#define MS        UINT64_C(1000000)

static struct sim_engine engine;
static struct sim_packet_pool pool;
static struct sim_pipe under_test;

static struct note {
    uint64_t number, at_ns;
    bool dropped;
    enum sim_drop reason;
    uint8_t ecn;
    size_t damaged_bits;
} notes[NOTES_MAX];
static size_t note_count;

static void note(struct sim_packet *packet, bool dropped, enum sim_drop reason)
{
    size_t bits = 0;
    for (uint32_t i = 0; i < packet->size; i++)
        for (unsigned byte = packet->bytes[i]; byte; byte &= byte - 1)
            bits++;
    CU_ASSERT_FATAL(note_count < NOTES_MAX);
    notes[note_count++] = (struct note){packet->number, engine.now_ns, dropped, reason, packet->ecn, bits};
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

static struct sim_packet *copy(void *user, struct sim_pipe *pipe, const struct sim_packet *packet)
{
    (void)user;
    (void)pipe;
    return sim_packet_copy(&pool, packet);
}

static void begin(struct sim_pipe_settings settings)
{
    if (!settings.mtu) settings.mtu = 1500;
    note_count = 0;
    sim_engine_init(&engine);
    sim_packet_pool_init(&pool);
    sim_pipe_init(
        &under_test, &engine, &settings, 1, "under-test", (struct sim_pipe_owner){NULL, arrived, dropped, copy});
}

static void end(void)
{
    CU_ASSERT_TRUE(sim_pipe_conserves(&under_test));
    sim_pipe_fini(&under_test);
    CU_ASSERT_EQUAL(pool.out, 0);
    sim_packet_pool_fini(&pool);
    sim_engine_fini(&engine);
}

static void pass(uint64_t until_ns)
{
    while (sim_engine_step(&engine, until_ns))
        ;
    sim_engine_advance(&engine, until_ns);
}

static void play(void)
{
    while (sim_engine_step(&engine, UINT64_MAX))
        ;
}

static void enter(uint64_t at_ns, uint32_t ip_size, uint8_t ecn)
{
    static const uint8_t zeros[2048];
    pass(at_ns);
    struct sim_packet *packet = sim_packet_new(&pool, zeros, ip_size - SIM_UDP_HEADER - SIM_IP4_HEADER);
    packet->destination.ip.family = 4;
    packet->ecn = ecn;
    sim_pipe_enter(&under_test, packet);
}

static size_t count(bool was_dropped, enum sim_drop reason)
{
    size_t n = 0;
    for (size_t i = 0; i < note_count; i++)
        n += notes[i].dropped == was_dropped && (!was_dropped || notes[i].reason == reason);
    return n;
}

static bool equal_notes(const struct note *a, const struct note *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i].number != b[i].number || a[i].at_ns != b[i].at_ns || a[i].dropped != b[i].dropped ||
            a[i].reason != b[i].reason || a[i].ecn != b[i].ecn || a[i].damaged_bits != b[i].damaged_bits)
            return false;
    return true;
}

static void a_copy_comes_behind_and_takes_its_time(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .duplicate_ppb = SIM_CHANCE_ONE, .queue_packets = 2});
    enter(0, 1250, 0);
    enter(0, 1250, 0); // of the second the copy finds the queue full
    play();
    CU_ASSERT_EQUAL_FATAL(note_count, 4);
    CU_ASSERT_EQUAL(notes[0].number, 2);
    CU_ASSERT_EQUAL(notes[0].reason, SIM_DROP_QUEUE);
    for (size_t i = 1; i < 4; i++) {
        CU_ASSERT_FALSE(notes[i].dropped);
        CU_ASSERT_EQUAL(notes[i].number, i == 3 ? 2 : 1);
        CU_ASSERT_EQUAL(notes[i].at_ns, i * MS);
    }
    CU_ASSERT_EQUAL(under_test.stats.duplicated, 2);
    CU_ASSERT_EQUAL(pool.number, 2);
    end();
}

static void copies_are_as_many_and_move_nobodys_luck(void)
{
    // Which packets are lost must not depend on whether others are doubled.
    static bool lost[10000];
    begin((struct sim_pipe_settings){.loss_ppb = SIM_CHANCE_ONE / 5});
    for (uint64_t i = 0; i < 10000; i++)
        enter(i * 10, 100, 0);
    play();
    for (size_t i = 0; i < note_count; i++)
        lost[notes[i].number - 1] = notes[i].dropped;
    end();
    begin((struct sim_pipe_settings){.loss_ppb = SIM_CHANCE_ONE / 5, .duplicate_ppb = SIM_CHANCE_ONE / 10});
    for (uint64_t i = 0; i < 10000; i++)
        enter(i * 10, 100, 0);
    play();
    // 1,000, standard deviation 30; of the copies a fifth is lost too, deviation 13.
    CU_ASSERT(under_test.stats.duplicated > 820 && under_test.stats.duplicated < 1180);
    size_t copies_lost = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < note_count; i++) {
        if (notes[i].number == before)
            copies_lost += notes[i].dropped;
        else
            CU_ASSERT_EQUAL(notes[i].dropped, lost[notes[i].number - 1]);
        before = notes[i].number;
    }
    CU_ASSERT(copies_lost > 120 && copies_lost < 290);
    end();
}

static void damage_is_one_to_three_bits_and_a_checksum_finds_it(void)
{
    begin((struct sim_pipe_settings){.corrupt_ppb = SIM_CHANCE_ONE / 4});
    for (uint64_t i = 0; i < 4000; i++)
        enter(i * 10, 100, 0);
    play();
    size_t damaged = 0, of[4] = {0};
    for (size_t i = 0; i < note_count; i++) {
        CU_ASSERT_FATAL(notes[i].damaged_bits <= 3);
        of[notes[i].damaged_bits]++;
        damaged += notes[i].damaged_bits > 0;
    }
    CU_ASSERT_EQUAL(under_test.stats.corrupted, damaged);
    CU_ASSERT_EQUAL(under_test.stats.delivered, 4000);
    CU_ASSERT(damaged > 860 && damaged < 1140); // 1,000, standard deviation 27
    CU_ASSERT(of[1] > 200 && of[2] > 200 && of[3] > 200);
    end();
    begin((struct sim_pipe_settings){.corrupt_ppb = SIM_CHANCE_ONE / 4, .checksum = true});
    for (uint64_t i = 0; i < 4000; i++)
        enter(i * 10, i % 2 ? 100 : 28, 0); // half of them without a payload to damage
    play();
    damaged = count(true, SIM_DROP_CHECKSUM);
    CU_ASSERT_EQUAL(under_test.stats.corrupted, damaged);
    CU_ASSERT(damaged > 400 && damaged < 600);
    for (size_t i = 0; i < note_count; i++)
        CU_ASSERT_EQUAL(notes[i].dropped, notes[i].damaged_bits > 0);
    end();
}

static void late_ones_are_overtaken_and_hold_nobody_up(void)
{
    begin((struct sim_pipe_settings){.delay_ns = 10 * MS, .late_ppb = SIM_CHANCE_ONE / 10, .late_ns = 5 * MS});
    for (uint64_t i = 0; i < 2000; i++)
        enter(i * MS, 100, 0);
    play();
    size_t late = 0;
    for (size_t i = 0; i < note_count; i++) {
        uint64_t latency = notes[i].at_ns - (notes[i].number - 1) * MS;
        CU_ASSERT(latency == 10 * MS || latency == 15 * MS);
        late += latency == 15 * MS;
    }
    CU_ASSERT(late > 130 && late < 270); // 200, standard deviation 13
    end();
}

static void a_burst_takes_everything_that_is_sent_in_it(void)
{
    // At 10 Mbit/s the queue is sent long after it entered: what counts is when a packet leaves.
    begin((struct sim_pipe_settings){
        .rate_bits = 10000000, .delay_ns = 7 * MS, .bursts = {.every_ns = 100 * MS, .lasts_ns = 10 * MS}});
    for (uint64_t i = 0; i < 200; i++)
        enter(0, 1250, 0); // the n-th leaves at n ms
    play();
    CU_ASSERT_EQUAL_FATAL(note_count, 200);
    for (size_t i = 0; i < 200; i++) {
        CU_ASSERT_EQUAL(notes[i].at_ns, (i + 1) * MS + 7 * MS);
        CU_ASSERT_EQUAL(notes[i].dropped, i % 100 >= 90);
        if (notes[i].dropped) CU_ASSERT_EQUAL(notes[i].reason, SIM_DROP_BURST);
    }
    end();
}

static void a_standing_queue_marks_what_can_be_marked(void)
{
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .mark_above = {.packets = 3}});
    for (uint64_t i = 0; i < 10; i++)
        enter(0, 1250, i % 2 ? 2 : 0);
    enter(9 * MS + 1, 1250, 1); // nothing waits any more
    play();
    // One is sent, three wait: from the fifth on.
    for (size_t i = 0; i < note_count; i++)
        CU_ASSERT_EQUAL(notes[i].ecn, i == 10 ? 1 : i % 2 == 0 ? 0 : i >= 4 ? 3 : 2);
    CU_ASSERT_EQUAL(under_test.stats.marked, 3);
    end();
    // In time: 2 ms at 10 Mbit/s are 2500 bytes.
    begin((struct sim_pipe_settings){.rate_bits = 10000000, .mark_above = {.ns = 2 * MS}});
    for (uint64_t i = 0; i < 5; i++)
        enter(0, 1250, 1);
    play();
    for (size_t i = 0; i < note_count; i++)
        CU_ASSERT_EQUAL(notes[i].ecn, i >= 3 ? 3 : 1);
    end();
}

static void a_trace_is_sent_by_and_its_queue_is_full_in_time(void)
{
    uint32_t moments[] = {5, 10};
    struct sim_rate_plan plan = {.moments_ms = moments, .count = 2, .period_ns = 10 * MS};
    begin((struct sim_pipe_settings){.plan = &plan, .queue_packets = 3, .delay_ns = MS});
    for (int i = 0; i < 5; i++)
        enter(0, 1500, 0); // none is on the wire before its moment: all of them wait
    enter(5 * MS, 1500, 0);
    play();
    CU_ASSERT_EQUAL_FATAL(note_count, 6);
    CU_ASSERT(notes[0].number == 4 && notes[0].reason == SIM_DROP_QUEUE);
    CU_ASSERT(notes[1].number == 5 && notes[1].reason == SIM_DROP_QUEUE);
    // 1504 bytes a moment: four bytes are left over of each, and do not suffice for a packet's beginning to end.
    static const uint64_t at_ms[] = {6, 11, 16, 21};
    static const uint64_t numbers[] = {1, 2, 3, 6};
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(notes[2 + i].number, numbers[i]);
        CU_ASSERT_EQUAL(notes[2 + i].at_ns, at_ms[i] * MS);
    }
    end();
}

static void codel_keeps_a_standing_queue_short_and_tail_drop_does_not(void)
{
    uint64_t worst[2] = {0, 0};
    for (int with = 0; with < 2; with++) {
        struct sim_pipe_settings s = {.rate_bits = 10000000, .queue_packets = 200};
        if (with) s.codel = (struct sim_codel_settings){.target_ns = 5 * MS, .interval_ns = 100 * MS};
        begin(s);
        // A sender that keeps 60 packets in the queue, but halves what it has on each drop, as TCP does.
        uint64_t now = 0;
        size_t window = 60;
        for (int i = 0; i < 8000; i++) {
            now += MS;
            pass(now);
            size_t drops = under_test.stats.dropped[SIM_DROP_CODEL] + under_test.stats.dropped[SIM_DROP_QUEUE];
            static size_t seen;
            if (i == 0) seen = 0;
            if (drops > seen && window > 8) window /= 2;
            seen = drops;
            if (i % 100 == 99) window++;
            while (under_test.waiting + under_test.queued < window)
                enter(now, 1250, 0);
            uint64_t queued = under_test.waiting + under_test.queued;
            if (i > 4000 && queued > worst[with]) worst[with] = queued;
        }
        CU_ASSERT_EQUAL(under_test.stats.delivered, now / MS - 1); // it was never idle
        end();
    }
    CU_ASSERT(worst[0] > 60);
    CU_ASSERT(worst[1] < 45);
}

// With CoDel that never has cause, a pipe does what one with tail drop does.
static void the_two_ways_through_the_queue_agree(void)
{
    enum { PACKETS = 3000 };
    static struct note by_entry[NOTES_MAX];
    struct unit_random random = unit_random();
    uint32_t moments[] = {1, 1, 2, 7, 7, 9};
    struct sim_rate_step steps[] = {{0, 8000000}, {13 * MS, 500000}, {20 * MS, 0}, {21 * MS, 30000000}};
    struct sim_rate_plan plans[] = {
        {.moments_ms = moments, .count = 6, .period_ns = 9 * MS}, {.steps = steps, .count = 4, .period_ns = 50 * MS}};
    for (int round = 0; round < 9; round++) {
        struct sim_pipe_settings s = {.rate_bits = round % 3 ? 0 : 6000000,
            .plan = round % 3 ? &plans[round % 3 - 1] : NULL,
            .delay_ns = 3 * MS,
            .jitter_ns = MS,
            .loss_ppb = SIM_CHANCE_ONE / 20,
            .gilbert = {true, SIM_CHANCE_ONE / 50, SIM_CHANCE_ONE / 5, 0, SIM_CHANCE_ONE},
            .bursts = {.every_ns = 90 * MS, .lasts_ns = 9 * MS, .random = true},
            .duplicate_ppb = SIM_CHANCE_ONE / 30,
            .queue_packets = round < 3 ? 20 : 0,
            .queue_ns = round >= 6 ? 40 * MS : 0,
            .mark_above = {.packets = 5}};
        uint64_t seed = unit_random_next(&random);
        size_t by_entry_count = 0;
        for (int with = 0; with < 2; with++) {
            struct unit_random same = {seed};
            if (with) s.codel = (struct sim_codel_settings){.target_ns = UINT64_MAX / 8, .interval_ns = UINT64_MAX / 8};
            begin(s);
            uint64_t now = 0;
            for (int i = 0; i < PACKETS; i++) {
                now += unit_random_below(&same, 3 * MS) * (unit_random_below(&same, 3) > 0);
                // Never at the very nanosecond at which something leaves the queue, where the order is free.
                enter(now | 1, 100 + 4 * (uint32_t)unit_random_below(&same, 300), 1);
            }
            play();
            if (!with) {
                memcpy(by_entry, notes, note_count * sizeof(notes[0]));
                by_entry_count = note_count;
            } else {
                CU_ASSERT_EQUAL_FATAL(note_count, by_entry_count);
                CU_ASSERT_TRUE(equal_notes(by_entry, notes, note_count));
            }
            CU_ASSERT(count(true, SIM_DROP_BURST) > 50);
            end();
        }
    }
}

// Everything at once, changed all the time: packets add up, and the same again gives the same.
static void packets_add_up_whatever_happens(void)
{
    static struct note before[NOTES_MAX];
    size_t before_count = 0;
    uint32_t moments[] = {0, 2, 2, 5};
    struct sim_rate_step steps[] = {{0, 1000000}, {30 * MS, 20000000}};
    struct sim_rate_plan plans[] = {
        {.moments_ms = moments, .count = 4, .period_ns = 5 * MS}, {.steps = steps, .count = 2}};
    for (int again = 0; again < 2; again++) {
        struct unit_random random = {42};
        begin((struct sim_pipe_settings){.mtu = 1000});
        uint64_t now = 0;
        for (int i = 0; i < 20000; i++) {
            now += unit_random_below(&random, MS);
            enter(now, 40 + (uint32_t)unit_random_below(&random, 1000), (uint8_t)unit_random_below(&random, 4));
            if (unit_random_below(&random, 50) == 0) {
                uint64_t which = unit_random_below(&random, 4);
                struct sim_pipe_settings s = {.mtu = 1000,
                    .rate_bits = which == 1 ? 1 + unit_random_below(&random, 20000000) : 0,
                    .plan = which >= 2 ? &plans[which - 2] : NULL,
                    .delay_ns = unit_random_below(&random, 10 * MS),
                    .jitter_ns = unit_random_below(&random, 10 * MS),
                    .jitter_model = (enum sim_jitter)unit_random_below(&random, 3),
                    .loss_ppb = (uint32_t)unit_random_below(&random, SIM_CHANCE_ONE / 4),
                    .gilbert = {.on = unit_random_below(&random, 2),
                        .p_ppb = 1000000,
                        .r_ppb = 300000000,
                        .bad_ppb = SIM_CHANCE_ONE},
                    .reorder = unit_random_below(&random, 2),
                    .queue_packets = unit_random_below(&random, 30),
                    .queue_ns = unit_random_below(&random, 2) ? 20 * MS : 0,
                    .late_ppb = (uint32_t)unit_random_below(&random, SIM_CHANCE_ONE / 4),
                    .late_ns = MS,
                    .duplicate_ppb = (uint32_t)unit_random_below(&random, SIM_CHANCE_ONE / 4),
                    .corrupt_ppb = (uint32_t)unit_random_below(&random, SIM_CHANCE_ONE / 4),
                    .checksum = unit_random_below(&random, 2),
                    .overhead = (uint32_t)unit_random_below(&random, 40)};
                if (unit_random_below(&random, 2))
                    s.codel = (struct sim_codel_settings){MS, 10 * MS, unit_random_below(&random, 2)};
                if (unit_random_below(&random, 2)) s.mark_above.bytes = 5000;
                if (unit_random_below(&random, 2)) s.bursts = (struct sim_bursts){10 * MS, MS, true};
                sim_pipe_set(&under_test, &s);
            }
            if (unit_random_below(&random, 200) == 0) sim_pipe_set_down(&under_test, unit_random_below(&random, 2));
            CU_ASSERT_TRUE_FATAL(sim_pipe_conserves(&under_test));
            CU_ASSERT_EQUAL_FATAL(pool.out, under_test.under_way + under_test.queued);
        }
        sim_pipe_set_down(&under_test, false);
        play();
        CU_ASSERT_EQUAL(under_test.under_way + under_test.queued, 0);
        CU_ASSERT_EQUAL(under_test.waiting, 0);
        for (int reason = 0; reason < SIM_DROP_COUNT; reason++)
            CU_ASSERT_EQUAL(count(true, (enum sim_drop)reason), under_test.stats.dropped[reason]);
        static const enum sim_drop all[] = {SIM_DROP_QUEUE, SIM_DROP_LOSS, SIM_DROP_MTU, SIM_DROP_DOWN, SIM_DROP_BURST,
            SIM_DROP_CODEL, SIM_DROP_CHECKSUM};
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            CU_ASSERT(under_test.stats.dropped[all[i]] > 0);
        if (!again) {
            memcpy(before, notes, note_count * sizeof(notes[0]));
            before_count = note_count;
        } else {
            CU_ASSERT_EQUAL_FATAL(note_count, before_count);
            CU_ASSERT_TRUE(equal_notes(before, notes, note_count));
        }
        end();
    }
}

static const struct unit_case cases[] = {
    {"a copy comes behind and takes its time", a_copy_comes_behind_and_takes_its_time},
    {"copies are as many as they should be and move nobody's luck", copies_are_as_many_and_move_nobodys_luck},
    {"damage is one to three bits, and a checksum finds it", damage_is_one_to_three_bits_and_a_checksum_finds_it},
    {"late ones are overtaken and hold nobody up", late_ones_are_overtaken_and_hold_nobody_up},
    {"a burst takes everything that is sent in it", a_burst_takes_everything_that_is_sent_in_it},
    {"a standing queue marks what can be marked", a_standing_queue_marks_what_can_be_marked},
    {"a trace is sent by, and its queue is full in time", a_trace_is_sent_by_and_its_queue_is_full_in_time},
    {"CoDel keeps a standing queue short and tail drop does not",
        codel_keeps_a_standing_queue_short_and_tail_drop_does_not},
    {"the two ways through the queue agree", the_two_ways_through_the_queue_agree},
    {"packets add up whatever happens", packets_add_up_whatever_happens},
};
UNIT_MAIN("pipe_model", cases)
