#include "slot.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

// An abstract socket: its name belongs to the network namespace, as do the things it stands for, and goes with whoever
// bound it.
int qe_slot_lock(unsigned slot, unsigned ms)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int size = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "quicether-helper-%u", slot);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (unsigned waited = 0; fd >= 0 && bind(fd, (struct sockaddr *)&name, length); waited += 5) {
        if (errno == EADDRINUSE && waited < ms) {
            usleep(5000);
            continue;
        }
        close(fd);
        fd = -1;
    }
    return fd;
}
