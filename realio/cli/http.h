// The client's half of HTTP/1.1 (RFC 9112): one response, as strict as our own server is regular. It takes a status
// line, headers with exactly one Content-Length, and that many bytes; anything else is an error, not a guess.
#ifndef QE_CLI_HTTP_H
#define QE_CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define QE_HTTP_HEADERS_MAX 8192
#define QE_HTTP_BODY_MAX    (16u << 20)

enum qe_http_progress {
    QE_HTTP_MORE, // wants more bytes
    QE_HTTP_DONE, // the response is whole
    QE_HTTP_BAD,  // not a response that we take; `why` says it
};

struct qe_http {
    enum qe_http_progress progress;
    int status; // 200..599, once the headers are whole
    char *body; // malloc'ed, with a NUL after its `body_size` bytes; NULL while there is none
    size_t body_size;
    const char *why; // QE_HTTP_BAD: what is wrong with it
    size_t body_wanted;
    size_t body_room;
    size_t headers_size;
    char headers[QE_HTTP_HEADERS_MAX];
};

void qe_http_init(struct qe_http *http);
void qe_http_fini(struct qe_http *http);
// Takes the next bytes from the connection. Memory grows with what arrived, never with what was announced.
enum qe_http_progress qe_http_feed(struct qe_http *http, const char *data, size_t size);
// The connection has ended.
enum qe_http_progress qe_http_end(struct qe_http *http);

// Writes `text` with everything but RFC 3986's unreserved characters as %XX; false where it does not fit.
bool qe_http_escape(const char *text, char *out, size_t size);

#endif
