// A node's life: it starts with what is stored, is fed what waits for it, acts, and ends.
#include "host/host.h"

#include "base/list.h"
#include "base/time.h"

#include <assert.h>
#include <string.h>

static void occur(struct sim_source *source);

void sim_hosts_init(struct sim_hosts *hosts, struct sim_engine *engine, struct sim_network *network,
    struct sim_trace *trace, const struct sim_core *core, uint64_t seed, uint64_t wall_base_ms)
{
    *hosts = (struct sim_hosts){
        .engine = engine, .network = network, .trace = trace, .core = core, .seed = seed, .wall_base_ms = wall_base_ms};
    sim_buffers_init(&hosts->buffers);
}

void sim_hosts_fini(struct sim_hosts *hosts)
{
    sim_buffers_fini(&hosts->buffers);
}

void sim_host_init(struct sim_host *host, struct sim_hosts *hosts, const char *name, uint32_t index, bool forwards)
{
    *host = (struct sim_host){.hosts = hosts, .next_port = 49152};
    sim_box_init(&host->box, hosts->network, name, index, forwards);
    sim_source_init(&host->source, SIM_PRIORITY_HOST, occur);
    sim_memory_init(&host->memory);
    host->faults.memory.chance = sim_stream(hosts->seed, SIM_STREAM_FAULT, name, SIM_FAULT_CHANCE_MEMORY);
    host->faults.damage = sim_stream(hosts->seed, SIM_STREAM_FAULT, name, SIM_FAULT_CHANCE_DAMAGE);
    sim_host_lend(host);
}

void sim_host_fini(struct sim_host *host)
{
    assert(!host->node);
    sim_engine_cancel(host->hosts->engine, &host->source);
    sim_host_forget_state(host);
    sim_release(host->points);
    sim_release(host->sockets);
    sim_release(host->arena);
    sim_release(host->tun_in);
    sim_release(host->results);
    sim_release(host->commands);
    sim_release(host->links_changed);
    sim_release(host->links_down);
    sim_release(host->routes);
    sim_release(host->forwarded);
    sim_release(host->nat);
    sim_host_forget_asks(host);
    sim_memory_fini(&host->memory);
    sim_box_fini(&host->box);
}

bool sim_host_running(const struct sim_host *host)
{
    return host->node != NULL;
}

void sim_host_wake(struct sim_host *host)
{
    uint64_t now = host->hosts->engine->now_ns;
    if (host->node)
        sim_engine_schedule(host->hosts->engine, &host->source, sim_host_idle(host) ? host->faults.idle_until_ns : now);
}

void sim_host_step(struct sim_host *host, struct qe_event *event)
{
    event->now_ns = host->hosts->engine->now_ns;
    event->wall_ms = sim_host_wall_ms(host);
    host->counts.steps++;
    host->instant_steps++;
    host->hosts->core->step(host->node, event);
}

static bool buffers_held(const struct sim_host *host)
{
    return host->hosts->engine->now_ns < host->faults.buffers_held_until_ns;
}

static void announce_buffers(struct sim_host *host)
{
    if (!host->returned || buffers_held(host)) return;
    struct qe_event event = {.kind = QE_EVENT_BUFFERS, .buffers = host->returned};
    host->in_use -= host->returned;
    host->returned = 0;
    sim_host_step(host, &event);
}

static void tell_link(struct sim_host *host, size_t place)
{
    const struct sim_interface *interface = host->box.interfaces[place];
    struct qe_event event = {.kind = QE_EVENT_LINK,
        .link = {.interface = interface->index,
            .name = interface->name,
            .up = !host->links_down[place],
            .addresses = interface->addresses,
            .address_count = interface->address_count}};
    host->links_changed[place] = false;
    sim_host_step(host, &event);
}

