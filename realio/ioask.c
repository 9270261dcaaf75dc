// The node's actions that need rights go to the helper (kernel/kernel.h), and its answers come back as results. Without
// a helper they are unavailable.
#include "io_internal.h"

#include "nat/port_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

bool qe_io_is_overlay(const struct qe_io *io, const struct qe_ip *ip)
{
    for (size_t i = 0; i < io->overlay_count; i++)
        if (qe_ip_equal(&io->overlay[i].ip, ip)) return true;
    return false;
}

static void note_overlay(struct qe_io *io, const struct qe_cidr *list, size_t count)
{
    io->overlay_count = 0;
    for (size_t i = 0; i < count && i < QE_IO_OVERLAY_MAX; i++)
        io->overlay[io->overlay_count++] = list[i];
}

// Of an address of another interface: its network is narrower than the overlay's, and part of that.
static bool is_beside(const struct qe_io *io, const struct qe_cidr *address)
{
    for (size_t i = 0; i < io->overlay_count; i++)
        if (address->bits > io->overlay[i].bits && qe_cidr_contains(&io->overlay[i], &address->ip)) return true;
    return false;
}

static size_t find_beside(const struct qe_io *io, struct qe_cidr list[QE_IO_OVERLAY_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < io->links->count; i++) {
        const struct qe_link *link = &io->links->list[i];
        if (!link->up || link->index == io->tun.index) continue;
        for (size_t j = 0; j < link->address_count && count < QE_IO_OVERLAY_MAX; j++)
            if (is_beside(io, &link->addresses[j])) list[count++] = qe_cidr_network(link->addresses[j]);
    }
    return count;
}

void qe_io_tell_beside(struct qe_io *io)
{
    struct qe_cidr list[QE_IO_OVERLAY_MAX];
    size_t count = io->tun.fd < 0 ? 0 : find_beside(io, list);
    bool same = count == io->beside_count;
    for (size_t i = 0; i < count && same; i++)
        same = list[i].bits == io->beside[i].bits && qe_ip_equal(&list[i].ip, &io->beside[i].ip);
    struct qe_kernel_message *message = same ? NULL : qe_kernel_blank(io->options.kernel, QE_KERNEL_BESIDE, 0);
    if (!message) return;
    memcpy(message->list, list, count * sizeof *list);
    message->count = (uint32_t)count;
    if (qe_kernel_ask(io->options.kernel)) return;
    memcpy(io->beside, list, count * sizeof *list);
    io->beside_count = count;
}

void qe_io_tell_user(struct qe_io *io, const char *line)
{
    struct qe_kernel_message *message = qe_kernel_blank(io->options.kernel, QE_KERNEL_NOTIFY, 0);
    if (!message) return;
    snprintf(message->text, sizeof message->text, "%s", line);
    if (qe_kernel_ask(io->options.kernel))
        qe_log(io->options.log, QE_LOG_WARN, "monitoring.notify_command is not run: %s", strerror(errno));
}

static int fill(struct qe_kernel_message *message, const struct qe_cidr *list, size_t count)
{
    if (count > QE_KERNEL_PREFIXES_MAX) return -1;
    if (count > 0) memcpy(message->list, list, count * sizeof *list);
    message->count = (uint32_t)count;
    return 0;
}

static int set_text(struct qe_kernel_message *message, const char *text)
{
    return snprintf(message->text, sizeof message->text, "%s", text) < (int)sizeof message->text ? 0 : -1;
}

// NULL where the helper is gone; then the node is told.
static struct qe_kernel_message *begin(struct qe_io *io, enum qe_kernel_kind kind, uint64_t request)
{
    struct qe_kernel_message *message = qe_kernel_blank(io->options.kernel, kind, request);
    if (!message) qe_io_answer(io, request, QE_RESULT_UNAVAILABLE, "the helper process is gone");
    return message;
}

static void ask(struct qe_io *io, uint64_t request, bool too_large)
{
    if (too_large)
        qe_io_answer(io, request, QE_RESULT_REFUSED, "too much at once");
    else if (qe_kernel_ask(io->options.kernel))
        qe_io_answer(io, request, QE_RESULT_REFUSED, errno == EAGAIN ? "the helper is busy" : strerror(errno));
}

static void ask_prefixes(struct qe_io *io, enum qe_kernel_kind kind, const struct qe_prefixes *prefixes, bool flag)
{
    struct qe_kernel_message *message = begin(io, kind, prefixes->request);
    if (!message) return;
    message->flag = flag;
    ask(io, prefixes->request, fill(message, prefixes->list, prefixes->count) != 0);
}

