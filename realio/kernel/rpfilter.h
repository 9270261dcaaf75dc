// Strict reverse path filtering (RFC 3704 §2.2): an interface that drops what comes from where it would not send to.
// With a route into the TUN that covers a peer's underlay address, that is the peer's own datagrams.
#ifndef QE_REALIO_KERNEL_RPFILTER_H
#define QE_REALIO_KERNEL_RPFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QE_RPFILTER_TOLD_MAX 32

struct qe_rpfilter {
    uint32_t told[QE_RPFILTER_TOLD_MAX]; // interfaces that were named already
    size_t count;
};

// The next interface other than `tun` that filters strictly, in `line` with what to do about it. Each is named once.
// False: none (more).
bool qe_rpfilter_next(struct qe_rpfilter *filter, uint32_t tun, char *line, size_t room);

#endif
