// A record is its size, its kind, its body. Records are written whole, so that what a step drew stands behind it;
// blocks cut them anywhere.
#include "record/recorder.h"

#include "record/config.h"
#include "record/event.h"
#include "record/tls.h"

#include <assert.h>

struct qe_recorder {
    const struct qe_host *inner;
    struct qe_host outer; // what the node sees
    struct qe_seam seam;  // of `outer`, where a script stands in TLS's place
    struct qe_record_sink sink;
    struct qe_record_hash hash;
    struct qe_record_clock clock;
    struct qe_record_body body;
    uint8_t *buffer; // NULL: the recording has ended
    size_t used;
};

static void turn(struct qe_recorder *r)
{
    r->buffer = r->sink.block(r->sink.user, r->buffer, r->used, QE_RECORD_GOES_ON);
    r->used = 0;
}

static void append(struct qe_recorder *r, const uint8_t *bytes, size_t size)
{
    while (size > 0 && r->buffer) {
        size_t room = QE_RECORD_BLOCK_MAX - r->used, part = size < room ? size : room;
        memcpy(r->buffer + r->used, bytes, part);
        r->used += part;
        bytes += part;
        size -= part;
        if (r->used == QE_RECORD_BLOCK_MAX) turn(r);
    }
}

// Writes the body as a record.
static void emit(struct qe_recorder *r, enum qe_record_kind kind)
{
    uint8_t head[4];
    size_t size = qe_record_body_size(&r->body) + 1, n = 0;
    if (r->body.failed || size > QE_RECORD_SIZE_MAX) {
        qe_recorder_end(r, QE_RECORD_MEMORY);
        return;
    }
    for (size_t v = size;; v >>= 7) {
        head[n++] = (uint8_t)(v < 0x80 ? v : v | 0x80);
        if (v < 0x80) break;
    }
    append(r, head, n);
    head[0] = (uint8_t)kind;
    append(r, head, 1);
    append(r, r->body.head, r->body.head_size);
    for (size_t i = 0; i < r->body.piece_count; i++)
        append(r, r->body.pieces[i].data, r->body.pieces[i].size);
}

static void outer_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct qe_recorder *r = user;
    r->inner->random(r->inner->user, purpose, out, size);
    if (!r->buffer) return;
    qe_record_body_clear(&r->body);
    qe_record_put8(&r->body, (uint8_t)purpose);
    qe_record_put_piece(&r->body, out, size);
    emit(r, QE_RECORD_RANDOM);
}

static int outer_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct qe_recorder *r = user;
    int result = r->inner->secret(r->inner->user, key, operation, input, out, size);
    if (!r->buffer) return result;
    qe_record_body_clear(&r->body);
    qe_record_put8(&r->body, (uint8_t)key);
    qe_record_put8(&r->body, (uint8_t)operation);
    qe_record_put8(&r->body, result != 0);
    if (result == 0) qe_record_put_piece(&r->body, out, size);
    emit(r, QE_RECORD_SECRET);
    return result;
}

static struct qe_buf *outer_buf_new(void *user)
{
    struct qe_recorder *r = user;
    return r->inner->buf_new(r->inner->user);
}

static void outer_buf_free(void *user, struct qe_buf *buf)
{
    struct qe_recorder *r = user;
    r->inner->buf_free(r->inner->user, buf);
}

static void outer_trace(void *user, const struct qe_trace *trace)
{
    struct qe_recorder *r = user;
    r->inner->trace(r->inner->user, trace);
}

static bool outer_act(void *user, struct qe_tls_act *act)
{
    struct qe_recorder *r = user;
    if (!r->inner->seam->next(r->inner->seam->user, act)) return false;
    if (!r->buffer) return true;
    qe_record_body_clear(&r->body);
    qe_record_put_tls(&r->body, act);
    emit(r, QE_RECORD_TLS);
    return true;
}

static bool outer_fault(void *user, enum qe_fault_point point)
{
    struct qe_recorder *r = user;
    bool fires = r->inner->fault(r->inner->user, point);
    if (!r->buffer) return fires;
    qe_record_body_clear(&r->body);
    qe_record_put8(&r->body, (uint8_t)point);
    qe_record_put8(&r->body, fires);
    emit(r, QE_RECORD_FAULT);
    return fires;
}

