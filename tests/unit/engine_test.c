#include "engine/engine.h"
#include "unit.h"

#include "base/list.h"

#include <string.h>

// What happened, in order.
static char story[256];
static struct sim_engine engine;

struct actor {
    struct sim_source source;
    char letter;
    uint64_t again_ns; // when it wants to happen again; 0: not
};

static void occur(struct sim_source *source)
{
    struct actor *actor = qe_container(source, struct actor, source);
    size_t used = strlen(story);
    story[used] = actor->letter;
    story[used + 1] = '\0';
    uint64_t again = actor->again_ns;
    actor->again_ns = 0;
    if (again) sim_engine_schedule(&engine, source, again);
}

static struct actor actor(char letter, enum sim_priority priority)
{
    struct actor a = {.letter = letter};
    sim_source_init(&a.source, priority, occur);
    return a;
}

static void begin(void)
{
    sim_engine_init(&engine);
    story[0] = '\0';
}

static void play(uint64_t until_ns)
{
    while (sim_engine_step(&engine, until_ns))
        ;
}

static void earlier_goes_first_then_priority_then_the_order_of_scheduling(void)
{
    struct actor host = actor('h', SIM_PRIORITY_HOST), late = actor('l', SIM_PRIORITY_TIMELINE);
    struct actor one = actor('1', SIM_PRIORITY_PIPE), two = actor('2', SIM_PRIORITY_PIPE);
    begin();
    sim_engine_schedule(&engine, &late.source, 20);
    sim_engine_schedule(&engine, &host.source, 10);
    sim_engine_schedule(&engine, &one.source, 10);
    sim_engine_schedule(&engine, &two.source, 10);
    play(100);
    CU_ASSERT_STRING_EQUAL(story, "12hl");
    CU_ASSERT_EQUAL(engine.now_ns, 20);
    sim_engine_fini(&engine);
}

static void a_reserved_sequence_keeps_its_place(void)
{
    struct actor one = actor('1', SIM_PRIORITY_PIPE), two = actor('2', SIM_PRIORITY_PIPE);
    begin();
    uint64_t early = sim_engine_sequence(&engine);
    sim_engine_schedule(&engine, &one.source, 10);
    sim_engine_schedule_as(&engine, &two.source, 10, early);
    play(100);
    CU_ASSERT_STRING_EQUAL(story, "21");
    sim_engine_fini(&engine);
}

static void a_source_that_is_scheduled_again_moves(void)
{
    struct actor one = actor('1', SIM_PRIORITY_FLOW), two = actor('2', SIM_PRIORITY_FLOW);
    begin();
    sim_engine_schedule(&engine, &one.source, 10);
    sim_engine_schedule(&engine, &two.source, 20);
    sim_engine_schedule(&engine, &one.source, 30);
    play(100);
    CU_ASSERT_STRING_EQUAL(story, "21");
    sim_engine_fini(&engine);
}

static void the_past_is_now(void)
{
    struct actor one = actor('1', SIM_PRIORITY_FLOW), two = actor('2', SIM_PRIORITY_FLOW);
    begin();
    sim_engine_advance(&engine, 50);
    two.again_ns = 10;
    sim_engine_schedule(&engine, &one.source, 60);
    sim_engine_schedule(&engine, &two.source, 40);
    CU_ASSERT_EQUAL(sim_engine_time_of(&engine, &two.source), 50);
    play(50);
    CU_ASSERT_STRING_EQUAL(story, "22");
    CU_ASSERT_EQUAL(engine.now_ns, 50);
    CU_ASSERT_EQUAL(engine.instant, 2);
    sim_engine_fini(&engine);
}

static void nothing_happens_beyond_the_end_and_time_stays(void)
{
    struct actor one = actor('1', SIM_PRIORITY_FLOW);
    begin();
    sim_engine_schedule(&engine, &one.source, 101);
    CU_ASSERT_FALSE(sim_engine_step(&engine, 100));
    CU_ASSERT_EQUAL(engine.now_ns, 0);
    CU_ASSERT_TRUE(sim_engine_step(&engine, 101));
    CU_ASSERT_FALSE(sim_source_scheduled(&one.source));
    sim_engine_fini(&engine);
}

