// What runs of many nodes of the DHT stand on: the order of events, who is where, and what files say.
#include "unit.h"

#include "crowd/figures.h"
#include "crowd/letters.h"
#include "crowd/places.h"
#include "crowd/plan.h"
#include "crowd/tally.h"
#include "crowd/wheel.h"
#include "engine/memory.h"

#include <string.h>

// A list that is searched for its earliest event.
struct model {
    struct sim_wheel_event events[4096];
    size_t count;
};

static bool model_take(struct model *model, uint64_t until_ns, struct sim_wheel_event *out)
{
    size_t best = 0;
    for (size_t i = 1; i < model->count; i++)
        if (model->events[i].at_ns < model->events[best].at_ns) best = i;
    if (model->count == 0 || model->events[best].at_ns > until_ns) return false;
    *out = model->events[best];
    memmove(&model->events[best], &model->events[best + 1], (model->count - best - 1) * sizeof(model->events[0]));
    model->count--;
    return true;
}

// From the same instant to centuries away, and some at the same time.
static uint64_t draw_distance(struct unit_random *r)
{
    unsigned bits = (unsigned)unit_random_below(r, 62);
    return unit_random_below(r, 4) == 0 ? 0 : unit_random_next(r) >> (63 - bits) >> 1;
}

static void compare_for_a_while(struct unit_random *r)
{
    static struct model model;
    struct sim_wheel wheel;
    struct sim_wheel_event mine, its;
    uint64_t now_ns = 0;
    model.count = 0;
    sim_wheel_init(&wheel);
    for (uint32_t i = 0; i < 4000; i++) {
        if (unit_random_below(r, 2)) {
            struct sim_wheel_event event = {now_ns + draw_distance(r), i, ~i};
            model.events[model.count++] = event;
            sim_wheel_put(&wheel, event);
            continue;
        }
        uint64_t until_ns = now_ns + (draw_distance(r) >> 11);
        bool there = model_take(&model, until_ns, &mine);
        CU_ASSERT_FATAL(sim_wheel_take(&wheel, until_ns, &its) == there);
        CU_ASSERT_FATAL(wheel.count == model.count);
        now_ns = there ? its.at_ns : until_ns;
        if (there) CU_ASSERT_FATAL(its.at_ns == mine.at_ns && its.kind == mine.kind && its.subject == mine.subject);
    }
    while (sim_wheel_take(&wheel, UINT64_MAX, &its))
        CU_ASSERT_FATAL(model_take(&model, UINT64_MAX, &mine) && its.at_ns == mine.at_ns && its.kind == mine.kind);
    CU_ASSERT(model.count == 0);
    sim_wheel_fini(&wheel);
}

static void wheel_agrees_with_a_list(void)
{
    struct unit_random r = unit_random();
    for (int round = 0; round < 20; round++)
        compare_for_a_while(&r);
}

static void past_is_now(void)
{
    struct sim_wheel wheel;
    struct sim_wheel_event event;
    sim_wheel_init(&wheel);
    sim_wheel_put(&wheel, (struct sim_wheel_event){1000, 1, 0});
    CU_ASSERT(!sim_wheel_take(&wheel, 999, &event));
    CU_ASSERT(sim_wheel_take(&wheel, 1000, &event) && event.kind == 1);
    sim_wheel_put(&wheel, (struct sim_wheel_event){5, 2, 0});
    CU_ASSERT(sim_wheel_take(&wheel, 1000, &event) && event.kind == 2 && event.at_ns == 1000);
    sim_wheel_fini(&wheel);
}

#define PLACES 2000

