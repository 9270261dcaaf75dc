// Which boxes a partition keeps apart: looked at where a datagram would be delivered, by who sent it first, so that it
// holds whatever way the datagram came and whoever translated its addresses.
#ifndef QE_SIM_PARTITION_H
#define QE_SIM_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_partition {
    size_t count;  // boxes
    uint8_t *cut;  // count × count bits: from, to; NULL: nothing has ever been cut
    size_t active; // bits that are set
};

void sim_partition_fini(struct sim_partition *partition);
// Cuts one direction between two of `count` boxes, or heals it.
void sim_partition_set(struct sim_partition *partition, size_t count, size_t from, size_t to, bool cut);
void sim_partition_heal(struct sim_partition *partition);

static inline bool sim_partition_between(const struct sim_partition *partition, size_t from, size_t to)
{
    if (!partition->active) return false;
    size_t bit = from * partition->count + to;
    return partition->cut[bit / 8] >> (bit % 8) & 1;
}

#endif
