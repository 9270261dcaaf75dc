// Rates that change, against models that walk through time, and traces as files.
#include "net/rate.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

static char error[SIM_RATE_ERROR_SIZE];

static struct sim_rate_plan *read_trace(const char *text)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    struct sim_rate_plan *plan = sim_rate_trace_read(in, "cell.trace", error);
    fclose(in);
    return plan;
}

static uint64_t send(const struct sim_rate_plan *plan, struct sim_rate_cursor *cursor, uint64_t ready, uint64_t bytes)
{
    return sim_rate_plan_send(plan, cursor, sim_rate_plan_start(plan, cursor, ready), bytes);
}

static void a_packet_spans_steps(void)
{
    // 1250 bytes: 1 ms at 10 Mbit/s. From 0.5 ms before the rate falls to 1 Mbit/s: half of it, then 5 ms.
    struct sim_rate_step steps[] = {{0, 10000000}, {10 * MS, 1000000}, {20 * MS, 0}, {30 * MS, 10000000}};
    struct sim_rate_plan plan = {.steps = steps, .count = 4};
    struct sim_rate_cursor cursor = {0};
    CU_ASSERT_EQUAL(send(&plan, &cursor, 0, 1250), MS);
    CU_ASSERT_EQUAL(send(&plan, &cursor, 9 * MS + MS / 2, 1250), 15 * MS);
    CU_ASSERT_EQUAL(send(&plan, &cursor, 15 * MS, 1250), 30 * MS + MS / 2); // through the silence
    CU_ASSERT_EQUAL(sim_rate_plan_rate(&plan, 10 * MS - 1), 10000000);
    CU_ASSERT_EQUAL(sim_rate_plan_rate(&plan, 10 * MS), 1000000);
    cursor = (struct sim_rate_cursor){0};
    CU_ASSERT_EQUAL(sim_rate_plan_start(&plan, &cursor, 22 * MS), 30 * MS);
    plan.period_ns = 40 * MS;
    cursor = (struct sim_rate_cursor){0};
    CU_ASSERT_EQUAL(send(&plan, &cursor, 10000 * 40 * MS + 9 * MS, 1250), 10000 * 40 * MS + 10 * MS);
    CU_ASSERT_EQUAL(sim_rate_plan_rate(&plan, 10000 * 40 * MS + 12 * MS), 1000000);
}

// Bit by bit: at so many bits a second a bit takes a whole number of nanoseconds.
static void steps_are_the_naive_model(void)
{
    static const uint64_t rates[] = {0, 1000000, 2000000, 5000000, 10000000};
    struct unit_random random = unit_random();
    for (int round = 0; round < 200; round++) {
        struct sim_rate_step steps[6];
        size_t count = 1 + (size_t)unit_random_below(&random, 6);
        uint64_t at = 0;
        for (size_t i = 0; i < count; i++) {
            steps[i] = (struct sim_rate_step){at, rates[unit_random_below(&random, 5)]};
            at += 1000 * (1 + unit_random_below(&random, 3000));
        }
        bool repeats = unit_random_below(&random, 2);
        steps[repeats ? 0 : count - 1].rate_bits = 1000000;
        struct sim_rate_plan plan = {.steps = steps, .count = count, .period_ns = repeats ? at : 0};
        struct sim_rate_cursor cursor = {0};
        uint64_t free_ns = 0, now = 0;
        for (int packet = 0; packet < 30; packet++) {
            uint64_t bytes = 1 + unit_random_below(&random, 1500);
            now += 1000 * unit_random_below(&random, 3000);
            uint64_t ready = now > free_ns ? now : free_ns, time = ready;
            // In whole microseconds a step begins; a bit at any of the rates divides one.
            for (uint64_t bits = bytes * 8; bits > 0;) {
                uint64_t in_period = repeats ? time % plan.period_ns : time;
                size_t step = count - 1;
                while (steps[step].at_ns > in_period)
                    step--;
                uint64_t rate = steps[step].rate_bits;
                time += rate ? 1000000000 / rate : 1000;
                bits -= rate ? 1 : 0;
            }
            free_ns = send(&plan, &cursor, ready, bytes);
            // A bit that begins in one step and ends in the next is cut in the plan and not here.
            uint64_t away = free_ns > time ? free_ns - time : time - free_ns;
            CU_ASSERT(away <= 1000 * count * 20);
            CU_ASSERT(away < 8 * 1500 * 1000);
            free_ns = time > free_ns ? time : free_ns;
        }
    }
}