// The nonce is the same in the next life of the daemon: after a crash the mapping is still its own (RFC 6887 §11.2).
static void ask_port(struct qe_io *io, const struct qe_map_port *wanted)
{
    static const char what[] = "port mapping";
    uint8_t mac[32];
    struct qe_kernel_message *message = begin(io, QE_KERNEL_MAP_PORT, wanted->request);
    if (!message) return;
    message->number = wanted->interface;
    message->addr.port = wanted->port;
    message->seconds = wanted->lifetime_s;
    if (io->host.secret(io, QE_SECRET_IDENTITY, QE_SECRET_MAC, qe_span(what, sizeof what), mac, sizeof mac) == 0)
        memcpy(message->text, mac, QE_PORT_NONCE_SIZE);
    ask(io, wanted->request, false);
}

bool qe_io_ask(struct qe_io *io, const struct qe_action *action)
{
    struct qe_kernel_message *message;
    switch (action->kind) {
    case QE_ACTION_ADDRESSES:
        note_overlay(io, action->addresses.list, action->addresses.count);
        ask_prefixes(io, QE_KERNEL_ADDRESSES, &action->addresses, false);
        qe_io_tell_beside(io);
        return true;
    case QE_ACTION_ROUTES:
        ask_prefixes(io, QE_KERNEL_ROUTES, &action->routes, false);
        return true;
    case QE_ACTION_FORWARD:
        ask_prefixes(io, QE_KERNEL_FORWARD, &action->forward.prefixes, action->forward.masquerade);
        return true;
    case QE_ACTION_RESOLVE:
        message = begin(io, QE_KERNEL_RESOLVE, action->resolve.request);
        if (message) ask(io, action->resolve.request, set_text(message, action->resolve.name) != 0);
        return true;
    case QE_ACTION_DNS:
        message = begin(io, QE_KERNEL_DNS, action->dns.request);
        if (!message) return true;
        message->addr = action->dns.server;
        ask(io, action->dns.request, set_text(message, action->dns.domain ? action->dns.domain : "") != 0);
        return true;
    case QE_ACTION_MAP_PORT:
        ask_port(io, &action->map_port);
        return true;
    default:
        return false;
    }
}

void qe_io_ask_tun(struct qe_io *io, const struct qe_tun_open *wanted)
{
    note_overlay(io, wanted->addresses, wanted->address_count);
    struct qe_kernel_message *message = qe_kernel_blank(io->options.kernel, QE_KERNEL_TUN, 0);
    if (!message) return;
    message->number = io->tun.index;
    if (set_text(message, io->tun.name) || fill(message, wanted->addresses, wanted->address_count) ||
        qe_kernel_ask(io->options.kernel))
        qe_log(io->options.log, QE_LOG_WARN, "the helper does not know of %s: %s", io->tun.name, strerror(errno));
    qe_io_tell_beside(io);
}

int qe_io_ask_socket(struct qe_io *io, uint64_t request, uint32_t id, const struct qe_addr *bind_to, bool underlay)
{
    struct qe_kernel_message *message = qe_kernel_blank(io->options.kernel, QE_KERNEL_SOCKET, request);
    if (!message) return -1;
    message->number = id;
    message->addr = *bind_to;
    message->flag = underlay;
    return qe_kernel_ask(io->options.kernel);
}

// What it says may not make the node ask anew before it is read: there is one message.
static void take_result(struct qe_io *io, const struct qe_kernel_message *message)
{
    struct qe_ip addresses[QE_KERNEL_RESOLVED_MAX];
    char text[QE_KERNEL_TEXT_SIZE];
    struct qe_event event = {.kind = QE_EVENT_RESULT};
    event.result.request = message->request;
    event.result.code = message->code;
    event.result.addresses = addresses;
    for (size_t i = 0; i < message->count && i < QE_KERNEL_RESOLVED_MAX; i++)
        addresses[event.result.address_count++] = message->list[i].ip;
    memcpy(text, message->text, sizeof text);
    event.result.local = message->addr;
    event.result.lifetime_s = message->seconds;
    if (message->code != QE_RESULT_OK || message->seconds) event.result.text = text;
    qe_io_step(io, &event);
}

void qe_io_take_kernel(struct qe_io *io)
{
    struct qe_kernel *kernel = io->options.kernel;
    int fd;
    io->kernel_readable = false;
    struct qe_loop_source source = io->kernel_source;
    while (qe_kernel_next(kernel, &fd)) {
        const struct qe_kernel_message *message = kernel->message;
        if (message->kind == QE_KERNEL_LOG)
            qe_log_text(io->options.log,
                message->number > QE_LOG_DEBUG ? QE_LOG_WARN : (enum qe_log_level)message->number, message->text);
        else if (message->kind == QE_KERNEL_RESULT && (message->flag || fd >= 0))
            qe_io_take_socket(io, message, fd);
        else if (message->kind == QE_KERNEL_RESULT)
            take_result(io, message);
    }
    // Closing took it out of the loop.
    if (kernel->fd < 0 && source.fd >= 0) {
        io->kernel_source.fd = -1;
        qe_log(io->options.log, QE_LOG_ERROR,
            "the helper process ended: routes, forwarding and the resolver stay as they are now");
    }
}
