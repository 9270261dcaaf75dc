// Judging a run: each expectation's measured figure against its bound.
#include "world/world.h"

#include "net/middlebox.h"
#include "scenario/units.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// What a node says that has no way to a peer.
#define REFUSAL "cannot connect"

static bool in_window(const struct sim_world *world, const struct sim_scenario_expect *e)
{
    return world->engine.now_ns >= e->after_ns && world->engine.now_ns < e->before_ns;
}

void sim_expect_logged(struct sim_world *world, const struct sim_host *host, const char *text)
{
    for (size_t i = 0; i < world->scenario->expect_count; i++) {
        const struct sim_scenario_expect *e = &world->scenario->expects[i];
        if (e->kind == SIM_EXPECT_LOG && e->host == host->box.index && in_window(world, e) && strstr(text, e->text))
            world->counts[i]++;
        if (e->kind == SIM_EXPECT_CROSSING && (e->host == host->box.index || e->other == host->box.index) &&
            in_window(world, e) && strstr(text, REFUSAL))
            world->counts[i]++;
    }
}

void sim_expect_traced(struct sim_world *world, const struct sim_host *host, const char *name)
{
    for (size_t i = 0; i < world->scenario->expect_count; i++) {
        const struct sim_scenario_expect *e = &world->scenario->expects[i];
        if (e->kind == SIM_EXPECT_EVENT && e->host == host->box.index && in_window(world, e) &&
            strcmp(name, e->text) == 0)
            world->counts[i]++;
    }
}

// The value of a metric without labels, in what QE_COMMAND_METRICS answers (docs/api.md). `name` is without the prefix
// that all of them have.
static bool find_metric(const json_t *root, const char *name, uint64_t *value)
{
    static const char prefix[] = "quicether_";
    size_t index;
    json_t *metric;
    json_array_foreach(json_object_get(root, "metrics"), index, metric)
    {
        const char *own = json_string_value(json_object_get(metric, "name"));
        const json_t *sample = json_array_get(json_object_get(metric, "samples"), 0);
        const json_t *number = json_object_get(sample, "value");
        if (!own || strncmp(own, prefix, sizeof(prefix) - 1) != 0) continue;
        if (strcmp(own + sizeof(prefix) - 1, name) != 0 || !json_is_integer(number)) continue;
        *value = (uint64_t)json_integer_value(number);
        return true;
    }
    return false;
}

void sim_expect_metrics(struct sim_world *world, const struct sim_host *host, struct qe_span json)
{
    json_t *root = json_loadb((const char *)json.data, json.size, 0, NULL);
    for (size_t i = 0; root && i < world->scenario->expect_count; i++) {
        const struct sim_scenario_expect *e = &world->scenario->expects[i];
        if (e->kind == SIM_EXPECT_COUNTER && e->host == host->box.index)
            world->counted[i] = find_metric(root, e->text, &world->counts[i]);
    }
    json_decref(root);
}

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
    char out[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(out, sizeof(out), format, args);
    va_end(args);
    return sim_copy_text(out);
}

static char *bound_text(const struct sim_scenario_expect *e, enum sim_unit unit)
{
    char min[SIM_VALUE_TEXT_SIZE], max[SIM_VALUE_TEXT_SIZE];
    sim_value_format(unit, e->min, min);
    sim_value_format(unit, e->max, max);
    if (e->has_min && e->has_max) return e->min == e->max ? text("is %s", min) : text("%s to %s", min, max);
    return e->has_min ? text("at least %s", min) : text("at most %s", max);
}

static void judge_value(
    struct sim_outcome *out, const struct sim_scenario_expect *e, enum sim_unit unit, bool known, uint64_t value)
{
    char measured[SIM_VALUE_TEXT_SIZE];
    out->bound = bound_text(e, unit);
    out->measured = sim_copy_text(known ? sim_value_format(unit, value, measured) : "nothing");
    out->passed = known && (!e->has_min || value >= e->min) && (!e->has_max || value <= e->max);
}

