#include "flow/queue.h"

#include "base/bytes.h"
#include "base/time.h"
#include "packets.h"
#include "unit.h"

#include <stdlib.h>

// A packet that claims `size` bytes and has its headers.
struct parcel {
    struct qe_buf buf;
    uint32_t flow;
    uint32_t number;
    uint64_t pushed_ns;
    uint8_t bytes[64];
};

enum { FLOWS = 8, BUCKETS = 256 };

struct world {
    struct qe_queue *queue;
    uint32_t pushed[FLOWS], dropped_codel[FLOWS], dropped_full[FLOWS];
    uint32_t last_number[FLOWS]; // of what left the queue either way
    uint64_t dropped_ns[1000];   // when CoDel dropped
    uint32_t drops;
    uint64_t now_ns;
};

static struct world world;

static struct parcel *parcel_of(struct qe_buf *buf)
{
    return qe_container(buf, struct parcel, buf);
}

static uint32_t total(const uint32_t *counts)
{
    uint32_t sum = 0;
    for (int i = 0; i < FLOWS; i++)
        sum += counts[i];
    return sum;
}

static void leave(struct parcel *p)
{
    CU_ASSERT(p->number > world.last_number[p->flow]); // each flow leaves in its order
    world.last_number[p->flow] = p->number;
    free(p);
}

static void on_drop(void *user, struct qe_buf *buf, enum qe_queue_drop why)
{
    CU_ASSERT_PTR_EQUAL(user, &world);
    struct parcel *p = parcel_of(buf);
    if (why == QE_QUEUE_DROP_CODEL) {
        world.dropped_codel[p->flow]++;
        if (world.drops < 1000) world.dropped_ns[world.drops++] = world.now_ns;
    } else {
        world.dropped_full[p->flow]++;
    }
    leave(p);
}

static const struct qe_queue_owner owner = {&world, on_drop};

static void start(struct qe_queue_options options)
{
    world = (struct world){0};
    world.queue = qe_queue_new(unit_mem(), &options, &owner);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world.queue);
}

