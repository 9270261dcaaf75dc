// A run from its begin to its figures.
#include "crowd/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define INSTANT_MAX     100000000 // events at one instant: time does not move on

static size_t count_members(const struct sim_crowd_plan *plan)
{
    size_t count = plan->nodes;
    for (size_t i = 0; i < plan->attack_count; i++) {
        unsigned kind = plan->attacks[i].kind;
        if (kind != SIM_ATTACK_LIARS && kind != SIM_ATTACK_FLOOD && kind != SIM_ATTACK_REPLAY)
            count += plan->attacks[i].count;
    }
    return count;
}

static void begin(struct sim_crowd *crowd, const struct sim_crowd_options *options)
{
    const struct sim_crowd_plan *plan = options->plan;
    uint64_t seed = options->seed;
    *crowd = (struct sim_crowd){.plan = plan,
        .options = options,
        .seed = seed,
        .task_spare = SIM_NO_TASK,
        .link_chance = sim_stream(seed, SIM_STREAM_CROWD, "links", 0),
        .work_chance = sim_stream(seed, SIM_STREAM_CROWD, "work", 0),
        .churn_chance = sim_stream(seed, SIM_STREAM_CROWD, "churn", 0),
        .attack_chance = sim_stream(seed, SIM_STREAM_CROWD, "attack", 0)};
    crowd->capacity = (uint32_t)count_members(plan);
    crowd->members = sim_obtain(crowd->capacity, sizeof(*crowd->members));
    crowd->puts = sim_obtain(plan->item_count, sizeof(*crowd->puts));
    crowd->lookups = sim_obtain(plan->lookup_count, sizeof(*crowd->lookups));
    crowd->attack_counts = sim_obtain(plan->attack_count, sizeof(*crowd->attack_counts));
    sim_wheel_init(&crowd->wheel);
    sim_places_init(&crowd->places, seed, crowd->capacity);
    crowd->places.rtt_min_ns = plan->rtt_min_ns;
    crowd->places.rtt_max_ns = plan->rtt_max_ns;
    crowd->places.neighbours_ppb = plan->neighbours_ppb;
    sim_population_begin(crowd);
    sim_items_begin(crowd);
    sim_lookups_begin(crowd);
    sim_attacks_begin(crowd);
    for (uint32_t i = 0; i < plan->at_count; i++)
        sim_crowd_schedule(crowd, plan->ats[i].time_ns, SIM_EVENT_AT, i);
    if (plan->churn_median_ns) sim_crowd_schedule(crowd, plan->churn_from_ns, SIM_EVENT_CHURN, 0);
    if (plan->idle_from_ns < plan->idle_until_ns) {
        sim_crowd_schedule(crowd, plan->idle_from_ns, SIM_EVENT_IDLE_FROM, 0);
        sim_crowd_schedule(crowd, plan->idle_until_ns, SIM_EVENT_IDLE_UNTIL, 0);
    }
}

static void happen_at(struct sim_crowd *crowd, const struct sim_crowd_at *at)
{
    if (at->partition) crowd->partition = true;
    if (at->heal) crowd->partition = false;
    if (at->kill_ppb) sim_population_kill(crowd, at->kill_ppb);
}

static void begin_idle(struct sim_crowd *crowd)
{
    crowd->idle = true;
    for (uint32_t i = 0; i < crowd->member_count; i++)
        crowd->members[i].idle_sent = crowd->members[i].idle_received = 0;
}

// Those count that were there all the time.
static void end_idle(struct sim_crowd *crowd)
{
    uint64_t lasted_ms = (crowd->plan->idle_until_ns - crowd->plan->idle_from_ns) / QE_NS_PER_MS;
    crowd->idle = false;
    for (uint32_t i = 0; i < crowd->member_count; i++) {
        const struct sim_member *m = &crowd->members[i];
        if (!m->dht || m->role != SIM_ROLE_HONEST || m->born_ns > crowd->plan->idle_from_ns || lasted_ms == 0) continue;
        sim_samples_add(&crowd->idles, ((uint64_t)m->idle_sent + m->idle_received) * 1000 / lasted_ms);
        sim_samples_add(&crowd->idle_memory, m->memory_bytes);
        crowd->idle_sent_bytes += (uint64_t)m->idle_sent * 1000 / lasted_ms;
    }
}

