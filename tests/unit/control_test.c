// The control server on a real Unix socket in a folder of its own, with a node that is a few lines. Time is wrapped
// (-Wl,--wrap=clock_gettime), so that deadlines pass at once.
#include "control/control.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

static int64_t skipped_ms;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    int rc = __real_clock_gettime(clock, ts);
    ts->tv_sec += skipped_ms / 1000;
    return rc;
}

// The real clock, in milliseconds.
static int64_t real_ms(void)
{
    struct timespec ts;
    __real_clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char folder[64];
static char path[96];

// The node: answers at once, when told to, or never.
static struct {
    struct qe_control *control;
    enum { AT_ONCE, HOLD } mode;
    int status;
    const char *body;
    uint64_t held[QE_CONTROL_PENDING_MAX * 2];
    size_t held_count;
    unsigned asked;
    enum qe_command_verb verb;
    char argument[256];
    size_t argument_size;
} node;

static void on_command(void *user, const struct qe_command *command)
{
    CU_ASSERT_PTR_EQUAL(user, &node);
    node.asked++;
    node.verb = command->verb;
    snprintf(node.argument, sizeof(node.argument), "%s", command->argument ? command->argument : "-");
    node.argument_size = command->argument ? strlen(command->argument) : 0;
    if (node.mode == AT_ONCE)
        qe_control_reply(node.control, command->id, node.status, qe_span(node.body, strlen(node.body)));
    else if (node.held_count < sizeof(node.held) / sizeof(node.held[0]))
        node.held[node.held_count++] = command->id;
}

static void release(void)
{
    for (size_t i = 0; i < node.held_count; i++)
        qe_control_reply(node.control, node.held[i], node.status, qe_span(node.body, strlen(node.body)));
    node.held_count = 0;
}

static void setup(void)
{
    char error[256] = "";
    snprintf(folder, sizeof(folder), "/tmp/qe-control-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/control.sock", folder);
    memset(&node, 0, sizeof(node));
    node.status = 200;
    node.body = "{\"state\":\"up\"}";
    struct qe_control_options options = {.socket_path = path, .user = &node, .command = on_command};
    node.control = qe_control_open(&options, error, sizeof(error));
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(node.control);
}

static void teardown(void)
{
    qe_control_close(node.control);
    node.control = NULL;
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

// A turn of the daemon's loop, waiting for something to do for at most `ms`.
static void turn(int ms)
{
    struct pollfd ready = {.fd = qe_control_fd(node.control), .events = POLLIN};
    int64_t wanted = qe_control_timeout_ms(node.control);
    poll(&ready, 1, wanted >= 0 && wanted < ms ? (int)wanted : ms);
    qe_control_ready(node.control);
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) return fd;
    int saved = errno;
    if (fd >= 0) close(fd);
    errno = saved;
    return -1;
}

// Reads to the end of the connection into `out`; false where it has not ended after `turns` turns.
static bool drain(int fd, char *out, size_t size, int turns)
{
    size_t used = 0;
    for (int i = 0; i < turns; i++) {
        turn(10);
        for (;;) {
            char rest[4096];
            ssize_t n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN) break;
            if (n <= 0) {
                out[used] = 0;
                return true;
            }
            size_t take = (size_t)n < size - 1 - used ? (size_t)n : size - 1 - used;
            memcpy(out + used, rest, take);
            used += take;
        }
    }
    out[used] = 0;
    return false;
}

// Sends `size` bytes as far as the server takes them and returns the whole answer.
static const char *exchange_bytes(const char *request, size_t size)
{
    static char out[1 << 16];
    int fd = dial();
    CU_ASSERT_FATAL(fd >= 0);
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN)
            break;
        else
            turn(10);
    }
    CU_ASSERT(drain(fd, out, sizeof(out), 200));
    close(fd);
    return out;
}

static const char *exchange(const char *request)
{
    return exchange_bytes(request, strlen(request));
}

