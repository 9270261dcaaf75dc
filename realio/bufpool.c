#include "bufpool.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// What stands before the storage of each buffer.
struct qe_bufpool_item {
    struct qe_buf buf;
    struct qe_bufpool_item *next; // in a free list
    enum qe_bufpool_size size;
    bool lent;
};

// A multiple of the cache line, so that packet bytes keep their alignment.
#define ITEM_SIZE 64
static_assert(sizeof(struct qe_bufpool_item) <= ITEM_SIZE, "the item fits before its storage");

static const uint32_t capacities[QE_BUFPOOL_SIZES] = {
    [QE_BUFPOOL_TINY] = QE_BUF_HEADROOM + QE_BUFPOOL_TINY_MAX,
    [QE_BUFPOOL_SMALL] = QE_BUF_HEADROOM + QE_BUFPOOL_SMALL_MAX,
    [QE_BUFPOOL_LARGE] = QE_BUF_SIZE,
};

static struct qe_bufpool_item *item_of(struct qe_buf *buf)
{
    return (struct qe_bufpool_item *)(void *)buf;
}

// Large ones are mappings of their own, so that giving one back really frees its pages.
static void *take_memory(enum qe_bufpool_size size)
{
    size_t bytes = ITEM_SIZE + capacities[size];
    if (size != QE_BUFPOOL_LARGE) return malloc(bytes);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void give_memory(struct qe_bufpool_item *item)
{
    if (item->size == QE_BUFPOOL_LARGE)
        munmap(item, ITEM_SIZE + capacities[QE_BUFPOOL_LARGE]);
    else
        free(item);
}

// From the free list, or new; NULL at `count_max` or without memory.
static struct qe_bufpool_item *take(struct qe_bufpool *pool, enum qe_bufpool_size size, size_t count_max)
{
    struct qe_bufpool_list *list = &pool->lists[size];
    struct qe_bufpool_item *item = list->first;
    if (item) {
        list->first = item->next;
        list->free--;
        if (list->free < list->idle) list->idle = list->free;
    } else {
        if (list->count >= count_max) return NULL;
        item = take_memory(size);
        if (!item) return NULL;
        list->count++;
        memset(item, 0, sizeof *item);
        item->size = size;
        item->buf.data = (uint8_t *)item + ITEM_SIZE;
        item->buf.capacity = capacities[size];
    }
    item->next = NULL;
    item->buf.offset = QE_BUF_HEADROOM;
    item->buf.size = 0;
    item->buf.next = NULL;
    return item;
}

static void release(struct qe_bufpool_list *list, size_t count)
{
    for (; count > 0; count--) {
        struct qe_bufpool_item *item = list->first;
        list->first = item->next;
        list->free--;
        list->count--;
        give_memory(item);
    }
}

void qe_bufpool_init(struct qe_bufpool *pool)
{
    memset(pool, 0, sizeof *pool);
}

void qe_bufpool_fini(struct qe_bufpool *pool)
{
    for (int size = 0; size < QE_BUFPOOL_SIZES; size++) {
        release(&pool->lists[size], pool->lists[size].free);
        assert(pool->lists[size].count == 0);
    }
    assert(pool->lent == 0);
}

struct qe_buf *qe_bufpool_lend(struct qe_bufpool *pool)
{
    assert(pool->lent < QE_BUFPOOL_CREDIT);
    struct qe_bufpool_item *item = take(pool, QE_BUFPOOL_LARGE, QE_BUFPOOL_LARGE_MAX);
    if (!item) abort();
    item->lent = true;
    pool->lent++;
    return &item->buf;
}

bool qe_bufpool_has_large(const struct qe_bufpool *pool)
{
    // What the credit may still ask for is kept free.
    const struct qe_bufpool_list *list = &pool->lists[QE_BUFPOOL_LARGE];
    return list->count - list->free + (QE_BUFPOOL_CREDIT - pool->lent) < QE_BUFPOOL_LARGE_MAX;
}

struct qe_buf *qe_bufpool_large(struct qe_bufpool *pool)
{
    struct qe_bufpool_item *item =
        qe_bufpool_has_large(pool) ? take(pool, QE_BUFPOOL_LARGE, QE_BUFPOOL_LARGE_MAX) : NULL;
    return item ? &item->buf : NULL;
}

struct qe_buf *qe_bufpool_small(struct qe_bufpool *pool, uint32_t size)
{
    assert(size <= QE_BUFPOOL_SMALL_MAX);
    struct qe_bufpool_item *item =
        take(pool, size <= QE_BUFPOOL_TINY_MAX ? QE_BUFPOOL_TINY : QE_BUFPOOL_SMALL, QE_BUFPOOL_SMALL_COUNT_MAX);
    return item ? &item->buf : NULL;
}

bool qe_bufpool_free(struct qe_bufpool *pool, struct qe_buf *buf)
{
    struct qe_bufpool_item *item = item_of(buf);
    struct qe_bufpool_list *list = &pool->lists[item->size];
    item->next = list->first;
    list->first = item;
    list->free++;
    bool lent = item->lent;
    item->lent = false;
    if (lent) pool->lent--;
    return lent;
}

bool qe_bufpool_is_fat(const struct qe_bufpool *pool)
{
    for (int size = 0; size < QE_BUFPOOL_SIZES; size++)
        if (pool->lists[size].free > QE_BUFPOOL_KEPT) return true;
    return false;
}

void qe_bufpool_trim(struct qe_bufpool *pool)
{
    bool heap = false;
    for (int size = 0; size < QE_BUFPOOL_SIZES; size++) {
        struct qe_bufpool_list *list = &pool->lists[size];
        if (list->idle > QE_BUFPOOL_KEPT) {
            heap = heap || size != QE_BUFPOOL_LARGE;
            release(list, list->idle - QE_BUFPOOL_KEPT);
        }
        list->idle = list->free;
    }
    if (heap) malloc_trim(0);
}