static void everybody_is_found_where_he_is(void)
{
    struct unit_random r = unit_random();
    struct sim_places places;
    static struct sim_place at[PLACES];
    static bool there[PLACES];
    sim_places_init(&places, 7, PLACES);
    places.neighbours_ppb = SIM_CHANCE_ONE / 2;
    memset(there, 0, sizeof(there));
    for (int step = 0; step < 50000; step++) {
        uint32_t who = (uint32_t)unit_random_below(&r, PLACES);
        if (there[who]) {
            CU_ASSERT_FATAL(sim_places_at(&places, at[who].ip) == who);
            sim_places_leave(&places, at[who].ip);
            CU_ASSERT_FATAL(sim_places_at(&places, at[who].ip) == SIM_NOBODY);
        } else {
            at[who] = sim_places_draw(&places);
            sim_places_enter(&places, at[who].ip, who);
        }
        there[who] = !there[who];
    }
    for (uint32_t who = 0; who < PLACES; who++)
        CU_ASSERT(!there[who] || sim_places_at(&places, at[who].ip) == who);
    sim_places_fini(&places);
}

static void round_trips_are_in_their_range(void)
{
    struct sim_places places;
    uint64_t sum = 0;
    sim_places_init(&places, 7, 16);
    places.rtt_min_ns = 50000000;
    places.rtt_max_ns = 200000000;
    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t delay_ns = sim_places_delay_ns(&places, i, 77777 + i * 3);
        CU_ASSERT_FATAL(delay_ns >= 25000000 && delay_ns <= 100000000);
        CU_ASSERT_FATAL(delay_ns == sim_places_delay_ns(&places, 77777 + i * 3, i));
        sum += delay_ns;
    }
    CU_ASSERT(sum / 10000 > 61000000 && sum / 10000 < 64000000);
    sim_places_fini(&places);
}

static void networks_are_kept_to(void)
{
    struct sim_places places;
    struct sim_place place;
    sim_places_init(&places, 7, 2000);
    for (uint32_t i = 0; i < 1000; i++) {
        CU_ASSERT_FATAL(sim_places_draw_in(&places, 0x17234567, 16, &place));
        CU_ASSERT_FATAL(place.ip >> 16 == 0x1723 && place.port >= 1024);
        sim_places_enter(&places, place.ip, i);
    }
    // A /28 has sixteen, of which .0 is nobody's.
    uint32_t found = 0;
    while (sim_places_draw_in(&places, 0x17240000, 28, &place))
        sim_places_enter(&places, place.ip, 1000 + found++);
    CU_ASSERT(found == 15);
    CU_ASSERT(!sim_places_draw_in(&places, 0x0A000000, 16, &place)); // private
    sim_places_fini(&places);
}

static void letters_keep_their_bytes(void)
{
    struct unit_random r = unit_random();
    struct sim_letters letters = {0};
    uint32_t numbers[300];
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        if (count < 300 && unit_random_below(&r, 2)) {
            size_t size = 1 + unit_random_below(&r, 1400);
            uint32_t number = sim_letters_new(&letters, size);
            struct sim_letter *letter = sim_letters_get(&letters, number);
            letter->size = (uint16_t)size;
            memset(letter->bytes, (int)(number ^ size), size);
            numbers[count++] = number;
        } else if (count > 0) {
            size_t i = unit_random_below(&r, count);
            struct sim_letter *letter = sim_letters_get(&letters, numbers[i]);
            uint8_t wanted = (uint8_t)(numbers[i] ^ letter->size);
            CU_ASSERT_FATAL(letter->bytes[0] == wanted && letter->bytes[letter->size - 1] == wanted);
            sim_letters_free(&letters, numbers[i]);
            numbers[i] = numbers[--count];
        }
        CU_ASSERT_FATAL(letters.count == count);
    }
    sim_letters_fini(&letters);
}

static void ranks_are_the_nearest(void)
{
    struct sim_samples samples = {0};
    CU_ASSERT(sim_samples_at(&samples, 500) == 0);
    for (uint64_t i = 200; i > 0; i--)
        sim_samples_add(&samples, i);
    CU_ASSERT(sim_samples_at(&samples, 500) == 100);
    CU_ASSERT(sim_samples_at(&samples, 990) == 198);
    CU_ASSERT(sim_samples_at(&samples, 1000) == 200);
    CU_ASSERT(sim_samples_at(&samples, 0) == 1);
    CU_ASSERT(sim_samples_mean(&samples) == 100);
    sim_samples_fini(&samples);
}