void sim_host_start(struct sim_host *host)
{
    struct sim_hosts *hosts = host->hosts;
    assert(!host->node && host->runs_node);
    sim_trace_start(hosts->trace, sim_box_who(&host->box));
    host->counts.starts++;
    if (hosts->watch.started) hosts->watch.started(hosts->watch.user, host);
    host->stopping = false;
    host->lent.tls = hosts->tls;
    host->in_use = host->returned = 0;
    host->deadline_ns = QE_TIME_NEVER;
    if (!host->links_down) {
        host->links_down = sim_obtain(host->box.interface_count, sizeof(*host->links_down));
        host->links_changed = sim_obtain(host->box.interface_count, sizeof(*host->links_changed));
    }
    if (hosts->core->create(&host->node, &host->config, &host->lent, hosts->engine->now_ns, sim_host_wall_ms(host)) !=
        0) {
        host->node = NULL;
        // Want of memory is no fault of the node.
        if (!host->memory.refused)
            hosts->violated(hosts->user, host, SIM_FAILURE_CREATE, "the node could not be created");
        sim_trace_note(hosts->trace, sim_box_who(&host->box), "the node could not be created");
        hosts->ended(hosts->user, host, SIM_HOST_FAILED);
        return;
    }
    for (size_t i = 0; i < host->stored_count; i++) {
        struct qe_event event = {.kind = QE_EVENT_STORED,
            .stored = {host->stored[i].key, qe_span(host->stored[i].value, host->stored[i].size)}};
        sim_host_step(host, &event);
    }
    struct qe_event buffers = {.kind = QE_EVENT_BUFFERS, .buffers = SIM_CREDITS};
    sim_host_step(host, &buffers);
    struct qe_event start = {.kind = QE_EVENT_START};
    sim_host_step(host, &start);
    for (size_t i = 0; i < host->box.interface_count; i++)
        tell_link(host, i);
    host->any_link_changed = false;
    // At once, so that the TUN is there for whatever else belongs to this instant.
    occur(&host->source);
}

void sim_host_stop(struct sim_host *host)
{
    if (!host->node || host->stopping) return;
    host->stopping = true;
    sim_host_command(host, UINT64_MAX, QE_COMMAND_STOP, NULL);
}

// What waits for the node goes with it: sockets, the TUN and their queues belong to the process.
static void forget_input(struct sim_host *host)
{
    sim_host_forget_datagrams(host);
    for (size_t i = 0; i < host->tun_in_count; i++)
        sim_buffers_give(&host->hosts->buffers, host->tun_in[i].buf);
    host->inputs -= host->tun_in_count;
    for (size_t i = 0; i < host->command_count; i++)
        sim_release(host->commands[i].argument);
    host->tun_in_count = host->result_count = host->command_count = 0;
    host->socket_count = 0;
    sim_host_forget_asks(host);
    host->tun_open = false;
    host->route_count = host->forwarded_count = host->nat_count = 0;
    host->dns_domain[0] = '\0';
}

static void end_node(struct sim_host *host, bool crashed)
{
    struct sim_hosts *hosts = host->hosts;
    sim_trace_stop(hosts->trace, sim_box_who(&host->box), crashed);
    forget_input(host);
    hosts->core->destroy(host->node);
    host->node = NULL;
    sim_engine_cancel(hosts->engine, &host->source);
    if (host->inputs) hosts->violated(hosts->user, host, SIM_FAILURE_LEAK, "packets from the TUN were not given back");
    if (host->memory.blocks) hosts->violated(hosts->user, host, SIM_FAILURE_LEAK, "memory was not freed");
    if (host->in_use != host->returned)
        hosts->violated(hosts->user, host, SIM_FAILURE_LEAK, "output buffers were not given back");
    host->in_use = host->returned = 0;
    host->inputs = 0;
    host->faults.crash_now = false;
    hosts->ended(hosts->user, host, crashed ? SIM_HOST_CRASHED : host->stopping ? SIM_HOST_STOPPED : SIM_HOST_FAILED);
}

void sim_host_crash(struct sim_host *host)
{
    if (host->node) end_node(host, true);
}