static void a_trace_lets_a_full_packet_go_at_each_moment(void)
{
    struct sim_rate_plan *plan = read_trace("1\n1\n3\n10\n");
    struct sim_rate_cursor cursor = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    CU_ASSERT_EQUAL(plan->period_ns, 10 * MS);
    CU_ASSERT_EQUAL(sim_rate_plan_rate(plan, 0), 4 * 1504 * 8 * 100);
    CU_ASSERT_EQUAL(send(plan, &cursor, 0, 1504), 1 * MS);
    CU_ASSERT_EQUAL(send(plan, &cursor, 1 * MS, 1504), 1 * MS); // there are two
    CU_ASSERT_EQUAL(send(plan, &cursor, 1 * MS, 1504), 3 * MS);
    CU_ASSERT_EQUAL(send(plan, &cursor, 3 * MS, 1505), 11 * MS); // a byte too many: at 10, and wrapped around
    CU_ASSERT_EQUAL(send(plan, &cursor, 11 * MS, 1503), 11 * MS);
    CU_ASSERT_EQUAL(send(plan, &cursor, 11 * MS, 100), 11 * MS);     // the other one of that moment
    CU_ASSERT_EQUAL(send(plan, &cursor, 11 * MS + 1, 100), 13 * MS); // its rest is lost
    CU_ASSERT_EQUAL(
        send(plan, &cursor, 1000000000 * MS, 10), 1000000000 * MS); // the last moment of a lap is at its end
    sim_rate_plan_free(plan);
}