static void happen(struct sim_crowd *crowd, const struct sim_wheel_event *event)
{
    switch ((enum sim_crowd_event)(event->kind & 0xFF)) {
    case SIM_EVENT_LETTER:
        sim_post_arrive(crowd, event->subject);
        break;
    case SIM_EVENT_WAKE:
        sim_member_wake(crowd, event->subject);
        break;
    case SIM_EVENT_START:
        sim_member_start(crowd, event->subject, NULL);
        break;
    case SIM_EVENT_DEATH:
        sim_population_death(crowd, event->subject, event->kind >> 8);
        break;
    case SIM_EVENT_PUT:
        sim_items_put(crowd, event->subject);
        break;
    case SIM_EVENT_LOOKUP:
        sim_lookups_next(crowd, event->subject);
        break;
    case SIM_EVENT_AT:
        happen_at(crowd, &crowd->plan->ats[event->subject]);
        break;
    case SIM_EVENT_ATTACK:
        sim_attacks_next(crowd, event->subject);
        break;
    case SIM_EVENT_IDLE_FROM:
        begin_idle(crowd);
        break;
    case SIM_EVENT_IDLE_UNTIL:
        end_idle(crowd);
        break;
    case SIM_EVENT_CHURN:
        sim_population_churn(crowd);
        break;
    }
}

static bool run(struct sim_crowd *crowd)
{
    const struct sim_crowd_options *o = crowd->options;
    struct sim_wheel_event event;
    uint64_t instant = 0;
    while (sim_wheel_take(&crowd->wheel, crowd->plan->duration_ns, &event)) {
        instant = event.at_ns == crowd->now_ns ? instant + 1 : 0;
        if (instant > INSTANT_MAX) {
            fputs("quicether-sim: a node of the DHT does not let time move on\n", stderr);
            abort();
        }
        if (event.at_ns > crowd->now_ns) crowd->now_ns = event.at_ns; // tables were being filled until then
        happen(crowd, &event);
        if (crowd->wheel.taken % PROGRESS_EVENTS == 0 && o->progress &&
            !o->progress(o->user, crowd->now_ns, crowd->wheel.taken, crowd->living))
            return false;
    }
    crowd->now_ns = crowd->plan->duration_ns;
    return true;
}

// What has not ended counts as failed only where it had time to: what begins in the last moments is left out by the
// plan, whose windows of lookups end before the run does.
static void end(struct sim_crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->member_count; i++)
        sim_member_stop(crowd, i);
    for (size_t i = 0; i < crowd->plan->item_count; i++)
        sim_tally_fini(&crowd->puts[i]);
    for (size_t i = 0; i < crowd->plan->lookup_count; i++)
        sim_tally_fini(&crowd->lookups[i]);
    for (size_t i = 0; i < crowd->plan->attack_count; i++)
        sim_release(crowd->attack_counts[i].list);
    sim_samples_fini(&crowd->joins);
    sim_samples_fini(&crowd->idles);
    sim_samples_fini(&crowd->idle_memory);
    sim_release(crowd->puts);
    sim_release(crowd->lookups);
    sim_release(crowd->attack_counts);
    sim_release(crowd->tasks);
    sim_release(crowd->items);
    sim_release(crowd->item_first);
    sim_release(crowd->sorted);
    sim_release(crowd->sorted_tops);
    sim_release(crowd->members);
    sim_places_fini(&crowd->places);
    sim_letters_fini(&crowd->letters);
    sim_wheel_fini(&crowd->wheel);
}

static void judge(const struct sim_crowd_plan *plan, struct sim_crowd_result *result)
{
    result->passed = true;
    result->outcomes = sim_obtain(plan->expect_count, sizeof(*result->outcomes));
    for (size_t i = 0; i < plan->expect_count; i++) {
        const struct sim_crowd_expect *expect = &plan->expects[i];
        const struct sim_crowd_figure *figure = sim_crowd_figures_get(&result->figures, expect->of, expect->what);
        struct sim_crowd_outcome *outcome = &result->outcomes[result->outcome_count++];
        *outcome = (struct sim_crowd_outcome){.expect = expect, .there = figure, .value = figure ? figure->value : 0};
        outcome->passed = figure && (!expect->has_min || figure->value >= expect->min) &&
                          (!expect->has_max || figure->value <= expect->max);
        result->passed = result->passed && outcome->passed;
    }
}

void sim_crowd_run(const struct sim_crowd_options *options, struct sim_crowd_result *result)
{
    struct sim_crowd crowd;
    *result = (struct sim_crowd_result){0};
    begin(&crowd, options);
    result->whole = run(&crowd);
    result->events = crowd.wheel.taken;
    result->virtual_ns = crowd.now_ns;
    memcpy(result->hash, crowd.hash, sizeof(result->hash));
    sim_census(&crowd, &result->figures);
    end(&crowd);
    judge(options->plan, result);
}

void sim_crowd_result_fini(struct sim_crowd_result *result)
{
    sim_crowd_figures_fini(&result->figures);
    sim_release(result->outcomes);
}
