#include "crowd/letters.h"

#include "engine/memory.h"

#include "dht/dht.h"

#include <assert.h>

#define CLASS_SHIFT 29
#define BLOCK_BITS  10
#define BLOCK       (1u << BLOCK_BITS)

// Of a slot, its head included. Sizes of queries, of padded ones, of replies with nodes, with a value, of anything.
static const uint16_t slot_sizes[SIM_LETTER_CLASSES] = {144, 240, 416, 752, QE_DHT_DATAGRAM_MAX + 24};

void sim_letters_fini(struct sim_letters *letters)
{
    for (size_t c = 0; c < SIM_LETTER_CLASSES; c++) {
        for (size_t i = 0; i < letters->classes[c].block_count; i++)
            sim_release(letters->classes[c].blocks[i]);
        sim_release(letters->classes[c].blocks);
        sim_release(letters->classes[c].spare);
    }
}

static void add_block(struct sim_letter_class *class, uint32_t which)
{
    SIM_ROOM(class->blocks, class->block_count, class->block_capacity);
    class->blocks[class->block_count] = sim_obtain(BLOCK, slot_sizes[which]);
    uint32_t first = (uint32_t)(class->block_count++ << BLOCK_BITS);
    assert(first >> CLASS_SHIFT == 0);
    for (uint32_t i = BLOCK; i-- > 0;) {
        SIM_ROOM(class->spare, class->spare_count, class->spare_capacity);
        class->spare[class->spare_count++] = which << CLASS_SHIFT | (first + i);
    }
}

uint32_t sim_letters_new(struct sim_letters *letters, size_t size)
{
    uint32_t which = 0;
    while (sizeof(struct sim_letter) + size > slot_sizes[which])
        which++;
    assert(which < SIM_LETTER_CLASSES);
    struct sim_letter_class *class = &letters->classes[which];
    if (class->spare_count == 0) add_block(class, which);
    if (++letters->count > letters->peak) letters->peak = letters->count;
    return class->spare[--class->spare_count];
}

struct sim_letter *sim_letters_get(const struct sim_letters *letters, uint32_t number)
{
    uint32_t which = number >> CLASS_SHIFT, slot = number & ((1u << CLASS_SHIFT) - 1);
    return (
        void *)(letters->classes[which].blocks[slot >> BLOCK_BITS] + (size_t)(slot & (BLOCK - 1)) * slot_sizes[which]);
}

void sim_letters_free(struct sim_letters *letters, uint32_t number)
{
    struct sim_letter_class *class = &letters->classes[number >> CLASS_SHIFT];
    SIM_ROOM(class->spare, class->spare_count, class->spare_capacity);
    class->spare[class->spare_count++] = number;
    letters->count--;
}
