#include "cli/http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

void qe_http_init(struct qe_http *http)
{
    memset(http, 0, sizeof(*http));
}

void qe_http_fini(struct qe_http *http)
{
    free(http->body);
    qe_http_init(http);
}

static enum qe_http_progress bad(struct qe_http *http, const char *why)
{
    http->why = why;
    return http->progress = QE_HTTP_BAD;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// RFC 9110 §5.6.2
static bool is_token(const char *text, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !is_digit(c) && !(c && strchr(others, c))) return false;
    }
    return size > 0;
}

// "HTTP/1.1 200 OK" (RFC 9112 §4). 0 where it is none.
static int status_line(const char *line, size_t size)
{
    if (size < 13 || memcmp(line, "HTTP/1.1 ", 9) != 0 || line[12] != ' ') return 0;
    for (size_t i = 9; i < 12; i++)
        if (!is_digit(line[i])) return 0;
    int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    // 1xx would be followed by another response; we ask for none.
    return status >= 200 && status <= 599 ? status : 0;
}

// One header line without its end. NULL, or what is wrong with it.
static const char *header_line(const char *line, size_t size, bool *sized, size_t *length)
{
    const char *colon = memchr(line, ':', size);
    if (!colon || !is_token(line, (size_t)(colon - line))) return "a header line is malformed";
    size_t name = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (name == 17 && strncasecmp(line, "Transfer-Encoding", name) == 0) return "its body is encoded";
    if (name != 14 || strncasecmp(line, "Content-Length", name) != 0) return NULL;
    if (*sized) return "it has two lengths";
    if (value == end || end - value > 9) return "its length is malformed or too large";
    size_t n = 0;
    for (; value < end; value++) {
        if (!is_digit(*value)) return "its length is malformed or too large";
        n = n * 10 + (size_t)(*value - '0');
    }
    if (n > QE_HTTP_BODY_MAX) return "its length is malformed or too large";
    *sized = true;
    *length = n;
    return NULL;
}

// The header block, `size` bytes with the empty line at its end.
static const char *header_block(struct qe_http *http, size_t size)
{
    const char *line = http->headers, *end = http->headers + size;
    bool sized = false;
    int status = 0;
    for (bool first = true;; first = false) {
        const char *eol = memchr(line, '\r', (size_t)(end - line));
        if (!eol || eol + 1 >= end || eol[1] != '\n' || memchr(line, '\n', (size_t)(eol - line)) ||
            memchr(line, 0, (size_t)(eol - line)))
            return "a line of its headers does not end as it should";
        size_t length = (size_t)(eol - line);
        if (!first && length == 0) break;
        const char *why = NULL;
        if (first)
            why = (status = status_line(line, length)) ? NULL : "it does not start with HTTP/1.1 and a status";
        else
            why = header_line(line, length, &sized, &http->body_wanted);
        if (why) return why;
        line = eol + 2;
    }
    if (!sized) return "it has no length";
    http->status = status;
    return NULL;
}

static enum qe_http_progress take_body(struct qe_http *http, const char *data, size_t size)
{
    if (size > http->body_wanted - http->body_size) return bad(http, "it goes on after its end");
    if (!http->body || size > http->body_room - http->body_size) {
        size_t room = http->body_room ? http->body_room : 4096;
        while (room - http->body_size < size)
            room *= 2;
        char *grown = realloc(http->body, room + 1);
        if (!grown) return bad(http, "there is no memory for it");
        http->body = grown;
        http->body_room = room;
    }
    memcpy(http->body + http->body_size, data, size);
    http->body_size += size;
    http->body[http->body_size] = 0;
    return http->progress = http->body_size == http->body_wanted ? QE_HTTP_DONE : QE_HTTP_MORE;
}

enum qe_http_progress qe_http_feed(struct qe_http *http, const char *data, size_t size)
{
    if (http->progress == QE_HTTP_BAD || size == 0) return http->progress;
    if (http->status) return take_body(http, data, size);

    size_t take = MIN(size, sizeof(http->headers) - http->headers_size);
    size_t known = http->headers_size;
    memcpy(http->headers + known, data, take);
    http->headers_size += take;
    // The empty line may straddle what came before.
    size_t from = known > 3 ? known - 3 : 0;
    const char *end = memmem(http->headers + from, http->headers_size - from, "\r\n\r\n", 4);
    if (!end) {
        if (memchr(http->headers + known, 0, take)) return bad(http, "its headers hold a zero byte");
        return http->headers_size == sizeof(http->headers) ? bad(http, "its headers are too long") : QE_HTTP_MORE;
    }
    size_t block = (size_t)(end - http->headers) + 4;
    const char *why = header_block(http, block);
    if (why) return bad(http, why);
    size_t used = block - known;
    return take_body(http, data + used, size - used);
}

enum qe_http_progress qe_http_end(struct qe_http *http)
{
    if (http->progress == QE_HTTP_MORE) return bad(http, "it ends too early");
    return http->progress;
}

bool qe_http_escape(const char *text, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (used + (plain ? 1 : 3) >= size) return false;
        if (plain) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = hex[c >> 4];
            out[used++] = hex[c & 15];
        }
    }
    if (used >= size) return false;
    out[used] = 0;
    return true;
}
