#include "world/world.h"

#include "host/configs.h"
#include "net/topology.h"
#include "traffic/plain.h"
#include "world/verdict.h"

#include "base/list.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static void violated(void *user, struct sim_host *host, enum sim_failure kind, const char *what)
{
    struct sim_world *world = user;
    struct sim_trace_who who = host ? sim_box_who(&host->box) : (struct sim_trace_who){UINT32_MAX, "-"};
    sim_trace_note(&world->trace, who, "VIOLATION %s: %s", sim_failure_name(kind), what);
    if (world->result->violation[0]) return;
    world->result->failure = kind;
    uint64_t now = world->engine.now_ns;
    snprintf(world->result->violation, sizeof(world->result->violation), "%" PRIu64 ".%09" PRIu64 "s %s%s%s",
        now / 1000000000, now % 1000000000, host ? "host " : "", host ? host->box.name : "", host ? "" : "network");
    size_t used = strlen(world->result->violation);
    snprintf(world->result->violation + used, sizeof(world->result->violation) - used, ": %s", what);
}

static bool take_plain(void *user, struct sim_host *host, const struct sim_packet *packet)
{
    struct sim_world *world = user;
    return sim_plain_take(&world->flows, host, packet);
}

static void delivered(void *user, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct sim_world *world = user;
    if (!sim_calm_delivered(&world->calm, host, packet) && !sim_host_forward(host, packet, offload))
        sim_flows_delivered(&world->flows, host, packet, offload);
    sim_invariants_delivered(&world->invariants, host, packet, offload);
}

static size_t host_of(const struct sim_world *world, const struct qe_node_id *id)
{
    for (size_t i = 0; i < world->scenario->host_count; i++)
        if (qe_node_id_equal(&world->hosts[i]->id, id)) return i;
    return SIM_NONE;
}

static void note_connection(struct sim_world *world, size_t host, size_t other, enum sim_way way)
{
    SIM_ROOM(world->changes, world->change_count, world->change_capacity);
    world->changes[world->change_count++] = (struct sim_connection_change){world->engine.now_ns, host, other, way};
}

static void note_record(struct sim_world *world, size_t host, size_t other)
{
    for (size_t i = 0; i < world->found_count; i++)
        if (world->found[i].host == host && world->found[i].other == other) return;
    SIM_ROOM(world->found, world->found_count, world->found_capacity);
    world->found[world->found_count++] = (struct sim_record_found){world->engine.now_ns, host, other};
}

static void note_session(struct sim_world *world, size_t host, const struct qe_trace *trace)
{
    static const struct {
        const char *name;
        enum sim_way way;
    } ways[] = {{"session.connected", SIM_WAY_ANY}, {"session.direct", SIM_WAY_DIRECT},
        {"session.relayed", SIM_WAY_GATEWAY}, {"session.lost", SIM_WAY_NONE}};
    size_t other = host_of(world, &trace->peer);
    for (size_t i = 0; other != SIM_NONE && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(trace->name, ways[i].name) == 0) note_connection(world, host, other, ways[i].way);
}

static void traced(void *user, struct sim_host *host, const struct qe_trace *trace)
{
    struct sim_world *world = user;
    static const struct qe_node_id nobody;
    bool session = strncmp(trace->name, "session.", 8) == 0;
    if (session) note_session(world, host->box.index, trace);
    if (strcmp(trace->name, "record.found") == 0) {
        size_t other = host_of(world, &trace->peer);
        if (other != SIM_NONE) note_record(world, host->box.index, other);
    }
    sim_expect_traced(world, host, trace->name);
    sim_invariants_traced(&world->invariants, host, trace->name, session ? host_of(world, &trace->peer) : SIM_NONE);
    if (!sim_trace_wants(&world->trace, SIM_TRACE_CORE)) return;
    const char *peer = NULL;
    if (!qe_node_id_equal(&trace->peer, &nobody)) {
        size_t other = host_of(world, &trace->peer);
        peer = other != SIM_NONE ? world->hosts[other]->box.name : "unknown";
    }
    sim_trace_tell(&world->trace, &(struct sim_trace_item){.event = SIM_TRACE_CORE,
                                      .who = sim_box_who(&host->box),
                                      .name = trace->name,
                                      .peer = peer,
                                      .a = trace->a,
                                      .b = trace->b});
}

static void logged(void *user, struct sim_host *host, enum qe_log_level level, const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct sim_world *world = user;
    sim_expect_logged(world, host, text);
    sim_invariants_logged(&world->invariants, host, level, text);
    sim_trace_tell(&world->trace,
        &(struct sim_trace_item){
            .event = SIM_TRACE_LOG, .who = sim_box_who(&host->box), .name = levels[level], .text = text});
}

