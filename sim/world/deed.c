// What a scenario says shall happen, done to the network and the hosts.
#include "world/world.h"

#include "net/middlebox.h"

#include "net/topology.h"

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

// The host hears of it, and finds its ways anew.
static void interface_changed(struct sim_world *world, size_t link, size_t port, bool up)
{
    struct sim_interface *interface = world->links[link].ports[port].interface;
    struct sim_host *host = (struct sim_host *)interface->box;
    sim_topology_reroute(world->scenario, host, world->links);
    sim_host_link_changed(host, interface, up);
}

void sim_timeline_leave(struct sim_world *world, size_t link, size_t port, bool silently)
{
    sim_link_leave(&world->links[link], port, silently);
    if (!silently) interface_changed(world, link, port, false);
}

static void join(struct sim_world *world, size_t link, size_t port)
{
    sim_link_join(&world->links[link], port);
    interface_changed(world, link, port, true);
}

static void readdress(struct sim_world *world, const struct sim_scenario_at *at, size_t port)
{
    struct qe_cidr addresses[SIM_AT_ADDRESSES_MAX];
    size_t count = qe_toml_size(at->change);
    for (size_t i = 0; i < count; i++)
        qe_cidr_parse(qe_toml_string(qe_toml_at(at->change, i), NULL), &addresses[i]);
    sim_link_readdress(&world->links[at->link], port, addresses, count);
    if (!world->links[at->link].ports[port].interface->absent) interface_changed(world, at->link, port, true);
}

static bool listed(const size_t *list, size_t count, size_t host)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == host) return true;
    return false;
}

static void divide(struct sim_world *world, const struct sim_scenario_partition *partition)
{
    size_t hosts = world->scenario->host_count;
    if (!partition->between_count) {
        sim_partition_heal(&world->network.partition);
        return;
    }
    for (size_t i = 0; i < partition->between_count; i++)
        for (size_t to = 0; to < hosts; to++) {
            size_t from = partition->between[i];
            bool other = partition->and_count ? listed(partition->and, partition->and_count, to)
                                              : !listed(partition->between, partition->between_count, to);
            if (!other || to == from) continue;
            sim_partition_set(&world->network.partition, hosts, from, to, !partition->heal);
            if (!partition->one_way) sim_partition_set(&world->network.partition, hosts, to, from, !partition->heal);
        }
}

static void crash(struct sim_world *world, const struct sim_scenario_at *at)
{
    struct sim_host *host = world->hosts[at->host];
    if (!sim_host_running(host)) return;
    // A crash in writes that is still to come has its own.
    uint64_t armed_ns = world->start_after[at->host];
    world->start_after[at->host] = at->start_after_ns;
    sim_host_crash(host);
    world->start_after[at->host] = armed_ns;
    sim_host_lose_unsynced(host, at->unsynced_ns);
}

static void crash_in_writes(struct sim_world *world, const struct sim_scenario_at *at)
{
    world->start_after[at->host] = at->start_after_ns;
    sim_host_crash_in_writes(
        world->hosts[at->host], at->number, at->kind == SIM_AT_CRASH_BEFORE_WRITE, at->unsynced_ns);
}

static void roam(struct sim_world *world, const struct sim_scenario_at *at)
{
    const struct sim_scenario_link *links = world->scenario->links;
    sim_timeline_leave(world, at->link, sim_scenario_port(&links[at->link], at->host), at->silently);
    join(world, at->to_link, sim_scenario_port(&links[at->to_link], at->host));
}

static void do_to_link(struct sim_world *world, const struct sim_scenario_at *at)
{
    size_t port = at->host == SIM_NONE ? SIM_NONE : sim_scenario_port(&world->scenario->links[at->link], at->host);
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
    case SIM_AT_LEAVE:
        sim_timeline_leave(world, at->link, port, at->silently);
        break;
    case SIM_AT_JOIN:
        join(world, at->link, port);
        break;
    default:
        readdress(world, at, port);
        break;
    }
}

static void do_to_host(struct sim_world *world, const struct sim_scenario_at *at)
{
    struct sim_host *host = world->hosts[at->host];
    uint64_t now = world->engine.now_ns;
    switch (at->kind) {
    case SIM_AT_HOST_START:
        world->start_at[at->host] = UINT64_MAX;
        if (!sim_host_running(host)) sim_host_start(host);
        break;
    case SIM_AT_HOST_STOP:
        sim_host_stop(host);
        break;
    case SIM_AT_HOST_CRASH:
        crash(world, at);
        break;
    case SIM_AT_HOST_RESTART:
        sim_host_stop(host);
        sim_timeline_start_host(world, at->host, now);
        break;
    case SIM_AT_REBOOT:
        sim_middlebox_reboot(host->box.middlebox, at->duration_ns);
        break;
    case SIM_AT_HOST_CLOCK:
        host->wall_offset_ms += at->clock_ms;
        break;
    case SIM_AT_CRASH_AT_WRITE:
    case SIM_AT_CRASH_BEFORE_WRITE:
        crash_in_writes(world, at);
        break;
    case SIM_AT_CORRUPT_STATE:
        sim_host_damage_state(host, at->state_key, SIM_DAMAGE_CORRUPT);
        break;
    case SIM_AT_TRUNCATE_STATE:
        sim_host_damage_state(host, at->state_key, SIM_DAMAGE_TRUNCATE);
        break;
    case SIM_AT_ERASE_STATE:
        sim_host_damage_state(host, at->state_key, SIM_DAMAGE_ERASE);
        break;
    case SIM_AT_CLOCK_DRIFT:
        sim_host_drift(host, at->drift_ppm);
        break;
    case SIM_AT_SUSPEND:
        sim_host_suspend(host, at->duration_ns);
        break;
    case SIM_AT_STALL:
        sim_host_stall(host, at->duration_ns);
        break;
    case SIM_AT_HOLD_BUFFERS:
        sim_host_hold_buffers(host, at->duration_ns);
        break;
    case SIM_AT_MEMORY:
        host->memory.bytes_max = at->bytes;
        break;
    case SIM_AT_FAIL_ALLOCATION:
        sim_host_fail_allocation(host, at->number);
        break;
    case SIM_AT_FAIL_ALLOCATIONS:
        sim_host_fail_allocations(host, at->share_ppb, at->for_ns);
        break;
    case SIM_AT_FAIL_STORES:
        host->faults.stores_fail_until_ns = sim_host_fault_end(host, at->for_ns);
        break;
    case SIM_AT_REFUSE_SOCKETS:
        host->faults.sockets_refused_until_ns = sim_host_fault_end(host, at->for_ns);
        break;
    case SIM_AT_REFUSE_TUN:
        host->faults.tun_refused_until_ns = sim_host_fault_end(host, at->for_ns);
        break;
    case SIM_AT_RESOLVE:
        sim_host_resolve(host, at->state_key);
        break;
    default:
        roam(world, at);
        break;
    }
}

void sim_timeline_do(struct sim_world *world, const struct sim_scenario_at *at)
{
    if (at->kind == SIM_AT_PARTITION)
        divide(world, &at->partition);
    else if (at->kind <= SIM_AT_ADDRESSES)
        do_to_link(world, at);
    else
        do_to_host(world, at);
}