static const char *ask(const char *method, const char *target)
{
    char request[4096];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: quicether\r\n\r\n", method, target);
    return exchange(request);
}

static int status_of(const char *answer)
{
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : -1;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

static void each_endpoint_asks_the_node_for_its_verb(void)
{
    static const struct {
        const char *method, *target;
        enum qe_command_verb verb;
        const char *argument;
    } rows[] = {
        {"GET", "/v1/status", QE_COMMAND_STATUS, "-"},
        {"GET", "/v1/peers", QE_COMMAND_PEERS, "-"},
        {"GET", "/v1/routes", QE_COMMAND_ROUTES, "-"},
        {"GET", "/v1/gateways", QE_COMMAND_GATEWAYS, "-"},
        {"GET", "/v1/relay", QE_COMMAND_RELAY, "-"},
        {"GET", "/v1/netcheck", QE_COMMAND_NETCHECK, "-"},
        {"GET", "/v1/ping?peer=home", QE_COMMAND_PING, "home"},
        {"POST", "/v1/ping?peer=ho%6de", QE_COMMAND_PING, "home"},
        {"POST", "/v1/ping?count=1&peer=a-b_c", QE_COMMAND_PING, "a-b_c"},
        {"POST", "/v1/stop", QE_COMMAND_STOP, "-"},
        {"GET", "/v1/dht/status", QE_COMMAND_DHT_STATUS, "-"},
        {"GET", "/v1/dht/nodes", QE_COMMAND_DHT_NODES, "-"},
        {"POST", "/v1/dht/lookup?target=10.1.0.0%2f16", QE_COMMAND_DHT_LOOKUP, "10.1.0.0/16"},
        {"GET", "/v1/dht/get?target=ab", QE_COMMAND_DHT_GET, "ab"},
        {"GET", "/v1/dht/get?salt=6e&target=ab", QE_COMMAND_DHT_GET, "ab salt=6e"},
        {"POST", "/v1/dht/put?value=6869&cas=3&seq=4&salt=6e", QE_COMMAND_DHT_PUT, "6869 salt=6e seq=4 cas=3"},
        {"POST", "/v1/invite", QE_COMMAND_INVITE, "-"},
        {"POST", "/v1/invite?uses=2", QE_COMMAND_INVITE, "uses=2"},
        {"POST", "/v1/invite?uses=2&expires_s=60", QE_COMMAND_INVITE, "expires_s=60 uses=2"},
        {"POST", "/v1/join?invitation=qe1:ab_c-", QE_COMMAND_JOIN, "qe1:ab_c-"},
    };
    setup();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned before = node.asked;
        const char *answer = ask(rows[i].method, rows[i].target);
        CU_ASSERT_EQUAL(status_of(answer), 200);
        CU_ASSERT_STRING_EQUAL(body_of(answer), "{\"state\":\"up\"}\n");
        CU_ASSERT_EQUAL(node.asked, before + 1);
        CU_ASSERT_EQUAL(node.verb, rows[i].verb);
        CU_ASSERT_STRING_EQUAL(node.argument, rows[i].argument);
        CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Content-Type: application/json\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Connection: close\r\n"));
        CU_ASSERT_PTR_NULL(strstr(answer, "Server:"));
    }
    teardown();
}

static void the_node_s_status_and_body_pass_unchanged(void)
{
    setup();
    node.status = 409;
    node.body = "{\"error\":\"not connected\"}";
    const char *answer = ask("POST", "/v1/ping?peer=home");
    CU_ASSERT_EQUAL(status_of(answer), 409);
    CU_ASSERT_STRING_EQUAL(body_of(answer), "{\"error\":\"not connected\"}\n");
    teardown();
}

