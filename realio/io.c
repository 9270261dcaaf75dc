// Order makes the speed: everything that came in is handed to the node in large events first (so that it acknowledges
// once for many), then its actions are done, sends to one socket together; then the inputs again. Nothing waits for a
// batch to fill: with little to do, each packet goes straight through.
#include "io_internal.h"

#include "netlink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void qe_io_step(struct qe_io *io, struct qe_event *event)
{
    event->now_ns = qe_loop_now_ns();
    event->wall_ms = qe_loop_wall_ms();
    if (!io->recorder) {
        qe_node_step(io->node, event);
        return;
    }
    qe_recorder_step(io->recorder, io->node, event);
    if (io->record_ns == QE_TIME_NEVER) io->record_ns = event->now_ns + QE_RECORDING_FLUSH_NS;
}

static bool next_action(struct qe_io *io, struct qe_action *action)
{
    return io->recorder ? qe_recorder_next(io->recorder, io->node, action) : qe_node_next(io->node, action);
}

void qe_io_on_buffer_done(void *user, struct qe_buf *buf)
{
    struct qe_io *io = user;
    if (qe_bufpool_free(&io->pool, buf)) io->credit_back++;
}

static void give_credit_back(struct qe_io *io)
{
    struct qe_event event = {.kind = QE_EVENT_BUFFERS, .buffers = io->credit_back};
    io->credit_back = 0;
    qe_io_step(io, &event);
}

void qe_io_answer(struct qe_io *io, uint64_t request, enum qe_result_code code, const char *text)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT};
    event.result.request = request;
    event.result.code = code;
    event.result.text = text;
    qe_io_step(io, &event);
}

void qe_io_note_failure(struct qe_io *io, const struct qe_fault *fault)
{
    if (io->failed) return;
    io->failed = true;
    io->fault = *fault;
}

// The TUN.

static void on_tun_ready(void *user, uint32_t events)
{
    struct qe_io *io = user;
    (void)events;
    io->tun_readable = true;
}

static void on_links_ready(void *user, uint32_t events)
{
    struct qe_io *io = user;
    (void)events;
    io->links_readable = true;
}

static void on_kernel_ready(void *user, uint32_t events)
{
    struct qe_io *io = user;
    (void)events;
    io->kernel_readable = true;
}

static int open_tun(struct qe_io *io, const struct qe_tun_open *wanted, struct qe_fault *fault)
{
    if (io->tun.fd >= 0) return qe_fault_set(fault, QE_EXIT_TUN, "the TUN is open already");
    if (qe_tun_open(&io->tun, wanted->name, fault)) return -1;
    struct qe_netlink_tun setup = {.index = io->tun.index,
        .name = io->tun.name,
        .mtu = wanted->mtu,
        .addresses = wanted->addresses,
        .address_count = wanted->address_count};
    bool no_ipv6;
    io->tun_source = (struct qe_loop_source){io->tun.fd, on_tun_ready, io};
    qe_links_ignore(io->links, io->tun.index);
    int result = qe_netlink_set_up_tun(&setup, &no_ipv6, fault);
    if (result == 0 && qe_loop_add(io->options.loop, &io->tun_source, EPOLLIN))
        result = qe_fault_set(fault, QE_EXIT_TUN, "epoll: %s", strerror(errno));
    if (result) {
        qe_tun_close(&io->tun, &io->pool);
        return -1;
    }
    if (no_ipv6) qe_log(io->options.log, QE_LOG_WARN, "%s has no IPv6 address: the system has IPv6 off", io->tun.name);
    qe_io_ask_tun(io, wanted);
    if (!io->tun.uso) qe_log(io->options.log, QE_LOG_DEBUG, "the kernel does not cut UDP super-packets (USO)");
    return 0;
}

static void do_tun_open(struct qe_io *io, const struct qe_tun_open *wanted)
{
    uint64_t request = wanted->request;
    struct qe_fault fault;
    if (open_tun(io, wanted, &fault) == 0) {
        qe_io_answer(io, request, QE_RESULT_OK, NULL);
        return;
    }
    qe_io_note_failure(io, &fault);
    qe_io_answer(io, request, QE_RESULT_REFUSED, fault.text);
}

static void pause_tun(struct qe_io *io, bool pause)
{
    if (io->tun_paused == pause) return;
    io->tun_paused = pause;
    qe_loop_modify(io->options.loop, &io->tun_source, pause ? 0 : EPOLLIN);
}

// Actions.

