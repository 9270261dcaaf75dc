#include "record/body.h"

#define HEAD_FIRST  1024
#define PIECE_FIRST 64
// Seven bits a byte.
#define NUMBER_SIZE_MAX 10

void qe_record_body_init(struct qe_record_body *body, const struct qe_mem *mem)
{
    *body = (struct qe_record_body){.mem = mem};
}

void qe_record_body_fini(struct qe_record_body *body)
{
    qe_free(body->mem, body->head);
    qe_free(body->mem, body->pieces);
}

void qe_record_body_clear(struct qe_record_body *body)
{
    body->head_size = body->piece_count = body->pieces_size = 0;
    body->failed = false;
}

static uint8_t *room(struct qe_record_body *body, size_t size)
{
    if (body->failed) return NULL;
    if (body->head_capacity - body->head_size < size) {
        size_t capacity = body->head_capacity ? body->head_capacity : HEAD_FIRST;
        while (capacity - body->head_size < size)
            capacity *= 2;
        uint8_t *head = qe_realloc(body->mem, body->head, capacity, 1);
        if (!head) {
            body->failed = true;
            return NULL;
        }
        body->head = head;
        body->head_capacity = capacity;
    }
    uint8_t *at = body->head + body->head_size;
    body->head_size += size;
    return at;
}

void qe_record_put_bytes(struct qe_record_body *body, const void *bytes, size_t size)
{
    uint8_t *at = size ? room(body, size) : NULL;
    if (at) memcpy(at, bytes, size);
}

void qe_record_put_piece(struct qe_record_body *body, const void *bytes, size_t size)
{
    if (body->failed || size == 0) return;
    if (body->piece_count == body->piece_capacity) {
        size_t capacity = body->piece_capacity ? body->piece_capacity * 2 : PIECE_FIRST;
        struct qe_span *pieces = qe_realloc(body->mem, body->pieces, capacity, sizeof *pieces);
        if (!pieces) {
            body->failed = true;
            return;
        }
        body->pieces = pieces;
        body->piece_capacity = capacity;
    }
    body->pieces[body->piece_count++] = qe_span(bytes, size);
    body->pieces_size += size;
}

void qe_record_put8(struct qe_record_body *body, uint8_t v)
{
    qe_record_put_bytes(body, &v, 1);
}

void qe_record_put(struct qe_record_body *body, uint64_t v)
{
    uint8_t bytes[NUMBER_SIZE_MAX];
    size_t size = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[size++] = (uint8_t)(v | 0x80);
    bytes[size++] = (uint8_t)v;
    qe_record_put_bytes(body, bytes, size);
}

void qe_record_put_signed(struct qe_record_body *body, int64_t v)
{
    qe_record_put(body, v < 0 ? ~((uint64_t)v << 1) : (uint64_t)v << 1);
}

void qe_record_put_span(struct qe_record_body *body, struct qe_span span)
{
    qe_record_put(body, span.size);
    qe_record_put_bytes(body, span.data, span.size);
}

void qe_record_put_text(struct qe_record_body *body, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    qe_record_put(body, text ? size + 1 : 0);
    qe_record_put_bytes(body, text, size);
}

void qe_record_put_ip(struct qe_record_body *body, const struct qe_ip *ip)
{
    qe_record_put8(body, ip->family);
    if (ip->family) qe_record_put_bytes(body, ip->bytes, qe_ip_size(ip));
}

void qe_record_put_addr(struct qe_record_body *body, const struct qe_addr *addr)
{
    qe_record_put_ip(body, &addr->ip);
    qe_record_put(body, addr->port);
    qe_record_put(body, addr->scope);
}

void qe_record_put_cidr(struct qe_record_body *body, const struct qe_cidr *cidr)
{
    qe_record_put_ip(body, &cidr->ip);
    qe_record_put8(body, cidr->bits);
}

uint64_t qe_record_get(struct qe_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = qe_read8(r);
        uint64_t bits = byte & 0x7f;
        if (r->failed || (bits << shift) >> shift != bits || (shift && byte == 0)) break;
        v |= bits << shift;
        if (!(byte & 0x80)) return v;
    }
    r->failed = true;
    return 0;
}

uint64_t qe_record_get_max(struct qe_reader *r, uint64_t max)
{
    uint64_t v = qe_record_get(r);
    if (v <= max) return v;
    r->failed = true;
    return 0;
}

int64_t qe_record_get_signed(struct qe_reader *r)
{
    uint64_t v = qe_record_get(r);
    return (int64_t)(v & 1 ? ~(v >> 1) : v >> 1);
}

struct qe_span qe_record_get_span(struct qe_reader *r)
{
    return qe_read_bytes(r, (size_t)qe_record_get_max(r, SIZE_MAX));
}

struct qe_span qe_record_get_text(struct qe_reader *r, bool *null)
{
    uint64_t size = qe_record_get_max(r, SIZE_MAX);
    *null = size == 0;
    struct qe_span text = qe_read_bytes(r, size ? (size_t)(size - 1) : 0);
    if (text.size && memchr(text.data, 0, text.size)) r->failed = true;
    return text;
}

struct qe_ip qe_record_get_ip(struct qe_reader *r)
{
    struct qe_ip ip = {.family = qe_read8(r)};
    if (ip.family != 0 && ip.family != 4 && ip.family != 6) r->failed = true;
    if (r->failed || !ip.family) return (struct qe_ip){0};
    qe_read_copy(r, ip.bytes, qe_ip_size(&ip));
    return ip;
}

struct qe_addr qe_record_get_addr(struct qe_reader *r)
{
    struct qe_addr addr = {.ip = qe_record_get_ip(r)};
    addr.port = (uint16_t)qe_record_get_max(r, UINT16_MAX);
    addr.scope = (uint32_t)qe_record_get_max(r, UINT32_MAX);
    return addr;
}

struct qe_cidr qe_record_get_cidr(struct qe_reader *r)
{
    struct qe_cidr cidr = {.ip = qe_record_get_ip(r)};
    cidr.bits = qe_read8(r);
    if (cidr.bits > qe_ip_size(&cidr.ip) * 8 || (!cidr.ip.family && cidr.bits)) r->failed = true;
    return cidr;
}