static void refusals_are_json_and_never_reach_the_node(void)
{
    static const struct {
        const char *method, *target;
        int status;
        const char *contains;
    } rows[] = {
        {"GET", "/", 404, "{\"error\":\"no such endpoint"},
        {"GET", "/v1/", 404, "{\"error\":\"no such endpoint"},
        {"GET", "/v2/status", 404, "version 1"},
        {"GET", "/v1/status/", 404, "{\"error\":"},
        {"GET", "/v1/../v1/status", 404, "{\"error\":"},
        {"POST", "/v1/status", 405, "Allow: GET, HEAD\r\n"},
        {"GET", "/v1/stop", 405, "Allow: POST\r\n"},
        {"DELETE", "/v1/peers", 405, "{\"error\":"},
        {"GE", "/v1/peers", 405, "{\"error\":"},
        {"POST", "/v1/ping", 400, "\\\"peer\\\" is missing"},
        {"POST", "/v1/ping?peer", 400, "{\"error\":"},
        {"POST", "/v1/ping?peer=", 400, "{\"error\":"},
        {"POST", "/v1/ping?peer=a%00b", 400, "{\"error\":"},
        {"POST", "/v1/ping?peer=a%0Ab", 400, "{\"error\":"},
        {"POST", "/v1/ping?peer=%ff", 400, "{\"error\":"},
        {"POST", "/v1/ping?peer=a&peer=b", 400, "\\\"peer\\\" is given twice"},
        {"GET", "/v1/invite", 405, "Allow: POST\r\n"},
        {"POST", "/v1/invite?expires=60", 400, "does not know"},
        {"POST", "/v1/invite?uses=1&uses=2", 400, "\\\"uses\\\" is given twice"},
        {"POST", "/v1/invite?uses=123456789012345678901", 400, "1 to 20 characters"},
        {"POST", "/v1/invite?uses", 400, "\\\"uses\\\" is missing"},
        {"POST", "/v1/dht/put?salt=aa", 400, "\\\"value\\\" is missing"},
        {"POST", "/v1/dht/put?value=aa&salt=a%20b", 400, "{\"error\":"},
        {"GET", "/v1/dht/get?target=1234567890123456789012345678901234567890a", 400, "1 to 40 characters"},
        {"POST", "/v1/join", 400, "\\\"invitation\\\" is missing"},
        {"GET", "/v1/dht", 404, "{\"error\":"},
    };
    setup();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *answer = ask(rows[i].method, rows[i].target);
        CU_ASSERT_EQUAL(status_of(answer), rows[i].status);
        CU_ASSERT_PTR_NOT_NULL(strstr(answer, rows[i].contains));
    }
    CU_ASSERT_EQUAL(node.asked, 0);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).refused, sizeof(rows) / sizeof(rows[0]));
    teardown();
}

static void an_argument_longer_than_allowed_is_refused(void)
{
    char target[256] = "/v1/ping?peer=";
    size_t at = strlen(target);
    setup();
    memset(target + at, 'a', 127);
    CU_ASSERT_EQUAL(status_of(ask("POST", target)), 200);
    CU_ASSERT_EQUAL(strlen(node.argument), 127);
    memset(target + at, 'a', 128);
    CU_ASSERT_EQUAL(status_of(ask("POST", target)), 400);
    // The longest of all: whole, or not at all.
    static char put[4096] = "/v1/dht/put?seq=12345678901234567890&cas=12345678901234567890&value=";
    at = strlen(put);
    memset(put + at, '6', 1900);
    memcpy(put + at + 1900, "&salt=", 6);
    memset(put + at + 1906, '7', 128);
    CU_ASSERT_EQUAL(status_of(ask("POST", put)), 200);
    CU_ASSERT_EQUAL(node.argument_size, 1900 + 6 + 128 + 5 + 20 + 5 + 20);
    put[at + 1906 + 128] = '7';
    CU_ASSERT_EQUAL(status_of(ask("POST", put)), 400);
    teardown();
}

