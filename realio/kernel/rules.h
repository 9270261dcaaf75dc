// Rules of the kernel's routing policy that a node makes (routes.h says which).
#ifndef QE_REALIO_KERNEL_RULES_H
#define QE_REALIO_KERNEL_RULES_H

#include "rtnetlink.h"

struct qe_rule {
    uint8_t family; // 4 or 6
    uint32_t priority;
    uint32_t table;
    bool suppress_default; // what only a default route of that table matches goes on to the next rule
};

// 0 or errno; deleting what is not there is no error.
int qe_rules_add(struct qe_rtnetlink *netlink, const struct qe_rule *rule);
int qe_rules_delete(struct qe_rtnetlink *netlink, const struct qe_rule *rule);
// Deletes the rules of this slot, and those of slots whose TUN is gone. Returns how many.
unsigned qe_rules_clean(struct qe_rtnetlink *netlink, unsigned slot);

#endif