static void outer_sealing(void *user, struct qe_span header, struct qe_span plain)
{
    struct qe_recorder *r = user;
    r->inner->seam->sealing(r->inner->seam->user, header, plain);
}

static void outer_keylog(void *user, const char *line)
{
    struct qe_recorder *r = user;
    r->inner->keylog(r->inner->user, line);
}

static void outer_qlog(void *user, const struct qe_qlog *qlog)
{
    struct qe_recorder *r = user;
    r->inner->qlog(r->inner->user, qlog);
}

struct qe_recorder *qe_recorder_new(
    const struct qe_host *host, const struct qe_record_sink *sink, uint8_t *buffer, const struct qe_record_hash *hash)
{
    struct qe_recorder *r = qe_zalloc(&host->mem, 1, sizeof *r);
    if (!r) return NULL;
    r->inner = host;
    r->outer = *host;
    r->outer.user = r;
    r->outer.random = outer_random;
    r->outer.secret = outer_secret;
    r->outer.buf_new = outer_buf_new;
    r->outer.buf_free = outer_buf_free;
    r->outer.trace = host->trace ? outer_trace : NULL;
    r->outer.keylog = host->keylog ? outer_keylog : NULL;
    r->outer.qlog = host->qlog ? outer_qlog : NULL;
    r->outer.fault = host->fault ? outer_fault : NULL;
    if (host->seam && host->seam->next) {
        r->seam = (struct qe_seam){.user = r, .next = outer_act};
        if (host->seam->sealing) r->seam.sealing = outer_sealing;
        r->outer.seam = &r->seam;
    }
    r->sink = *sink;
    r->buffer = buffer;
    r->hash = *hash;
    qe_record_body_init(&r->body, &host->mem);
    return r;
}

void qe_recorder_free(struct qe_recorder *r)
{
    if (!r) return;
    qe_record_body_fini(&r->body);
    qe_free(&r->inner->mem, r);
}

int qe_recorder_node_new(
    struct qe_recorder *r, struct qe_node **node, const struct qe_config *config, uint64_t now_ns, uint64_t wall_ms)
{
    qe_record_body_clear(&r->body);
    qe_record_put(&r->body, now_ns);
    qe_record_put(&r->body, wall_ms);
    qe_record_put_bytes(&r->body, r->inner->identity.bytes, sizeof r->inner->identity.bytes);
    qe_record_put_bytes(&r->body, r->hash.key, sizeof r->hash.key);
    qe_record_put_config(&r->body, config);
    r->clock = (struct qe_record_clock){now_ns, wall_ms};
    if (r->buffer) emit(r, QE_RECORD_NODE);
    return qe_node_new(node, config, &r->outer, now_ns, wall_ms);
}

void qe_recorder_step(struct qe_recorder *r, struct qe_node *node, const struct qe_event *event)
{
    if (r->buffer) {
        qe_record_body_clear(&r->body);
        qe_record_put_event(&r->body, event, &r->clock);
        emit(r, QE_RECORD_EVENT);
    }
    qe_node_step(node, event);
}

bool qe_recorder_next(struct qe_recorder *r, struct qe_node *node, struct qe_action *action)
{
    bool got = qe_node_next(node, action);
    if (!r->buffer) return got;
    qe_record_body_clear(&r->body);
    if (got)
        qe_record_put_action(&r->body, action, &r->hash);
    else
        qe_record_put(&r->body, qe_node_deadline(node));
    emit(r, got ? QE_RECORD_ACTION : QE_RECORD_IDLE);
    return got;
}

void qe_recorder_flush(struct qe_recorder *r)
{
    if (r->buffer && r->used) turn(r);
}

void qe_recorder_end(struct qe_recorder *r, enum qe_record_end end)
{
    if (!r->buffer) return;
    r->sink.block(r->sink.user, r->buffer, r->used, end);
    r->buffer = NULL;
    r->used = 0;
}
