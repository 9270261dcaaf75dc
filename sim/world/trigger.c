#include "world/trigger.h"

#include "net/outer.h"
#include "world/world.h"

#include "base/list.h"

// A datagram that is being delayed.
struct held {
    struct held *next;
    struct sim_packet *packet;
    struct sim_box *box;
    uint32_t interface; // to leave by
    uint64_t until_ns;
};

struct sim_trigger {
    const struct sim_scenario_trigger *settings;
    struct sim_world *world;
    uint64_t seen, fired;
    struct sim_stream chance;
    struct sim_source source; // the end of the first one's delay
    struct held *first, *last;
};

static void go_on(struct sim_box *box, struct sim_packet *packet, uint32_t interface, bool arrives)
{
    if (arrives)
        sim_box_hand_over(box, packet);
    else
        sim_box_leave(box, packet, interface);
}

static void hold(struct sim_trigger *trigger, struct sim_box *box, struct sim_packet *packet, uint32_t interface)
{
    struct sim_engine *engine = &trigger->world->engine;
    struct held *held = sim_obtain(1, sizeof(*held));
    *held = (struct held){NULL, packet, box, interface, engine->now_ns + trigger->settings->delay_ns};
    if (trigger->last)
        trigger->last->next = held;
    else
        trigger->first = held;
    trigger->last = held;
    if (trigger->first == held) sim_engine_schedule(engine, &trigger->source, held->until_ns);
}

static struct held *take_held(struct sim_trigger *trigger)
{
    struct held *held = trigger->first;
    trigger->first = held->next;
    if (!trigger->first) trigger->last = NULL;
    return held;
}

static void delay_ends(struct sim_source *source)
{
    struct sim_trigger *trigger = qe_container(source, struct sim_trigger, source);
    struct held *held = take_held(trigger);
    if (trigger->first) sim_engine_schedule(&trigger->world->engine, source, trigger->first->until_ns);
    go_on(held->box, held->packet, held->interface, trigger->settings->arrives);
    sim_release(held);
}

static void duplicate(struct sim_box *box, const struct sim_packet *packet, uint32_t interface, bool arrives)
{
    struct sim_packet *copy = sim_packet_copy(&box->network->pool, packet);
    box->network->duplicated++;
    go_on(box, copy, interface, arrives);
}

static void corrupt(struct sim_trigger *trigger, struct sim_packet *packet)
{
    if (!packet->size) return;
    uint64_t place = sim_random_below(&trigger->chance, packet->size);
    packet->bytes[place] ^= (uint8_t)(1 + sim_random_below(&trigger->chance, 255));
}

static void happen_soon(struct sim_world *world, const struct sim_scenario_at *at)
{
    struct sim_triggers *triggers = &world->triggers;
    SIM_ROOM(triggers->due, triggers->due_count, triggers->due_capacity);
    triggers->due[triggers->due_count++] = at;
    sim_engine_schedule(&world->engine, &triggers->source, world->engine.now_ns);
}

static void happen(struct sim_source *source)
{
    struct sim_world *world = qe_container(source, struct sim_world, triggers.source);
    // What happens may make more messages; those are for the next time.
    size_t count = world->triggers.due_count;
    for (size_t i = 0; i < count; i++)
        sim_timeline_do(world, world->triggers.due[i]);
    world->triggers.due_count -= count;
    for (size_t i = 0; i < world->triggers.due_count; i++)
        world->triggers.due[i] = world->triggers.due[count + i];
}

static bool matches(
    const struct sim_trigger *trigger, const struct sim_box *box, const struct sim_packet *packet, bool arrives)
{
    const struct sim_scenario_trigger *s = trigger->settings;
    const struct sim_world *world = trigger->world;
    uint64_t now = world->engine.now_ns;
    if (s->arrives != arrives || (s->carried != UINT64_MAX && !(s->carried & packet->carried))) return false;
    if (now < s->after_ns || now >= s->before_ns) return false;
    if (s->from != SIM_NONE && s->from != packet->origin) return false;
    if (s->to == SIM_NONE) return true;
    return arrives ? s->to == box->index : sim_box_has(&world->hosts[s->to]->box, &packet->destination.ip);
}

// Whether it acts on this one.
static bool fires(struct sim_trigger *trigger)
{
    const struct sim_scenario_trigger *s = trigger->settings;
    trigger->seen++;
    if (trigger->seen < s->count || (trigger->seen - s->count) % s->every != 0 || trigger->fired >= s->times)
        return false;
    trigger->fired++;
    return true;
}

// True: it has taken the datagram.
static bool act(
    struct sim_trigger *trigger, struct sim_box *box, struct sim_packet *packet, uint32_t interface, bool arrives)
{
    struct sim_world *world = trigger->world;
    sim_trace_note(&world->trace, sim_box_who(box), "trigger %s: datagram %llu", trigger->settings->name,
        (unsigned long long)packet->number);
    switch (trigger->settings->action) {
    case SIM_TRIGGER_DROP:
        sim_box_drop(box, packet, SIM_DROP_TRIGGER);
        return true;
    case SIM_TRIGGER_DELAY:
        hold(trigger, box, packet, interface);
        return true;
    case SIM_TRIGGER_DUPLICATE:
        duplicate(box, packet, interface, arrives);
        return false;
    case SIM_TRIGGER_CORRUPT:
        corrupt(trigger, packet);
        box->network->corrupted++;
        return false;
    case SIM_TRIGGER_HAPPEN:
        happen_soon(world, &trigger->settings->at);
        return false;
    }
    return false;
}

static bool watch(void *user, struct sim_box *box, struct sim_packet *packet, uint32_t interface, bool arrives)
{
    struct sim_world *world = user;
    if (!arrives) packet->carried |= sim_outer_classes(packet->bytes, packet->size);
    for (size_t i = 0; i < world->triggers.count; i++) {
        struct sim_trigger *trigger = &world->triggers.list[i];
        if (matches(trigger, box, packet, arrives) && fires(trigger) && act(trigger, box, packet, interface, arrives))
            return true;
    }
    return false;
}

void sim_triggers_init(struct sim_world *world)
{
    const struct sim_scenario *s = world->scenario;
    struct sim_triggers *triggers = &world->triggers;
    if (!s->trigger_count) return;
    triggers->list = sim_obtain(s->trigger_count, sizeof(*triggers->list));
    triggers->count = s->trigger_count;
    sim_source_init(&triggers->source, SIM_PRIORITY_TIMELINE, happen);
    for (size_t i = 0; i < triggers->count; i++) {
        struct sim_trigger *trigger = &triggers->list[i];
        trigger->settings = &s->triggers[i];
        trigger->world = world;
        trigger->chance = sim_stream(world->options->seed, SIM_STREAM_TRIGGER, s->triggers[i].name, 0);
        sim_source_init(&trigger->source, SIM_PRIORITY_PIPE, delay_ends);
    }
    world->network.watch = watch;
    world->network.watch_user = world;
    for (size_t i = 0; i < s->host_count; i++)
        world->hosts[i]->lent.tell_carried = true;
}

void sim_triggers_fini(struct sim_world *world)
{
    struct sim_triggers *triggers = &world->triggers;
    for (size_t i = 0; i < triggers->count; i++)
        while (triggers->list[i].first) {
            struct held *held = take_held(&triggers->list[i]);
            sim_packet_free(&world->network.pool, held->packet);
            sim_release(held);
        }
    sim_release(triggers->list);
    sim_release(triggers->due);
    *triggers = (struct sim_triggers){0};
}

uint64_t sim_trigger_fired(const struct sim_world *world, size_t index)
{
    return world->triggers.list[index].fired;
}
