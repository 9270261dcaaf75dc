// A min-heap of intrusive timers, ordered by (deadline, sequence of setting) so that equal deadlines fire in the order
// they were set.
#ifndef QE_BASE_HEAP_H
#define QE_BASE_HEAP_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qe_timer {
    uint64_t at_ns;    // QE_TIME_NEVER: not in the heap
    uint64_t sequence; // set by the heap
    size_t index;      // place in the heap; SIZE_MAX: none
};

struct qe_heap {
    const struct qe_mem *mem;
    struct qe_timer **items;
    size_t count;
    size_t capacity;
    uint64_t sequence;
};

void qe_heap_init(struct qe_heap *heap, const struct qe_mem *mem);
void qe_heap_fini(struct qe_heap *heap);
// Makes room for `count` timers in all, so that qe_heap_set cannot fail below it. 0, or -1 without memory.
int qe_heap_reserve(struct qe_heap *heap, size_t count);

void qe_timer_init(struct qe_timer *timer);
// Sets, moves, or (QE_TIME_NEVER) clears the timer. Room must have been reserved.
void qe_heap_set(struct qe_heap *heap, struct qe_timer *timer, uint64_t at_ns);
// The earliest timer, or NULL.
struct qe_timer *qe_heap_first(const struct qe_heap *heap);
// Takes out and returns the earliest timer due at `now_ns`, or NULL.
struct qe_timer *qe_heap_pop(struct qe_heap *heap, uint64_t now_ns);
// The earliest deadline, or QE_TIME_NEVER.
uint64_t qe_heap_deadline(const struct qe_heap *heap);

#endif
