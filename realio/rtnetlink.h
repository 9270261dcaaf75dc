// One request at a time to the kernel's routing netlink (rtnetlink(7)), and its answer.
#ifndef QE_REALIO_RTNETLINK_H
#define QE_REALIO_RTNETLINK_H

#include "base/addr.h"

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

struct qe_rtnetlink;

// NULL with errno.
struct qe_rtnetlink *qe_rtnetlink_open(void);
void qe_rtnetlink_close(struct qe_rtnetlink *netlink);

// Begins a request: the message's own header of `size` bytes, zeroed. Attributes are put into qe_rtnetlink_header.
void *qe_rtnetlink_begin(struct qe_rtnetlink *netlink, uint16_t type, uint16_t flags, size_t size);
struct nlmsghdr *qe_rtnetlink_header(struct qe_rtnetlink *netlink);
// Sends it. 0, or the errno that the kernel answers with.
int qe_rtnetlink_commit(struct qe_rtnetlink *netlink);
// Sends it as a question of which all answers are wanted; `each` is called with every one. 0 or errno.
int qe_rtnetlink_dump(struct qe_rtnetlink *netlink, mnl_cb_t each, void *user);

// An interface's address, without the route to its network where `no_route`. 0 or errno.
int qe_rtnetlink_address(
    struct qe_rtnetlink *netlink, bool add, uint32_t interface, const struct qe_cidr *address, bool no_route);

#endif