static void do_store(struct qe_io *io, const struct qe_action *action)
{
    bool erase = action->kind == QE_ACTION_ERASE;
    const char *key = erase ? action->erase_key : action->store.key;
    // A secret is handed over for it, and only when it is there (lend.c).
    if (!erase && strncmp(key, "invite/", 7) == 0) qe_store_mark(io->options.store);
    int result =
        erase ? qe_store_erase(io->options.store, key) : qe_store_put(io->options.store, key, action->store.value);
    if (result && !io->store_refused)
        qe_log(io->options.log, QE_LOG_WARN, "state \"%s\" is not saved: too large, or the disk is too slow", key);
    io->store_refused = result != 0;
}

// Returns the bytes moved.
static size_t do_send(struct qe_io *io, const struct qe_send *send)
{
    struct qe_io_socket *socket = qe_io_find_socket(io, send->socket);
    size_t size = send->buf->size;
    if (!socket || size == 0 || send->segment_size == 0 || !qe_udp_enqueue(&socket->udp, send)) {
        if (!socket) io->udp.dropped_other++;
        qe_io_on_buffer_done(io, send->buf);
        return size;
    }
    socket->dirty = true;
    if (socket->udp.waiting_bytes >= QE_IO_FLUSH_BYTES && !socket->udp.blocked) qe_io_flush_socket(io, socket);
    return size;
}

static size_t do_deliver(struct qe_io *io, const struct qe_deliver *deliver)
{
    size_t size = deliver->buf->size;
    if (io->tun.fd >= 0) qe_tun_write(&io->tun, deliver);
    qe_io_on_buffer_done(io, deliver->buf);
    return size;
}

// Returns the bytes moved.
static size_t perform(struct qe_io *io, const struct qe_action *action)
{
    switch (action->kind) {
    case QE_ACTION_SEND:
        return do_send(io, &action->send);
    case QE_ACTION_DELIVER:
        return do_deliver(io, &action->deliver);
    case QE_ACTION_SOCKET_OPEN:
        qe_io_open_socket(io, action);
        break;
    case QE_ACTION_SOCKET_CLOSE: {
        struct qe_io_socket *socket = qe_io_find_socket(io, action->socket_close);
        if (socket) qe_io_close_socket(io, socket);
        break;
    }
    case QE_ACTION_TUN_OPEN:
        do_tun_open(io, &action->tun_open);
        break;
    case QE_ACTION_STORE:
    case QE_ACTION_ERASE:
        do_store(io, action);
        break;
    case QE_ACTION_LOG:
        qe_log_text(io->options.log, action->log.level, action->log.text);
        break;
    case QE_ACTION_REPLY:
        io->options.reply(io->options.user, action->reply.command, action->reply.status, action->reply.body);
        break;
    case QE_ACTION_ADDRESSES:
    case QE_ACTION_ROUTES:
    case QE_ACTION_FORWARD:
    case QE_ACTION_RESOLVE:
    case QE_ACTION_DNS:
    case QE_ACTION_MAP_PORT:
        qe_io_ask(io, action);
        break;
    case QE_ACTION_NOTIFY:
        qe_log_text(io->options.log, QE_LOG_WARN, action->notify);
        if (io->options.config->notify_command[0]) qe_io_tell_user(io, action->notify);
        break;
    case QE_ACTION_STOPPED:
        io->stopped = true;
        if (action->stopped) {
            struct qe_fault fault = io->missing;
            if (qe_io_count_underlay(io) > 0 || fault.exit == QE_EXIT_OK)
                qe_fault_set(&fault, QE_EXIT_FAILED, "%s", action->stopped);
            qe_io_note_failure(io, &fault);
        }
        break;
    }
    return 0;
}

// Does actions until there are none or a round's worth is moved.
static void do_actions(struct qe_io *io)
{
    struct qe_action action;
    size_t moved = 0;
    io->busy = false;
    while (next_action(io, &action)) {
        moved += perform(io, &action);
        if (moved < QE_IO_ROUND_BYTES) continue;
        io->busy = true;
        break;
    }
    for (size_t i = 0; i < io->socket_count; i++) {
        struct qe_io_socket *socket = &io->sockets[i];
        if (socket->used && socket->dirty && !socket->udp.blocked) qe_io_flush_socket(io, socket);
    }
    // The node's sends have not stalled as long as half of their credit is left, so the event can wait for company.
    if (io->pool.lent + io->credit_back > QE_BUFPOOL_SENDS / 2 && io->credit_back > 0) {
        give_credit_back(io);
        io->busy = true;
    }
}

// Events.

static size_t segment_count(const struct qe_datagrams *datagrams)
{
    return datagrams->segment_size ? (datagrams->size + datagrams->segment_size - 1) / datagrams->segment_size : 1;
}

