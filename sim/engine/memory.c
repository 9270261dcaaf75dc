#include "engine/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *insist(void *ptr)
{
    if (!ptr) {
        fputs("quicether-sim: out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void *sim_obtain(size_t count, size_t size)
{
    return insist(calloc(count ? count : 1, size ? size : 1));
}

void *sim_resize(void *old, size_t count, size_t size)
{
    assert(size > 0 && count <= SIZE_MAX / size);
    return insist(realloc(old, count > 0 ? count * size : 1));
}

char *sim_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(sim_obtain(1, size), text, size);
}

void sim_release(void *ptr)
{
    free(ptr);
}

static void *own_alloc(void *user, size_t size)
{
    (void)user;
    return sim_obtain(1, size);
}

static void *own_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return sim_resize(old, size, 1);
}

static void own_free(void *user, void *ptr)
{
    (void)user;
    sim_release(ptr);
}

const struct qe_mem *sim_own_memory(void)
{
    static const struct qe_mem own = {NULL, own_alloc, own_realloc, own_free};
    return &own;
}

// What stands before each block, in a space that keeps the block aligned.
union header {
    struct {
        struct qe_list link;
        size_t size;
    };
    max_align_t align;
};

void sim_memory_init(struct sim_memory *memory)
{
    *memory = (struct sim_memory){0};
    qe_list_init(&memory->all);
}

void sim_memory_fini(struct sim_memory *memory)
{
    while (!qe_list_empty(&memory->all)) {
        union header *block = qe_container(memory->all.next, union header, link);
        qe_list_remove(&block->link);
        free(block);
    }
}

static bool fails(struct sim_memory_faults *faults)
{
    if (faults->countdown && --faults->countdown == 0) return true;
    return faults->share_ppb && *faults->now_ns < faults->until_ns &&
           sim_random_chance(&faults->chance, faults->share_ppb);
}

static bool admit(struct sim_memory *memory, size_t size)
{
    bool full = memory->bytes_max && (memory->bytes > memory->bytes_max || size > memory->bytes_max - memory->bytes);
    memory->allocations++;
    if (full || (memory->faults && fails(memory->faults))) {
        memory->refused++;
        return false;
    }
    memory->bytes += size;
    if (memory->bytes > memory->bytes_peak) memory->bytes_peak = memory->bytes;
    return true;
}

static void *counted_alloc(void *user, size_t size)
{
    struct sim_memory *memory = user;
    if (size > SIM_BLOCK_MAX || !admit(memory, size)) return NULL;
    union header *block = insist(malloc(sizeof(*block) + size));
    block->size = size;
    qe_list_append(&memory->all, &block->link);
    memory->blocks++;
    return block + 1;
}

static void counted_free(void *user, void *ptr)
{
    struct sim_memory *memory = user;
    if (!ptr) return;
    union header *block = (union header *)ptr - 1;
    assert(memory->blocks > 0 && memory->bytes >= block->size);
    memory->blocks--;
    memory->bytes -= block->size;
    qe_list_remove(&block->link);
    free(block);
}

static void *counted_realloc(void *user, void *old, size_t size)
{
    struct sim_memory *memory = user;
    if (!old) return counted_alloc(user, size);
    if (size > SIM_BLOCK_MAX) return NULL;
    union header *block = (union header *)old - 1;
    size_t before = block->size;
    memory->bytes -= before;
    if (!admit(memory, size)) {
        memory->bytes += before;
        return NULL;
    }
    qe_list_remove(&block->link);
    block = insist(realloc(block, sizeof(*block) + size));
    qe_list_append(&memory->all, &block->link);
    block->size = size;
    return block + 1;
}

struct qe_mem sim_memory_mem(struct sim_memory *memory)
{
    return (struct qe_mem){memory, counted_alloc, counted_realloc, counted_free};
}

void sim_buffers_init(struct sim_buffers *buffers)
{
    *buffers = (struct sim_buffers){0};
}

void sim_buffers_fini(struct sim_buffers *buffers)
{
    while (buffers->all) {
        struct sim_buf *buf = buffers->all;
        buffers->all = buf->made;
        free(buf);
    }
}

static struct qe_buf *take(struct sim_buffers *buffers, const void *holder, bool input, bool small)
{
    struct qe_buf **list = small ? &buffers->free_small : &buffers->free_whole;
    uint32_t capacity = small ? SIM_BUF_SMALL : QE_BUF_SIZE;
    struct qe_buf *buf = *list;
    struct sim_buf *whole = (struct sim_buf *)buf;
    if (buf) {
        *list = buf->next;
    } else {
        whole = insist(malloc(sizeof(*whole) + capacity));
        whole->made = buffers->all;
        buffers->all = whole;
    }
    *whole = (struct sim_buf){.buf = {.data = (uint8_t *)(whole + 1), .capacity = capacity, .offset = QE_BUF_HEADROOM},
        .made = whole->made,
        .holder = holder,
        .input = input};
    buffers->out++;
    return &whole->buf;
}

struct qe_buf *sim_buffers_lend(struct sim_buffers *buffers, const void *holder)
{
    return take(buffers, holder, false, false);
}

struct qe_buf *sim_buffers_fill(struct sim_buffers *buffers, const void *holder, size_t size)
{
    assert(size <= QE_BUF_SIZE - QE_BUF_HEADROOM);
    return take(buffers, holder, true, size <= SIM_BUF_SMALL - QE_BUF_HEADROOM);
}

bool sim_buffers_held(const struct qe_buf *buf, const void *holder, bool *input)
{
    const struct sim_buf *whole = (const struct sim_buf *)buf;
    *input = whole->input;
    return whole->holder == holder;
}

void sim_buffers_give(struct sim_buffers *buffers, struct qe_buf *buf)
{
    struct sim_buf *whole = (struct sim_buf *)buf;
    struct qe_buf **list = buf->capacity == SIM_BUF_SMALL ? &buffers->free_small : &buffers->free_whole;
    assert(buffers->out > 0 && whole->holder);
    whole->holder = NULL;
    buffers->out--;
    buf->next = *list;
    *list = buf;
}