static uint64_t pipe_value(const struct sim_pipe *pipe, enum sim_measure_id id)
{
    const struct sim_pipe_stats *s = &pipe->stats;
    switch (id) {
    case SIM_MEASURE_ENTERED:
        return s->entered;
    case SIM_MEASURE_ENTERED_BYTES:
        return s->entered_bytes;
    case SIM_MEASURE_DELIVERED:
        return s->delivered;
    case SIM_MEASURE_DROPPED_QUEUE:
        return s->dropped[SIM_DROP_QUEUE];
    case SIM_MEASURE_DROPPED_LOSS:
        return s->dropped[SIM_DROP_LOSS];
    case SIM_MEASURE_DROPPED_MTU:
        return s->dropped[SIM_DROP_MTU];
    case SIM_MEASURE_DROPPED_DOWN:
        return s->dropped[SIM_DROP_DOWN];
    case SIM_MEASURE_DROPPED_BURST:
        return s->dropped[SIM_DROP_BURST];
    case SIM_MEASURE_DROPPED_CODEL:
        return s->dropped[SIM_DROP_CODEL];
    case SIM_MEASURE_DROPPED_CHECKSUM:
        return s->dropped[SIM_DROP_CHECKSUM];
    case SIM_MEASURE_DROPPED:
        return sim_pipe_dropped(pipe);
    case SIM_MEASURE_DUPLICATED:
        return s->duplicated;
    case SIM_MEASURE_CORRUPTED:
        return s->corrupted;
    case SIM_MEASURE_MARKED:
        return s->marked;
    case SIM_MEASURE_QUEUE_PEAK:
        return s->queue_packets_peak;
    default:
        abort();
    }
}

uint64_t sim_link_measure(const struct sim_link *link, size_t only, enum sim_measure_id id)
{
    uint64_t value = 0;
    for (size_t i = 0; i < link->port_count; i++) {
        if (only != SIM_NONE && only != i) continue;
        const struct sim_pipe *pipes[] = {&link->ports[i].out, &link->ports[i].in};
        for (size_t k = 0; k < (link->is_switch && only == SIM_NONE ? 2 : 1); k++) {
            uint64_t one = pipe_value(pipes[k], id);
            if (id == SIM_MEASURE_QUEUE_PEAK)
                value = one > value ? one : value;
            else
                value += one;
        }
    }
    return value;
}

static void judge_link(const struct sim_world *world, const struct sim_scenario_expect *e, struct sim_outcome *out)
{
    const struct sim_link *link = &world->links[e->link];
    out->subject = text("link %s", e->measure->name);
    out->what = e->port == SIM_NONE ? text("link %s %s", link->name, e->measure->name)
                                    : text("link %s from %s %s", link->name, link->ports[e->port].interface->box->name,
                                          e->measure->name);
    judge_value(out, e, e->measure->unit, true, sim_link_measure(link, e->port, e->measure->id));
}

// Of a host without a NAT or firewall all of it is 0.
static uint64_t middlebox_value(const struct sim_middlebox *m, enum sim_measure_id id)
{
    const struct sim_nat_counts none = {0}, *counts = m && m->nat ? sim_nat_counts(m->nat) : &none;
    switch (id) {
    case SIM_MEASURE_MAPPINGS_PEAK:
        return counts->mappings_peak;
    case SIM_MEASURE_MAPPINGS_MADE:
        return counts->created;
    case SIM_MEASURE_DROPPED_NO_MAPPING:
        return m ? m->dropped[SIM_DROP_NO_MAPPING] : 0;
    case SIM_MEASURE_DROPPED_FILTERED:
        return m ? m->dropped[SIM_DROP_FILTERED] : 0;
    case SIM_MEASURE_DROPPED_EXHAUSTED:
        return m ? m->dropped[SIM_DROP_EXHAUSTED] : 0;
    case SIM_MEASURE_DROPPED_HAIRPIN:
        return m ? m->dropped[SIM_DROP_HAIRPIN] : 0;
    case SIM_MEASURE_DROPPED_FIREWALL:
        return m ? m->dropped[SIM_DROP_FIREWALL] : 0;
    case SIM_MEASURE_DROPPED_REBOOTING:
        return m ? m->dropped[SIM_DROP_REBOOTING] : 0;
    default:
        abort();
    }
}