static void bodies_are_ignored_up_to_a_size_and_refused_above(void)
{
    static char request[(1 << 20) + 256];
    setup();
    CU_ASSERT_EQUAL(status_of(exchange("POST /v1/stop HTTP/1.1\r\nHost: q\r\nContent-Length: 2\r\n\r\n{}")), 200);
    CU_ASSERT_EQUAL(node.verb, QE_COMMAND_STOP);

    int n = snprintf(request, sizeof(request), "POST /v1/stop HTTP/1.1\r\nHost: q\r\nContent-Length: 4096\r\n\r\n");
    memset(request + n, 'x', 4096);
    CU_ASSERT_EQUAL(status_of(exchange_bytes(request, (size_t)n + 4096)), 200);
    CU_ASSERT_EQUAL(node.asked, 2);

    n = snprintf(request, sizeof(request), "POST /v1/stop HTTP/1.1\r\nHost: q\r\nContent-Length: 1048576\r\n\r\n");
    memset(request + n, 'x', 1 << 20);
    CU_ASSERT_EQUAL(status_of(exchange_bytes(request, (size_t)n + (1 << 20))), 413);
    CU_ASSERT_EQUAL(
        status_of(exchange("POST /v1/stop HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")), 411);
    CU_ASSERT_EQUAL(node.asked, 2);
    teardown();
}

static void headers_beyond_their_memory_are_refused(void)
{
    static char request[1 << 17];
    setup();
    int n = snprintf(request, sizeof(request), "GET /v1/status HTTP/1.1\r\nHost: q\r\nX: ");
    memset(request + n, 'x', 60000);
    memcpy(request + n + 60000, "\r\n\r\n", 4);
    CU_ASSERT_EQUAL(status_of(exchange_bytes(request, (size_t)n + 60004)), 431);
    n = snprintf(request, sizeof(request), "GET /v1/status?");
    memset(request + n, 'x', 60000);
    memcpy(request + n + 60000, " HTTP/1.1\r\n\r\n", 13);
    CU_ASSERT_EQUAL(status_of(exchange_bytes(request, (size_t)n + 60013)), 414);
    CU_ASSERT_EQUAL(node.asked, 0);
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    teardown();
}

static void garbage_ends_its_connection_and_nothing_else(void)
{
    struct unit_random random = unit_random();
    char bytes[512];
    setup();
    for (int i = 0; i < 300; i++) {
        size_t size = 1 + unit_random_below(&random, sizeof(bytes) - 5);
        unit_random_fill(&random, bytes, size);
        if (i % 3 == 0) memcpy(bytes, "GET /", size < 5 ? size : 5);
        int fd = dial();
        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_EQUAL(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
        turn(10);
        close(fd);
        turn(10);
    }
    CU_ASSERT_EQUAL(node.asked, 0);
    CU_ASSERT(qe_control_counters(node.control).broken > 200);
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    teardown();
}

static void the_node_may_answer_later_and_out_of_order(void)
{
    char first[4096], second[4096];
    setup();
    node.mode = HOLD;
    int a = dial(), b = dial();
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(a, request, strlen(request), 0) > 0);
    turn(100);
    turn(0);
    CU_ASSERT(send(b, request, strlen(request), 0) > 0);
    turn(100);
    turn(0);
    CU_ASSERT_EQUAL_FATAL(node.held_count, 2);
    qe_control_reply(node.control, node.held[1], 200, qe_span("{\"n\":2}", 7));
    CU_ASSERT(drain(b, second, sizeof(second), 50));
    CU_ASSERT_STRING_EQUAL(body_of(second), "{\"n\":2}\n");
    qe_control_reply(node.control, node.held[0], 200, qe_span("{\"n\":1}", 7));
    CU_ASSERT(drain(a, first, sizeof(first), 50));
    CU_ASSERT_STRING_EQUAL(body_of(first), "{\"n\":1}\n");
    // Late, doubled and unknown answers are nothing.
    qe_control_reply(node.control, node.held[0], 200, qe_span("{}", 2));
    qe_control_reply(node.control, 0, 200, qe_span("{}", 2));
    qe_control_reply(node.control, UINT64_MAX, 200, qe_span("{}", 2));
    close(a);
    close(b);
    teardown();
}

