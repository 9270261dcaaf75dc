// The daemon's side of its helper: a process that keeps the right to change routes, addresses, forwarding and the
// system's resolver, for a daemon that gives it up before it reads a stranger's packet. The helper takes back
// everything when the daemon ends, in whatever way.
#ifndef QE_REALIO_KERNEL_KERNEL_H
#define QE_REALIO_KERNEL_KERNEL_H

#include "fault.h"
#include "kernel/message.h"

#include <sys/types.h>

struct qe_kernel {
    int fd; // -1: there is none (any more)
    pid_t pid;
    struct qe_kernel_message *message; // the last one received
};

// `notify_command` ("" for none) is what it runs for notices: it knows that from here, and not from the daemon later.
// Starts it; the process must have one thread and hold nothing yet that the helper should not have. 0, or -1. The
// child's status is left to the caller.
int qe_kernel_start(struct qe_kernel *kernel, const char *notify_command, struct qe_fault *fault);
// Ends it, and waits until everything is undone, though not for ever.
void qe_kernel_stop(struct qe_kernel *kernel);

// The message to fill, then qe_kernel_ask. NULL without a helper. 0, or -1 with errno.
struct qe_kernel_message *qe_kernel_blank(struct qe_kernel *kernel, enum qe_kernel_kind kind, uint64_t request);
int qe_kernel_ask(struct qe_kernel *kernel);
// The next message of the helper in kernel->message, and a descriptor that came with it (or -1), which is the
// caller's. False: none now; kernel->fd < 0: none ever.
bool qe_kernel_next(struct qe_kernel *kernel, int *fd);

#endif