static void take_datagrams(struct qe_io *io, struct qe_io_socket *socket)
{
    struct qe_event event = {.kind = QE_EVENT_DATAGRAMS};
    bool more;
    socket->readable = false;
    size_t left = qe_udp_receive(&socket->udp, io->receiver, &event.datagrams.list, &more);
    // No more at once than the node certainly has buffers for.
    for (; left > 0; left -= event.datagrams.count, event.datagrams.list += event.datagrams.count) {
        size_t segments = segment_count(event.datagrams.list);
        event.datagrams.count = 1;
        while (event.datagrams.count < left &&
               (segments += segment_count(&event.datagrams.list[event.datagrams.count])) <= QE_NODE_DELIVERIES)
            event.datagrams.count++;
        // What another socket's datagrams became still has its buffers.
        if (io->pool.lent > QE_BUFPOOL_SENDS) do_actions(io);
        if (io->credit_back > 0) give_credit_back(io);
        qe_io_step(io, &event);
    }
}

static void take_packets(struct qe_io *io)
{
    struct qe_packet_in list[QE_IO_PACKETS_MAX];
    struct qe_event event = {.kind = QE_EVENT_PACKETS, .packets = {list, 0}};
    bool more;
    io->tun_readable = false;
    if (!io->tun.spare && !qe_bufpool_has_large(&io->pool)) {
        pause_tun(io, true);
        return;
    }
    event.packets.count = qe_tun_read(&io->tun, &io->pool, list, QE_IO_PACKETS_MAX, QE_IO_PACKETS_BYTES_MAX, &more);
    if (event.packets.count > 0) qe_io_step(io, &event);
    if (!io->tun.gone) return;
    qe_loop_remove(io->options.loop, &io->tun_source);
    struct qe_fault fault;
    qe_fault_set(&fault, QE_EXIT_TUN, "the network device %s was deleted", io->tun.name);
    qe_io_note_failure(io, &fault);
}

static void take_links(struct qe_io *io)
{
    struct qe_event event = {.kind = QE_EVENT_LINK};
    io->links_readable = false;
    qe_links_ready(io->links);
    while (qe_links_next(io->links, &event.link))
        qe_io_step(io, &event);
    qe_io_tell_beside(io);
}

static void trim(struct qe_io *io, uint64_t now)
{
    if (io->trim_ns != QE_TIME_NEVER && now >= io->trim_ns) {
        qe_bufpool_trim(&io->pool);
        qe_udp_receiver_trim(io->receiver);
        io->trim_ns = QE_TIME_NEVER;
    }
    if (io->trim_ns == QE_TIME_NEVER && qe_bufpool_is_fat(&io->pool)) io->trim_ns = now + QE_IO_TRIM_NS;
}

static void flush_record(struct qe_io *io, uint64_t now)
{
    if (io->record_ns > now) return;
    qe_recorder_flush(io->recorder);
    io->record_ns = QE_TIME_NEVER;
}

void qe_io_turn(struct qe_io *io)
{
    for (size_t i = 0; i < io->socket_count; i++) {
        struct qe_io_socket *socket = &io->sockets[i];
        if (!socket->used) continue;
        if (socket->writable) {
            socket->writable = false;
            qe_io_flush_socket(io, socket);
        }
        if (socket->readable) take_datagrams(io, socket);
    }
    if (io->tun_paused && qe_bufpool_has_large(&io->pool)) pause_tun(io, false);
    if (io->tun_readable && io->tun.fd >= 0) take_packets(io);
    if (io->links_readable) take_links(io);
    if (io->kernel_readable) qe_io_take_kernel(io);
    uint64_t now = qe_loop_now_ns();
    if (qe_node_deadline(io->node) <= now) {
        struct qe_event event = {.kind = QE_EVENT_TIMEOUT};
        qe_io_step(io, &event);
    }
    do_actions(io);
    trim(io, now);
    flush_record(io, now);
}

uint64_t qe_io_deadline(const struct qe_io *io)
{
    if (io->busy) return 0;
    return qe_time_min(qe_node_deadline(io->node), qe_time_min(io->trim_ns, io->record_ns));
}

void qe_io_command(struct qe_io *io, const struct qe_command *command)
{
    struct qe_event event = {.kind = QE_EVENT_COMMAND, .command = *command};
    qe_io_step(io, &event);
}

// Beginning and end.

static void on_stored(void *user, const char *key, struct qe_span value)
{
    struct qe_io *io = user;
    struct qe_event event = {.kind = QE_EVENT_STORED};
    event.stored.key = key;
    event.stored.value = value;
    qe_io_step(io, &event);
}

