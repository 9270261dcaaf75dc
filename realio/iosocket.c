#include "io_internal.h"
#include "kernel/slot.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void on_socket_ready(void *user, uint32_t events)
{
    struct qe_io_socket *socket = user;
    if (events & (EPOLLIN | EPOLLERR)) socket->readable = true;
    if (events & EPOLLOUT) socket->writable = true;
}

struct qe_io_socket *qe_io_find_socket(struct qe_io *io, uint32_t id)
{
    for (size_t i = 0; i < io->socket_count; i++)
        if (io->sockets[i].used && io->sockets[i].udp.id == id) return &io->sockets[i];
    return NULL;
}

size_t qe_io_count_underlay(const struct qe_io *io)
{
    size_t count = 0;
    for (size_t i = 0; i < io->socket_count; i++)
        count += io->sockets[i].used && !qe_io_is_overlay(io, &io->sockets[i].udp.local.ip);
    return count;
}

void qe_io_flush_socket(struct qe_io *io, struct qe_io_socket *socket)
{
    socket->dirty = false;
    qe_udp_flush(&socket->udp, qe_io_on_buffer_done, io);
    if (socket->udp.blocked == socket->wants_out) return;
    socket->wants_out = socket->udp.blocked;
    qe_loop_modify(io->options.loop, &socket->source, socket->wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void qe_io_close_socket(struct qe_io *io, struct qe_io_socket *socket)
{
    // What was sent before it was closed still goes, if the kernel takes it.
    if (!socket->udp.blocked) qe_udp_flush(&socket->udp, qe_io_on_buffer_done, io);
    qe_loop_remove(io->options.loop, &socket->source);
    qe_udp_close(&socket->udp, qe_io_on_buffer_done, io);
    socket->used = false;
}

static struct qe_io_socket *free_socket(struct qe_io *io)
{
    for (size_t i = 0; i < io->socket_count; i++)
        if (!io->sockets[i].used) return &io->sockets[i];
    return io->socket_count < QE_IO_SOCKETS_MAX ? &io->sockets[io->socket_count++] : NULL;
}

static void answer_open(struct qe_io *io, uint64_t request, const struct qe_addr *local)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT};
    event.result.request = request;
    event.result.local = *local;
    qe_io_step(io, &event);
}

// A machine without IPv6, or without that address, may still do with the others; the node warns. While it starts, any
// other reason is one not to, where it is about the underlay.
static void answer_failure(
    struct qe_io *io, uint64_t request, const struct qe_addr *bind_to, bool missing, const struct qe_fault *fault)
{
    bool needed = !io->started && !qe_io_is_overlay(io, &bind_to->ip);
    if (missing && needed)
        io->missing = *fault;
    else if (needed)
        qe_io_note_failure(io, fault);
    qe_io_answer(io, request, missing ? QE_RESULT_UNAVAILABLE : QE_RESULT_REFUSED, fault->text);
}

// Watches a socket whose descriptor is open. True: the node was told.
static bool watch(struct qe_io *io, struct qe_io_socket *socket, uint64_t request, struct qe_fault *fault)
{
    socket->used = true;
    socket->readable = socket->writable = socket->dirty = socket->wants_out = false;
    socket->source = (struct qe_loop_source){socket->udp.fd, on_socket_ready, socket};
    if (qe_loop_add(io->options.loop, &socket->source, EPOLLIN) == 0) {
        struct qe_addr local = socket->udp.local;
        answer_open(io, request, &local);
        return true;
    }
    qe_fault_set(fault, QE_EXIT_SOCKET, "epoll: %s", strerror(errno));
    qe_io_close_socket(io, socket);
    return false;
}

void qe_io_open_socket(struct qe_io *io, const struct qe_action *action)
{
    uint64_t request = action->socket_open.request;
    uint32_t id = action->socket_open.socket;
    struct qe_addr bind_to = action->socket_open.bind;
    struct qe_io_socket *socket = qe_io_find_socket(io, id) ? NULL : free_socket(io);
    struct qe_fault fault;
    int error = EMFILE;
    // One inside the overlay is reached by the overlay's routes, and answers by them.
    bool underlay = !qe_io_is_overlay(io, &bind_to.ip);
    if (!socket) {
        qe_fault_set(&fault, QE_EXIT_SOCKET, "too many sockets (at most %d)", QE_IO_SOCKETS_MAX);
    } else if (qe_udp_open(&socket->udp, id, &bind_to, underlay ? QE_MARK : 0, &io->udp, &fault, &error) == 0) {
        if (watch(io, socket, request, &fault)) return;
        error = 0;
    }
    // An address of the overlay may be on its way to the TUN: the helper does one thing after another.
    bool for_helper = error == EPERM || error == EACCES || (error == EADDRNOTAVAIL && !underlay);
    if (for_helper && io->started && qe_io_ask_socket(io, request, id, &bind_to, underlay) == 0) return;
    answer_failure(io, request, &bind_to, error == EAFNOSUPPORT || error == EADDRNOTAVAIL, &fault);
}

void qe_io_take_socket(struct qe_io *io, const struct qe_kernel_message *message, int fd)
{
    uint64_t request = message->request;
    uint32_t id = message->number;
    struct qe_addr bind_to = message->addr;
    struct qe_io_socket *socket = qe_io_find_socket(io, id) ? NULL : free_socket(io);
    struct qe_fault fault;
    int error;
    if (fd < 0) {
        char text[QE_ADDR_TEXT_SIZE];
        qe_fault_set(&fault, QE_EXIT_SOCKET, "UDP address %s: %s", qe_addr_format(&message->addr, text), message->text);
        answer_failure(io, request, &bind_to, message->code == QE_RESULT_UNAVAILABLE, &fault);
        return;
    }
    if (!socket) {
        qe_fault_set(&fault, QE_EXIT_SOCKET, "too many sockets (at most %d)", QE_IO_SOCKETS_MAX);
        close(fd);
    } else if (qe_udp_adopt(&socket->udp, id, fd, &io->udp, &error)) {
        qe_fault_set(&fault, QE_EXIT_SOCKET, "%s", strerror(error));
    } else if (watch(io, socket, request, &fault)) {
        return;
    }
    answer_failure(io, request, &bind_to, false, &fault);
}
