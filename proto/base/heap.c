// A binary min-heap of timers. Each timer knows its place, so moving and clearing one is O(log n).
#include "base/heap.h"

#include "base/mutants.h"
#include "base/time.h"

#include <assert.h>

void qe_heap_init(struct qe_heap *heap, const struct qe_mem *mem)
{
    *heap = (struct qe_heap){.mem = mem};
}

void qe_heap_fini(struct qe_heap *heap)
{
    qe_free(heap->mem, heap->items);
    heap->items = NULL;
    heap->count = heap->capacity = 0;
}

int qe_heap_reserve(struct qe_heap *heap, size_t count)
{
    if (count <= heap->capacity) return 0;
    size_t capacity = heap->capacity ? heap->capacity * 2 : 8;
    if (capacity < count) capacity = count;
    struct qe_timer **items = qe_realloc(heap->mem, heap->items, capacity, sizeof(struct qe_timer *));
    if (!items) return -1;
    heap->items = items;
    heap->capacity = capacity;
    return 0;
}

void qe_timer_init(struct qe_timer *timer)
{
    *timer = (struct qe_timer){QE_TIME_NEVER, 0, SIZE_MAX};
}

static bool before(const struct qe_timer *a, const struct qe_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void place(struct qe_heap *heap, struct qe_timer *timer, size_t index)
{
    heap->items[index] = timer;
    timer->index = index;
}

static void sift_up(struct qe_heap *heap, struct qe_timer *timer, size_t index)
{
    while (index > 0 && before(timer, heap->items[(index - 1) / 2])) {
        place(heap, heap->items[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    place(heap, timer, index);
}

static void sift_down(struct qe_heap *heap, struct qe_timer *timer, size_t index)
{
    for (size_t child; (child = index * 2 + 1) < heap->count; index = child) {
        if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child]) != QE_MUTANT(heap_order))
            child++;
        if (!before(heap->items[child], timer)) break;
        place(heap, heap->items[child], index);
    }
    place(heap, timer, index);
}

static void take_out(struct qe_heap *heap, struct qe_timer *timer)
{
    size_t hole = timer->index;
    struct qe_timer *last = heap->items[--heap->count];
    timer->index = SIZE_MAX;
    if (last == timer) return;
    if (hole > 0 && before(last, heap->items[(hole - 1) / 2]))
        sift_up(heap, last, hole);
    else
        sift_down(heap, last, hole);
}

void qe_heap_set(struct qe_heap *heap, struct qe_timer *timer, uint64_t at_ns)
{
    if (timer->index != SIZE_MAX) {
        if (timer->at_ns == at_ns || (QE_MUTANT(timer_not_moved) && at_ns < timer->at_ns)) return;
        take_out(heap, timer);
    }
    timer->at_ns = at_ns;
    if (at_ns == QE_TIME_NEVER) return;
    assert(heap->count < heap->capacity);
    timer->sequence = heap->sequence++;
    sift_up(heap, timer, heap->count++);
}

struct qe_timer *qe_heap_first(const struct qe_heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}

struct qe_timer *qe_heap_pop(struct qe_heap *heap, uint64_t now_ns)
{
    struct qe_timer *first = qe_heap_first(heap);
    if (!first || first->at_ns > now_ns) return NULL;
    take_out(heap, first);
    first->at_ns = QE_TIME_NEVER;
    return first;
}

uint64_t qe_heap_deadline(const struct qe_heap *heap)
{
    return heap->count ? heap->items[0]->at_ns : QE_TIME_NEVER;
}