static void replied(void *user, struct sim_host *host, uint64_t command, int status, struct qe_span body)
{
    struct sim_world *world = user;
    if (command == SIM_INVARIANTS_METRICS && status == 200) sim_expect_metrics(world, host, body);
    sim_invariants_replied(&world->invariants, host, command, status, body);
}

static const struct qe_ip *resolve(void *user, struct sim_host *host, const char *name, size_t *count)
{
    static const struct qe_ip none;
    const struct sim_world *world = user;
    const struct sim_scenario_name *known = sim_scenario_find_name(world->scenario, name);
    *count = known ? known->count : 0;
    if (!world->scenario->hosts[host->box.index].dns) return NULL;
    return known ? known->addresses : &none;
}

static bool over(const struct sim_world *world)
{
    return world->result->violation[0] != 0;
}

static void ended(void *user, struct sim_host *host, enum sim_host_end how)
{
    struct sim_world *world = user;
    sim_invariants_ended(&world->invariants, host);
    for (size_t i = 0; i < world->scenario->host_count; i++)
        if (i != host->box.index) note_connection(world, host->box.index, i, SIM_WAY_NONE);
    sim_timeline_ended(world, host->box.index, how);
}

static void set_points(const struct sim_scenario_faults *faults, struct sim_host *host)
{
    const struct sim_point_settings settings = {
        faults->points, faults->drawn_ppb, faults->chance_ppb, faults->after_ns, faults->before_ns};
    if (faults->hosts && faults->hosts[host->box.index]) sim_host_set_points(host, &settings);
}

static void count_points(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario->host_count; i++)
        for (int k = 0; k < QE_FAULT_COUNT; k++)
            world->result->points[k] += sim_host_point_fired(world->hosts[i], (enum qe_fault_point)k);
}

static void build(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    const struct sim_run_options *o = world->options;
    sim_engine_init(&world->engine);
    sim_trace_init(&world->trace, &world->engine.now_ns, o->sinks);
    sim_network_init(&world->network, &world->engine, &world->trace, o->seed, sim_host_deliver);
    world->network.pass = sim_host_take_into_tun;
    sim_hosts_init(&world->shared, &world->engine, &world->network, &world->trace, o->core, o->seed, s->wall_ms);
    world->shared.user = world;
    world->shared.delivered = delivered;
    world->shared.plain = take_plain;
    world->shared.traced = traced;
    world->shared.logged = logged;
    world->shared.replied = replied;
    world->shared.violated = violated;
    world->shared.ended = ended;
    world->shared.resolve = resolve;
    world->shared.tls = o->tls;
    world->shared.recording = o->recording;
    world->hosts = sim_obtain(s->host_count, sizeof(struct sim_host *));
    world->links = sim_obtain(s->link_count, sizeof(*world->links));
    world->counts = sim_obtain(s->expect_count, sizeof(*world->counts));
    world->counted = sim_obtain(s->expect_count, sizeof(*world->counted));
    for (size_t i = 0; i < s->host_count; i++) {
        struct sim_host *host = world->hosts[i] = sim_obtain(1, sizeof(*host));
        sim_host_init(host, &world->shared, s->hosts[i].name, (uint32_t)i, s->hosts[i].router);
        host->runs_node = s->hosts[i].node;
        host->config = world->configs[i];
        if (o->messages) host->lent.tell_carried = true;
        host->wall_offset_ms = s->hosts[i].wall_offset_ms;
        if (s->hosts[i].member_of) sim_host_join(host, s->hosts[i].member_of);
        host->memory.bytes_max = s->hosts[i].memory_max;
        set_points(&s->faults, host);
    }
    sim_topology_build(s, &world->network, world->hosts, world->links);
    world->next_sample_ns =
        o->sample_ns && sim_trace_wants(&world->trace, SIM_TRACE_SAMPLE) ? o->sample_ns : UINT64_MAX;
    sim_trace_begin(&world->trace, world->hosts, s->host_count);
    sim_flows_init(&world->flows, s, world->hosts, &world->engine, o->seed);
    world->flows.user = world;
    world->flows.violated = violated;
    sim_invariants_init(&world->invariants, s, &world->shared, &world->network, world->hosts);
    sim_calm_init(&world->calm, world);
}

static void check_conservation(struct sim_world *world)
{
    for (size_t i = 0; i < world->scenario->link_count; i++)
        if (!sim_link_conserves(&world->links[i]))
            violated(world, NULL, SIM_FAILURE_CONSERVATION, "a link lost count of its packets");
    if (!sim_network_conserves(&world->network, world->shared.held))
        violated(
            world, NULL, SIM_FAILURE_CONSERVATION, "datagrams sent are neither received, nor dropped, nor under way");
}

