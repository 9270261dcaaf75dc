// Keeps true: whatever listens on the socket, a call ends within its timeout, in bounded memory, with one line to show.
#include "cli/client.h"

#include "cli/http.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct exchange {
    const char *path;
    struct qe_client_reply *reply;
    int fd;
    int interrupt_fd;
    int64_t until_ms;
};

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static enum qe_client_outcome fail(
    struct exchange *x, enum qe_client_outcome outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(x->reply->error, sizeof(x->reply->error), format, args);
    va_end(args);
    // The socket's path may be anything, and an error is one line.
    for (char *c = x->reply->error; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    return outcome;
}

static enum qe_client_outcome unreachable(struct exchange *x, int why)
{
    if (why == EACCES || why == EPERM)
        return fail(x, QE_CLIENT_UNREACHABLE, "may not ask the daemon on %s; run this as root or as the daemon's user",
            x->path);
    x->reply->absent = why == ENOENT || why == ECONNREFUSED || why == ENOTDIR;
    if (x->reply->absent)
        return fail(x, QE_CLIENT_UNREACHABLE,
            "no daemon answers on %s; start it with 'quicether start' or name its socket with --control", x->path);
    return fail(x, QE_CLIENT_UNREACHABLE, "cannot reach the daemon on %s: %s", x->path, strerror(why));
}

static enum qe_client_outcome slow(struct exchange *x)
{
    return fail(x, QE_CLIENT_BROKEN, "the daemon on %s does not answer in time", x->path);
}

// Waits for `events` on the connection, for at most `ms`; 0 events: just waits.
static enum qe_client_outcome await(struct exchange *x, short events, int64_t ms)
{
    struct pollfd ready[] = {{.fd = x->interrupt_fd, .events = POLLIN}, {.fd = events ? x->fd : -1, .events = events}};
    int64_t left = x->until_ms - clock_ms();
    if (left <= 0) return slow(x);
    if (poll(ready, 2, (int)(left < ms ? left : ms)) < 0 && errno != EINTR)
        return fail(x, QE_CLIENT_BROKEN, "cannot wait: %s", strerror(errno));
    return ready[0].revents ? fail(x, QE_CLIENT_INTERRUPTED, "interrupted") : QE_CLIENT_OK;
}

static enum qe_client_outcome dial(struct exchange *x)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!x->path[0] || strlen(x->path) >= sizeof(address.sun_path))
        return fail(x, QE_CLIENT_UNREACHABLE, "'%s' cannot be a socket's path: it has 1 to 107 bytes", x->path);
    memcpy(address.sun_path, x->path, strlen(x->path) + 1);
    x->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (x->fd < 0) return unreachable(x, errno);
    while (connect(x->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        if (errno != EAGAIN) return unreachable(x, errno);
        // The backlog is full, and nothing tells when it no longer is.
        enum qe_client_outcome outcome = await(x, 0, 10);
        if (outcome != QE_CLIENT_OK) return outcome;
    }
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(x->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) x->reply->daemon = peer.pid;
    return QE_CLIENT_OK;
}

static enum qe_client_outcome send_all(struct exchange *x, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(x->fd, data, size, MSG_NOSIGNAL);
        if (n >= 0) {
            data += n;
            size -= (size_t)n;
            continue;
        }
        // Whoever refuses to read on may have answered already.
        if (errno == EPIPE || errno == ECONNRESET) return QE_CLIENT_OK;
        if (errno != EAGAIN && errno != EINTR) return unreachable(x, errno);
        enum qe_client_outcome outcome = await(x, POLLOUT, INT32_MAX);
        if (outcome != QE_CLIENT_OK) return outcome;
    }
    return QE_CLIENT_OK;
}

static enum qe_client_outcome receive(struct exchange *x, struct qe_http *http)
{
    char data[16384];
    while (http->progress == QE_HTTP_MORE) {
        ssize_t n = recv(x->fd, data, sizeof(data), 0);
        if (n > 0) {
            qe_http_feed(http, data, (size_t)n);
        } else if (n == 0) {
            qe_http_end(http);
        } else if (errno == EAGAIN || errno == EINTR) {
            enum qe_client_outcome outcome = await(x, POLLIN, INT32_MAX);
            if (outcome != QE_CLIENT_OK) return outcome;
        } else {
            return fail(x, QE_CLIENT_BROKEN, "the daemon on %s hung up: %s", x->path, strerror(errno));
        }
        if (clock_ms() >= x->until_ms) return slow(x);
    }
    if (http->progress == QE_HTTP_BAD)
        return fail(x, QE_CLIENT_BROKEN, "what answers on %s is no quicether daemon: %s", x->path, http->why);
    return QE_CLIENT_OK;
}

static enum qe_client_outcome read_answer(struct exchange *x, const struct qe_http *http)
{
    struct qe_client_reply *reply = x->reply;
    reply->status = http->status;
    reply->json = json_loadb(http->body, http->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(reply->json))
        return fail(
            x, QE_CLIENT_BROKEN, "what answers on %s is no quicether daemon: its answer is no JSON object", x->path);
    if (reply->status < 300) return QE_CLIENT_OK;
    const char *words = json_string_value(json_object_get(reply->json, "error"));
    if (words) return fail(x, QE_CLIENT_REFUSED, "%s", words);
    return fail(x, QE_CLIENT_REFUSED, "the daemon on %s answers with status %d", x->path, reply->status);
}

enum qe_client_outcome qe_client_call(const struct qe_client_request *request, struct qe_client_reply *reply)
{
    struct exchange x = {.path = request->socket_path,
        .reply = reply,
        .fd = -1,
        .interrupt_fd = request->interrupt_fd,
        .until_ms = clock_ms() + request->timeout_ms};
    struct qe_http http;
    char text[5120];
    memset(reply, 0, sizeof(*reply));
    qe_http_init(&http);
    int size = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
        request->method, request->target, strcmp(request->method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    enum qe_client_outcome outcome = QE_CLIENT_OK;
    if (size < 0 || (size_t)size >= sizeof(text)) outcome = fail(&x, QE_CLIENT_BROKEN, "the request is too long");
    if (outcome == QE_CLIENT_OK) outcome = dial(&x);
    if (outcome == QE_CLIENT_OK) outcome = send_all(&x, text, (size_t)size);
    if (outcome == QE_CLIENT_OK) outcome = receive(&x, &http);
    if (outcome == QE_CLIENT_OK) outcome = read_answer(&x, &http);
    if (x.fd >= 0) close(x.fd);
    qe_http_fini(&http);
    return outcome;
}

void qe_client_reply_fini(struct qe_client_reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}
