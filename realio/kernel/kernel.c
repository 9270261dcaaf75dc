#include "kernel.h"

#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// How long undoing may take before the daemon goes without seeing its end.
#define STOP_MS 5000

int qe_kernel_start(struct qe_kernel *kernel, const char *notify_command, struct qe_fault *fault)
{
    int ends[2];
    *kernel = (struct qe_kernel){.fd = -1, .message = malloc(sizeof *kernel->message)};
    if (!kernel->message) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) goto fail;
    // A buffered line would be written twice.
    fflush(NULL);
    kernel->pid = fork();
    if (kernel->pid == 0) {
        close(ends[0]);
        qe_kernel_helper(ends[1], notify_command);
    }
    close(ends[1]);
    if (kernel->pid > 0) {
        kernel->fd = ends[0];
        return 0;
    }
    close(ends[0]);
fail:
    qe_fault_set(fault, QE_EXIT_FAILED, "no helper process: %s", strerror(errno));
    qe_kernel_stop(kernel);
    return -1;
}

void qe_kernel_stop(struct qe_kernel *kernel)
{
    if (kernel->fd >= 0) {
        // It sees that nothing more comes, and closes its end when it is done.
        shutdown(kernel->fd, SHUT_WR);
        struct pollfd end = {kernel->fd, 0, 0};
        poll(&end, 1, STOP_MS);
        close(kernel->fd);
    }
    free(kernel->message);
    *kernel = (struct qe_kernel){.fd = -1};
}

struct qe_kernel_message *qe_kernel_blank(struct qe_kernel *kernel, enum qe_kernel_kind kind, uint64_t request)
{
    if (!kernel || kernel->fd < 0) return NULL;
    memset(kernel->message, 0, qe_kernel_size(0));
    kernel->message->kind = kind;
    kernel->message->request = request;
    return kernel->message;
}

int qe_kernel_ask(struct qe_kernel *kernel)
{
    return qe_kernel_send(kernel->fd, kernel->message, -1);
}

bool qe_kernel_next(struct qe_kernel *kernel, int *fd)
{
    *fd = -1;
    if (kernel->fd < 0) return false;
    int result = qe_kernel_receive(kernel->fd, kernel->message, fd, false);
    if (result == 1) return true;
    if (result < 0 && errno == EAGAIN) return false;
    close(kernel->fd);
    kernel->fd = -1;
    return false;
}
