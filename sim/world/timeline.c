// What a scenario says shall happen, done to the network and the hosts when its time has come.
#include "world/world.h"

#include "base/list.h"

#include <assert.h>

static void set_link_down(struct sim_world *world, const struct sim_scenario_at *at, bool down, bool seen)
{
    struct sim_link *link = &world->links[at->link];
    for (size_t i = 0; i < link->port_count; i++) {
        struct sim_port *port = &link->ports[i];
        if (at->port != SIM_NONE && at->port != i) continue;
        sim_pipe_set_down(&port->out, down);
        if (link->is_switch && at->port == SIM_NONE) sim_pipe_set_down(&port->in, down);
        if (seen) sim_host_link_changed((struct sim_host *)port->interface->box, port->interface, !down);
    }
}

static void change_link(struct sim_world *world, const struct sim_scenario_at *at)
{
    struct sim_link *link = &world->links[at->link];
    struct sim_reader reader = sim_scenario_reader(world->scenario);
    for (size_t i = 0; i < link->port_count; i++) {
        if (at->port != SIM_NONE && at->port != i) continue;
        struct sim_pipe_settings settings = link->ports[i].out.settings;
        sim_parse_settings(&reader, at->change, &settings);
        assert(!reader.failed); // it was read once when the file was
        sim_pipe_set(&link->ports[i].out, &settings);
        if (link->is_switch) sim_pipe_set(&link->ports[i].in, &settings);
    }
}

void sim_timeline_do(struct sim_world *world, const struct sim_scenario_at *at)
{
    struct sim_host *host = at->host == SIM_NONE ? NULL : world->hosts[at->host];
    switch (at->kind) {
    case SIM_AT_LINK_DOWN:
        set_link_down(world, at, true, true);
        break;
    case SIM_AT_LINK_UP:
        set_link_down(world, at, false, true);
        break;
    case SIM_AT_LINK_BLACKHOLE:
        set_link_down(world, at, true, false);
        break;
    case SIM_AT_LINK_CHANGE:
        change_link(world, at);
        break;
    case SIM_AT_HOST_START:
        if (!sim_host_running(host)) sim_host_start(host);
        break;
    case SIM_AT_HOST_STOP:
        sim_host_stop(host);
        break;
    case SIM_AT_HOST_CRASH:
        sim_host_crash(host);
        break;
    case SIM_AT_HOST_RESTART:
        world->restarting[at->host] = true;
        sim_host_stop(host);
        if (!sim_host_running(host)) sim_engine_schedule(&world->engine, &world->starts, world->engine.now_ns);
        break;
    case SIM_AT_HOST_CLOCK:
        host->wall_offset_ms += at->clock_ms;
        break;
    }
}

static void timeline_occurs(struct sim_source *source)
{
    struct sim_world *world = qe_container(source, struct sim_world, timeline);
    const struct sim_scenario *s = world->scenario;
    while (world->next_at < s->at_count && s->ats[world->next_at].time_ns <= world->engine.now_ns)
        sim_timeline_do(world, &s->ats[world->next_at++]);
    if (world->next_at < s->at_count) sim_engine_schedule(&world->engine, source, s->ats[world->next_at].time_ns);
}

void sim_timeline_init(struct sim_world *world)
{
    sim_source_init(&world->timeline, SIM_PRIORITY_TIMELINE, timeline_occurs);
    if (world->scenario->at_count)
        sim_engine_schedule(&world->engine, &world->timeline, world->scenario->ats[0].time_ns);
}
