#include "lock.h"

#include "dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int taken(int fd, const char *state_dir, struct qe_fault *fault)
{
    char pid[16];
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? size : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return qe_fault_set(fault, QE_EXIT_RUNNING,
        "another quicether (process %s) uses the state directory %s; stop it, or give this one its own with "
        "--state-dir",
        pid[0] ? pid : "unknown", state_dir);
}

int qe_lock_take(const char *state_dir, struct qe_fault *fault)
{
    char path[QE_PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/lock", state_dir) >= (int)sizeof path)
        return qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return qe_fault_set(fault, QE_EXIT_STATE,
            "cannot write to the state directory: %s: %s; choose another with --state-dir", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            taken(fd, state_dir, fault);
        else
            qe_fault_set(fault, QE_EXIT_STATE, "cannot lock %s: %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    // The process ID only serves the message above; a full disk must not keep the node from starting.
    char pid[16];
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)size, 0) < 0) (void)ftruncate(fd, 0);
    return fd;
}
