#include "notify.h"

#include "base/time.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static uint64_t watchdog(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!text || (pid && strtol(pid, NULL, 10) != (long)getpid())) return QE_TIME_NEVER;
    uint64_t us = strtoull(text, NULL, 10);
    // Twice as often as wanted, as sd_watchdog_enabled(3) advises.
    return us == 0 || us > UINT64_MAX / QE_NS_PER_US ? QE_TIME_NEVER : us * QE_NS_PER_US / 2;
}

void qe_notify_init(struct qe_notify *notify)
{
    *notify = (struct qe_notify){.fd = -1, .watchdog_ns = QE_TIME_NEVER};
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, strlen(path));
    // '@' stands for the NUL of an abstract socket.
    if (path[0] == '@') address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (connect(fd, (struct sockaddr *)&address, size)) {
        close(fd);
        return;
    }
    notify->fd = fd;
    notify->watchdog_ns = watchdog();
}

void qe_notify_fini(struct qe_notify *notify)
{
    if (notify->fd >= 0) close(notify->fd);
    notify->fd = -1;
}

void qe_notify_send(const struct qe_notify *notify, const char *state)
{
    if (notify->fd >= 0) (void)!send(notify->fd, state, strlen(state), MSG_NOSIGNAL);
}
