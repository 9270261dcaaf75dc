#include "world/calm.h"

#include "base/list.h"
#include "base/time.h"
#include "traffic/probe.h"
#include "world/oracle.h"

#include <stdio.h>

#define PROBE_INTERVAL_NS QE_NS_PER_S
// A large one every other time, which most paths carry as fragments or not at all whole.
#define PROBE_LARGE 1400
// What a scenario that names no time gives its nodes after the last thing that happened.
#define RECOVERS_UNSAID_NS (40 * QE_NS_PER_S)

static void send_probe(struct sim_calm *calm, const struct sim_calm_pair *pair, uint8_t family, size_t size)
{
    static const struct qe_offload none;
    struct sim_host *from = calm->world->hosts[pair->from], *to = calm->world->hosts[pair->to];
    const struct qe_cidr *source = sim_host_tun_address(from, family), *target = sim_host_tun_address(to, family);
    uint8_t packet[SIM_PROBE_SIZE_MAX];
    if (!source || !target) return;
    struct sim_probe probe = {source->ip, target->ip, (uint32_t)pair->from, (uint32_t)pair->to, calm->number++};
    sim_probe_write(&probe, packet, size);
    sim_host_tun_input(from, packet, size, &none);
}

static void occur(struct sim_source *source)
{
    struct sim_calm *calm = qe_container(source, struct sim_calm, source);
    uint64_t now = calm->world->engine.now_ns;
    size_t size = (now - calm->world->scenario->calm_ns) / PROBE_INTERVAL_NS % 2 ? SIM_PROBE_SIZE_MIN : PROBE_LARGE;
    for (size_t i = 0; i < calm->pair_count; i++) {
        if (!calm->pairs[i].passed[0]) send_probe(calm, &calm->pairs[i], 4, size);
        if (!calm->pairs[i].passed[1]) send_probe(calm, &calm->pairs[i], 6, size);
    }
    sim_engine_schedule(&calm->world->engine, source, now + PROBE_INTERVAL_NS);
}

void sim_calm_init(struct sim_calm *calm, struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    *calm = (struct sim_calm){.world = world};
    sim_source_init(&calm->source, SIM_PRIORITY_FLOW, occur);
    for (size_t i = 0; i < s->host_count; i++)
        for (size_t k = 0; k < world->invariants.watched[i].peer_count; k++) {
            size_t other = world->invariants.watched[i].peers[k].host;
            if (other == SIM_NONE || !sim_invariants_mutual(&world->invariants, i, other)) continue;
            SIM_ROOM(calm->pairs, calm->pair_count, calm->pair_capacity);
            calm->pairs[calm->pair_count++] = (struct sim_calm_pair){.from = i, .to = other};
        }
    if (s->calm_ns != UINT64_MAX) sim_engine_schedule(&world->engine, &calm->source, s->calm_ns + PROBE_INTERVAL_NS);
}

void sim_calm_fini(struct sim_calm *calm)
{
    sim_engine_cancel(&calm->world->engine, &calm->source);
    sim_release(calm->pairs);
}

bool sim_calm_delivered(struct sim_calm *calm, struct sim_host *host, struct qe_span packet)
{
    struct sim_probe probe;
    if (calm->number == 0 || !sim_probe_read(packet, &probe)) return false;
    for (size_t i = 0; i < calm->pair_count; i++) {
        struct sim_calm_pair *pair = &calm->pairs[i];
        if (pair->from != probe.from || pair->to != probe.to || host->box.index != probe.to) continue;
        pair->passed[probe.source.family == 6] = true;
    }
    return true;
}

// When the last thing happened that the scenario says, or the last node started.
static uint64_t last_event_ns(const struct sim_scenario *s)
{
    uint64_t last = s->at_count ? s->ats[s->at_count - 1].time_ns : 0;
    for (size_t i = 0; i < s->host_count; i++)
        if (s->hosts[i].starts && s->hosts[i].start_ns > last) last = s->hosts[i].start_ns;
    return last;
}

static void tell(struct sim_calm *calm, const struct sim_calm_pair *pair, enum sim_failure kind, const char *what)
{
    char text[SIM_VIOLATION_SIZE / 2];
    struct sim_world *world = calm->world;
    snprintf(text, sizeof(text), "%s: %s", world->hosts[pair->to]->box.name, what);
    world->shared.violated(world, world->hosts[pair->from], kind, text);
}

void sim_calm_judge(struct sim_calm *calm)
{
    const struct sim_world *world = calm->world;
    const struct sim_scenario *s = world->scenario;
    bool named = s->calm_ns != UINT64_MAX;
    // Nobody knows when a trigger or a fault point fired last.
    if (!named && (s->trigger_count || s->faults.hosts)) return;
    if (!named && s->duration_ns - last_event_ns(s) < RECOVERS_UNSAID_NS) return;
    for (size_t i = 0; i < calm->pair_count; i++) {
        const struct sim_calm_pair *pair = &calm->pairs[i];
        bool up = sim_invariants_up(&world->invariants, pair->from, pair->to);
        switch (sim_oracle_pair(world, pair->from, pair->to)) {
        case SIM_ORACLE_POSSIBLE:
            if (!up)
                tell(calm, pair, SIM_FAILURE_LIVENESS, "it can be reached and is not connected");
            else if (named && (!pair->passed[0] || !pair->passed[1]))
                tell(calm, pair, SIM_FAILURE_LIVENESS, "it is connected, and packets to it do not arrive");
            break;
        case SIM_ORACLE_IMPOSSIBLE:
            if (up && sim_invariants_up(&world->invariants, pair->to, pair->from))
                tell(calm, pair, SIM_FAILURE_IMPOSSIBLE, "it cannot be reached and is connected");
            break;
        case SIM_ORACLE_UNCERTAIN:
            break;
        }
    }
}