uint64_t sim_host_measure(const struct sim_host *host, enum sim_measure_id id)
{
    switch (id) {
    case SIM_MEASURE_MEMORY_PEAK:
        return host->memory.bytes_peak;
    case SIM_MEASURE_ALLOCATIONS:
        return host->memory.allocations;
    case SIM_MEASURE_ALLOCATIONS_REFUSED:
        return host->memory.refused;
    case SIM_MEASURE_WRITES:
        return host->counts.writes;
    case SIM_MEASURE_WRITES_FAILED:
        return host->counts.writes_failed;
    case SIM_MEASURE_STARTS:
        return host->counts.starts;
    case SIM_MEASURE_STEPS:
        return host->counts.steps;
    case SIM_MEASURE_TUN_IN:
        return host->counts.tun_in;
    case SIM_MEASURE_TUN_OUT:
        return host->counts.tun_out;
    case SIM_MEASURE_DATAGRAMS_SENT:
        return host->counts.datagrams_sent;
    case SIM_MEASURE_DATAGRAMS_RECEIVED:
        return host->counts.datagrams_received;
    case SIM_MEASURE_TOO_BIG_RECEIVED:
        return host->box.too_big_received;
    default:
        return middlebox_value(host->box.middlebox, id);
    }
}

static void judge(const struct sim_world *world, size_t index, struct sim_outcome *out)
{
    static const char *const words[] = {
        [SIM_EXPECT_LOG] = "log", [SIM_EXPECT_EVENT] = "event", [SIM_EXPECT_COUNTER] = "counter"};
    const struct sim_scenario_expect *e = &world->scenario->expects[index];
    uint64_t value;
    out->sometimes = e->sometimes;
    out->sometimes_ppb = e->sometimes_ppb;
    switch (e->kind) {
    case SIM_EXPECT_FLOW: {
        bool known = sim_flow_measure(&world->flows.list[e->flow], e->measure->id, e->after_ns, e->before_ns, &value);
        out->subject = text("flow %s", e->measure->name);
        out->what = text("flow %s %s", world->scenario->flows[e->flow].name, e->measure->name);
        judge_value(out, e, e->measure->unit, known, value);
        break;
    }
    case SIM_EXPECT_LINK:
        judge_link(world, e, out);
        break;
    case SIM_EXPECT_HOST:
        out->subject = text("host %s", e->measure->name);
        out->what = text("host %s %s", world->hosts[e->host]->box.name, e->measure->name);
        judge_value(out, e, e->measure->unit, true, sim_host_measure(world->hosts[e->host], e->measure->id));
        break;
    case SIM_EXPECT_LOG:
    case SIM_EXPECT_EVENT:
    case SIM_EXPECT_COUNTER:
        out->subject = e->kind == SIM_EXPECT_LOG ? sim_copy_text("log") : text("%s %s", words[e->kind], e->text);
        out->what = text("host %s %s \"%s\"", world->hosts[e->host]->box.name, words[e->kind], e->text);
        judge_value(
            out, e, SIM_UNIT_COUNT, e->kind != SIM_EXPECT_COUNTER || world->counted[index], world->counts[index]);
        break;
    case SIM_EXPECT_CONNECTED:
    case SIM_EXPECT_DISCONNECTED:
    case SIM_EXPECT_NEVER_CONNECTED:
    case SIM_EXPECT_CROSSING:
        sim_expect_judge_pair(world, index, out);
        break;
    case SIM_EXPECT_POINT:
        out->subject = text("point %s", qe_fault_point_name(e->point));
        out->what = text("fault point %s", qe_fault_point_name(e->point));
        judge_value(out, e, SIM_UNIT_COUNT, true, world->result->points[e->point]);
        break;
    case SIM_EXPECT_TRIGGER:
        out->subject = sim_copy_text("trigger");
        out->what = text("trigger %s", world->scenario->triggers[e->trigger].name);
        judge_value(out, e, SIM_UNIT_COUNT, true, sim_trigger_fired(world, e->trigger));
        break;
    }
}

void sim_expect_judge(struct sim_world *world)
{
    size_t count = world->scenario->expect_count;
    world->result->outcomes = sim_obtain(count, sizeof(*world->result->outcomes));
    world->result->outcome_count = count;
    for (size_t i = 0; i < count; i++)
        judge(world, i, &world->result->outcomes[i]);
}
