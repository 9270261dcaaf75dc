// Which packets go into the TUN: a routing table of the node's own, and rules that lead everything there but the
// tunnel's own packets, which bear QE_MARK. So no route into the TUN, nor the overlay's own range, ever takes what the
// node sends to a peer's underlay address, whatever the prefix; and where there are no such routes, nothing changes.
//
//     P    not from all fwmark QE_MARK lookup TABLE suppress_prefixlength 0    networks of the overlay
//     P+1  not from all fwmark QE_MARK lookup main suppress_prefixlength 0     only where TABLE has a default route:
//     P+2  not from all fwmark QE_MARK lookup TABLE                            what is more specific elsewhere is first
#ifndef QE_REALIO_KERNEL_ROUTES_H
#define QE_REALIO_KERNEL_ROUTES_H

#include "kernel/message.h"
#include "rtnetlink.h"

#define QE_ROUTES_ADDRESSES_MAX 16
#define QE_ROUTES_BESIDE_MAX    16

struct qe_routes {
    struct qe_rtnetlink *netlink; // NULL: no TUN yet
    uint32_t interface;
    unsigned slot;
    bool ruled[2];     // IPv4, IPv6: the first rule is there
    bool defaulted[2]; // and the other two
    struct qe_cidr addresses[QE_ROUTES_ADDRESSES_MAX];
    size_t address_count;
    struct qe_cidr *list; // sorted; networks of peers in the table
    size_t count;
    struct qe_cidr beside[QE_ROUTES_BESIDE_MAX];
    size_t beside_count;
};

// Removes rules of this slot and of all whose TUN is gone; then leads the networks of `addresses`, which the TUN has,
// through the table. Where the kernel has no rules, they stay in the main table. 0, or -1 with `error`.
int qe_routes_begin(struct qe_routes *routes, const char *name, uint32_t interface, const struct qe_cidr *addresses,
    size_t count, char error[QE_KERNEL_TEXT_SIZE]);
// The TUN's addresses and their networks; the networks of peers. 0, or -1 with `error`: then what could be done is.
int qe_routes_set_addresses(
    struct qe_routes *routes, const struct qe_cidr *list, size_t count, char error[QE_KERNEL_TEXT_SIZE]);
int qe_routes_set(struct qe_routes *routes, const struct qe_cidr *list, size_t count, char error[QE_KERNEL_TEXT_SIZE]);
// Networks of the underlay that lie within the overlay's: what is for them goes on to the main table. More than there
// is room for are left out.
void qe_routes_set_beside(struct qe_routes *routes, const struct qe_cidr *list, size_t count);
// Removes everything.
void qe_routes_end(struct qe_routes *routes);

#endif