static void figures_are_read_as_they_are_said(void)
{
    static const struct {
        const char *name, *text;
        uint64_t value; // UINT64_MAX: refused
        const char *said;
    } cases[] = {{"hops", "2.9", 2900, "2.900"}, {"hops", "3", 3000, "3.000"}, {"hops", "2.9001", UINT64_MAX, NULL},
        {"hops", "two", UINT64_MAX, NULL}, {"success", "99.95%", 999500000, "99.950%"},
        {"success", "101%", UINT64_MAX, NULL}, {"latency_p50", "500ms", 500000000, "500 ms"},
        {"latency_p50", "500", UINT64_MAX, NULL}, {"join_p99", "2min", 120000000000, "120 s"},
        {"memory", "16KiB", 16384, "16.0 KiB"}, {"memory", "1000B", 1000, "1000 B"}, {"idle", "1KiB", 1024, "1024 B/s"},
        {"forged", "3", 3, "3"}, {"forged", "3.5", UINT64_MAX, NULL}};
    char text[SIM_CROWD_FIGURE_TEXT_SIZE];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sim_crowd_figure_name *name = sim_crowd_figure_find(cases[i].name);
        uint64_t value = UINT64_MAX;
        CU_ASSERT_FATAL(name != NULL);
        bool read = sim_crowd_figure_parse(name->unit, cases[i].text, &value);
        CU_ASSERT(read == (cases[i].value != UINT64_MAX));
        if (read) CU_ASSERT(value == cases[i].value);
        if (read) CU_ASSERT_STRING_EQUAL(sim_crowd_figure_format(name->unit, value, text), cases[i].said);
    }
    CU_ASSERT(sim_crowd_figure_find("luck") == NULL);
}

#define HEAD "[dht]\nname = \"x\"\nduration = \"1min\"\nnodes = 10\n"
#define ITEM "[[items]]\nname = \"i\"\n"

static void mistakes_have_their_line(void)
{
    static const struct {
        const char *text, *said;
    } cases[] = {{"", "'dht'"}, {"[dht]\nduration = \"1s\"\n", "[dht] has no 'name'"},
        {"[dht]\nname = \"x\"\n", "wants a 'duration'"}, {HEAD "node = 3\n", "f:5: unknown key 'node'"},
        {HEAD "bootstraps = 11\n", "'bootstraps' is 11; expected 1 to 10"},
        {HEAD "[nodes]\n", "'nodes' does not belong"},
        {HEAD "begin = \"fast\"\n", "expected one of \"join\", \"tables\""},
        {HEAD "[network]\nrtt_min = \"1s\"\nrtt_max = \"500ms\"\n", "'rtt_min' and 'rtt_max'"},
        {HEAD "[[items]]\ncount = 1\n", "[[items]] has no 'name'"},
        {HEAD ITEM "bytes = 1000\n", "'bytes' is 1000; expected 16 to 900"},
        {HEAD ITEM "kind = \"index\"\nbytes = 600\n", "'bytes' is 600; expected 16 to 500"},
        {HEAD ITEM "from = \"9s\"\nuntil = \"8s\"\n", "'from' of [[items]] is later"},
        {HEAD "[[lookups]]\nname = \"l\"\nof = \"none\"\n", "'of' must be the name of one of [[items]]"},
        {HEAD "[[at]]\ntime = \"1s\"\n", "[[at]] wants one of"},
        {HEAD "[[at]]\nkill = \"1%\"\nheal = true\n", "[[at]] wants one of"},
        {HEAD "[[attack]]\nname = \"a\"\n", "[[attack]] has no 'kind'"},
        {HEAD "[[attack]]\nname = \"a\"\nkind = \"liars\"\n", "liars want a 'share'"},
        {HEAD "[[attack]]\nname = \"a\"\nkind = \"liars\"\nshare = \"1%\"\nlies = [\"white\"]\n", "\"white\""},
        {HEAD "[[attack]]\nname = \"a\"\nkind = \"flood\"\n", "'of' must be the name"},
        {HEAD "[[expect]]\nfigure = \"luck\"\nmin = 1\n", "there is no figure 'luck'"},
        {HEAD "[[expect]]\nfigure = \"hops\"\n", "wants 'min' or 'max'"},
        {HEAD "[[expect]]\nfigure = \"success\"\nmin = 1\n", "wants a unit"},
        {HEAD "[[expect]]\nof = \"y\"\nfigure = \"hops\"\nmin = 1\n", "'of' is \"y\""}};
    char error[SIM_ERROR_SIZE];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_crowd_plan *plan = sim_crowd_plan_parse("f", cases[i].text, strlen(cases[i].text), error);
        CU_ASSERT(plan == NULL);
        if (plan || !strstr(error, cases[i].said)) printf("\ncase %zu: %s\n", i, plan ? "accepted" : error);
        CU_ASSERT(plan || strstr(error, cases[i].said));
        CU_ASSERT(plan || strncmp(error, "f:", 2) == 0);
        sim_crowd_plan_free(plan);
    }
}

