// The client against servers that do not mean well, each a process of its own.
#include "cli/client.h"
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 400
// How much later than its timeout a call may return on a busy machine.
#define MARGIN_MS 5000

enum behaviour {
    SAYS,         // reads the request, sends the text, hangs up
    SAYS_UNASKED, // sends the text without reading, hangs up
    DRIPS,        // sends the text a byte at a time, 50 ms apart
    FLOODS,       // sends the text, then bytes without end
    IS_SILENT,    // accepts and says nothing
    IGNORES,      // never accepts, with a backlog that is full
};

static char path[64];

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int bound(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "/tmp/qe-client-%ld.sock", (long)getpid());
    memcpy(address.sun_path, path, sizeof(path));
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, backlog), 0);
    return fd;
}

_Noreturn static void behave(int listener, enum behaviour behaviour, const char *text)
{
    char data[4096];
    signal(SIGPIPE, SIG_IGN);
    alarm(20);
    if (behaviour == IGNORES)
        for (;;)
            pause();
    int fd = accept(listener, NULL, NULL);
    if (behaviour == SAYS && read(fd, data, sizeof(data)) <= 0) _exit(1);
    if (behaviour == IS_SILENT)
        for (;;)
            pause();
    for (size_t i = 0, step = behaviour == DRIPS ? 1 : strlen(text); i < strlen(text); i += step) {
        if (write(fd, text + i, step) < 0) _exit(0);
        if (behaviour == DRIPS) nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    memset(data, 'x', sizeof(data));
    if (behaviour == FLOODS)
        while (write(fd, data, sizeof(data)) > 0)
            ;
    shutdown(fd, SHUT_WR);
    // Until the client hangs up, so that it and not the end of this process decides.
    while (behaviour == SAYS && read(fd, data, sizeof(data)) > 0)
        ;
    _exit(0);
}

static enum qe_client_outcome call(
    enum behaviour behaviour, const char *text, int interrupt_fd, struct qe_client_reply *reply)
{
    int listener = bound(behaviour == IGNORES ? 0 : 5);
    int filler = -1;
    if (behaviour == IGNORES) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        memcpy(address.sun_path, path, sizeof(path));
        filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_EQUAL(connect(filler, (struct sockaddr *)&address, sizeof(address)), 0);
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) behave(listener, behaviour, text);
    close(listener);
    int64_t start = clock_ms();
    struct qe_client_request request = {.socket_path = path,
        .method = "GET",
        .target = "/v1/status",
        .timeout_ms = TIMEOUT_MS,
        .interrupt_fd = interrupt_fd};
    enum qe_client_outcome outcome = qe_client_call(&request, reply);
    CU_ASSERT(clock_ms() - start < TIMEOUT_MS + MARGIN_MS);
    CU_ASSERT_PTR_NULL(strchr(reply->error, '\n'));
    CU_ASSERT_EQUAL(outcome == QE_CLIENT_OK, reply->error[0] == 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (filler >= 0) close(filler);
    unlink(path);
    return outcome;
}

static void what_no_daemon_says_is_an_error_in_time(void)
{
#define ANSWER(status, length, body) "HTTP/1.1 " status "\r\nContent-Length: " length "\r\n\r\n" body
    static const struct {
        enum behaviour behaviour;
        const char *text;
        enum qe_client_outcome outcome;
        const char *error; // a part of it
    } rows[] = {
        {SAYS, ANSWER("200 OK", "7", "{\"a\":1}"), QE_CLIENT_OK, ""},
        {SAYS_UNASKED, ANSWER("200 OK", "7", "{\"a\":1}"), QE_CLIENT_OK, ""},
        {SAYS, "", QE_CLIENT_BROKEN, "is no quicether daemon: it ends too early"},
        {SAYS_UNASKED, "", QE_CLIENT_BROKEN, ""},
        {SAYS, "SSH-2.0-OpenSSH_9.2p1\r\n", QE_CLIENT_BROKEN, "is no quicether daemon"},
        {SAYS, ANSWER("200 OK", "8", "{\"a\":1}"), QE_CLIENT_BROKEN, "it ends too early"},
        {SAYS, ANSWER("200 OK", "6", "{\"a\":1}"), QE_CLIENT_BROKEN, "it goes on after its end"},
        {SAYS, ANSWER("200 OK", "7", "{\"a\":1]"), QE_CLIENT_BROKEN, "its answer is no JSON object"},
        {SAYS, ANSWER("200 OK", "3", "[1]"), QE_CLIENT_BROKEN, "its answer is no JSON object"},
        {SAYS, ANSWER("200 OK", "0", ""), QE_CLIENT_BROKEN, "its answer is no JSON object"},
        {SAYS, ANSWER("200 OK", "13", "{\"a\":1,\"a\":2}"), QE_CLIENT_BROKEN, "its answer is no JSON object"},
        {SAYS, ANSWER("404 Not Found", "20", "{\"error\":\"not a peer\"}"), QE_CLIENT_BROKEN, "after its end"},
        {SAYS, ANSWER("404 Not Found", "22", "{\"error\":\"not a peer\"}"), QE_CLIENT_REFUSED, "not a peer"},
        {SAYS, ANSWER("503 Busy", "2", "{}"), QE_CLIENT_REFUSED, "answers with status 503"},
        {SAYS, ANSWER("500 Oops", "29", "{\"error\":\"a\\nb\\u001b[2Jc\\td\"}"), QE_CLIENT_REFUSED, "a?b?[2Jc?d"},
        {DRIPS, ANSWER("200 OK", "7", "{\"a\":1}"), QE_CLIENT_BROKEN, "does not answer in time"},
        {FLOODS, "", QE_CLIENT_BROKEN, "its headers are too long"},
        {FLOODS, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n", QE_CLIENT_BROKEN, ""},
        {IS_SILENT, "", QE_CLIENT_BROKEN, "does not answer in time"},
        {IGNORES, "", QE_CLIENT_BROKEN, "does not answer in time"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct qe_client_reply reply;
        enum qe_client_outcome outcome = call(rows[i].behaviour, rows[i].text, -1, &reply);
        CU_ASSERT_EQUAL(outcome, rows[i].outcome);
        CU_ASSERT_PTR_NOT_NULL(strstr(reply.error, rows[i].error));
        if (outcome != rows[i].outcome || !strstr(reply.error, rows[i].error))
            fprintf(stderr, "row %zu: outcome %d, '%s'\n", i, outcome, reply.error);
        if (outcome == QE_CLIENT_OK) CU_ASSERT_EQUAL(json_integer_value(json_object_get(reply.json, "a")), 1);
        qe_client_reply_fini(&reply);
    }
}

static void an_interrupt_ends_a_call(void)
{
    struct qe_client_reply reply;
    int interrupt_fd = eventfd(1, EFD_CLOEXEC);
    CU_ASSERT_EQUAL(call(IS_SILENT, "", interrupt_fd, &reply), QE_CLIENT_INTERRUPTED);
    qe_client_reply_fini(&reply);
    CU_ASSERT_EQUAL(call(IGNORES, "", interrupt_fd, &reply), QE_CLIENT_INTERRUPTED);
    qe_client_reply_fini(&reply);
    close(interrupt_fd);
}

static void a_missing_daemon_is_named_with_what_to_do(void)
{
    static const struct {
        const char *path, *error;
    } rows[] = {
        {"/nonexistent/control.sock",
            "no daemon answers on /nonexistent/control.sock; start it with 'quicether start' or "
            "name its socket with --control"},
        {"/dev/null/control.sock",
            "no daemon answers on /dev/null/control.sock; start it with 'quicether start' or name "
            "its socket with --control"},
        {"/dev/null",
            "no daemon answers on /dev/null; start it with 'quicether start' or name its socket with --control"},
        {"", "'' cannot be a socket's path: it has 1 to 107 bytes"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct qe_client_reply reply;
        struct qe_client_request request = {
            .socket_path = rows[i].path, .method = "GET", .target = "/", .timeout_ms = TIMEOUT_MS, .interrupt_fd = -1};
        CU_ASSERT_EQUAL(qe_client_call(&request, &reply), QE_CLIENT_UNREACHABLE);
        CU_ASSERT_STRING_EQUAL(reply.error, rows[i].error);
        qe_client_reply_fini(&reply);
    }
    // The socket file of a daemon that was killed.
    struct qe_client_reply reply;
    close(bound(5));
    struct qe_client_request request = {
        .socket_path = path, .method = "GET", .target = "/", .timeout_ms = TIMEOUT_MS, .interrupt_fd = -1};
    CU_ASSERT_EQUAL(qe_client_call(&request, &reply), QE_CLIENT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(reply.error, "no daemon answers on"));
    qe_client_reply_fini(&reply);
    unlink(path);
}

static const struct unit_case cases[] = {
    {"what no daemon says is an error, in time", what_no_daemon_says_is_an_error_in_time},
    {"an interrupt ends a call", an_interrupt_ends_a_call},
    {"a missing daemon is named with what to do", a_missing_daemon_is_named_with_what_to_do},
};
UNIT_MAIN("client", cases)
