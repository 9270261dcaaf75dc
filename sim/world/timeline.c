// When what a scenario says happens: the timeline's place in the engine, and hosts that start when something else is
// over.
#include "world/world.h"

#include "base/list.h"

static void timeline_occurs(struct sim_source *source)
{
    struct sim_world *world = qe_container(source, struct sim_world, timeline);
    const struct sim_scenario *s = world->scenario;
    while (world->next_at < s->at_count && s->ats[world->next_at].time_ns <= world->engine.now_ns)
        sim_timeline_do(world, &s->ats[world->next_at++]);
    if (world->next_at < s->at_count) sim_engine_schedule(&world->engine, source, s->ats[world->next_at].time_ns);
}

// Starts hosts: those whose time has come at the beginning, and those that stopped to be started again.
static void starts_occur(struct sim_source *source)
{
    struct sim_world *world = qe_container(source, struct sim_world, starts);
    uint64_t now = world->engine.now_ns, next = UINT64_MAX;
    for (size_t i = 0; i < world->scenario->host_count; i++) {
        struct sim_host *host = world->hosts[i];
        if (world->start_at[i] <= now && !sim_host_running(host)) {
            world->start_at[i] = UINT64_MAX;
            sim_host_start(host);
        }
        // One that runs starts again when it has ended.
        if (!sim_host_running(host) && world->start_at[i] < next) next = world->start_at[i];
    }
    if (next != UINT64_MAX) sim_engine_schedule(&world->engine, source, next);
}

static void consider_start(struct sim_world *world, size_t host)
{
    uint64_t at = world->start_at[host];
    if (at == UINT64_MAX || sim_host_running(world->hosts[host])) return;
    if (!sim_source_scheduled(&world->starts) || sim_engine_time_of(&world->engine, &world->starts) > at)
        sim_engine_schedule(&world->engine, &world->starts, at);
}

void sim_timeline_start_host(struct sim_world *world, size_t host, uint64_t at_ns)
{
    world->start_at[host] = at_ns;
    consider_start(world, host);
}

void sim_timeline_ended(struct sim_world *world, size_t host, enum sim_host_end how)
{
    uint64_t now = world->engine.now_ns, after = UINT64_MAX;
    if (how != SIM_HOST_STOPPED) after = world->scenario->hosts[host].respawn_ns;
    if (how == SIM_HOST_CRASHED && world->start_after[host] != UINT64_MAX) after = world->start_after[host];
    if (how == SIM_HOST_CRASHED) world->start_after[host] = UINT64_MAX;
    if (after != UINT64_MAX && world->start_at[host] == UINT64_MAX) world->start_at[host] = now + after;
    consider_start(world, host);
}

// What a crash may take back is kept from the beginning.
static void keep_journal(struct sim_world *world, const struct sim_scenario_at *at)
{
    if (at->host == SIM_NONE) return;
    struct sim_host *host = world->hosts[at->host];
    if (at->unsynced_ns > host->journal_ns) host->journal_ns = at->unsynced_ns;
}

void sim_timeline_init(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    sim_source_init(&world->timeline, SIM_PRIORITY_TIMELINE, timeline_occurs);
    sim_source_init(&world->starts, SIM_PRIORITY_TIMELINE, starts_occur);
    world->start_at = sim_obtain(s->host_count, sizeof(*world->start_at));
    world->start_after = sim_obtain(s->host_count, sizeof(*world->start_after));
    for (size_t i = 0; i < s->host_count; i++) {
        bool starts = s->hosts[i].starts && s->hosts[i].node;
        world->start_after[i] = UINT64_MAX;
        world->start_at[i] = starts ? s->hosts[i].start_ns : UINT64_MAX;
    }
    for (size_t i = 0; i < s->at_count; i++)
        keep_journal(world, &s->ats[i]);
    for (size_t i = 0; i < s->trigger_count; i++)
        keep_journal(world, &s->triggers[i].at);
    for (size_t i = 0; i < s->link_count; i++)
        for (size_t port = 0; port < s->links[i].host_count; port++)
            if (s->links[i].absent[port]) sim_timeline_leave(world, i, port, false);
    sim_engine_schedule(&world->engine, &world->starts, 0);
    if (s->at_count) sim_engine_schedule(&world->engine, &world->timeline, s->ats[0].time_ns);
}

void sim_timeline_fini(struct sim_world *world)
{
    sim_release(world->start_at);
    sim_release(world->start_after);
}
