#include "crowd/wheel.h"

#include "engine/memory.h"

#include <assert.h>

#define CHUNK_EVENTS 62
#define SLAB_CHUNKS  256

struct sim_wheel_chunk {
    struct sim_wheel_chunk *next;
    uint32_t begin, end; // of those that are there
    struct sim_wheel_event events[CHUNK_EVENTS];
};

void sim_wheel_init(struct sim_wheel *wheel)
{
    *wheel = (struct sim_wheel){0};
}

void sim_wheel_fini(struct sim_wheel *wheel)
{
    while (wheel->slabs) {
        struct sim_wheel_chunk *slab = wheel->slabs;
        wheel->slabs = slab->next;
        sim_release(slab);
    }
}

// The first chunk of a slab only links the slabs.
static void cut_slab(struct sim_wheel *wheel)
{
    struct sim_wheel_chunk *slab = sim_obtain(SLAB_CHUNKS, sizeof(*slab));
    slab->next = wheel->slabs;
    wheel->slabs = slab;
    for (size_t i = SLAB_CHUNKS - 1; i > 0; i--) {
        slab[i].next = wheel->spare;
        wheel->spare = &slab[i];
    }
}

static void append(struct sim_wheel *wheel, struct sim_wheel_slot *slot, struct sim_wheel_event event)
{
    if (!slot->last || slot->last->end == CHUNK_EVENTS) {
        if (!wheel->spare) cut_slab(wheel);
        struct sim_wheel_chunk *chunk = wheel->spare;
        wheel->spare = chunk->next;
        chunk->next = NULL;
        chunk->begin = chunk->end = 0;
        if (slot->last)
            slot->last->next = chunk;
        else
            slot->first = chunk;
        slot->last = chunk;
    }
    slot->last->events[slot->last->end++] = event;
}

static struct sim_wheel_event take_first(struct sim_wheel *wheel, struct sim_wheel_slot *slot)
{
    struct sim_wheel_chunk *chunk = slot->first;
    struct sim_wheel_event event = chunk->events[chunk->begin++];
    if (chunk->begin == chunk->end) {
        slot->first = chunk->next;
        if (!slot->first) slot->last = NULL;
        chunk->next = wheel->spare;
        wheel->spare = chunk;
    }
    return event;
}

static unsigned highest_digit(uint64_t bits)
{
    return (unsigned)(63 - __builtin_clzll(bits | 1)) / SIM_WHEEL_BITS;
}

static void place(struct sim_wheel *wheel, struct sim_wheel_event event)
{
    unsigned level = highest_digit(event.at_ns ^ wheel->now_ns);
    unsigned slot = (unsigned)(event.at_ns >> (level * SIM_WHEEL_BITS)) % SIM_WHEEL_SLOTS;
    append(wheel, &wheel->slots[level][slot], event);
    wheel->filled[level] |= UINT64_C(1) << slot;
}

void sim_wheel_put(struct sim_wheel *wheel, struct sim_wheel_event event)
{
    if (event.at_ns < wheel->now_ns) event.at_ns = wheel->now_ns;
    place(wheel, event);
    wheel->count++;
}

// Moves time to where the slot begins, and what is in it to lower levels, in its order.
static void open_slot(struct sim_wheel *wheel, unsigned level, unsigned slot, uint64_t begin_ns)
{
    struct sim_wheel_slot from = wheel->slots[level][slot];
    wheel->slots[level][slot] = (struct sim_wheel_slot){0};
    wheel->filled[level] &= ~(UINT64_C(1) << slot);
    wheel->now_ns = begin_ns;
    while (from.first)
        place(wheel, take_first(wheel, &from));
}

bool sim_wheel_take(struct sim_wheel *wheel, uint64_t until_ns, struct sim_wheel_event *out)
{
    while (wheel->count > 0) {
        unsigned level = 0;
        while (!wheel->filled[level])
            level++;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->filled[level]);
        unsigned shift = level * SIM_WHEEL_BITS;
        // Everything above this digit is as in the present time; two shifts, because the last level's is 66 bits.
        uint64_t above = wheel->now_ns >> shift >> SIM_WHEEL_BITS << SIM_WHEEL_BITS;
        uint64_t begin_ns = (above | slot) << shift;
        if (begin_ns > until_ns) return false;
        if (level > 0) {
            open_slot(wheel, level, slot, begin_ns);
            continue;
        }
        struct sim_wheel_slot *due = &wheel->slots[0][slot];
        *out = take_first(wheel, due);
        if (!due->first) wheel->filled[0] &= ~(UINT64_C(1) << slot);
        wheel->now_ns = begin_ns;
        wheel->count--;
        wheel->taken++;
        return true;
    }
    return false;
}
