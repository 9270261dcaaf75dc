// The state of a run at one time, for those that draw it: queues and counts of links, progress of flows, memory of
// hosts. Counts are since the start. Nothing is changed by looking.
#include "world/world.h"

#include <stdio.h>

static void add(struct sim_sample *sample, const char *name, uint64_t value)
{
    if (sample->count == SIM_SAMPLE_FIGURES_MAX) return;
    sample->figures[sample->count].name = name;
    sample->figures[sample->count++].value = value;
}

static void tell(struct sim_world *world, struct sim_trace_who who, const struct sim_sample *sample)
{
    sim_trace_tell(&world->trace, &(struct sim_trace_item){.event = SIM_TRACE_SAMPLE, .who = who, .sample = sample});
}

static void sample_pipe(
    struct sim_world *world, const struct sim_pipe *pipe, struct sim_trace_who who, const char *name)
{
    struct sim_sample sample = {.of = "link", .name = name};
    const struct sim_pipe_stats *s = &pipe->stats;
    uint64_t packets, bytes;
    sim_pipe_queue(pipe, &packets, &bytes);
    add(&sample, "queue_packets", packets);
    add(&sample, "queue_bytes", bytes);
    add(&sample, "under_way_packets", pipe->under_way);
    add(&sample, "entered_bytes", s->entered_bytes);
    add(&sample, "delivered_bytes", s->delivered_bytes);
    add(&sample, "entered_packets", s->entered);
    add(&sample, "delivered_packets", s->delivered);
    add(&sample, "dropped_packets", sim_pipe_dropped(pipe));
    tell(world, who, &sample);
}

static void sample_link(struct sim_world *world, const struct sim_link *link)
{
    char name[256];
    for (size_t i = 0; i < link->port_count; i++) {
        const struct sim_port *port = &link->ports[i];
        struct sim_trace_who who = sim_box_who(port->interface->box);
        sample_pipe(world, &port->out, who, link->name);
        if (!link->is_switch) continue;
        // From the switch: the queue in front of that host.
        snprintf(name, sizeof(name), "%s>%s", link->name, who.name);
        sample_pipe(world, &port->in, who, name);
    }
}

static void sample_flow(struct sim_world *world, const struct sim_flow *flow)
{
    struct sim_sample sample = {.of = "flow", .name = flow->settings->name};
    add(&sample, "sent_packets", flow->sent);
    add(&sample, "delivered_packets", flow->delivered);
    add(&sample, "delivered_bytes", sim_flow_bytes(flow));
    tell(world, sim_box_who(&flow->from->box), &sample);
}

static void sample_host(struct sim_world *world, const struct sim_host *host)
{
    struct sim_sample sample = {.of = "host"};
    add(&sample, "memory_bytes", host->memory.bytes);
    add(&sample, "steps", host->counts.steps);
    add(&sample, "tun_in_packets", host->counts.tun_in);
    add(&sample, "tun_out_packets", host->counts.tun_out);
    add(&sample, "sent_datagrams", host->counts.datagrams_sent);
    add(&sample, "received_datagrams", host->counts.datagrams_received);
    tell(world, sim_box_who(&host->box), &sample);
}

void sim_world_sample(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    for (size_t i = 0; i < s->link_count; i++)
        sample_link(world, &world->links[i]);
    for (size_t i = 0; i < world->flows.count; i++)
        sample_flow(world, &world->flows.list[i]);
    for (size_t i = 0; i < s->host_count; i++)
        if (world->hosts[i]->runs_node) sample_host(world, world->hosts[i]);
}
