// Keeps true: of two daemons that want one socket path, exactly one gets it, and neither can lose it to the other. The
// parent folder is locked while the path is tested, cleared and bound.
#include "control/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128
// Whoever holds the folder's lock binds a socket or stats a file: far less than this.
#define LOCK_TRIES    100
#define LOCK_PAUSE_MS 20

static int fail(char *error, size_t size, const char *what, const char *path, const char *why)
{
    snprintf(error, size, "%s %s: %s", what, path, why);
    return -1;
}

// The same where the system says why, by `errno_value`, and the path is the user's choice.
static int fail_for(char *error, size_t size, const char *what, const char *path, int errno_value)
{
    snprintf(error, size, "%s %s: %s; name another socket with --control", what, path, strerror(errno_value));
    return -1;
}

static int folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    int n = !slash          ? snprintf(folder, size, ".")
            : slash == path ? snprintf(folder, size, "/")
                            : snprintf(folder, size, "%.*s", (int)(slash - path), path);
    return n > 0 && (size_t)n < size ? 0 : -1;
}

// Locked by flock until it is closed; -1 with errno. A lock that stays taken is an error, not a wait without end.
static int lock_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
        if (errno != EWOULDBLOCK && errno != EINTR) break;
        nanosleep(&(struct timespec){0, LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

// Makes way at `path`: 0 where nothing is there any more; -1 with `error` where something is that must stay.
static int clear_path(const char *path, const struct sockaddr_un *address, char *error, size_t size)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? 0 : fail(error, size, "cannot look at", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return fail(error, size, "cannot listen on", path, "a file that is no socket is in the way; remove it");
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return fail(error, size, "cannot test", path, strerror(errno));
    int rc = connect(probe, (const struct sockaddr *)address, sizeof(*address));
    int why = rc == 0 ? 0 : errno;
    close(probe);
    // EAGAIN: its backlog is full, so somebody listens.
    if (why == 0 || why == EAGAIN)
        return fail(error, size, "cannot listen on", path,
            "another daemon answers there; stop it, or name another socket with --control");
    if (why != ECONNREFUSED) return fail(error, size, "cannot test", path, strerror(why));
    if (unlink(path) != 0) return fail_for(error, size, "cannot remove the dead socket", path, errno);
    return 0;
}

int qe_listen_unix(const char *path, struct qe_unix_listener *out, char *error, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[PATH_MAX];
    if (!path[0] || strlen(path) >= sizeof(address.sun_path) || folder_of(path, folder, sizeof(folder)) != 0)
        return fail(error, size, "cannot listen on", path, "a socket's path has 1 to 107 bytes; name a shorter one");
    memcpy(address.sun_path, path, strlen(path) + 1);

    bool root = geteuid() == 0;
    if (mkdir(folder, root ? 0755 : 0700) != 0 && errno != EEXIST)
        return fail_for(error, size, "cannot create", folder, errno);
    int lock = lock_folder(folder);
    if (lock < 0) return fail_for(error, size, "cannot lock", folder, errno);

    int result = -1;
    int fd = -1;
    struct stat st;
    if (clear_path(path, &address, error, size) != 0) goto out;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fail(error, size, "cannot open a socket for", path, strerror(errno));
        goto out;
    }
    // Nobody can connect before listen, so there is no moment at which others than the mode allows could.
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, root ? 0660 : 0600) != 0 ||
        listen(fd, BACKLOG) != 0 || lstat(path, &st) != 0) {
        fail_for(error, size, "cannot listen on", path, errno);
        goto out;
    }
    *out = (struct qe_unix_listener){fd, st.st_dev, st.st_ino};
    fd = -1;
    result = 0;
out:
    if (fd >= 0) close(fd);
    close(lock);
    return result;
}

void qe_listen_unix_remove(const char *path, const struct qe_unix_listener *listener)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == listener->device && st.st_ino == listener->inode)
        unlink(path);
}

static socklen_t to_sockaddr(const struct qe_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (addr->ip.family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip.bytes, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    in6->sin6_scope_id = addr->scope;
    memcpy(&in6->sin6_addr, addr->ip.bytes, 16);
    return sizeof(*in6);
}

int qe_listen_tcp(const struct qe_addr *addr, const char *purpose, char *error, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = to_sockaddr(addr, &address);
    int one = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        (address.ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
        bind(fd, (const struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    char text[INET6_ADDRSTRLEN] = "?";
    inet_ntop(addr->ip.family == 4 ? AF_INET : AF_INET6, addr->ip.bytes, text, sizeof(text));
    bool v6 = addr->ip.family == 6;
    snprintf(error, size, "cannot serve %s on %s%s%s:%u: %s", purpose, v6 ? "[" : "", text, v6 ? "]" : "", addr->port,
        strerror(why));
    if (fd >= 0) close(fd);
    return -1;
}
