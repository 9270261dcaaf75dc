// A 4-ary heap of (time, order, source). The keys lie in the heap itself, so that sifting touches no source but to tell
// it its new place.
#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ARITY          4
#define PRIORITY_SHIFT 56

void sim_engine_init(struct sim_engine *engine)
{
    *engine = (struct sim_engine){0};
}

void sim_engine_fini(struct sim_engine *engine)
{
    free(engine->heap);
    *engine = (struct sim_engine){0};
}

void sim_source_init(struct sim_source *source, enum sim_priority priority, void (*occur)(struct sim_source *source))
{
    *source = (struct sim_source){.occur = occur, .priority = priority, .place = SIZE_MAX};
}

bool sim_source_scheduled(const struct sim_source *source)
{
    return source->place != SIZE_MAX;
}

uint64_t sim_engine_sequence(struct sim_engine *engine)
{
    return engine->sequence++;
}

static bool before(const struct sim_engine_entry *a, const struct sim_engine_entry *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct sim_engine *engine, size_t place, struct sim_engine_entry entry)
{
    engine->heap[place] = entry;
    entry.source->place = place;
}

static void sift_up(struct sim_engine *engine, size_t place, struct sim_engine_entry entry)
{
    while (place > 0) {
        size_t parent = (place - 1) / ARITY;
        if (!before(&entry, &engine->heap[parent])) break;
        put(engine, place, engine->heap[parent]);
        place = parent;
    }
    put(engine, place, entry);
}

static void sift_down(struct sim_engine *engine, size_t place, struct sim_engine_entry entry)
{
    for (;;) {
        size_t first = place * ARITY + 1;
        if (first >= engine->count) break;
        size_t end = first + ARITY < engine->count ? first + ARITY : engine->count;
        size_t least = first;
        for (size_t child = first + 1; child < end; child++)
            if (before(&engine->heap[child], &engine->heap[least])) least = child;
        if (!before(&engine->heap[least], &entry)) break;
        put(engine, place, engine->heap[least]);
        place = least;
    }
    put(engine, place, entry);
}

static void grow(struct sim_engine *engine)
{
    size_t capacity = engine->capacity ? engine->capacity * 2 : 64;
    struct sim_engine_entry *heap = realloc(engine->heap, capacity * sizeof(*heap));
    if (!heap) {
        fputs("quicether-sim: out of memory\n", stderr);
        abort();
    }
    engine->heap = heap;
    engine->capacity = capacity;
}

void sim_engine_schedule_as(struct sim_engine *engine, struct sim_source *source, uint64_t at_ns, uint64_t sequence)
{
    assert(sequence >> PRIORITY_SHIFT == 0);
    struct sim_engine_entry entry = {.at_ns = at_ns > engine->now_ns ? at_ns : engine->now_ns,
        .order = (uint64_t)source->priority << PRIORITY_SHIFT | sequence,
        .source = source};
    if (!sim_source_scheduled(source)) {
        if (engine->count == engine->capacity) grow(engine);
        sift_up(engine, engine->count++, entry);
    } else if (before(&entry, &engine->heap[source->place])) {
        sift_up(engine, source->place, entry);
    } else {
        sift_down(engine, source->place, entry);
    }
}

void sim_engine_schedule(struct sim_engine *engine, struct sim_source *source, uint64_t at_ns)
{
    sim_engine_schedule_as(engine, source, at_ns, sim_engine_sequence(engine));
}

uint64_t sim_engine_time_of(const struct sim_engine *engine, const struct sim_source *source)
{
    assert(sim_source_scheduled(source));
    return engine->heap[source->place].at_ns;
}

void sim_engine_cancel(struct sim_engine *engine, struct sim_source *source)
{
    if (!sim_source_scheduled(source)) return;
    size_t place = source->place;
    source->place = SIZE_MAX;
    struct sim_engine_entry last = engine->heap[--engine->count];
    if (place == engine->count) return;
    if (place > 0 && before(&last, &engine->heap[(place - 1) / ARITY]))
        sift_up(engine, place, last);
    else
        sift_down(engine, place, last);
}

bool sim_engine_step(struct sim_engine *engine, uint64_t until_ns)
{
    if (engine->count == 0 || engine->heap[0].at_ns > until_ns) return false;
    struct sim_source *source = engine->heap[0].source;
    if (engine->heap[0].at_ns > engine->now_ns) {
        engine->now_ns = engine->heap[0].at_ns;
        engine->instant = 0;
    }
    engine->occurred++;
    engine->instant++;
    sim_engine_cancel(engine, source);
    source->occur(source);
    return true;
}

void sim_engine_advance(struct sim_engine *engine, uint64_t now_ns)
{
    if (now_ns <= engine->now_ns) return;
    assert(engine->count == 0 || engine->heap[0].at_ns >= now_ns);
    engine->now_ns = now_ns;
    engine->instant = 0;
}
