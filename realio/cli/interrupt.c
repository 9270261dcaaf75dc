#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

int qe_interrupt_open(void)
{
    sigset_t set = signals();
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd >= 0) sigprocmask(SIG_BLOCK, &set, NULL);
    return fd;
}

void qe_interrupt_close(int fd)
{
    struct signalfd_siginfo info;
    sigset_t set = signals();
    if (fd < 0) return;
    while (read(fd, &info, sizeof(info)) > 0)
        ;
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

bool qe_interrupt_sleep(int fd, int64_t ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, ms < 0 ? 0 : (int)ms) != 0;
}
