// The machine's network interfaces and their addresses, as they come, go and change.
#ifndef QE_REALIO_LINKS_H
#define QE_REALIO_LINKS_H

#include "fault.h"
#include "node/event.h"

#include <net/if.h>

// Interfaces that are followed, and addresses of each; more are ignored and counted.
#define QE_LINKS_MAX          256
#define QE_LINK_ADDRESSES_MAX 32

struct qe_link {
    uint32_t index; // 0: free place
    char name[IF_NAMESIZE];
    bool up; // administratively, and with a carrier
    bool changed;
    bool seen; // in the dump under way
    size_t address_count;
    struct qe_cidr *addresses; // sorted; QE_LINK_ADDRESSES_MAX, or NULL for none yet
};

struct qe_links {
    int fd;
    uint32_t port; // of our netlink socket
    unsigned sequence;
    uint32_t ignored_index; // our own TUN
    struct qe_link list[QE_LINKS_MAX];
    size_t count;     // places in use or freed; the rest was never used
    uint64_t dropped; // beyond the maximums
};

// Subscribes and reads what there is. NULL with `fault` on failure.
struct qe_links *qe_links_open(struct qe_fault *fault);
void qe_links_close(struct qe_links *links);

// Our own TUN is no underlay. Call it when its index is known.
void qe_links_ignore(struct qe_links *links, uint32_t index);
// Reads what the kernel has to say; then qe_links_next gives one event for each interface that changed. Strings and
// addresses in it are valid until the next call. False where there is none.
void qe_links_ready(struct qe_links *links);
bool qe_links_next(struct qe_links *links, struct qe_link_event *event);

#endif