// Every moment, one after the other, with what waits then.
static void traces_are_the_naive_model(void)
{
    enum { PACKETS = 200, LAPS = 400 };
    struct unit_random random = unit_random();
    for (int round = 0; round < 50; round++) {
        char text[2000];
        size_t used = 0, count = 1 + (size_t)unit_random_below(&random, 40);
        uint32_t moments[41], at = 0;
        for (size_t i = 0; i < count; i++) {
            at += (uint32_t)unit_random_below(&random, 4) + (i + 1 == count && at == 0);
            moments[i] = at;
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%u\n", at);
        }
        struct sim_rate_plan *plan = read_trace(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
        uint64_t enter[PACKETS], bytes[PACKETS], left[PACKETS], now = 0;
        for (size_t i = 0; i < PACKETS; i++) {
            now += unit_random_below(&random, 3 * MS);
            if (unit_random_below(&random, 20) == 0) now += unit_random_below(&random, 300 * MS);
            if (unit_random_below(&random, 4) == 0) now -= now % MS;
            enter[i] = now;
            bytes[i] = left[i] = 1 + unit_random_below(&random, 4000);
        }
        struct sim_rate_cursor cursor = {0};
        uint64_t free_ns = 0, lap = 0;
        size_t first = 0;
        for (size_t i = 0; i < PACKETS && lap < LAPS; i++) {
            // The model: bytes are taken from the moments until this packet is gone.
            static size_t place;
            static uint64_t room;
            if (i == 0) place = 0, room = SIM_RATE_MOMENT_BYTES, lap = 0;
            uint64_t gone = 0;
            bool started = false;
            while (left[i] > 0) {
                uint64_t moment = lap * at * MS + moments[place] * MS;
                uint64_t ready = enter[i] > free_ns ? enter[i] : free_ns;
                if (room > 0 && (started || moment >= ready)) {
                    uint64_t part = left[i] < room ? left[i] : room;
                    left[i] -= part;
                    room -= part;
                    gone = moment;
                    started = true;
                    continue;
                }
                room = SIM_RATE_MOMENT_BYTES;
                if (++place == count) place = 0, lap++;
            }
            uint64_t ready = enter[i] > free_ns ? enter[i] : free_ns;
            CU_ASSERT_EQUAL_FATAL(send(plan, &cursor, ready, bytes[i]), gone);
            free_ns = gone;
            first = i;
        }
        CU_ASSERT(first > 10);
        sim_rate_plan_free(plan);
    }
}

static void a_trace_that_is_none_is_refused_with_its_line(void)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"1\n2\nthree\n", "cell.trace:3: \"three\"; expected a whole number of milliseconds below 2^32"},
        {"1\n\n2\n", "cell.trace:2: \"\"; expected a whole number of milliseconds below 2^32"},
        {"1\n-2\n", "cell.trace:2: \"-2\"; expected a whole number of milliseconds below 2^32"},
        {"4294967296\n", "cell.trace:1: \"4294967296\"; expected a whole number of milliseconds below 2^32"},
        {"99999999999999999999999999999999\n",
            "cell.trace:1: \"999999999999999999999999...\"; expected a whole number of milliseconds below 2^32"},
        {"5\n4\n", "cell.trace:2: 4 after 5; expected times that do not go back"},
        {"0\n0\n", "cell.trace:2: the trace takes no time; expected a last line above 0"},
        {"\x1b[2J", "cell.trace:1: \"?[2J\"; expected a whole number of milliseconds below 2^32"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_PTR_NULL(read_trace(rows[i].text));
        CU_ASSERT_STRING_EQUAL(error, rows[i].error);
    }
    CU_ASSERT_PTR_NULL(sim_rate_trace_load("/dev/null", error));
    CU_ASSERT_STRING_EQUAL(error, "/dev/null:1: empty; expected milliseconds, one a line");
    CU_ASSERT_PTR_NULL(sim_rate_trace_load("/dev/zero", error)); // a line without end
    CU_ASSERT_STRING_EQUAL(
        error, "/dev/zero:1: \"????????????????????????...\"; expected a whole number of milliseconds below 2^32");
    CU_ASSERT_PTR_NULL(sim_rate_trace_load("/nonexistent/trace", error));
    CU_ASSERT_STRING_EQUAL(error, "/nonexistent/trace: No such file or directory");
    CU_ASSERT_PTR_NULL(sim_rate_trace_load("/", error));
    CU_ASSERT_STRING_EQUAL(error, "/: cannot be read: Is a directory");
    struct sim_rate_plan *plan = read_trace("1\r\n2\r\n3"); // other ends of lines, and none
    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    CU_ASSERT_EQUAL(plan->count, 3);
    sim_rate_plan_free(plan);
}

static ssize_t read_ones(void *cookie, char *out, size_t size)
{
    (void)cookie;
    for (size_t i = 0; i < size; i++)
        out[i] = i % 2 ? '\n' : '1';
    return (ssize_t)size;
}

static void a_trace_without_end_is_refused(void)
{
    FILE *in = fopencookie(NULL, "rb", (cookie_io_functions_t){.read = read_ones});
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT_PTR_NULL(sim_rate_trace_read(in, "cell.trace", error));
    CU_ASSERT_STRING_EQUAL(error, "cell.trace:16777217: expected at most 16777216 lines");
    fclose(in);
}

static const struct unit_case cases[] = {
    {"a packet spans steps", a_packet_spans_steps},
    {"steps are the naive model", steps_are_the_naive_model},
    {"a trace lets a full packet go at each moment", a_trace_lets_a_full_packet_go_at_each_moment},
    {"traces are the naive model", traces_are_the_naive_model},
    {"a trace that is none is refused with its line", a_trace_that_is_none_is_refused_with_its_line},
    {"a trace without end is refused", a_trace_without_end_is_refused},
};
UNIT_MAIN("rate", cases)
