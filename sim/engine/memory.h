// Memory. The simulator's own comes from sim_obtain, which ends the program where there is none. What a simulated node
// uses comes from a sim_memory, which counts it, so that a leak has a host's name and a limit can be set.
#ifndef QE_SIM_MEMORY_H
#define QE_SIM_MEMORY_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "engine/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zeroed; never NULL.
void *sim_obtain(size_t count, size_t size);
// Resizes to `count` items of `size`; what is new is not zeroed. Never NULL.
void *sim_resize(void *old, size_t count, size_t size);
char *sim_copy_text(const char *text);
void sim_release(void *ptr);
// The same as functions, for proto's data structures.
const struct qe_mem *sim_own_memory(void);

// Grows the array `items` (capacity in *capacity) so that it has room for one more than `count`.
#define SIM_ROOM(items, count, capacity)                                                                               \
    do {                                                                                                               \
        if ((count) == (capacity)) {                                                                                   \
            (capacity) = (capacity) ? (capacity)*2 : 8;                                                                \
            (items) = sim_resize((items), (capacity), sizeof(*(items)));                                               \
        }                                                                                                              \
    } while (0)

// A node that asks for more at once gets nothing, as from any system.
#define SIM_BLOCK_MAX ((size_t)1 << 30)

// Allocations that fail although there is memory.
struct sim_memory_faults {
    uint64_t countdown; // the allocation that makes it 0 fails; 0: none
    uint32_t share_ppb; // of all allocations until `until_ns`
    uint64_t until_ns;
    const uint64_t *now_ns;
    struct sim_stream chance;
};

struct sim_memory {
    uint64_t blocks; // allocated and not yet freed
    uint64_t bytes;
    uint64_t bytes_peak;
    uint64_t bytes_max;   // 0: no limit; an allocation beyond it fails
    uint64_t allocations; // asked for, resizing included
    uint64_t refused;
    struct sim_memory_faults *faults; // the owner's; NULL: none
    struct qe_list all;               // the blocks
};

void sim_memory_init(struct sim_memory *memory);
// Frees what is still allocated.
void sim_memory_fini(struct sim_memory *memory);

// Functions over `memory`, which must stay where it is.
struct qe_mem sim_memory_mem(struct sim_memory *memory);

// Buffers for the boundary of nodes, in two sizes: whole ones, and small ones for packets that are already there. Freed
// ones are kept for the next.
struct sim_buffers {
    struct qe_buf *free_whole;
    struct qe_buf *free_small;
    struct sim_buf *all; // every one there is, by their `made`
    uint64_t out;        // buffers that somebody has
};

#define SIM_BUF_SMALL 2048

// What the simulator notes about a buffer, of which the node sees the first member.
struct sim_buf {
    struct qe_buf buf;
    struct sim_buf *made;
    const void *holder; // the host that it was lent to; NULL: free
    bool input;         // went into the node by an event, and not out of qe_host.buf_new
};

void sim_buffers_init(struct sim_buffers *buffers);
// Frees all of them, also those that somebody has.
void sim_buffers_fini(struct sim_buffers *buffers);
// A whole one for `holder`, to be written by its node.
struct qe_buf *sim_buffers_lend(struct sim_buffers *buffers, const void *holder);
// One with room for `size` bytes of content behind the headroom, to be read by the node of `holder`.
struct qe_buf *sim_buffers_fill(struct sim_buffers *buffers, const void *holder, size_t size);
// Whether `holder` has this buffer; *input: which of the two it is.
bool sim_buffers_held(const struct qe_buf *buf, const void *holder, bool *input);
void sim_buffers_give(struct sim_buffers *buffers, struct qe_buf *buf);

#endif