static void a_client_that_leaves_before_the_answer_costs_nothing(void)
{
    setup();
    node.mode = HOLD;
    int fd = dial();
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(fd, request, strlen(request), 0) > 0);
    for (int i = 0; i < 5 && !node.held_count; i++)
        turn(10);
    CU_ASSERT_EQUAL(node.held_count, 1);
    close(fd);
    turn(10);
    release();
    for (int i = 0; i < 5; i++)
        turn(10);
    node.mode = AT_ONCE;
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    teardown();
}

static void a_node_that_does_not_answer_is_given_up(void)
{
    char out[4096];
    setup();
    node.mode = HOLD;
    int fd = dial();
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(fd, request, strlen(request), 0) > 0);
    for (int i = 0; i < 5 && !node.held_count; i++)
        turn(10);
    int64_t timeout = qe_control_timeout_ms(node.control);
    CU_ASSERT(timeout > 0 && timeout <= QE_CONTROL_COMMAND_MS);
    skipped_ms += QE_CONTROL_COMMAND_MS - 3000;
    CU_ASSERT_FALSE(drain(fd, out, sizeof(out), 5));
    skipped_ms += 4000;
    CU_ASSERT(drain(fd, out, sizeof(out), 50));
    CU_ASSERT_EQUAL(status_of(out), 504);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "{\"error\":\"the node did not answer in time\"}"));
    close(fd);
    // The answer that comes after all finds nobody.
    release();
    node.mode = AT_ONCE;
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    teardown();
}

static void a_request_in_drips_is_cut_at_its_deadline(void)
{
    char out[4096];
    const char *request = "GET /v1/status HTTP/1.1\r\nHost: q\r\n\r\n";
    setup();
    int fd = dial();
    // One byte a second: no pause is long, the whole is.
    int64_t until = skipped_ms + QE_CONTROL_REQUEST_MS;
    size_t sent = 0;
    for (; skipped_ms < until; skipped_ms += 1000) {
        CU_ASSERT_EQUAL(send(fd, request + sent++, 1, MSG_NOSIGNAL), 1);
        turn(10);
    }
    CU_ASSERT(sent < strlen(request));
    CU_ASSERT(drain(fd, out, sizeof(out), 50));
    CU_ASSERT_STRING_EQUAL(out, "");
    close(fd);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).timeouts, 1);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).broken, 1);
    CU_ASSERT_EQUAL(node.asked, 0);
    teardown();
}

static void an_answer_that_nobody_takes_is_cut_at_its_deadline(void)
{
    static char large[4 << 20];
    setup();
    memset(large, 'x', sizeof(large) - 1);
    large[0] = large[sizeof(large) - 2] = '"';
    node.body = large;
    int fd = dial();
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(fd, request, strlen(request), 0) > 0);
    for (int i = 0; i < 10; i++)
        turn(10);
    CU_ASSERT_EQUAL(node.asked, 1);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).timeouts, 0);
    skipped_ms += QE_CONTROL_ANSWER_MS + 1000;
    for (int i = 0; i < 10; i++)
        turn(10);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).timeouts, 1);
    // Everything that this connection held is gone: nothing is waited for any more.
    CU_ASSERT_EQUAL(qe_control_timeout_ms(node.control), -1);
    close(fd);
    teardown();
}

static void commands_beyond_the_limit_are_refused(void)
{
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    int fds[QE_CONTROL_PENDING_MAX];
    setup();
    node.mode = HOLD;
    for (int i = 0; i < QE_CONTROL_PENDING_MAX; i++) {
        fds[i] = dial();
        CU_ASSERT(send(fds[i], request, strlen(request), 0) > 0);
        turn(10);
        turn(0);
    }
    for (int i = 0; i < 20; i++)
        turn(1);
    CU_ASSERT_EQUAL(node.asked, QE_CONTROL_PENDING_MAX);
    const char *answer = ask("GET", "/v1/status");
    CU_ASSERT_EQUAL(status_of(answer), 503);
    CU_ASSERT_STRING_EQUAL(body_of(answer), "{\"error\":\"too many requests at once; try again\"}\n");
    release();
    for (int i = 0; i < QE_CONTROL_PENDING_MAX; i++) {
        char out[4096];
        CU_ASSERT(drain(fds[i], out, sizeof(out), 50));
        CU_ASSERT_EQUAL(status_of(out), 200);
        close(fds[i]);
    }
    node.mode = AT_ONCE;
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    teardown();
}

