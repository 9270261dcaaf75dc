// The control server: HTTP/1.1 with JSON on a Unix socket for the command line, and read-only /metrics and /health on
// TCP addresses (docs/api.md). It starts no thread and never blocks: the daemon's loop polls one descriptor, hands
// commands to the node and gives the node's answers back, while the connection that asked is suspended.
#ifndef QE_CONTROL_CONTROL_H
#define QE_CONTROL_CONTROL_H

#include "base/addr.h"
#include "base/bytes.h"
#include "node/event.h"

// Connections that the Unix socket holds at once; more wait in the socket's backlog.
#define QE_CONTROL_CONNECTIONS_MAX 128
// The same for each TCP address, and for one client address there.
#define QE_CONTROL_TCP_CONNECTIONS_MAX 32
#define QE_CONTROL_TCP_PER_ADDRESS_MAX 16
// Commands that the node works on at once; more are answered 503.
#define QE_CONTROL_PENDING_MAX 64
// Memory of a connection: request line and headers that need more are refused (414, 431).
#define QE_CONTROL_HEADERS_MAX 8192
// No request needs a body; one up to this many bytes is read and ignored, a larger one is refused (413).
#define QE_CONTROL_BODY_MAX 4096
// A request must be complete this long after its connection, answered by the node this long after that (else 504), and
// the answer be taken this long after that.
#define QE_CONTROL_REQUEST_MS 5000
#define QE_CONTROL_COMMAND_MS 15000
#define QE_CONTROL_ANSWER_MS  10000

struct qe_control;

struct qe_control_options {
    const char *socket_path; // NULL: no Unix socket
    struct qe_addr metrics;  // family 0: none
    struct qe_addr health;   // family 0: none; may equal `metrics`, which then serves both
    void *user;
    // A client wants this. The answer is qe_control_reply with the command's ID, now or later. Never called from within
    // qe_control_open, _reply or _close.
    void (*command)(void *user, const struct qe_command *command);
};

struct qe_control_counters {
    uint64_t connections; // accepted
    uint64_t requests;    // that reached an endpoint or were refused by name
    uint64_t refused;     // of those, answered 4xx or 503 without asking the node
    uint64_t broken;      // connections that ended without a request that could be understood
    uint64_t timeouts;    // connections cut, or commands given up, for slowness
};

// Opens the sockets. NULL on failure, `error` then holds one line without a newline. The parent folder of the socket is
// created if it is missing; a socket file that nobody answers on is replaced, one that is answered is an error.
struct qe_control *qe_control_open(const struct qe_control_options *options, char *error, size_t error_size);
// Pollable for reading; call qe_control_ready when it is readable, or the timeout passed.
int qe_control_fd(struct qe_control *control);
void qe_control_ready(struct qe_control *control);
// Milliseconds until qe_control_ready is wanted in any case; 0: at once; -1: not at all.
int64_t qe_control_timeout_ms(struct qe_control *control);
// The node's answer: an HTTP status and JSON, copied. An unknown or abandoned command is ignored.
void qe_control_reply(struct qe_control *control, uint64_t command, int status, struct qe_span body);
struct qe_control_counters qe_control_counters(const struct qe_control *control);
// Answers what is pending with 503, gives each finished answer one chance to leave, removes the socket file. NULL is
// fine.
void qe_control_close(struct qe_control *control);

#endif
