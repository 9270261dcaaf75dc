// The inside of io, shared by io.c (turns, events, actions), iosocket.c (the underlay's sockets) and ioask.c (what the
// helper does).
#ifndef QE_REALIO_IO_INTERNAL_H
#define QE_REALIO_IO_INTERNAL_H

#include "io.h"

// io.c
void qe_io_step(struct qe_io *io, struct qe_event *event);
// The answer to a request of the node; `text` may be NULL.
void qe_io_answer(struct qe_io *io, uint64_t request, enum qe_result_code code, const char *text);
// The first failure is why the node does not come up; a warning says what it does without.
void qe_io_note_failure(struct qe_io *io, const struct qe_fault *fault);
// The host is done with a buffer that an action handed over.
void qe_io_on_buffer_done(void *user, struct qe_buf *buf);

// iosocket.c
struct qe_io_socket *qe_io_find_socket(struct qe_io *io, uint32_t id);
// Open sockets but for those at addresses of the overlay.
size_t qe_io_count_underlay(const struct qe_io *io);
void qe_io_flush_socket(struct qe_io *io, struct qe_io_socket *socket);
void qe_io_close_socket(struct qe_io *io, struct qe_io_socket *socket);
void qe_io_open_socket(struct qe_io *io, const struct qe_action *action);
// The helper has opened it, as `message` says, or not: fd -1.
void qe_io_take_socket(struct qe_io *io, const struct qe_kernel_message *message, int fd);

// ioask.c
// True where the action is one for the helper.
bool qe_io_ask(struct qe_io *io, const struct qe_action *action);
// The TUN's addresses, as the helper is to know them.
void qe_io_ask_tun(struct qe_io *io, const struct qe_tun_open *wanted);
// 0, or -1: there is no helper, or it is too busy.
int qe_io_ask_socket(struct qe_io *io, uint64_t request, uint32_t id, const struct qe_addr *bind_to, bool underlay);
bool qe_io_is_overlay(const struct qe_io *io, const struct qe_ip *ip);
// After addresses have changed: which networks of the underlay lie within the overlay's.
// Has the user's own command run for it.
void qe_io_tell_user(struct qe_io *io, const char *line);
void qe_io_tell_beside(struct qe_io *io);
// What the helper says.
void qe_io_take_kernel(struct qe_io *io);

#endif
