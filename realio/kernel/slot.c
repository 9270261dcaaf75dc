#include "slot.h"

#include <net/if.h>

unsigned qe_slot(const char *tun_name)
{
    // FNV-1a.
    uint32_t hash = 2166136261u;
    for (const char *at = tun_name; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    return hash % QE_SLOTS;
}

bool qe_slot_is_live(unsigned slot)
{
    bool live = false;
    struct if_nameindex *list = if_nameindex();
    // Unknown is no leftover.
    if (!list) return true;
    for (struct if_nameindex *at = list; at->if_name && !live; at++)
        live = qe_slot(at->if_name) == slot;
    if_freenameindex(list);
    return live;
}