static void on_complaint(void *user, const char *line)
{
    struct qe_io *io = user;
    qe_log_text(io->options.log, QE_LOG_WARN, line);
}

static int make_node(struct qe_io *io)
{
    const struct qe_config *config = io->options.config;
    uint64_t now_ns = qe_loop_now_ns(), wall_ms = qe_loop_wall_ms();
    if (!io->options.recording) return qe_node_new(&io->node, config, &io->host, now_ns, wall_ms);
    io->recorder = qe_recording_recorder(io->options.recording, &io->host);
    return io->recorder ? qe_recorder_node_new(io->recorder, &io->node, config, now_ns, wall_ms) : -1;
}

int qe_io_init(struct qe_io *io, const struct qe_io_options *options, struct qe_fault *fault)
{
    memset(io, 0, sizeof *io);
    io->options = *options;
    io->trim_ns = io->record_ns = QE_TIME_NEVER;
    io->kernel_source.fd = -1;
    qe_bufpool_init(&io->pool);
    qe_tun_init(&io->tun);
    qe_random_init(&io->random);
    if (qe_io_lend(io)) {
        qe_fault_set(fault, QE_EXIT_FAILED, "TLS does not start");
        goto fail;
    }
    io->sockets = calloc(QE_IO_SOCKETS_MAX, sizeof *io->sockets);
    io->receiver = qe_udp_receiver_new();
    if (!io->sockets || !io->receiver) {
        qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
        goto fail;
    }
    io->links = qe_links_open(fault);
    if (!io->links) goto fail;
    io->links_source = (struct qe_loop_source){io->links->fd, on_links_ready, io};
    if (qe_loop_add(options->loop, &io->links_source, EPOLLIN)) {
        qe_fault_set(fault, QE_EXIT_FAILED, "epoll: %s", strerror(errno));
        goto fail;
    }
    io->kernel_source = (struct qe_loop_source){options->kernel ? options->kernel->fd : -1, on_kernel_ready, io};
    if (io->kernel_source.fd >= 0 && qe_loop_add(options->loop, &io->kernel_source, EPOLLIN)) {
        io->kernel_source.fd = -1;
        qe_fault_set(fault, QE_EXIT_FAILED, "epoll: %s", strerror(errno));
        goto fail;
    }
    if (make_node(io)) {
        io->node = NULL;
        qe_fault_set(fault, QE_EXIT_FAILED, "the node could not be made: no memory, or TLS refuses the identity key");
        goto fail;
    }
    qe_store_load(options->store, on_stored, on_complaint, io);
    return 0;
fail:
    qe_io_fini(io);
    return -1;
}

int qe_io_start(struct qe_io *io, struct qe_fault *fault)
{
    io->credit_back = QE_BUFPOOL_CREDIT;
    give_credit_back(io);
    struct qe_event event = {.kind = QE_EVENT_START};
    qe_io_step(io, &event);
    do
        do_actions(io);
    while (io->busy && !io->failed && !io->stopped);
    if (!io->failed && io->tun.fd < 0) {
        struct qe_fault none;
        qe_fault_set(&none, QE_EXIT_FAILED, "the node did not ask for a TUN");
        qe_io_note_failure(io, &none);
    }
    if (!io->failed && qe_io_count_underlay(io) == 0) {
        struct qe_fault none;
        qe_fault_set(&none, QE_EXIT_SOCKET, "none of the UDP addresses to listen on is there; see --listen");
        qe_io_note_failure(io, &none);
    }
    if (io->failed) {
        *fault = io->fault;
        return -1;
    }
    take_links(io);
    do_actions(io);
    io->started = true;
    return 0;
}

void qe_io_fini(struct qe_io *io)
{
    for (size_t i = 0; i < io->socket_count; i++)
        if (io->sockets[i].used) qe_io_close_socket(io, &io->sockets[i]);
    if (io->recorder) qe_recorder_end(io->recorder, QE_RECORD_STOPPED);
    if (io->node) qe_node_free(io->node);
    io->node = NULL;
    qe_recorder_free(io->recorder);
    io->recorder = NULL;
    qe_io_unlend(io);
    if (io->links) qe_loop_remove(io->options.loop, &io->links_source);
    if (io->kernel_source.fd >= 0) qe_loop_remove(io->options.loop, &io->kernel_source);
    // Before the TUN goes: it is what was set up around it.
    if (io->options.kernel) qe_kernel_stop(io->options.kernel);
    qe_links_close(io->links);
    qe_tun_close(&io->tun, &io->pool);
    qe_udp_receiver_free(io->receiver);
    free(io->sockets);
    qe_random_fini(&io->random);
    qe_bufpool_fini(&io->pool);
}
