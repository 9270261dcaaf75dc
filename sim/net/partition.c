#include "net/partition.h"

#include "engine/memory.h"

#include <assert.h>
#include <string.h>

void sim_partition_fini(struct sim_partition *partition)
{
    sim_release(partition->cut);
    *partition = (struct sim_partition){0};
}

void sim_partition_set(struct sim_partition *partition, size_t count, size_t from, size_t to, bool cut)
{
    assert(from < count && to < count && (!partition->cut || partition->count == count));
    if (!partition->cut) {
        partition->count = count;
        partition->cut = sim_obtain(count * count / 8 + 1, 1);
    }
    size_t bit = from * count + to;
    uint8_t mask = (uint8_t)(1u << (bit % 8)), *byte = &partition->cut[bit / 8];
    bool was = *byte & mask;
    if (cut && !was) partition->active++;
    if (!cut && was) partition->active--;
    *byte = (uint8_t)(cut ? *byte | mask : *byte & ~mask);
}

void sim_partition_heal(struct sim_partition *partition)
{
    if (partition->cut) memset(partition->cut, 0, partition->count * partition->count / 8 + 1);
    partition->active = 0;
}
