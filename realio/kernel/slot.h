// How the things that a node makes in the kernel are told from everything else: by the protocol number of its rules and
// routes, and by a number that follows from its TUN's name, the slot, which the routing table, the rules' priorities
// and the nftables table bear. Where no interface has that name any more, they are left over from a crash.
#ifndef QE_REALIO_KERNEL_SLOT_H
#define QE_REALIO_KERNEL_SLOT_H

#include <stdbool.h>
#include <stdint.h>

// As /etc/iproute2/rt_protos counts; nobody else is known to use it.
#define QE_PROTOCOL 81
// On the underlay's sockets: their packets never go by the routes into the TUN.
#define QE_MARK 0x71650000u

#define QE_SLOTS 2500
// Before the main table's (32766) and what other VPNs put before that.
#define QE_PRIORITY_FIRST 20000
#define QE_PRIORITY_STEP  4
#define QE_TABLE_FIRST    71650000u
#define QE_NFT_PREFIX     "quicether-"

unsigned qe_slot(const char *tun_name);
// Whether some interface has a name with this slot.
bool qe_slot_is_live(unsigned slot);

// Waits until no other helper works on this slot, such as one that is still undoing what its daemon left, and keeps it
// to this process until the descriptor is closed. Where that takes longer than `ms`, -1: somebody else has it.
int qe_slot_lock(unsigned slot, unsigned ms);

static inline uint32_t qe_slot_table(unsigned slot)
{
    return QE_TABLE_FIRST + slot;
}
static inline uint32_t qe_slot_priority(unsigned slot)
{
    return QE_PRIORITY_FIRST + QE_PRIORITY_STEP * slot;
}

#endif
