// Host names are looked up in the system's ways (getaddrinfo), each in a process of its own, which ends by itself.
#ifndef QE_REALIO_KERNEL_RESOLVE_H
#define QE_REALIO_KERNEL_RESOLVE_H

#include "kernel/message.h"

#include <sys/types.h>

// Look-ups at a time; more are refused. Seconds that one may take.
#define QE_RESOLVE_MAX     8
#define QE_RESOLVE_LIMIT_S 20

struct qe_resolve {
    struct {
        pid_t pid; // 0: free
        uint64_t request;
    } running[QE_RESOLVE_MAX];
    char own[QE_KERNEL_TEXT_SIZE]; // the domain that the node answers for itself; "": none
};

// Begins one. The answer goes to `socket` when it is known, from the process itself. 0, or -1 with `error`.
int qe_resolve_begin(
    struct qe_resolve *resolve, int socket, const char *name, uint64_t request, char error[QE_KERNEL_TEXT_SIZE]);
// After SIGCHLD: the next look-up that ended without an answer, in *request. False: none (more).
bool qe_resolve_failed(struct qe_resolve *resolve, uint64_t *request);
void qe_resolve_end(struct qe_resolve *resolve);

#endif