// A machine that does nothing takes what its queue has room for, and nothing while it sleeps.
static bool refuses(const struct sim_host *host)
{
    return sim_host_asleep(host) || host->tun_in_count >= SIM_TUN_PACKETS_MAX;
}

bool sim_host_tun_input(struct sim_host *host, const uint8_t *bytes, size_t size, const struct qe_offload *offload)
{
    if (!host->tun_open || (sim_host_idle(host) && refuses(host))) {
        host->counts.tun_in_refused++;
        return false;
    }
    struct qe_buf *buf = sim_buffers_fill(&host->hosts->buffers, host, size);
    memcpy(qe_buf_bytes(buf), bytes, size);
    buf->size = (uint32_t)size;
    host->counts.tun_in++;
    host->inputs++;
    sim_trace_tun(host->hosts->trace, sim_box_who(&host->box), SIM_TRACE_TUN_IN, qe_span(bytes, size), offload);
    const struct sim_watch *watch = &host->hosts->watch;
    if (watch->entered) watch->entered(watch->user, host, qe_span(bytes, size), offload);
    SIM_ROOM(host->tun_in, host->tun_in_count, host->tun_in_capacity);
    host->tun_in[host->tun_in_count++] = (struct qe_packet_in){buf, *offload};
    sim_host_wake(host);
    return true;
}

const struct qe_cidr *sim_host_tun_address(const struct sim_host *host, uint8_t family)
{
    for (size_t i = 0; i < host->tun_address_count; i++)
        if (host->tun_addresses[i].ip.family == family) return &host->tun_addresses[i];
    return NULL;
}

void sim_host_command(struct sim_host *host, uint64_t id, enum qe_command_verb verb, const char *argument)
{
    if (!host->node) return;
    SIM_ROOM(host->commands, host->command_count, host->command_capacity);
    host->commands[host->command_count++] =
        (struct sim_pending_command){id, verb, argument ? sim_copy_text(argument) : NULL};
    sim_host_wake(host);
}

void sim_host_link_changed(struct sim_host *host, const struct sim_interface *interface, bool up)
{
    sim_trace_link(host->hosts->trace, sim_box_who(&host->box), interface->index, interface->name, up);
    if (!host->runs_node) return;
    for (size_t i = 0; i < host->box.interface_count; i++) {
        if (host->box.interfaces[i] != interface) continue;
        if (!host->links_down) {
            host->links_down = sim_obtain(host->box.interface_count, sizeof(*host->links_down));
            host->links_changed = sim_obtain(host->box.interface_count, sizeof(*host->links_changed));
        }
        host->links_down[i] = !up;
        host->links_changed[i] = host->any_link_changed = true;
    }
    sim_host_wake(host);
}

static void feed_packets(struct sim_host *host)
{
    if (!host->tun_in_count) return;
    // The node may not see the array grow under it: it takes the whole batch, and what comes meanwhile is a new one.
    size_t count = host->tun_in_count < SIM_BATCH_MAX ? host->tun_in_count : SIM_BATCH_MAX;
    struct qe_packet_in batch[SIM_BATCH_MAX];
    memcpy(batch, host->tun_in, count * sizeof(*batch));
    host->tun_in_count -= count;
    memmove(host->tun_in, host->tun_in + count, host->tun_in_count * sizeof(*batch));
    struct qe_event event = {.kind = QE_EVENT_PACKETS, .packets = {batch, count}};
    sim_host_step(host, &event);
}

static void feed_results(struct sim_host *host)
{
    if (!host->result_count) return;
    struct sim_pending_result result = host->results[0];
    host->result_count--;
    memmove(host->results, host->results + 1, host->result_count * sizeof(result));
    struct qe_event event = {.kind = QE_EVENT_RESULT,
        .result = {.request = result.request,
            .code = result.code,
            .local = result.local,
            .lifetime_s = result.lifetime_s,
            .addresses = result.addresses,
            .address_count = result.address_count,
            .text = result.text}};
    sim_host_step(host, &event);
}

