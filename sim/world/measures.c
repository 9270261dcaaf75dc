// All that can be measured of a run, under flat names that sort and filter easily.
#include "world/world.h"

#include <stdio.h>
#include <string.h>

// Names in JSON end with their unit.
static const char *suffix(const struct sim_measure *measure)
{
    static const char *const suffixes[] = {[SIM_UNIT_COUNT] = "",
        [SIM_UNIT_DURATION] = "_ns",
        [SIM_UNIT_RATE] = "_bit_s",
        [SIM_UNIT_SIZE] = "_bytes",
        [SIM_UNIT_CHANCE] = "_ppb"};
    return strstr(measure->name, "bytes") ? "" : suffixes[measure->unit];
}

static void add(
    struct sim_result *result, const char *of, const char *name, const struct sim_measure *measure, uint64_t value)
{
    char text[256];
    snprintf(text, sizeof(text), "%s.%s.%s%s", of, name, measure->name, suffix(measure));
    SIM_ROOM(result->measured, result->measured_count, result->measured_capacity);
    result->measured[result->measured_count++] = (struct sim_measured){sim_copy_text(text), value};
}

// Nodes have their measures, NATs and firewalls theirs.
static bool concerns(const struct sim_host *host, enum sim_measure_id id)
{
    return id >= SIM_MEASURE_MAPPINGS_PEAK ? host->box.middlebox != NULL : host->runs_node;
}

static void add_pair(struct sim_result *result, const char *pair, const char *name, uint64_t value)
{
    char text[256];
    snprintf(text, sizeof(text), "pair.%s.%s", pair, name);
    SIM_ROOM(result->measured, result->measured_count, result->measured_capacity);
    result->measured[result->measured_count++] = (struct sim_measured){sim_copy_text(text), value};
}

// What became of a pair between which NATs stand. Times to it count from when one found the other's record.
static void measure_pair(struct sim_world *world, size_t index)
{
    const struct sim_scenario_expect *e = &world->scenario->expects[index];
    struct sim_pair_facts facts;
    char pair[160];
    sim_expect_pair_facts(world, e->host, e->other, &facts);
    snprintf(pair, sizeof(pair), "%.64s-%.64s", world->hosts[e->host]->box.name, world->hosts[e->other]->box.name);
    add_pair(world->result, pair, "crossing", facts.crossing);
    add_pair(world->result, pair, "gateway", facts.gateway);
    add_pair(world->result, pair, "way", facts.way);
    add_pair(world->result, pair, "told", world->counts[index]);
    if (facts.connected_ns != UINT64_MAX) add_pair(world->result, pair, "connected_ns", facts.connected_ns);
    if (facts.direct_ns == UINT64_MAX || facts.known_ns > facts.direct_ns) return;
    add_pair(world->result, pair, "known_to_direct_ns", facts.direct_ns - facts.known_ns);
}

void sim_world_measure(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    uint64_t value;
    for (size_t i = 0; i < s->flow_count; i++)
        for (const struct sim_measure *m = sim_flow_measures; m->name; m++)
            if (sim_flow_measure(&world->flows.list[i], m->id, 0, s->duration_ns, &value))
                add(world->result, "flow", s->flows[i].name, m, value);
    for (size_t i = 0; i < s->link_count; i++)
        for (const struct sim_measure *m = sim_link_measures; m->name; m++)
            add(world->result, "link", world->links[i].name, m, sim_link_measure(&world->links[i], SIM_NONE, m->id));
    for (size_t i = 0; i < s->host_count; i++)
        for (const struct sim_measure *m = sim_host_measures; m->name; m++)
            if (concerns(world->hosts[i], m->id))
                add(world->result, "host", s->hosts[i].name, m, sim_host_measure(world->hosts[i], m->id));
    for (size_t i = 0; i < s->expect_count; i++)
        if (s->expects[i].kind == SIM_EXPECT_CROSSING) measure_pair(world, i);
}
