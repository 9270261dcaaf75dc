// The system's resolver asks the node for names of one domain, where it is systemd-resolved, which can do that for a
// link (org.freedesktop.resolve1(5)): the TUN's server is asked for names below the domain and for no other.
#ifndef QE_REALIO_KERNEL_RESOLVED_H
#define QE_REALIO_KERNEL_RESOLVED_H

#include "kernel/message.h"

struct qe_resolved {
    uint32_t interface; // the TUN
    bool set;
};

// QE_RESULT_UNAVAILABLE where nobody offers that, with what to do instead in `text`.
enum qe_result_code qe_resolved_set(
    struct qe_resolved *resolved, const char *domain, const struct qe_addr *server, char text[QE_KERNEL_TEXT_SIZE]);
// As it was before the node. (The TUN's end does that, too.)
void qe_resolved_end(struct qe_resolved *resolved);

#endif