static void a_thousand_silent_connections_pass_and_leave_no_trace(void)
{
    enum { WANTED = 1000 };
    static int fds[WANTED];
    struct rlimit limit;
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    setup();
    int opened = 0;
    // The server holds its maximum, the backlog some more; each deadline makes room for the next.
    for (int i = 0; opened < WANTED && i < 100000; i++) {
        int fd = dial();
        if (fd >= 0) {
            fds[opened++] = fd;
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(errno, EAGAIN);
        turn(1);
        struct qe_control_counters c = qe_control_counters(node.control);
        CU_ASSERT(c.connections - c.broken <= QE_CONTROL_CONNECTIONS_MAX);
        if (i % 8 == 0) skipped_ms += 1000;
    }
    CU_ASSERT_EQUAL(opened, WANTED);
    // Somebody honest behind all of them is served after a few deadlines.
    int honest = -1;
    for (int i = 0; honest < 0 && i < 10000; i++) {
        honest = dial();
        turn(1);
        if (i % 8 == 0) skipped_ms += 1000;
    }
    const char *request = "GET /v1/status HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(honest, request, strlen(request), MSG_NOSIGNAL) > 0);
    char out[4096] = "";
    bool served = false;
    for (int i = 0; i < 1000 && !served; i++) {
        served = drain(honest, out, sizeof(out), 1);
        skipped_ms += 1000;
    }
    CU_ASSERT(served);
    CU_ASSERT_EQUAL(status_of(out), 200);
    close(honest);
    for (int i = 0; i < WANTED; i++)
        close(fds[i]);
    for (int i = 0; i < 20; i++)
        turn(1);
    CU_ASSERT_EQUAL(qe_control_counters(node.control).broken, WANTED);
    CU_ASSERT_EQUAL(qe_control_timeout_ms(node.control), -1);
    teardown();
}

static void a_thousand_requests_are_all_answered(void)
{
    setup();
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    CU_ASSERT_EQUAL(node.asked, 1000);
    teardown();
}

static void closing_answers_what_is_pending(void)
{
    char out[4096];
    setup();
    node.mode = HOLD;
    int fd = dial();
    const char *request = "GET /v1/peers HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(fd, request, strlen(request), 0) > 0);
    for (int i = 0; i < 5 && !node.held_count; i++)
        turn(10);
    teardown();
    ssize_t n = recv(fd, out, sizeof(out) - 1, 0);
    CU_ASSERT_FATAL(n > 0);
    out[n] = 0;
    CU_ASSERT_EQUAL(status_of(out), 503);
    close(fd);
}

static void an_answer_given_just_before_closing_still_leaves(void)
{
    char out[4096];
    setup();
    node.mode = HOLD;
    node.body = "{\"stopping\":true}";
    int fd = dial();
    const char *request = "POST /v1/stop HTTP/1.1\r\nHost: q\r\n\r\n";
    CU_ASSERT(send(fd, request, strlen(request), 0) > 0);
    for (int i = 0; i < 5 && !node.held_count; i++)
        turn(10);
    release();
    // The answer is on its way at once, and nobody else is waited for.
    int64_t start = real_ms();
    teardown();
    CU_ASSERT(real_ms() - start < 500);
    ssize_t n = recv(fd, out, sizeof(out) - 1, 0);
    CU_ASSERT_FATAL(n > 0);
    out[n] = 0;
    CU_ASSERT_EQUAL(status_of(out), 200);
    CU_ASSERT_STRING_EQUAL(body_of(out), "{\"stopping\":true}\n");
    close(fd);
}

static void a_second_daemon_is_refused_and_a_dead_one_replaced(void)
{
    char error[256] = "";
    struct stat st;
    setup();
    struct qe_control_options options = {.socket_path = path, .user = &node, .command = on_command};
    CU_ASSERT_PTR_NULL(qe_control_open(&options, error, sizeof(error)));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another daemon answers there"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, path));
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, geteuid() == 0 ? 0660 : 0600);
    teardown();

    // A socket file without a listener is what a killed daemon leaves.
    CU_ASSERT_PTR_NOT_NULL(mkdtemp(strcpy(folder, "/tmp/qe-control-XXXXXX")));
    snprintf(path, sizeof(path), "%s/control.sock", folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    node.control = qe_control_open(&options, error, sizeof(error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(node.control);
    CU_ASSERT_EQUAL(status_of(ask("GET", "/v1/status")), 200);

    // Closing leaves alone a file that meanwhile is somebody else's.
    CU_ASSERT_EQUAL(unlink(path), 0);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CU_ASSERT(file >= 0);
    close(file);
    qe_control_close(node.control);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);

    // A file that is no socket is never removed.
    CU_ASSERT_PTR_NULL(qe_control_open(&options, error, sizeof(error)));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "no socket"));
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    unlink(path);
    rmdir(folder);
}

