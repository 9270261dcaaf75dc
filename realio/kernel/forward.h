// Peers reach networks behind this host: the kernel forwards between the TUN and them, and nothing else that it did not
// forward before. One nftables table holds the rules; its chain "undo", which no packet passes, notes in comments the
// settings that were changed and what they were, so that whoever removes the table can put them back, after a crash,
// too. Several nodes on one host share a changed setting: the last one puts it back.
#ifndef QE_REALIO_KERNEL_FORWARD_H
#define QE_REALIO_KERNEL_FORWARD_H

#include "kernel/message.h"
#include "sysctl.h"

// Settings that a node may change: two, and one for each interface that takes router advertisements.
#define QE_FORWARD_CHANGES_MAX 32

struct qe_forward_change {
    char name[QE_SYSCTL_NAME_SIZE];
    int before, after;
};

struct qe_forward {
    uint32_t interface; // the TUN
    unsigned slot;
    bool on;
    struct qe_forward_change changes[QE_FORWARD_CHANGES_MAX];
    size_t change_count;
};

// Undoes what a node of this slot, or of one whose TUN is gone, has left behind.
void qe_forward_begin(struct qe_forward *forward, const char *tun_name, uint32_t interface);
// 0, or -1 with `error`, and then nothing is forwarded.
int qe_forward_set(struct qe_forward *forward, const struct qe_cidr *list, size_t count, bool masquerade,
    char error[QE_KERNEL_TEXT_SIZE]);
void qe_forward_end(struct qe_forward *forward);

#endif