static void a_file_is_read(void)
{
    static const char text[] = HEAD "[churn]\nmedian = \"10min\"\n" ITEM "kind = \"index\"\ncount = 3\nfrom = \"5s\"\n"
                                    "[[lookups]]\nname = \"l\"\nof = \"i\"\ncount = 9\n[[attack]]\nname = \"a\"\n"
                                    "kind = \"liars\"\nshare = \"20%\"\nlies = [\"silence\", \"old\"]\n"
                                    "[[expect]]\nof = \"l\"\nfigure = \"hops\"\nmin = \"1.5\"\nmax = 4\n";
    char error[SIM_ERROR_SIZE];
    struct sim_crowd_plan *plan = sim_crowd_plan_parse("f", text, sizeof(text) - 1, error);
    CU_ASSERT_FATAL(plan != NULL);
    CU_ASSERT(plan->nodes == 10 && plan->duration_ns == 60000000000 && plan->churn_median_ns == 600000000000);
    CU_ASSERT(plan->items[0].kind == SIM_ITEM_INDEX && plan->items[0].until_ns == 5000000000);
    CU_ASSERT(plan->lookups[0].count == 9 && plan->lookups[0].until_ns == plan->duration_ns);
    CU_ASSERT(plan->attacks[0].lies == (SIM_LIE_SILENCE | SIM_LIE_OLD) && plan->attacks[0].share_ppb == 200000000);
    CU_ASSERT(plan->expects[0].has_min && plan->expects[0].min == 1500 && plan->expects[0].max == 4000);
    sim_crowd_plan_free(plan);
}

static const struct unit_case cases[] = {
    {"events come out as from a list that is searched for the earliest", wheel_agrees_with_a_list},
    {"an event in the past is now", past_is_now},
    {"who is at an address is found, and nobody else", everybody_is_found_where_he_is},
    {"round-trip times are in their range, the same both ways", round_trips_are_in_their_range},
    {"addresses of a network are in it, public, and run out", networks_are_kept_to},
    {"datagrams under way keep their bytes", letters_keep_their_bytes},
    {"percentiles are the nearest rank", ranks_are_the_nearest},
    {"bounds are read in the figure's unit", figures_are_read_as_they_are_said},
    {"a mistake in a file is said with its line", mistakes_have_their_line},
    {"a file is read", a_file_is_read},
};

UNIT_MAIN("crowd", cases)
