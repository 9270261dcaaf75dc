#include "helper.h"

#include "forward.h"
#include "kernel/message.h"
#include "notifier.h"
#include "portmap.h"
#include "privilege.h"
#include "resolve.h"
#include "resolved.h"
#include "routes.h"
#include "rpfilter.h"
#include "slot.h"
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

// How long to wait for another helper to end.
#define LOCK_MS 5000

struct helper {
    int socket;
    int lock;     // of the slot; -1: none yet
    int children; // signalfd
    int notifier; // -1: there is none
    struct qe_kernel_message *in, *out;
    struct qe_routes routes;
    struct qe_forward forward;
    struct qe_resolved resolved;
    struct qe_resolve resolve;
    struct qe_portmap portmap;
    struct qe_rpfilter filter;
};

static void send_out(struct helper *h, int fd)
{
    // The daemon reads whenever it can; where it is too busy for that for long, waiting keeps the order.
    while (qe_kernel_send(h->socket, h->out, fd) && errno == EAGAIN) {
        struct pollfd room = {h->socket, POLLOUT, 0};
        poll(&room, 1, -1);
    }
}

static void blank(struct helper *h, enum qe_kernel_kind kind)
{
    memset(h->out, 0, qe_kernel_size(0));
    h->out->kind = kind;
}

static void tell(struct helper *h, enum qe_log_level level, const char *text)
{
    blank(h, QE_KERNEL_LOG);
    h->out->number = level;
    snprintf(h->out->text, sizeof h->out->text, "%s", text);
    send_out(h, -1);
}

static void answer(struct helper *h, uint64_t request, enum qe_result_code code, const char *text)
{
    blank(h, QE_KERNEL_RESULT);
    h->out->request = request;
    h->out->code = code;
    snprintf(h->out->text, sizeof h->out->text, "%s", text);
    send_out(h, -1);
}

static void on_tun(struct helper *h)
{
    char error[QE_KERNEL_TEXT_SIZE];
    const struct qe_kernel_message *in = h->in;
    // It is told once; and of an interface that is there.
    char name[IF_NAMESIZE];
    if (h->routes.netlink || !if_indextoname(in->number, name) || strcmp(name, in->text) != 0) return;
    h->lock = qe_slot_lock(qe_slot(name), LOCK_MS);
    if (h->lock < 0) tell(h, QE_LOG_WARN, "another helper process with this TUN's number does not end");
    qe_forward_begin(&h->forward, name, in->number);
    h->resolved.interface = in->number;
    if (qe_routes_begin(&h->routes, name, in->number, in->list, in->count, error)) tell(h, QE_LOG_WARN, error);
}

static void on_routes(struct helper *h)
{
    char text[QE_KERNEL_TEXT_SIZE] = "";
    int result = qe_routes_set(&h->routes, h->in->list, h->in->count, text);
    answer(h, h->in->request, result ? QE_RESULT_REFUSED : QE_RESULT_OK, text);
    bool v4 = false;
    for (size_t i = 0; i < h->in->count; i++)
        v4 = v4 || h->in->list[i].ip.family == 4;
    while (v4 && qe_rpfilter_next(&h->filter, h->routes.interface, text, sizeof text))
        tell(h, QE_LOG_WARN, text);
}

static void on_dns(struct helper *h)
{
    char text[QE_KERNEL_TEXT_SIZE] = "";
    enum qe_result_code code = QE_RESULT_OK;
    bool none = h->in->addr.ip.family == 0;
    snprintf(h->resolve.own, sizeof h->resolve.own, "%s", none ? "" : h->in->text);
    if (none)
        qe_resolved_end(&h->resolved);
    else
        code = qe_resolved_set(&h->resolved, h->in->text, &h->in->addr, text);
    answer(h, h->in->request, code, text);
}

static void on_socket(struct helper *h)
{
    int error = 0, fd = qe_udp_socket(&h->in->addr, h->in->flag ? QE_MARK : 0, &error);
    blank(h, QE_KERNEL_RESULT);
    h->out->request = h->in->request;
    h->out->number = h->in->number;
    h->out->addr = h->in->addr;
    h->out->flag = true;
    if (fd < 0) {
        h->out->code = error == EADDRNOTAVAIL ? QE_RESULT_UNAVAILABLE : QE_RESULT_REFUSED;
        snprintf(h->out->text, sizeof h->out->text, "%s", strerror(error));
    }
    send_out(h, fd);
    if (fd >= 0) close(fd);
}

static void on_notify(struct helper *h)
{
    char text[QE_KERNEL_TEXT_SIZE];
    if (h->notifier < 0 || !h->in->text[0] || qe_notifier_tell(h->notifier, h->in->text) == 0) return;
    bool gone = errno != EAGAIN;
    snprintf(text, sizeof text, "monitoring.notify_command is not run: %s",
        gone ? "no right to become another user for it" : "too many wait for it");
    tell(h, QE_LOG_WARN, text);
    if (!gone) return;
    close(h->notifier);
    h->notifier = -1;
}

