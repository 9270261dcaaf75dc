// Keeps true: a client can cost the daemon a bounded amount of memory for a bounded time, and nothing else. Each
// connection carries one request, is counted against a limit from its first byte to its last, and has a deadline in
// each of its three stages (request, node, answer); a connection past its deadline is shut down and libmicrohttpd sees
// it end.
//
// A command is handed to the node after libmicrohttpd has returned, never from inside it, so that the node's answer may
// come at once.
#include "control/control.h"

#include "control/answer.h"
#include "control/endpoint.h"
#include "control/listen.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISTENERS_MAX 3
#define NEVER         INT64_MAX
// Rounds of libmicrohttpd in one qe_control_ready: connections that end make room for waiting ones.
#define ROUNDS_MAX 16
// How long closing waits for answers to leave.
#define CLOSE_MS 1000

// How far a connection's request is.
enum stage {
    STAGE_READING,  // headers or body are still to come
    STAGE_NEW,      // suspended; the node has yet to be told
    STAGE_ASKED,    // suspended; the node works on it
    STAGE_ANSWERED, // the answer is there
};

struct connection {
    struct connection *next, *prev;
    struct qe_control *control;
    struct MHD_Connection *http;
    const struct qe_endpoint *endpoint;
    struct MHD_Response *response; // STAGE_ANSWERED
    int64_t deadline_ms;
    uint64_t command; // its ID; 0: none
    int fd;
    int status; // STAGE_ANSWERED
    enum stage stage;
    bool headers_seen;
    char *argument; // malloc'ed; NULL: none
};

struct listener {
    struct qe_control *control;
    struct MHD_Daemon *http;
    unsigned kinds; // mask of qe_listener
};

struct qe_control {
    struct qe_control_options options;
    char *socket_path;
    struct qe_unix_listener socket;
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    int epoll_fd;
    struct connection *connections;
    size_t pending; // connections in STAGE_NEW or STAGE_ASKED
    uint64_t last_command;
    struct qe_control_counters counters;
    bool ended;     // a connection ended in this round
    bool unsettled; // another round has something to do
    bool closing;
};

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

