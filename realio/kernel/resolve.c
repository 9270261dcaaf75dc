#include "resolve.h"

#include "privilege.h"
#include "sockaddr.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void keep(struct qe_kernel_message *answer, const struct addrinfo *found)
{
    for (; found && answer->count < QE_KERNEL_RESOLVED_MAX; found = found->ai_next) {
        union qe_sockaddr name;
        if (found->ai_addrlen > sizeof name) continue;
        memset(&name, 0, sizeof name);
        memcpy(&name, found->ai_addr, found->ai_addrlen);
        struct qe_addr addr = qe_sockaddr_to(&name);
        if (addr.ip.family == 0) continue;
        answer->list[answer->count++] = (struct qe_cidr){addr.ip, (uint8_t)(8 * qe_ip_size(&addr.ip))};
    }
}

_Noreturn static void look_up(int socket, const char *name, uint64_t request)
{
    // What comes from the network is read without any right.
    qe_privilege_drop_all();
    // The slot's lock, above all: where the helper is killed, this goes on for a while.
    close_range((unsigned)socket + 1, ~0u, 0);
    alarm(QE_RESOLVE_LIMIT_S);
    struct qe_kernel_message *answer = calloc(1, sizeof *answer);
    if (!answer) _exit(1);
    *answer = (struct qe_kernel_message){.kind = QE_KERNEL_RESULT, .request = request};
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int result = getaddrinfo(name, NULL, &hints, &found);
    if (result == 0) keep(answer, found);
    if (result) {
        bool none = result == EAI_NONAME || result == EAI_FAIL;
#ifdef EAI_NODATA
        none = none || result == EAI_NODATA;
#endif
        answer->code = none ? QE_RESULT_UNAVAILABLE : QE_RESULT_REFUSED;
        snprintf(
            answer->text, sizeof answer->text, "%s", result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
    } else if (answer->count == 0) {
        answer->code = QE_RESULT_UNAVAILABLE;
        snprintf(answer->text, sizeof answer->text, "the name has no address");
    }
    struct pollfd room = {socket, POLLOUT, 0};
    poll(&room, 1, -1);
    _exit(qe_kernel_send(socket, answer, -1) ? 1 : 0);
}

// Whether the name is one that only a running node answers for.
static bool is_own(const struct qe_resolve *resolve, const char *name)
{
    size_t size = strlen(name), own = strlen(resolve->own);
    if (size > 0 && name[size - 1] == '.') size--;
    if (own == 0 || size < own || strncasecmp(name + size - own, resolve->own, own) != 0) return false;
    return size == own || name[size - own - 1] == '.';
}

int qe_resolve_begin(
    struct qe_resolve *resolve, int socket, const char *name, uint64_t request, char error[QE_KERNEL_TEXT_SIZE])
{
    if (is_own(resolve, name)) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "names in .%s are the node's own", resolve->own);
        return -1;
    }
    for (size_t i = 0; i < QE_RESOLVE_MAX; i++) {
        if (resolve->running[i].pid) continue;
        pid_t pid = fork();
        if (pid == 0) look_up(socket, name, request);
        if (pid < 0) break;
        resolve->running[i].pid = pid;
        resolve->running[i].request = request;
        return 0;
    }
    snprintf(error, QE_KERNEL_TEXT_SIZE, "%d look-ups are under way; later", QE_RESOLVE_MAX);
    return -1;
}

bool qe_resolve_failed(struct qe_resolve *resolve, uint64_t *request)
{
    for (size_t i = 0; i < QE_RESOLVE_MAX; i++) {
        int status;
        if (!resolve->running[i].pid || waitpid(resolve->running[i].pid, &status, WNOHANG) == 0) continue;
        resolve->running[i].pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        *request = resolve->running[i].request;
        return true;
    }
    return false;
}

void qe_resolve_end(struct qe_resolve *resolve)
{
    for (size_t i = 0; i < QE_RESOLVE_MAX; i++) {
        if (!resolve->running[i].pid) continue;
        kill(resolve->running[i].pid, SIGKILL);
        waitpid(resolve->running[i].pid, NULL, 0);
        resolve->running[i].pid = 0;
    }
}