static void a_socket_that_cannot_be_made_is_an_error_of_one_line(void)
{
    static const struct {
        const char *path, *contains;
    } rows[] = {
        {"", "1 to 107 bytes"},
        {"/nonexistent/folder/control.sock", "cannot create /nonexistent/folder"},
        {"/proc/control.sock", "cannot listen on /proc/control.sock"},
        {"/tmp/"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "1 to 107 bytes"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        struct qe_control_options options = {.socket_path = rows[i].path, .user = &node, .command = on_command};
        CU_ASSERT_PTR_NULL(qe_control_open(&options, error, sizeof(error)));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, rows[i].contains));
        CU_ASSERT_PTR_NULL(strchr(error, '\n'));
    }
}

// The TCP listeners share everything above but the mask in the table of endpoints.
static const char *ask_tcp(uint16_t port, const char *target)
{
    static char out[1 << 16];
    char request[256];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: q\r\n\r\n", target);
    CU_ASSERT_EQUAL(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    CU_ASSERT(drain(fd, out, sizeof(out), 100));
    close(fd);
    return out;
}

static struct qe_addr loopback(uint16_t port)
{
    return (struct qe_addr){.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = port};
}

// A port that was free a moment ago.
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, size), 0);
    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void tcp_serves_metrics_and_health_and_nothing_else(void)
{
    char error[256] = "";
    uint16_t metrics = free_port(), health = free_port();
    memset(&node, 0, sizeof(node));
    node.status = 200;
    struct qe_control_options options = {
        .metrics = loopback(metrics), .health = loopback(health), .user = &node, .command = on_command};
    node.control = qe_control_open(&options, error, sizeof(error));
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(node.control);

    node.body = "{\"metrics\":[{\"name\":\"quicether_path_rtt\",\"type\":\"gauge\",\"help\":\"Path round-trip time in "
                "milliseconds\",\"samples\":[{\"labels\":{\"interface\":\"eth0\"},\"value_milli\":15200}]}]}";
    const char *answer = ask_tcp(metrics, "/metrics");
    CU_ASSERT_EQUAL(status_of(answer), 200);
    CU_ASSERT_EQUAL(node.verb, QE_COMMAND_METRICS);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "quicether_path_rtt{interface=\"eth0\"} 15.2\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\nquicether_control_requests 1\n"));

    node.body = "{\"state\":\"up\",\"peers\":{\"configured\":2,\"connected\":0}}";
    answer = ask_tcp(health, "/health");
    CU_ASSERT_EQUAL(status_of(answer), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"status\":\"degraded\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"reason\":\"no peer is connected\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"timestamp\":\"20"));
    node.body = "{\"state\":\"starting\"}";
    CU_ASSERT_EQUAL(status_of(ask_tcp(health, "/health")), 503);

    unsigned asked = node.asked;
    CU_ASSERT_EQUAL(status_of(ask_tcp(metrics, "/health")), 404);
    CU_ASSERT_EQUAL(status_of(ask_tcp(health, "/metrics")), 404);
    CU_ASSERT_EQUAL(status_of(ask_tcp(metrics, "/v1/status")), 404);
    CU_ASSERT_EQUAL(status_of(ask_tcp(health, "/v1/stop")), 404);
    CU_ASSERT_EQUAL(node.asked, asked);

    // One address for both, and an address in use.
    struct qe_control_options twice = {.metrics = loopback(metrics), .user = &node, .command = on_command};
    CU_ASSERT_PTR_NULL(qe_control_open(&twice, error, sizeof(error)));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "cannot serve metrics on 127.0.0.1:"));
    qe_control_close(node.control);
    options.health = options.metrics;
    node.control = qe_control_open(&options, error, sizeof(error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(node.control);
    node.body = "{\"state\":\"up\",\"metrics\":[]}";
    CU_ASSERT_EQUAL(status_of(ask_tcp(metrics, "/health")), 200);
    CU_ASSERT_EQUAL(status_of(ask_tcp(metrics, "/metrics")), 200);
    qe_control_close(node.control);
}

static void metrics_of_a_wrong_shape_are_an_error_not_nonsense(void)
{
    static const char *const bodies[] = {"", "[]", "{}", "nonsense", "{\"metrics\":[{\"name\":\"a b\"}]}"};
    setup();
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        node.body = bodies[i];
        CU_ASSERT_EQUAL(status_of(ask("GET", "/metrics")), 500);
    }
    teardown();
}

