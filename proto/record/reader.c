#include "record/reader.h"

#include "record/body.h"
#include "record/recorder.h"

#include <stdio.h>

// A record's size takes at most this many bytes.
#define PREFIX_MAX 4

static bool fail(struct qe_record_reader *r, enum qe_record_fault fault, const char *what, uint64_t where)
{
    r->state = QE_RECORD_BAD;
    r->fault = fault;
    snprintf(r->error, sizeof r->error, "%s at byte %llu (block %u)", what, (unsigned long long)where,
        (unsigned)r->chain.index);
    return false;
}

static bool unreadable(struct qe_record_reader *r)
{
    r->state = QE_RECORD_BAD;
    r->fault = QE_RECORD_DAMAGED;
    snprintf(r->error, sizeof r->error, "it cannot be read");
    return false;
}

static void explain_header(struct qe_record_reader *r, size_t got)
{
    switch (r->fault) {
    case QE_RECORD_SHORT:
        snprintf(r->error, sizeof r->error, got ? "cut short: it ends at byte %zu, within its header" : "empty", got);
        break;
    case QE_RECORD_FOREIGN:
        snprintf(r->error, sizeof r->error, "no recording: it does not begin with \"qerecord\"");
        break;
    case QE_RECORD_OTHER:
        snprintf(r->error, sizeof r->error, "of format version %u; expected version %d", r->version, QE_RECORD_VERSION);
        break;
    default:
        snprintf(r->error, sizeof r->error, "damaged: its header's checksum does not agree");
    }
}

int qe_record_reader_init(struct qe_record_reader *r, const struct qe_mem *mem, const struct qe_record_source *source)
{
    *r = (struct qe_record_reader){.mem = mem, .source = *source};
    r->capacity = 2 * QE_RECORD_FRAMED_MAX;
    r->bytes = qe_alloc(mem, r->capacity);
    if (!r->bytes) {
        snprintf(r->error, sizeof r->error, "no memory");
        r->state = QE_RECORD_BAD;
        return -1;
    }
    size_t got = 0, wanted = 0;
    do {
        size_t part = source->read(source->user, r->bytes + got, wanted - got);
        if (part > wanted - got) {
            unreadable(r);
            return -1;
        }
        bool over = part < wanted - got;
        got += part;
        r->fault = qe_record_read_header(&r->chain, qe_span(r->bytes, got), &r->header, &wanted, &r->version);
        if (over) break;
    } while (r->fault == QE_RECORD_SHORT);
    r->offset = got;
    if (r->fault == QE_RECORD_RIGHT) return 0;
    r->state = QE_RECORD_BAD;
    explain_header(r, got);
    return -1;
}

void qe_record_reader_fini(struct qe_record_reader *r)
{
    qe_free(r->mem, r->bytes);
}

int qe_record_reader_unseal(struct qe_record_reader *r, const uint8_t secret[QE_RECORD_KEY_SIZE])
{
    return r->header.sealed ? qe_record_unseal(&r->chain, &r->header, secret) : 0;
}

// Room for `size` more bytes behind those that wait.
static bool room(struct qe_record_reader *r, size_t size)
{
    memmove(r->bytes, r->bytes + r->at, r->size - r->at);
    r->size -= r->at;
    r->at = 0;
    if (r->capacity - r->size >= size) return true;
    size_t capacity = r->capacity * 2 > r->size + size ? r->capacity * 2 : r->size + size;
    uint8_t *bytes = qe_realloc(r->mem, r->bytes, capacity, 1);
    if (!bytes) return fail(r, QE_RECORD_DAMAGED, "no memory for a record", r->offset);
    r->bytes = bytes;
    r->capacity = capacity;
    return true;
}

static bool cut(struct qe_record_reader *r, uint64_t where)
{
    r->state = QE_RECORD_CUT;
    snprintf(r->error, sizeof r->error, "cut short: it ends at byte %llu (block %u) without an end",
        (unsigned long long)where, (unsigned)r->chain.index);
    return false;
}

// Adds a block to the bytes that wait; false at the end.
static bool load(struct qe_record_reader *r)
{
    struct qe_record_block block;
    struct qe_span payload;
    if (r->end != QE_RECORD_GOES_ON) {
        uint8_t more;
        if (r->source.read(r->source.user, &more, 1) != 0)
            return fail(r, QE_RECORD_DAMAGED, "damaged: there is more behind its end", r->offset);
        r->state = QE_RECORD_FINISHED;
        return false;
    }
    size_t got = r->source.read(r->source.user, r->head, sizeof r->head);
    if (got > sizeof r->head) return unreadable(r);
    if (got < sizeof r->head) return cut(r, r->offset + got);
    if (qe_record_read_block_head(&r->chain, r->head, &block) != QE_RECORD_RIGHT)
        return fail(r, QE_RECORD_DAMAGED, "damaged: no block begins", r->offset);
    if (!room(r, block.size)) return false;
    uint8_t *stored = r->bytes + r->size;
    got = r->source.read(r->source.user, stored, block.size);
    if (got > block.size) return unreadable(r);
    if (got < block.size) return cut(r, r->offset + sizeof r->head + got);
    switch (qe_record_read_block(&r->chain, r->head, stored, &block, &payload)) {
    case QE_RECORD_RIGHT:
        break;
    case QE_RECORD_WRONG_KEY:
        return fail(r, QE_RECORD_WRONG_KEY, "the key does not open the block", r->offset);
    default:
        return fail(r, QE_RECORD_DAMAGED, "damaged: the checksum does not agree with the block", r->offset);
    }
    r->size += payload.size;
    r->offset += sizeof r->head + block.size;
    r->end = block.end;
    return true;
}

bool qe_record_reader_next(struct qe_record_reader *r, struct qe_record *record)
{
    while (r->state == QE_RECORD_GOOD) {
        struct qe_reader in = qe_reader(qe_span(r->bytes + r->at, r->size - r->at));
        uint64_t size = qe_record_get(&in);
        if (!in.failed && (size == 0 || size > QE_RECORD_SIZE_MAX))
            return fail(r, QE_RECORD_DAMAGED, "damaged: a record of impossible size before", r->offset);
        if (in.failed && r->size - r->at >= PREFIX_MAX)
            return fail(r, QE_RECORD_DAMAGED, "damaged: a record without a size before", r->offset);
        if (!in.failed && qe_reader_left(&in) >= size) {
            record->kind = in.at[0];
            record->body = qe_span(in.at + 1, (size_t)size - 1);
            if (record->kind >= QE_RECORD_KIND_COUNT)
                return fail(r, QE_RECORD_DAMAGED, "damaged: a record of unknown kind before", r->offset);
            r->at += (size_t)(in.at - (r->bytes + r->at)) + (size_t)size;
            return true;
        }
        // What an ended recording leaves of its last record is no record.
        if (!load(r)) return false;
    }
    return false;
}