static void stop(void)
{
    qe_queue_free(world.queue);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static struct parcel *parcel_new(uint32_t flow, uint32_t size, bool ect)
{
    struct parcel *p = malloc(sizeof *p);
    struct model_flow model = model_flow(false, true);
    model.traffic_class = ect ? 2 : 0;
    *p = (struct parcel){.flow = flow, .number = world.pushed[flow] + 1, .pushed_ns = world.now_ns};
    model_packet(&model, NULL, 0, p->bytes);
    p->buf = (struct qe_buf){p->bytes, sizeof p->bytes, 0, size, NULL};
    return p;
}

static void push_parcel(struct parcel *p)
{
    // One bucket a flow.
    uint32_t hash = p->flow * (UINT32_MAX / BUCKETS + 1) + 5;
    world.pushed[p->flow]++;
    CU_ASSERT_EQUAL(qe_queue_push(world.queue, &(struct qe_queue_item){.buf = &p->buf}, hash, world.now_ns), 0);
}

static void push(uint32_t flow, uint32_t size)
{
    push_parcel(parcel_new(flow, size, false));
}

// The flow of the next packet, or -1; its size and delay where asked for.
static int pop(uint32_t *size, uint64_t *delay_ns)
{
    struct qe_queue_item item;
    if (!qe_queue_pop(world.queue, &item, world.now_ns)) return -1;
    struct parcel *p = parcel_of(item.buf);
    int flow = (int)p->flow;
    if (size) *size = item.buf->size;
    if (delay_ns) *delay_ns = world.now_ns - p->pushed_ns;
    leave(p);
    return flow;
}

static void backlogged_flows_share_by_bytes(void)
{
    static const uint32_t sizes[4] = {1500, 300, 65000, 60};
    start((struct qe_queue_options){.bytes_max = 1 << 30, .packets_max = 1 << 20});
    for (uint32_t flow = 0; flow < 4; flow++)
        for (uint32_t i = 0; i < 3000000 / sizes[flow]; i++)
            push(flow, sizes[flow]);
    uint64_t bytes[FLOWS] = {0}, sum = 0;
    while (sum < 8000000) {
        uint32_t size;
        int flow = pop(&size, NULL);
        CU_ASSERT_FATAL(flow >= 0);
        bytes[flow] += size;
        sum += size;
    }
    for (int flow = 0; flow < 4; flow++)
        CU_ASSERT(bytes[flow] > 2000000 - 2 * 65000 && bytes[flow] < 2000000 + 2 * 65000);
    stop();
}

static void a_flow_that_was_empty_goes_first_but_only_once(void)
{
    start((struct qe_queue_options){0});
    for (int i = 0; i < 100; i++)
        push(0, 1000);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(pop(NULL, NULL), 0);
    for (int i = 0; i < 10; i++)
        push(1, 1000);
    CU_ASSERT_EQUAL(pop(NULL, NULL), 1);
    CU_ASSERT_EQUAL(pop(NULL, NULL), 1); // a quantum of 1500 is only spent now
    int run[FLOWS] = {0};
    for (int i = 0; i < 12; i++)
        run[pop(NULL, NULL)]++;
    CU_ASSERT(run[0] >= 5 && run[1] >= 5);
    stop();
}

static void a_flow_that_keeps_emptying_does_not_starve_the_others(void)
{
    start((struct qe_queue_options){0});
    for (int i = 0; i < 500; i++)
        push(0, 1500);
    int served = 0;
    for (int i = 0; i < 400; i++) {
        push(1, 1500);
        served += pop(NULL, NULL) == 0;
    }
    CU_ASSERT(served >= 130);
    stop();
}

static void drops_follow_the_control_law(void)
{
    // An unresponsive flow: a millisecond a packet, and always far too much waiting.
    start((struct qe_queue_options){.bytes_max = 1 << 30, .packets_max = 1 << 20});
    for (int i = 0; i < 6000; i++)
        push(0, 1000);
    for (int ms = 0; ms < 3000; ms++) {
        world.now_ns = 10 * QE_NS_PER_MS + (uint64_t)ms * QE_NS_PER_MS;
        CU_ASSERT_EQUAL(pop(NULL, NULL), 0);
    }
    CU_ASSERT_FATAL(world.drops > 100);
    CU_ASSERT_EQUAL(world.dropped_ns[0], 110 * QE_NS_PER_MS); // one interval above the target
    // From there the k-th gap is 100 ms / √k: 100, 70.7, 57.7, 50, 44.7, … (RFC 8289 §5.3), to the millisecond of the
    // pops.
    static const double gaps_ms[] = {100, 70.71, 57.74, 50, 44.72, 40.82, 37.80, 35.36, 33.33, 31.62};
    double due = 110;
    for (size_t k = 0; k < sizeof gaps_ms / sizeof gaps_ms[0]; k++) {
        due += gaps_ms[k];
        double at = (double)world.dropped_ns[k + 1] / 1e6;
        CU_ASSERT(at >= due - 0.01 && at <= due + 1.01);
    }
    stop();
}

// A source that halves its window when told off, and otherwise adds a packet a round trip, over a link of a packet of
// 1500 bytes every 1.2 ms (10 Mbit/s), 40 ms there and back.
struct run {
    uint64_t delay_ns_mean; // in the second half
    uint32_t sent;
    uint32_t dropped;
    uint64_t marked;
};

static struct run run_source(struct qe_queue_options options, bool ect, uint32_t packets)
{
    enum { TICK = 1200000, ROUND_TRIP_TICKS = 33, PENDING = 4096 };
    start(options);
    struct run run = {0};
    double window = 10;
    uint32_t in_flight = 0, acks[PENDING] = {0}, told_until = 0;
    uint64_t delays = 0, delays_count = 0, marks = 0;
    for (uint32_t tick = 0; tick < packets; tick++) {
        world.now_ns = (uint64_t)tick * TICK;
        uint32_t arrived = acks[tick % PENDING];
        acks[tick % PENDING] = 0;
        in_flight -= arrived;
        window += (double)arrived / window;
        while (in_flight < (uint32_t)window && in_flight < 2000) {
            push_parcel(parcel_new(0, 1500, ect));
            in_flight++;
        }
        uint64_t delay;
        uint32_t dropped = total(world.dropped_codel) + total(world.dropped_full);
        if (pop(NULL, &delay) == 0) {
            run.sent++;
            acks[(tick + ROUND_TRIP_TICKS) % PENDING]++;
            if (tick > packets / 2) delays += delay, delays_count++;
        }
        uint32_t lost = total(world.dropped_codel) + total(world.dropped_full) - dropped;
        in_flight -= lost;
        bool told = lost != 0 || qe_queue_marked(world.queue) != marks;
        marks = qe_queue_marked(world.queue);
        if (told && tick >= told_until) {
            window = window / 2 < 2 ? 2 : window / 2;
            told_until = tick + ROUND_TRIP_TICKS;
        }
    }
    run.delay_ns_mean = delays / (delays_count ? delays_count : 1);
    run.dropped = total(world.dropped_codel);
    run.marked = marks;
    stop();
    return run;
}

static void a_standing_queue_is_cut_to_about_the_target(void)
{
    struct qe_queue_options options = {.bytes_max = 1 << 30, .packets_max = 1 << 20};
    struct run run = run_source(options, false, 20000);
    CU_ASSERT(run.delay_ns_mean < 12 * QE_NS_PER_MS);
    CU_ASSERT(run.sent > 17000); // and the link stays busy
    CU_ASSERT(run.dropped > 5);
    options.target_ns = 10 * QE_NS_PER_S; // as if there were no CoDel
    struct run without = run_source(options, false, 20000);
    CU_ASSERT(without.delay_ns_mean > 100 * QE_NS_PER_MS);
}

static void ecn_capable_packets_are_marked_instead(void)
{
    struct run run = run_source((struct qe_queue_options){0}, true, 20000);
    CU_ASSERT(run.delay_ns_mean < 12 * QE_NS_PER_MS);
    CU_ASSERT(run.sent > 17000);
    CU_ASSERT(run.marked > 5);
    CU_ASSERT_EQUAL(run.dropped, 0);
}

static void a_single_large_packet_is_no_standing_queue(void)
{
    start((struct qe_queue_options){0});
    for (int i = 0; i < 50; i++) {
        push(0, 65000);
        world.now_ns += 50 * QE_NS_PER_MS;
        CU_ASSERT_EQUAL(pop(NULL, NULL), 0);
    }
    CU_ASSERT_EQUAL(total(world.dropped_codel), 0);
    stop();
}

static void beyond_the_limit_the_fattest_flow_loses(void)
{
    for (int limit_packets = 0; limit_packets < 2; limit_packets++) {
        struct qe_queue_options options = {.bytes_max = 100000, .packets_max = 1 << 20};
        if (limit_packets) options = (struct qe_queue_options){.bytes_max = 1 << 30, .packets_max = 100};
        start(options);
        for (int i = 0; i < 1000; i++) {
            push(0, 1000);
            if (i % 100 == 50) push(1, 900);
            CU_ASSERT(qe_queue_bytes(world.queue) <= options.bytes_max);
            CU_ASSERT(qe_queue_packets(world.queue) <= options.packets_max);
        }
        CU_ASSERT_EQUAL(world.dropped_full[1], 0);
        CU_ASSERT(world.dropped_full[0] >= 900);
        CU_ASSERT(qe_queue_bytes(world.queue) > 90000);
        stop();
    }
}

static void a_packet_beyond_the_limit_by_itself_is_dropped(void)
{
    start((struct qe_queue_options){.bytes_max = 5000});
    push(1, 1000);
    push(0, 6000);
    CU_ASSERT_EQUAL(world.dropped_full[0], 1);
    CU_ASSERT_EQUAL(qe_queue_bytes(world.queue), 1000);
    CU_ASSERT_EQUAL(pop(NULL, NULL), 1);
    CU_ASSERT_EQUAL(pop(NULL, NULL), -1);
    stop();
}

static void nothing_is_lost_but_what_is_dropped(void)
{
    struct unit_random random = unit_random();
    start((struct qe_queue_options){.bytes_max = 200000, .packets_max = 150});
    uint32_t popped = 0;
    uint64_t bytes = 0;
    for (int i = 0; i < 199000; i++) {
        world.now_ns += unit_random_below(&random, 2 * QE_NS_PER_MS);
        uint32_t flow = (uint32_t)unit_random_below(&random, FLOWS);
        bool filling = i / 1000 % 2 == 0;
        if (unit_random_below(&random, 10) < (filling ? 6 : 4))
            push_parcel(parcel_new(flow, 40 + (uint32_t)unit_random_below(&random, flow * 900 + 1), flow & 1));
        else
            popped += pop(NULL, NULL) >= 0;
        uint32_t gone = popped + total(world.dropped_codel) + total(world.dropped_full);
        CU_ASSERT_EQUAL_FATAL(total(world.pushed), gone + qe_queue_packets(world.queue));
    }
    CU_ASSERT(total(world.dropped_codel) > 0 && total(world.dropped_full) > 0);
    CU_ASSERT(qe_queue_marked(world.queue) > 0);
    uint32_t size;
    while (pop(&size, NULL) >= 0)
        bytes += size, popped++;
    CU_ASSERT(bytes > 0);
    CU_ASSERT_EQUAL(qe_queue_bytes(world.queue), 0);
    CU_ASSERT_EQUAL(total(world.pushed), popped + total(world.dropped_codel) + total(world.dropped_full));
    stop();
}

static void freeing_tells_of_every_packet(void)
{
    start((struct qe_queue_options){0});
    for (uint32_t i = 0; i < 100; i++)
        push(i % FLOWS, 100);
    stop();
    CU_ASSERT_EQUAL(total(world.dropped_full), 100);
}

static void without_memory_the_packet_stays_the_callers(void)
{
    for (unsigned long nth = 1; nth <= 3; nth++) {
        unit_mem_fail_at(nth);
        CU_ASSERT_PTR_NULL(qe_queue_new(unit_mem(), &(struct qe_queue_options){0}, &owner));
        CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
    }
    unit_mem_fail_at(0);
    start((struct qe_queue_options){0});
    int refused = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct parcel *p = parcel_new(0, 10, false);
        if (i % 3 == 0) unit_mem_fail_at(1);
        if (qe_queue_push(world.queue, &(struct qe_queue_item){.buf = &p->buf}, 0, 0) != 0) {
            refused++;
            free(p);
        } else {
            world.pushed[0]++;
        }
        unit_mem_fail_at(0);
        CU_ASSERT_EQUAL(qe_queue_packets(world.queue), world.pushed[0]);
    }
    CU_ASSERT(refused > 0);
    stop();
    CU_ASSERT_EQUAL(world.dropped_full[0], world.pushed[0]);
}

static const struct unit_case cases[] = {
    {"backlogged flows share by bytes", backlogged_flows_share_by_bytes},
    {"a flow that was empty goes first, but only once", a_flow_that_was_empty_goes_first_but_only_once},
    {"a flow that keeps emptying does not starve the others", a_flow_that_keeps_emptying_does_not_starve_the_others},
    {"drops follow the control law", drops_follow_the_control_law},
    {"a standing queue is cut to about the target", a_standing_queue_is_cut_to_about_the_target},
    {"ECN-capable packets are marked instead", ecn_capable_packets_are_marked_instead},
    {"a single large packet is no standing queue", a_single_large_packet_is_no_standing_queue},
    {"beyond the limit the fattest flow loses", beyond_the_limit_the_fattest_flow_loses},
    {"a packet beyond the limit by itself is dropped", a_packet_beyond_the_limit_by_itself_is_dropped},
    {"nothing is lost but what is dropped", nothing_is_lost_but_what_is_dropped},
    {"freeing tells of every packet", freeing_tells_of_every_packet},
    {"without memory the packet stays the caller's", without_memory_the_packet_stays_the_callers},
};
UNIT_MAIN("queue", cases)