static void serve(struct helper *h)
{
    char text[QE_KERNEL_TEXT_SIZE] = "";
    const struct qe_kernel_message *in = h->in;
    int result = -1;
    if (in->kind == QE_KERNEL_TUN) {
        on_tun(h);
        return;
    }
    if (in->kind == QE_KERNEL_NOTIFY) {
        on_notify(h);
        return;
    }
    if (in->kind == QE_KERNEL_BESIDE) {
        if (h->routes.netlink) qe_routes_set_beside(&h->routes, in->list, in->count);
        return;
    }
    bool of_tun = in->kind == QE_KERNEL_ADDRESSES || in->kind == QE_KERNEL_ROUTES || in->kind == QE_KERNEL_FORWARD ||
                  in->kind == QE_KERNEL_DNS;
    if (of_tun && !h->routes.netlink) {
        answer(h, in->request, QE_RESULT_UNAVAILABLE, "there is no TUN");
        return;
    }
    switch (in->kind) {
    case QE_KERNEL_ROUTES:
        on_routes(h);
        return;
    case QE_KERNEL_DNS:
        on_dns(h);
        return;
    case QE_KERNEL_SOCKET:
        on_socket(h);
        return;
    case QE_KERNEL_ADDRESSES:
        result = qe_routes_set_addresses(&h->routes, in->list, in->count, text);
        break;
    case QE_KERNEL_FORWARD:
        result = qe_forward_set(&h->forward, in->list, in->count, in->flag, text);
        break;
    case QE_KERNEL_RESOLVE:
        // The look-up answers for itself.
        if (qe_resolve_begin(&h->resolve, h->socket, in->text, in->request, text) == 0) return;
        break;
    case QE_KERNEL_MAP_PORT:
        if (qe_portmap_begin(&h->portmap, in, text) == 0) return;
        break;
    default:
        return;
    }
    answer(h, in->request, result ? QE_RESULT_REFUSED : QE_RESULT_OK, text);
}

static void on_children(struct helper *h)
{
    struct signalfd_siginfo info;
    uint64_t request;
    while (read(h->children, &info, sizeof info) > 0) {
    }
    while (qe_resolve_failed(&h->resolve, &request))
        answer(h, request, QE_RESULT_REFUSED, "no answer in time");
}

static void on_portmaps(struct helper *h)
{
    while (qe_portmap_next(&h->portmap, h->out))
        send_out(h, -1);
}

static void undo(struct helper *h)
{
    qe_portmap_give_back(&h->portmap);
    qe_resolve_end(&h->resolve);
    qe_resolved_end(&h->resolved);
    qe_forward_end(&h->forward);
    qe_routes_end(&h->routes);
    qe_portmap_end(&h->portmap);
}

// The daemon's other descriptors, its terminal among them, are none of ours; nor are the signals that end it: it ends,
// and then we do.
static int settle(struct helper *h)
{
    sigset_t set;
    int null = open("/dev/null", O_RDWR);
    if (null < 0) return -1;
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (h->socket != 3 && dup2(h->socket, 3) < 0) return -1;
    h->socket = 3;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0u, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    h->children = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return h->children < 0 ? -1 : 0;
}

void qe_kernel_helper(int socket, const char *notify_command)
{
    struct helper *h = calloc(1, sizeof *h);
    if (!h) _exit(1);
    h->socket = socket;
    h->lock = -1;
    h->in = calloc(1, sizeof *h->in);
    h->out = calloc(1, sizeof *h->out);
    if (!h->in || !h->out || settle(h)) _exit(1);
    // Before this process loses the right to begin programs.
    h->notifier = *notify_command ? qe_notifier_start(notify_command) : -1;
    qe_privilege_keep_network();
    for (;;) {
        struct pollfd ready[2 + QE_PORTMAP_RUNNING_MAX] = {{h->socket, POLLIN, 0}, {h->children, POLLIN, 0}};
        size_t count = 2 + qe_portmap_poll(&h->portmap, ready + 2);
        int fd;
        if (poll(ready, count, -1) < 0 && errno != EINTR) break;
        if (ready[1].revents) on_children(h);
        on_portmaps(h);
        if (!ready[0].revents) continue;
        int result = qe_kernel_receive(h->socket, h->in, &fd, true);
        // Nothing that the daemon would say.
        if (fd >= 0) close(fd);
        if (result == 0 || (result < 0 && errno != EBADMSG)) break;
        if (result > 0) serve(h);
    }
    undo(h);
    _exit(0);
}
