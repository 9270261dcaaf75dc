// CoDel beside the pseudo code of RFC 8289 §5.6, which this file has in its own words, over the same queue.
#include "net/codel.h"
#include "unit.h"

#include <string.h>

#define PACKETS   4000
#define INTERVAL  UINT64_C(100000000)
#define TARGET    UINT64_C(5000000)
#define MAXPACKET 1514

static void the_control_law_is_the_interval_over_the_root(void)
{
    // interval / sqrt(count), by hand.
    static const struct {
        uint32_t count;
        uint64_t ns;
    } rows[] = {{1, 100000000}, {2, 70710678}, {3, 57735026}, {4, 50000000}, {9, 33333333}, {10, 31622776},
        {100, 10000000}, {1000, 3162277}, {1000000, 100000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ns = sim_codel_control_law(7, INTERVAL, rows[i].count) - 7;
        uint64_t away = ns > rows[i].ns ? ns - rows[i].ns : rows[i].ns - ns;
        CU_ASSERT(away <= rows[i].ns / 30000 + 1); // 16 bits behind the point
    }
    CU_ASSERT(sim_codel_control_law(0, UINT64_C(3600000000000), UINT32_MAX) > 0);
}

// The queue that both see: what entered and has not left.
struct item {
    uint64_t enter_ns, size;
};
static struct item items[PACKETS];

struct model {
    size_t head, tail;
    uint64_t bytes;
    uint64_t first_above_time, drop_next;
    uint32_t count, lastcount;
    bool dropping;
    bool dropped[PACKETS];
};

static bool model_dodequeue(struct model *m, uint64_t now, bool *ok_to_drop, size_t *packet)
{
    *ok_to_drop = false;
    if (m->head == m->tail) {
        m->first_above_time = 0;
        return false;
    }
    *packet = m->head++;
    m->bytes -= items[*packet].size;
    if (now - items[*packet].enter_ns < TARGET || m->bytes <= MAXPACKET) {
        m->first_above_time = 0;
    } else if (m->first_above_time == 0) {
        m->first_above_time = now + INTERVAL;
    } else if (now >= m->first_above_time) {
        *ok_to_drop = true;
    }
    return true;
}

static bool model_dequeue(struct model *m, uint64_t now, size_t *packet)
{
    bool ok, there = model_dodequeue(m, now, &ok, packet);
    if (m->dropping) {
        if (!ok) m->dropping = false;
        while (now >= m->drop_next && m->dropping) {
            m->dropped[*packet] = true;
            m->count++;
            there = model_dodequeue(m, now, &ok, packet);
            if (!ok)
                m->dropping = false;
            else
                m->drop_next = sim_codel_control_law(m->drop_next, INTERVAL, m->count);
        }
    } else if (ok) {
        m->dropped[*packet] = true;
        there = model_dodequeue(m, now, &ok, packet);
        m->dropping = true;
        uint32_t delta = m->count - m->lastcount;
        m->count = 1;
        if (delta > 1 && now - m->drop_next < 16 * INTERVAL) m->count = delta;
        m->drop_next = sim_codel_control_law(now, INTERVAL, m->count);
        m->lastcount = m->count;
    }
    return there;
}

struct tested {
    size_t head, tail;
    uint64_t bytes;
    struct sim_codel codel;
    bool dropped[PACKETS];
};

static bool tested_dequeue(struct tested *t, uint64_t now, size_t *packet)
{
    const struct sim_codel_settings settings = {.target_ns = TARGET, .interval_ns = INTERVAL};
    for (bool again = false; t->head < t->tail; again = true) {
        *packet = t->head++;
        t->bytes -= items[*packet].size;
        if (sim_codel_judge(&t->codel, &settings, now, now - items[*packet].enter_ns, t->bytes, true, again) !=
            SIM_CODEL_DROP)
            return true;
        t->dropped[*packet] = true;
    }
    sim_codel_on_empty(&t->codel);
    return false;
}

// A link of changing load: it falls behind and catches up, so that dropping begins, speeds up, ends and begins anew.
static void it_decides_as_the_rfc_does(void)
{
    static struct model m;
    static struct tested t;
    struct unit_random random = unit_random();
    size_t drops = 0, states = 0;
    for (int round = 0; round < 50; round++) {
        uint64_t now = 0;
        size_t entered = 0, gone_m, gone_t;
        memset(&m, 0, sizeof(m));
        memset(&t, 0, sizeof(t));
        uint64_t service = 500000 + unit_random_below(&random, 3000000), gap = service;
        while (entered < PACKETS) {
            // New load now and then: half to twice what the link can do.
            if (unit_random_below(&random, 200) == 0) gap = service / 2 + unit_random_below(&random, service * 3 / 2);
            for (uint64_t until = now + service; now < until && entered < PACKETS;) {
                items[entered] = (struct item){now, 40 + unit_random_below(&random, 1460)};
                m.bytes += items[entered].size;
                t.bytes += items[entered].size;
                m.tail = t.tail = ++entered;
                now += 1 + unit_random_below(&random, 2 * gap);
            }
            bool was = m.dropping;
            bool there_m = model_dequeue(&m, now, &gone_m), there_t = tested_dequeue(&t, now, &gone_t);
            CU_ASSERT_EQUAL_FATAL(there_m, there_t);
            if (there_m) CU_ASSERT_EQUAL_FATAL(gone_m, gone_t);
            CU_ASSERT_EQUAL_FATAL(m.dropping, t.codel.dropping);
            CU_ASSERT_EQUAL_FATAL(m.count, t.codel.count);
            CU_ASSERT_EQUAL_FATAL(m.drop_next, t.codel.drop_next_ns);
            states += m.dropping != was;
        }
        CU_ASSERT_EQUAL(memcmp(m.dropped, t.dropped, sizeof(m.dropped)), 0);
        for (size_t i = 0; i < PACKETS; i++)
            drops += m.dropped[i];
    }
    // It was no idle exercise.
    CU_ASSERT(drops > 1000);
    CU_ASSERT(states > 100);
}

static void a_queue_below_the_target_is_left_alone(void)
{
    const struct sim_codel_settings settings = {.target_ns = TARGET, .interval_ns = INTERVAL};
    struct sim_codel codel = {0};
    for (uint64_t now = 0; now < UINT64_C(10000000000); now += 1000000)
        CU_ASSERT_EQUAL(sim_codel_judge(&codel, &settings, now, TARGET - 1, 100000, false, false), SIM_CODEL_SEND);
    // However long packets wait, one packet behind is no standing queue.
    for (uint64_t now = 0; now < UINT64_C(10000000000); now += 1000000)
        CU_ASSERT_EQUAL(sim_codel_judge(&codel, &settings, now, 20 * TARGET, 1514, false, false), SIM_CODEL_SEND);
}

static void what_can_be_marked_is_marked_instead(void)
{
    const struct sim_codel_settings settings = {.target_ns = TARGET, .interval_ns = INTERVAL, .ecn = true};
    struct sim_codel codel = {0};
    size_t marked = 0, first = 0;
    // A second of standing queue: marks at 100 ms, then 100/√1, 100/√2, … ms apart: n marks take about 200·√n ms.
    for (uint64_t now = 1; now < UINT64_C(1000000000); now += 1000000) {
        enum sim_codel_verdict verdict = sim_codel_judge(&codel, &settings, now, 2 * TARGET, 100000, true, false);
        CU_ASSERT_NOT_EQUAL(verdict, SIM_CODEL_DROP);
        marked += verdict == SIM_CODEL_MARK;
        if (verdict == SIM_CODEL_MARK && !first) first = (size_t)(now / 1000000);
    }
    CU_ASSERT_EQUAL(first, 100);
    CU_ASSERT(marked >= 23 && marked <= 29);
    CU_ASSERT_EQUAL(
        sim_codel_judge(&codel, &settings, UINT64_C(1200000000), 2 * TARGET, 100000, false, false), SIM_CODEL_DROP);
}

static const struct unit_case cases[] = {
    {"the control law is the interval over the root of the count", the_control_law_is_the_interval_over_the_root},
    {"it decides as the RFC's pseudo code does", it_decides_as_the_rfc_does},
    {"a queue below the target is left alone", a_queue_below_the_target_is_left_alone},
    {"what can be marked is marked instead", what_can_be_marked_is_marked_instead},
};
UNIT_MAIN("codel", cases)