static void what_is_cancelled_does_not_happen(void)
{
    struct actor one = actor('1', SIM_PRIORITY_FLOW), two = actor('2', SIM_PRIORITY_FLOW);
    begin();
    sim_engine_schedule(&engine, &one.source, 10);
    sim_engine_schedule(&engine, &two.source, 20);
    sim_engine_cancel(&engine, &one.source);
    sim_engine_cancel(&engine, &one.source);
    play(100);
    CU_ASSERT_STRING_EQUAL(story, "2");
    sim_engine_fini(&engine);
}

// The naive model: a list that is searched for its least.
#define ACTORS 40
struct model {
    bool scheduled[ACTORS];
    uint64_t at[ACTORS], sequence[ACTORS], next;
};

static size_t model_least(const struct model *m, const struct actor *actors)
{
    size_t least = ACTORS;
    for (size_t i = 0; i < ACTORS; i++) {
        if (!m->scheduled[i]) continue;
        if (least == ACTORS || m->at[i] < m->at[least] ||
            (m->at[i] == m->at[least] && (actors[i].source.priority < actors[least].source.priority ||
                                             (actors[i].source.priority == actors[least].source.priority &&
                                                 m->sequence[i] < m->sequence[least]))))
            least = i;
    }
    return least;
}

static void the_order_is_that_of_a_naive_list(void)
{
    static struct actor actors[ACTORS];
    struct model model = {.next = 0};
    struct unit_random random = unit_random();
    size_t happened = 0;
    begin();
    for (size_t i = 0; i < ACTORS; i++)
        actors[i] = actor('x', (enum sim_priority)unit_random_below(&random, SIM_PRIORITY_HOST + 1));
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)unit_random_below(&random, ACTORS);
        uint64_t at = engine.now_ns + unit_random_below(&random, 8);
        switch (unit_random_below(&random, 4)) {
        case 0:
            sim_engine_cancel(&engine, &actors[i].source);
            model.scheduled[i] = false;
            break;
        case 1:
        case 2:
            sim_engine_schedule(&engine, &actors[i].source, at);
            model.scheduled[i] = true;
            model.at[i] = at;
            model.sequence[i] = model.next++;
            break;
        default: {
            size_t least = model_least(&model, actors);
            story[0] = '\0';
            for (size_t k = 0; k < ACTORS; k++)
                actors[k].letter = k == least ? 'y' : 'n';
            bool any = sim_engine_step(&engine, UINT64_MAX);
            CU_ASSERT_EQUAL_FATAL(any, least < ACTORS);
            if (!any) break;
            CU_ASSERT_STRING_EQUAL_FATAL(story, "y");
            CU_ASSERT_EQUAL_FATAL(engine.now_ns, model.at[least]);
            model.scheduled[least] = false;
            happened++;
        }
        }
    }
    CU_ASSERT(happened > 1000);
    CU_ASSERT_EQUAL(engine.occurred, happened);
    sim_engine_fini(&engine);
}

static const struct unit_case cases[] = {
    {"earlier goes first, then priority, then the order of scheduling",
        earlier_goes_first_then_priority_then_the_order_of_scheduling},
    {"a reserved sequence keeps its place", a_reserved_sequence_keeps_its_place},
    {"a source that is scheduled again moves", a_source_that_is_scheduled_again_moves},
    {"the past is now", the_past_is_now},
    {"nothing happens beyond the end, and time stays", nothing_happens_beyond_the_end_and_time_stays},
    {"what is cancelled does not happen", what_is_cancelled_does_not_happen},
    {"the order is that of a naive list", the_order_is_that_of_a_naive_list},
};
UNIT_MAIN("engine", cases)
