// Requests to the kernel's routing netlink: what a TUN needs to be usable.
#ifndef QE_REALIO_NETLINK_H
#define QE_REALIO_NETLINK_H

#include "base/addr.h"
#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Packets that the kernel holds for the TUN while the daemon is busy. A super-packet counts as one, so that many are
// megabytes, and every one waits its turn before the core's queue management sees it.
#define QE_TUN_QUEUE_PACKETS 500

struct qe_netlink_tun {
    uint32_t index;
    const char *name;
    uint16_t mtu;
    const struct qe_cidr *addresses;
    size_t address_count;
};

// Sets MTU, queue length and addresses and brings the link up. Without multicast and link-local addresses, as nothing
// answers there. IPv6 addresses are left out where the system has IPv6 switched off: *no_ipv6 says so. 0, or -1 with
// `fault`.
int qe_netlink_set_up_tun(const struct qe_netlink_tun *tun, bool *no_ipv6, struct qe_fault *fault);

#endif