static void feed_commands(struct sim_host *host)
{
    if (!host->command_count) return;
    struct sim_pending_command command = host->commands[0];
    host->command_count--;
    memmove(host->commands, host->commands + 1, host->command_count * sizeof(command));
    struct qe_event event = {
        .kind = QE_EVENT_COMMAND, .command = {.id = command.id, .verb = command.verb, .argument = command.argument}};
    sim_host_step(host, &event);
    sim_release(command.argument);
}

static void feed_links(struct sim_host *host)
{
    if (!host->any_link_changed) return;
    host->any_link_changed = false;
    for (size_t i = 0; i < host->box.interface_count; i++)
        if (host->links_changed[i]) tell_link(host, i);
}

// Everything that waits, one batch of each kind, and a timeout where one is due.
static void feed(struct sim_host *host)
{
    sim_host_feed_datagrams(host);
    feed_packets(host);
    feed_links(host);
    feed_results(host);
    feed_commands(host);
    if (host->deadline_ns > host->hosts->engine->now_ns) return;
    struct qe_event event = {.kind = QE_EVENT_TIMEOUT};
    sim_host_step(host, &event);
}

static bool waits(const struct sim_host *host)
{
    return host->first_received || host->tun_in_count || host->any_link_changed || host->result_count ||
           host->command_count;
}

static bool storm(struct sim_host *host)
{
    struct sim_hosts *hosts = host->hosts;
    if (host->instant_ns != hosts->engine->now_ns) {
        host->instant_ns = hosts->engine->now_ns;
        host->instant_steps = 0;
    }
    if (host->instant_steps <= SIM_STORM_MAX) return false;
    hosts->violated(hosts->user, host, SIM_FAILURE_STORM, "timer storm: time does not move on");
    return true;
}

// A node that may not open what it needs has a reason to give up.
static bool refusing(const struct sim_host *host)
{
    return host->faults.sockets_refused_until_ns || host->faults.tun_refused_until_ns;
}

// Does what the node wants done; false where it has ended.
static bool drain(struct sim_host *host)
{
    struct qe_action action;
    for (;;) {
        while (host->hosts->core->next(host->node, &action)) {
            host->counts.actions++;
            if (action.kind == QE_ACTION_STOPPED) {
                if (!host->stopping && !host->memory.refused && !refusing(host))
                    host->hosts->violated(host->hosts->user, host, SIM_FAILURE_STATE, "the node gave up by itself");
                end_node(host, false);
                return false;
            }
            sim_host_act(host, &action);
            host->instant_steps++;
            if (host->faults.crash_now) {
                end_node(host, true);
                sim_host_lose_unsynced(host, host->faults.unsynced_ns);
                return false;
            }
            if (storm(host)) return false;
        }
        // Buffers are announced as the kernel would be done with them: soon, but not one by one.
        if (host->returned == 0 || buffers_held(host)) return true;
        if (host->in_use < SIM_CREDITS && host->returned < SIM_SENDS / 2) return true;
        announce_buffers(host);
    }
}

static void occur(struct sim_source *source)
{
    struct sim_host *host = qe_container(source, struct sim_host, source);
    uint64_t now = host->hosts->engine->now_ns;
    if (!host->node) return;
    if (sim_host_idle(host)) {
        sim_engine_schedule(host->hosts->engine, source, host->faults.idle_until_ns);
        return;
    }
    uint64_t actions = host->counts.actions;
    bool idle = !host->returned && !waits(host);
    announce_buffers(host);
    do {
        feed(host);
        if (!drain(host) || storm(host)) return;
        host->deadline_ns = host->hosts->core->deadline(host->node);
    } while (host->deadline_ns <= now || waits(host));
    const struct sim_watch *watch = &host->hosts->watch;
    if (watch->settled) watch->settled(watch->user, host, idle && host->counts.actions == actions);
    uint64_t next = host->deadline_ns;
    if (host->returned && buffers_held(host)) next = qe_time_min(next, host->faults.buffers_held_until_ns);
    if (next != QE_TIME_NEVER) sim_engine_schedule(host->hosts->engine, source, next);
}