static const struct unit_case cases[] = {
    {"each endpoint asks the node for its verb", each_endpoint_asks_the_node_for_its_verb},
    {"the node's status and body pass unchanged", the_node_s_status_and_body_pass_unchanged},
    {"refusals are JSON and never reach the node", refusals_are_json_and_never_reach_the_node},
    {"an argument longer than allowed is refused", an_argument_longer_than_allowed_is_refused},
    {"bodies are ignored up to a size and refused above", bodies_are_ignored_up_to_a_size_and_refused_above},
    {"headers beyond their memory are refused", headers_beyond_their_memory_are_refused},
    {"garbage ends its connection and nothing else", garbage_ends_its_connection_and_nothing_else},
    {"the node may answer later and out of order", the_node_may_answer_later_and_out_of_order},
    {"a client that leaves before the answer costs nothing", a_client_that_leaves_before_the_answer_costs_nothing},
    {"a node that does not answer is given up", a_node_that_does_not_answer_is_given_up},
    {"a request in drips is cut at its deadline", a_request_in_drips_is_cut_at_its_deadline},
    {"an answer that nobody takes is cut at its deadline", an_answer_that_nobody_takes_is_cut_at_its_deadline},
    {"commands beyond the limit are refused", commands_beyond_the_limit_are_refused},
    {"a thousand silent connections pass and leave no trace", a_thousand_silent_connections_pass_and_leave_no_trace},
    {"a thousand requests are all answered", a_thousand_requests_are_all_answered},
    {"closing answers what is pending", closing_answers_what_is_pending},
    {"an answer given just before closing still leaves", an_answer_given_just_before_closing_still_leaves},
    {"a second daemon is refused and a dead one replaced", a_second_daemon_is_refused_and_a_dead_one_replaced},
    {"a socket that cannot be made is an error of one line", a_socket_that_cannot_be_made_is_an_error_of_one_line},
    {"TCP serves metrics and health and nothing else", tcp_serves_metrics_and_health_and_nothing_else},
    {"metrics of a wrong shape are an error, not nonsense", metrics_of_a_wrong_shape_are_an_error_not_nonsense},
};
UNIT_MAIN("control", cases)
