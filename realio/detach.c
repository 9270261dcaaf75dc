#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// The parent's part. A child that ends without a word (a crash, a kill) closes the pipe.
static int await(int fd)
{
    struct qe_fault fault;
    ssize_t size;
    do
        size = read(fd, &fault, sizeof fault);
    while (size < 0 && errno == EINTR);
    if (size != (ssize_t)sizeof fault) {
        fprintf(stderr, "quicether: the daemon ended before it was up\n");
        return QE_EXIT_FAILED;
    }
    if (fault.exit != QE_EXIT_OK) fprintf(stderr, "quicether: %s\n", fault.text);
    return (int)fault.exit;
}

bool qe_detach_fork(struct qe_detach *detach, int *status)
{
    int ends[2];
    detach->pipe = -1;
    // A buffered line would be written twice.
    fflush(NULL);
    pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (pid < 0) {
        fprintf(stderr, "quicether: cannot go into the background: %s\n", strerror(errno));
        *status = QE_EXIT_FAILED;
        return false;
    }
    if (pid > 0) {
        close(ends[1]);
        *status = await(ends[0]);
        close(ends[0]);
        return false;
    }
    close(ends[0]);
    setsid();
    detach->pipe = ends[1];
    return true;
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO) close(null);
}

void qe_detach_tell(struct qe_detach *detach, const struct qe_fault *fault)
{
    if (detach->pipe < 0) return;
    struct qe_fault word = {.exit = QE_EXIT_OK};
    if (fault)
        word = *fault;
    else
        leave_terminal();
    // Smaller than PIPE_BUF, so it arrives whole.
    (void)!write(detach->pipe, &word, sizeof word);
    close(detach->pipe);
    detach->pipe = -1;
}