static void run_events(struct sim_world *world, uint64_t end_ns)
{
    while (!over(world) && sim_engine_step(&world->engine, end_ns)) {
        sim_invariants_scan(&world->invariants, world->engine.now_ns);
        if (world->engine.instant > SIM_INSTANT_MAX)
            violated(world, NULL, SIM_FAILURE_STORM, "event storm: time does not move on");
    }
}

// Samples are taken between events, and are none: a run does not know whether somebody looks.
static void run_until(struct sim_world *world, uint64_t end_ns)
{
    while (world->next_sample_ns < end_ns) {
        run_events(world, world->next_sample_ns);
        if (over(world)) return;
        sim_engine_advance(&world->engine, world->next_sample_ns);
        sim_world_sample(world);
        world->next_sample_ns += world->options->sample_ns;
    }
    run_events(world, end_ns);
}

// What every node has counted, for the expectations and the checks.
static void ask_nodes(struct sim_world *world, uint64_t end_ns)
{
    sim_invariants_ask(&world->invariants);
    run_until(world, end_ns);
}

// Ends every node and gives everything back; what is missing then is a leak.
static void tear_down(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    for (size_t i = 0; i < s->host_count; i++) {
        sim_host_crash(world->hosts[i]);
    }
    sim_triggers_fini(world);
    sim_flows_fini(&world->flows);
    world->shared.watch = (struct sim_watch){0};
    sim_calm_fini(&world->calm);
    sim_invariants_fini(&world->invariants);
    for (size_t i = 0; i < s->link_count; i++)
        sim_link_fini(&world->links[i]);
    if (world->network.pool.out) violated(world, NULL, SIM_FAILURE_LEAK, "datagrams were left over");
    if (world->shared.buffers.out) violated(world, NULL, SIM_FAILURE_LEAK, "buffers were left over");
    for (size_t i = 0; i < s->host_count; i++) {
        sim_host_fini(world->hosts[i]);
        sim_release(world->hosts[i]);
    }
    sim_hosts_fini(&world->shared);
    sim_network_fini(&world->network);
    sim_engine_fini(&world->engine);
    sim_release(world->hosts);
    sim_release(world->links);
    sim_timeline_fini(world);
    sim_release(world->counts);
    sim_release(world->counted);
    sim_release(world->changes);
    sim_release(world->found);
}

void sim_run(const struct sim_run_options *options, struct sim_result *result)
{
    struct sim_world world = {.options = options, .scenario = options->scenario, .result = result};
    char error[SIM_ERROR_SIZE];
    *result = (struct sim_result){.verdict = SIM_ERROR};
    world.configs = sim_configs_new(options->scenario, options->seed, options->lanes, error);
    if (!world.configs) {
        snprintf(result->violation, sizeof(result->violation), "%s", error);
        sim_verdict_reach(result);
        return;
    }
    build(&world);
    sim_timeline_init(&world);
    sim_triggers_init(&world);
    sim_flows_start(&world.flows);
    uint64_t end_ns = world.scenario->duration_ns;
    run_until(&world, end_ns);
    if (!over(&world)) sim_engine_advance(&world.engine, end_ns);
    ask_nodes(&world, end_ns);
    check_conservation(&world);
    if (!over(&world)) sim_invariants_add_up(&world.invariants);
    if (!over(&world)) sim_calm_judge(&world.calm);
    count_points(&world);
    sim_expect_judge(&world);
    if (options->measures) sim_world_measure(&world);
    sim_trace_fini(&world.trace, result->hash);
    result->virtual_ns = world.engine.now_ns;
    result->events = world.engine.occurred;
    result->datagrams = world.network.sent;
    memcpy(result->dropped_for, world.network.dropped, sizeof(result->dropped_for));
    for (int i = 0; i < SIM_DROP_COUNT; i++)
        result->dropped += result->dropped_for[i];
    tear_down(&world);
    sim_configs_free(world.configs, world.scenario);
    result->verdict = SIM_PASS;
    sim_verdict_reach(result);
}

void sim_result_fini(struct sim_result *result)
{
    for (size_t i = 0; i < result->outcome_count; i++) {
        sim_release(result->outcomes[i].what);
        sim_release(result->outcomes[i].subject);
        sim_release(result->outcomes[i].bound);
        sim_release(result->outcomes[i].measured);
    }
    sim_release(result->outcomes);
    for (size_t i = 0; i < result->measured_count; i++)
        sim_release(result->measured[i].name);
    sim_release(result->measured);
}
