// The TUN device: whole IP packets, with the kernel's segmentation and checksums left to whoever sends them
// (IFF_VNET_HDR), so that one read or write moves up to 64 KiB.
#ifndef QE_REALIO_TUN_H
#define QE_REALIO_TUN_H

#include "bufpool.h"
#include "fault.h"
#include "node/action.h"
#include "node/event.h"

#include <net/if.h>

struct qe_tun_counters {
    uint64_t read_packets, read_bytes;
    uint64_t written_packets, written_bytes;
    uint64_t bad_header;  // from the kernel, not understood; dropped
    uint64_t no_buffer;   // small packets dropped for want of a buffer
    uint64_t write_drops; // the kernel would not take the packet
    int write_error;      // errno of the last of these
};

struct qe_tun {
    int fd; // -1: not open
    uint32_t index;
    char name[IF_NAMESIZE];
    bool uso;             // UDP super-packets as well as TCP ones
    bool gone;            // the device was removed
    struct qe_buf *spare; // for the next read
    struct qe_tun_counters counters;
};

void qe_tun_init(struct qe_tun *tun);
// Creates or attaches to the device. 0, or -1 with `fault`, whose text says what is missing.
int qe_tun_open(struct qe_tun *tun, const char *name, struct qe_fault *fault);
void qe_tun_close(struct qe_tun *tun, struct qe_bufpool *pool);

// Reads packets into `list` until there are none, `count_max`, or `bytes_max` are exceeded; buffers come from `pool`
// and belong to the caller. *more: there may be more to read now.
size_t qe_tun_read(struct qe_tun *tun, struct qe_bufpool *pool, struct qe_packet_in *list, size_t count_max,
    size_t bytes_max, bool *more);
// Writes one packet; what the kernel does not take is counted and dropped. The buffer stays the caller's; its headroom
// is used.
void qe_tun_write(struct qe_tun *tun, const struct qe_deliver *deliver);

#endif