// Takes the answer's body.
static void settle(struct connection *c, struct qe_answer answer)
{
    assert(!c->response);
    if (c->stage == STAGE_NEW || c->stage == STAGE_ASKED) {
        c->control->pending--;
        MHD_resume_connection(c->http);
        c->control->unsettled = true; // no descriptor becomes ready by it
    }
    c->stage = STAGE_ANSWERED;
    c->command = 0;
    c->status = answer.status;
    c->deadline_ms = clock_ms() + QE_CONTROL_ANSWER_MS;
    if (!answer.body) return;
    c->response = MHD_create_response_from_buffer(answer.size, answer.body, MHD_RESPMEM_MUST_FREE);
    if (!c->response) {
        free(answer.body);
        return;
    }
    MHD_add_response_header(c->response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type);
    MHD_add_response_header(c->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    // One request a connection: what counts against the limit is always work, and a deadline is about one request.
    MHD_add_response_header(c->response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void refuse(struct connection *c, int status, const char *text)
{
    c->control->counters.refused++;
    settle(c, qe_answer_error(status, text));
}

// Parameters of a query that are looked at.
#define QUERY_MAX 32

struct query {
    struct qe_query_value values[QUERY_MAX];
    size_t count;
};

static enum MHD_Result on_query_value(
    void *user, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value, size_t size)
{
    struct query *query = user;
    (void)kind;
    if (query->count == QUERY_MAX) return MHD_NO;
    query->values[query->count++] = (struct qe_query_value){name, name_size, value, size};
    return MHD_YES;
}

// The command's argument, or a refusal.
static void read_query(struct connection *c)
{
    struct query query = {.count = 0};
    char argument[QE_ENDPOINT_ARGUMENT_SIZE], error[QE_ENDPOINT_ERROR_SIZE];
    MHD_get_connection_values_n(c->http, MHD_GET_ARGUMENT_KIND, on_query_value, &query);
    if (!qe_endpoint_argument(c->endpoint, query.values, query.count, argument, error)) {
        refuse(c, MHD_HTTP_BAD_REQUEST, error);
        return;
    }
    if (!argument[0]) return;
    c->argument = strdup(argument);
    if (!c->argument) refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
}

// A refusal to start with, as soon as the headers are there.
static void judge_headers(struct listener *listener, struct connection *c, const char *url, const char *method)
{
    const char *allow = NULL;
    int status = 0;
    c->endpoint = qe_endpoint_find(listener->kinds, method, url, &status, &allow);
    if (!c->endpoint) {
        refuse(c, status,
            status == 405 ? "this endpoint does not take that method"
                          : "no such endpoint; this server speaks version 1, under /v1/");
        if (allow && c->response) MHD_add_response_header(c->response, MHD_HTTP_HEADER_ALLOW, allow);
        return;
    }
    if (MHD_lookup_connection_value(c->http, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        refuse(c, 411, "chunked request bodies are not taken");
        return;
    }
    const char *length = MHD_lookup_connection_value(c->http, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > QE_CONTROL_BODY_MAX) {
        refuse(c, 413, "the request body is too large; none is needed");
        return;
    }
    read_query(c);
}

// The request is whole: it waits for the node from here on.
static void submit(struct connection *c)
{
    struct qe_control *control = c->control;
    if (control->closing) {
        refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping");
        return;
    }
    if (control->pending >= QE_CONTROL_PENDING_MAX) {
        refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests at once; try again");
        return;
    }
    c->stage = STAGE_NEW;
    c->command = ++control->last_command;
    c->deadline_ms = clock_ms() + QE_CONTROL_COMMAND_MS;
    control->pending++;
    MHD_suspend_connection(c->http);
}

// Called once with the headers, again for each piece of a body, once more when the request is whole, and after it was
// resumed.
static enum MHD_Result on_request(void *user, struct MHD_Connection *http, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **request)
{
    struct listener *listener = user;
    (void)version;
    (void)upload;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info ? info->socket_context : NULL;
    if (!c) return MHD_NO; // there was no memory for it
    if (!c->headers_seen) {
        c->headers_seen = true;
        *request = c;
        listener->control->counters.requests++;
        judge_headers(listener, c, url, method);
    } else if (*upload_size) {
        *upload_size = 0;
    } else if (c->stage == STAGE_READING) {
        submit(c);
    }
    if (c->stage != STAGE_ANSWERED) return MHD_YES;
    return c->response ? MHD_queue_response(http, (unsigned)c->status, c->response) : MHD_NO;
}

static void on_started(struct listener *listener, struct MHD_Connection *http, void **context)
{
    struct qe_control *control = listener->control;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *c = calloc(1, sizeof(*c));
    control->counters.connections++;
    *context = c;
    if (!c) {
        shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    c->control = control;
    c->http = http;
    c->fd = info->connect_fd;
    c->deadline_ms = clock_ms() + QE_CONTROL_REQUEST_MS;
    c->next = control->connections;
    if (c->next) c->next->prev = c;
    control->connections = c;
}

static void on_ended(struct connection *c)
{
    struct qe_control *control = c->control;
    control->ended = true;
    if (!c->headers_seen) control->counters.broken++;
    if (c->stage == STAGE_NEW || c->stage == STAGE_ASKED) control->pending--;
    if (c->response) MHD_destroy_response(c->response);
    if (c->next) c->next->prev = c->prev;
    if (c->prev) c->prev->next = c->next;
    if (control->connections == c) control->connections = c->next;
    free(c->argument);
    free(c);
}

static void on_connection(
    void *user, struct MHD_Connection *http, void **context, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        on_started(user, http, context);
    else if (*context)
        on_ended(*context);
}

// Takes over `fd`, also on failure.
static int serve(struct qe_control *control, int fd, unsigned kinds, char *error, size_t size)
{
    bool local = kinds == QE_LISTENER_CONTROL;
    struct listener *listener = &control->listeners[control->listener_count++];
    *listener = (struct listener){.control = control, .kinds = kinds};
    listener->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0,
        NULL, NULL, on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(local ? QE_CONTROL_CONNECTIONS_MAX : QE_CONTROL_TCP_CONNECTIONS_MAX),
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(local ? 0 : QE_CONTROL_TCP_PER_ADDRESS_MAX),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)QE_CONTROL_HEADERS_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        listener, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        listener->http ? MHD_get_daemon_info(listener->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    struct epoll_event event = {.events = EPOLLIN};
    if (info && epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event) == 0) return 0;
    snprintf(error, size, "cannot start the control server: %s", strerror(errno));
    return -1;
}

static int open_tcp(struct qe_control *control, const struct qe_addr *addr, unsigned kinds, char *error, size_t size)
{
    int fd = qe_listen_tcp(addr, kinds & QE_LISTENER_METRICS ? "metrics" : "health", error, size);
    return fd < 0 ? -1 : serve(control, fd, kinds, error, size);
}

static bool same_address(const struct qe_addr *a, const struct qe_addr *b)
{
    return a->ip.family == b->ip.family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip.bytes, b->ip.bytes, sizeof(a->ip.bytes)) == 0;
}

static int open_all(struct qe_control *control, char *error, size_t size)
{
    const struct qe_control_options *o = &control->options;
    if (control->socket_path) {
        if (qe_listen_unix(control->socket_path, &control->socket, error, size) != 0) return -1;
        if (serve(control, control->socket.fd, QE_LISTENER_CONTROL, error, size) != 0) return -1;
    }
    bool shared = o->metrics.ip.family && same_address(&o->metrics, &o->health);
    if (o->metrics.ip.family &&
        open_tcp(control, &o->metrics, QE_LISTENER_METRICS | (shared ? QE_LISTENER_HEALTH : 0u), error, size) != 0)
        return -1;
    if (o->health.ip.family && !shared && open_tcp(control, &o->health, QE_LISTENER_HEALTH, error, size) != 0)
        return -1;
    return 0;
}

struct qe_control *qe_control_open(const struct qe_control_options *options, char *error, size_t error_size)
{
    assert(options->command);
    struct qe_control *control = calloc(1, sizeof(*control));
    if (!control) {
        snprintf(error, error_size, "cannot start the control server: %s", strerror(ENOMEM));
        return NULL;
    }
    // Dates in headers read the time zone's file once: now, while files may still be opened.
    tzset();
    control->options = *options;
    control->socket.fd = -1;
    control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (options->socket_path) control->socket_path = strdup(options->socket_path);
    if (control->epoll_fd < 0 || (options->socket_path && !control->socket_path))
        snprintf(error, error_size, "cannot start the control server: %s", strerror(errno));
    else if (open_all(control, error, error_size) == 0)
        return control;
    qe_control_close(control);
    return NULL;
}

int qe_control_fd(struct qe_control *control)
{
    return control->epoll_fd;
}

// Lets libmicrohttpd accept, read and write what it can. Where it holds as many connections as it may it has stopped
// listening, and takes that up again at the start of a round: hence another one after any connection has ended.
static void run(struct qe_control *control)
{
    control->unsettled = true;
    for (int i = 0; i < ROUNDS_MAX && control->unsettled; i++) {
        control->ended = false;
        for (size_t k = 0; k < control->listener_count; k++)
            if (control->listeners[k].http) MHD_run(control->listeners[k].http);
        control->unsettled = control->ended;
    }
}

static void expire(struct qe_control *control)
{
    int64_t now = clock_ms();
    bool any = false;
    for (struct connection *c = control->connections; c; c = c->next) {
        if (now < c->deadline_ms) continue;
        any = true;
        control->counters.timeouts++;
        if (c->stage == STAGE_NEW || c->stage == STAGE_ASKED) {
            settle(c, qe_answer_error(MHD_HTTP_GATEWAY_TIMEOUT, "the node did not answer in time"));
        } else {
            c->deadline_ms = NEVER;
            shutdown(c->fd, SHUT_RDWR);
        }
    }
    if (any) control->unsettled = true;
}

static struct connection *oldest_new(struct qe_control *control)
{
    struct connection *oldest = NULL;
    for (struct connection *c = control->connections; c; c = c->next)
        if (c->stage == STAGE_NEW && (!oldest || c->command < oldest->command)) oldest = c;
    return oldest;
}

void qe_control_ready(struct qe_control *control)
{
    run(control);
    expire(control);
    for (struct connection *c; (c = oldest_new(control)) != NULL;) {
        c->stage = STAGE_ASKED;
        struct qe_command command = {.id = c->command, .verb = c->endpoint->verb, .argument = c->argument};
        control->options.command(control->options.user, &command);
    }
    if (control->unsettled) run(control);
}

int64_t qe_control_timeout_ms(struct qe_control *control)
{
    if (control->unsettled) return 0;
    int64_t first = NEVER;
    for (struct connection *c = control->connections; c; c = c->next)
        if (c->deadline_ms < first) first = c->deadline_ms;
    int64_t now = first == NEVER ? 0 : clock_ms();
    int64_t timeout = first == NEVER ? -1 : first > now ? first - now : 0;
    for (size_t i = 0; i < control->listener_count; i++) {
        MHD_UNSIGNED_LONG_LONG ms;
        if (MHD_get_timeout(control->listeners[i].http, &ms) == MHD_YES && (timeout < 0 || (int64_t)ms < timeout))
            timeout = (int64_t)ms;
    }
    return timeout;
}

void qe_control_reply(struct qe_control *control, uint64_t command, int status, struct qe_span body)
{
    for (struct connection *c = control->connections; c && command; c = c->next) {
        if (c->command != command) continue;
        settle(c, qe_answer_from_node(c->endpoint->render, status, body, &control->counters));
        return;
    }
}

struct qe_control_counters qe_control_counters(const struct qe_control *control)
{
    return control->counters;
}

// Whether an answer is still on its way out.
static bool busy(const struct qe_control *control)
{
    for (const struct connection *c = control->connections; c; c = c->next)
        if (c->stage == STAGE_ANSWERED && c->deadline_ms != NEVER) return true;
    return false;
}

void qe_control_close(struct qe_control *control)
{
    if (!control) return;
    control->closing = true;
    for (struct connection *c = control->connections; c; c = c->next)
        if (c->stage == STAGE_NEW || c->stage == STAGE_ASKED)
            settle(c, qe_answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping"));
    int64_t until = clock_ms() + CLOSE_MS;
    for (int64_t now = clock_ms(); busy(control) && now < until; now = clock_ms()) {
        struct pollfd ready = {.fd = control->epoll_fd, .events = POLLIN};
        int64_t wanted = qe_control_timeout_ms(control);
        poll(&ready, 1, (int)(wanted >= 0 && wanted < until - now ? wanted : until - now));
        run(control);
    }
    if (control->socket_path && control->socket.fd >= 0) qe_listen_unix_remove(control->socket_path, &control->socket);
    for (size_t i = 0; i < control->listener_count; i++)
        if (control->listeners[i].http) MHD_stop_daemon(control->listeners[i].http);
    assert(!control->connections);
    if (control->epoll_fd >= 0) close(control->epoll_fd);
    free(control->socket_path);
    free(control);
}
