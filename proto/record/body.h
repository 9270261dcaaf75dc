// A record's body while it is put together: a head that grows, and pieces that are borrowed until it is written, so
// that the bytes of packets are copied once.
#ifndef QE_RECORD_BODY_H
#define QE_RECORD_BODY_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "base/mem.h"

struct qe_record_body {
    const struct qe_mem *mem;
    uint8_t *head;
    size_t head_size, head_capacity;
    struct qe_span *pieces; // after the head, in order
    size_t piece_count, piece_capacity;
    size_t pieces_size; // bytes of all pieces
    bool failed;        // no memory
};

void qe_record_body_init(struct qe_record_body *body, const struct qe_mem *mem);
void qe_record_body_fini(struct qe_record_body *body);
// Empties it; memory is kept.
void qe_record_body_clear(struct qe_record_body *body);
static inline size_t qe_record_body_size(const struct qe_record_body *body)
{
    return body->head_size + body->pieces_size;
}

void qe_record_put_bytes(struct qe_record_body *body, const void *bytes, size_t size);
void qe_record_put_piece(struct qe_record_body *body, const void *bytes, size_t size);
void qe_record_put8(struct qe_record_body *body, uint8_t v);
// Base 128, least significant first, the high bit says that more follow.
void qe_record_put(struct qe_record_body *body, uint64_t v);
// Differences of either sign: zigzag, then as above.
void qe_record_put_signed(struct qe_record_body *body, int64_t v);
// Size, bytes. A text may be NULL, which is not the same as "": size + 1, bytes; 0 for NULL.
void qe_record_put_span(struct qe_record_body *body, struct qe_span span);
void qe_record_put_text(struct qe_record_body *body, const char *text);
void qe_record_put_ip(struct qe_record_body *body, const struct qe_ip *ip);
void qe_record_put_addr(struct qe_record_body *body, const struct qe_addr *addr);
void qe_record_put_cidr(struct qe_record_body *body, const struct qe_cidr *cidr);

// The other direction. What is not canonical (a number with needless bytes, an address that cannot be) fails.
uint64_t qe_record_get(struct qe_reader *r);
// At most `max`, else the cursor fails.
uint64_t qe_record_get_max(struct qe_reader *r, uint64_t max);
int64_t qe_record_get_signed(struct qe_reader *r);
struct qe_span qe_record_get_span(struct qe_reader *r);
// A span without a NUL in it; *null where it is none.
struct qe_span qe_record_get_text(struct qe_reader *r, bool *null);
struct qe_ip qe_record_get_ip(struct qe_reader *r);
struct qe_addr qe_record_get_addr(struct qe_reader *r);
struct qe_cidr qe_record_get_cidr(struct qe_reader *r);

#endif
