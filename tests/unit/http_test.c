#include "cli/http.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Feeds in pieces of `step` bytes, then the end of the connection.
static enum qe_http_progress feed(struct qe_http *http, const char *bytes, size_t size, size_t step)
{
    qe_http_init(http);
    for (size_t i = 0; i < size; i += step)
        qe_http_feed(http, bytes + i, size - i < step ? size - i : step);
    return qe_http_end(http);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void a_response_is_the_same_however_it_is_cut(void)
{
    static const char response[] =
        "HTTP/1.1 404 Not Found\r\nDate: today\r\ncontent-length:  7 \r\nX:\r\n\r\n{\"a\":1}";
    for (size_t step = 1; step < sizeof(response); step++) {
        static struct qe_http http;
        CU_ASSERT_EQUAL(feed(&http, response, sizeof(response) - 1, step), QE_HTTP_DONE);
        CU_ASSERT_EQUAL(http.status, 404);
        CU_ASSERT_EQUAL(http.body_size, 7);
        CU_ASSERT_STRING_EQUAL(http.body, "{\"a\":1}");
        qe_http_fini(&http);
    }
}

static void whatever_is_no_plain_response_is_refused(void)
{
    static const struct {
        const char *bytes, *why;
    } rows[] = {
        {"", "it ends too early"},
        {"HTTP/1.1 200 OK\r\n", "it ends too early"},
        {OK "Content-Length: 2\r\n\r\n", "it ends too early"},
        {OK "Content-Length: 2\r\n\r\nx", "it ends too early"},
        {OK "Content-Length: 2\r\n\r\nxyz", "it goes on after its end"},
        {OK "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", "it goes on after its end"},
        {OK "\r\n", "it has no length"},
        {OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nxy", "it has two lengths"},
        {OK "Content-Length: \r\n\r\nxy", "its length is malformed or too large"},
        {OK "Content-Length: +2\r\n\r\nxy", "its length is malformed or too large"},
        {OK "Content-Length: -2\r\n\r\nxy", "its length is malformed or too large"},
        {OK "Content-Length: 2, 2\r\n\r\nxy", "its length is malformed or too large"},
        {OK "Content-Length: 0x2\r\n\r\nxy", "its length is malformed or too large"},
        {OK "Content-Length: 16777217\r\n\r\n", "its length is malformed or too large"},
        {OK "Content-Length: 99999999999999999999\r\n\r\n", "its length is malformed or too large"},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "its body is encoded"},
        {OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nxy", "its body is encoded"},
        {OK "no colon\r\n\r\n", "a header line is malformed"},
        {OK ": x\r\n\r\n", "a header line is malformed"},
        {OK "a b: x\r\n\r\n", "a header line is malformed"},
        {OK "Content-Length : 2\r\n\r\nxy", "a header line is malformed"},
        {OK " folded: x\r\n\r\n", "a header line is malformed"},
        {OK "a: b\nContent-Length: 2\r\n\r\nxy", "a line of its headers does not end as it should"},
        {OK "a: b\rc\r\n\r\n", "a line of its headers does not end as it should"},
        {"\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.0 200 OK\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.1 2OO OK\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.1 099 OK\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.1 100 Continue\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.1 600 OK\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"HTTP/1.1 200\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "it does not start with HTTP/1.1 and a status"},
    };
    static const size_t steps[] = {1, 7, 100000};
    static struct qe_http http;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            CU_ASSERT_EQUAL(feed(&http, rows[i].bytes, strlen(rows[i].bytes), steps[k]), QE_HTTP_BAD);
            CU_ASSERT_STRING_EQUAL(http.why, rows[i].why);
            // A bad response stays bad, whatever follows.
            CU_ASSERT_EQUAL(qe_http_feed(&http, OK "Content-Length: 0\r\n\r\n", 38), QE_HTTP_BAD);
            qe_http_fini(&http);
        }
    CU_ASSERT_EQUAL(feed(&http, OK "a: \0b\r\n\r\n", strlen(OK) + 9, 100), QE_HTTP_BAD);
    qe_http_fini(&http);
}

static void headers_and_body_have_a_largest_size(void)
{
    static char bytes[QE_HTTP_HEADERS_MAX + 64];
    static struct qe_http http;
    memset(bytes, 'x', sizeof(bytes));
    CU_ASSERT_EQUAL(feed(&http, bytes, sizeof(bytes), 100), QE_HTTP_BAD);
    CU_ASSERT_STRING_EQUAL(http.why, "its headers are too long");
    qe_http_fini(&http);

    // Announced memory is not taken before the bytes are there.
    qe_http_init(&http);
    qe_http_feed(&http, OK "Content-Length: 16777216\r\n\r\nx", strlen(OK) + 29);
    CU_ASSERT_EQUAL(http.progress, QE_HTTP_MORE);
    CU_ASSERT(http.body_room <= 8192);
    static char rest[QE_HTTP_BODY_MAX - 1];
    memset(rest, 'y', sizeof(rest));
    CU_ASSERT_EQUAL(qe_http_feed(&http, rest, sizeof(rest)), QE_HTTP_DONE);
    CU_ASSERT_EQUAL(http.body_size, QE_HTTP_BODY_MAX);
    CU_ASSERT_EQUAL(http.body[QE_HTTP_BODY_MAX], 0);
    qe_http_fini(&http);
}

static void random_bytes_and_mutations_never_break_the_parser(void)
{
    struct unit_random random = unit_random();
    static const char seed[] = OK "Date: x\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}";
    static struct qe_http http;
    char bytes[sizeof(seed)];
    int done = 0;
    for (int i = 0; i < 100000; i++) {
        memcpy(bytes, seed, sizeof(seed));
        for (uint64_t k = unit_random_below(&random, 4); k > 0; k--)
            bytes[unit_random_below(&random, sizeof(seed) - 1)] = (char)unit_random_next(&random);
        size_t size = unit_random_below(&random, 8) ? sizeof(seed) - 1 : unit_random_below(&random, sizeof(seed));
        enum qe_http_progress p = feed(&http, bytes, size, 1 + unit_random_below(&random, 40));
        CU_ASSERT(p == QE_HTTP_DONE || p == QE_HTTP_BAD);
        CU_ASSERT((p == QE_HTTP_BAD) == (http.why != NULL));
        done += p == QE_HTTP_DONE;
        qe_http_fini(&http);
    }
    CU_ASSERT(done > 20000);
    CU_ASSERT(done < 90000);
}

static void escaping_leaves_nothing_special(void)
{
    char out[32];
    CU_ASSERT(qe_http_escape("aZ09-._~", out, sizeof(out)));
    CU_ASSERT_STRING_EQUAL(out, "aZ09-._~");
    CU_ASSERT(qe_http_escape("a b&c\r\n%\xff", out, sizeof(out)));
    CU_ASSERT_STRING_EQUAL(out, "a%20b%26c%0D%0A%25%FF");
    CU_ASSERT(qe_http_escape("", out, 1));
    CU_ASSERT_FALSE(qe_http_escape("a", out, 1));
    CU_ASSERT(qe_http_escape("%", out, 4));
    CU_ASSERT_FALSE(qe_http_escape("%", out, 3));
}

static const struct unit_case cases[] = {
    {"a response is the same however it is cut", a_response_is_the_same_however_it_is_cut},
    {"whatever is no plain response is refused", whatever_is_no_plain_response_is_refused},
    {"headers and body have a largest size", headers_and_body_have_a_largest_size},
    {"random bytes and mutations never break the parser", random_bytes_and_mutations_never_break_the_parser},
    {"escaping leaves nothing special", escaping_leaves_nothing_special},
};
UNIT_MAIN("http", cases)
