#include "notifier.h"

#include "message.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// As on any Linux (and 65534 in NFS and user namespaces).
#define NOBODY  65534
#define LOOK_MS 20

_Noreturn static void run(const char *command, const char *line)
{
    const char *const argv[] = {command, line, NULL};
    const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    // Whatever it begins is of its own session, so that all of it can be ended.
    setsid();
    execve(command, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    _exit(127);
}

static void run_bounded(const char *command, const char *line)
{
    const struct timespec pause = {0, LOOK_MS * 1000000};
    pid_t pid = fork();
    if (pid == 0) run(command, line);
    if (pid < 0) return;
    for (unsigned ms = 0; waitpid(pid, NULL, WNOHANG) == 0; ms += LOOK_MS) {
        if (ms >= QE_NOTIFIER_LIMIT_S * 1000) {
            kill(-pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return;
        }
        nanosleep(&pause, NULL);
    }
}

// The helper's signals are not those of a program that somebody wrote.
static void settle(int socket)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    sigset_t none;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // Signals to the daemon's group are not meant for it either.
    setsid();
    if (socket != 3 && dup2(socket, 3) < 0) _exit(1);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0u, 0);
    (void)!chdir("/");
}

_Noreturn static void serve(int socket, const char *command)
{
    char line[QE_KERNEL_TEXT_SIZE];
    settle(socket);
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))) _exit(1);
    qe_privilege_drop_all();
    for (;;) {
        ssize_t size = recv(3, line, sizeof line - 1, MSG_CMSG_CLOEXEC);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) _exit(0);
        line[size] = '\0';
        run_bounded(command, line);
    }
}

int qe_notifier_start(const char *command)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) return -1;
    pid_t pid = fork();
    if (pid == 0) serve(ends[1], command);
    close(ends[1]);
    if (pid > 0) return ends[0];
    close(ends[0]);
    return -1;
}

int qe_notifier_tell(int notifier, const char *line)
{
    return send(notifier, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}
