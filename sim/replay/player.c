// The recording leads: its next record says what the core was asked to do, and what it drew or answered meanwhile is
// taken from the records that follow.
#include "replay/player.h"

#include "engine/memory.h"
#include "replay/spares.h"

#include "base/time.h"
#include "record/config.h"
#include "record/event.h"
#include "record/recorder.h"
#include "record/tls.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Events between two calls of `progress`.
#define PROGRESS_EVENTS 4096

struct player {
    const struct sim_replay_options *options;
    struct sim_replay_result *result;
    struct qe_host host;
    struct qe_node *node;
    struct qe_record_hash hash;
    struct qe_record_clock clock;
    struct qe_record_body body; // of the action at hand
    struct qe_record record;    // the next one, where `peeked`
    bool peeked;
    bool over;                    // the recording has no more, or is not to be believed, or differs
    struct qe_record_event event; // at hand; all it points at stays until the next one
    bool at_event;
    uint8_t *bytes; // that its body was copied to, as a step reads records on
    size_t capacity;
    struct qe_buf *free;
    const struct sim_replay_watch *watch;
    struct qe_seam seam; // of a redacted recording
    uint8_t tls_bytes[QE_TLS_BYTES_MAX];
};

static bool peek(struct player *p)
{
    if (p->over) return false;
    if (!p->peeked) p->peeked = qe_record_reader_next(p->options->reader, &p->record);
    p->over = !p->peeked;
    return p->peeked;
}

static void refuse(struct player *p, const char *what)
{
    if (p->result->verdict == SIM_REPLAY_SAME) {
        p->result->verdict = SIM_REPLAY_REFUSED;
        snprintf(p->result->error, sizeof p->result->error, "damaged: %s, before byte %" PRIu64, what,
            p->options->reader->offset);
    }
    p->over = true;
}

static void describe_record(const struct qe_record *record, char out[SIM_REPLAY_LINE_SIZE])
{
    struct qe_reader r = qe_reader(record->body);
    switch (record->kind) {
    case QE_RECORD_ACTION:
        qe_record_describe_action(record->body, out, SIM_REPLAY_LINE_SIZE);
        break;
    case QE_RECORD_IDLE:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "no action, deadline_ns=%" PRIu64, qe_record_get(&r));
        break;
    case QE_RECORD_RANDOM:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "a draw of %zu bytes for purpose %u", record->body.size - 1, qe_read8(&r));
        break;
    case QE_RECORD_SECRET:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "a use of the secret key");
        break;
    case QE_RECORD_TLS:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "a turn of TLS");
        break;
    case QE_RECORD_FAULT:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "a fault point");
        break;
    case QE_RECORD_EVENT:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "nothing more before the next event");
        break;
    default:
        snprintf(out, SIM_REPLAY_LINE_SIZE, "the making of a node");
    }
}

static void describe_event(const struct player *p, char out[SIM_REPLAY_LINE_SIZE])
{
    char line[SIM_REPLAY_LINE_SIZE / 2];
    uint64_t at_ns = p->clock.now_ns - p->result->first_ns;
    if (!p->at_event) {
        snprintf(out, SIM_REPLAY_LINE_SIZE, "the making of the node");
        return;
    }
    qe_record_describe_event(&p->event.event, line, sizeof line);
    snprintf(out, SIM_REPLAY_LINE_SIZE, "event %" PRIu64 " at %" PRIu64 ".%09" PRIu64 " s: %s", p->result->events,
        at_ns / QE_NS_PER_S, at_ns % QE_NS_PER_S, line);
}

// What the core does now is not what the recording says next. Only the first difference counts.
static void differ(struct player *p, const char *replayed)
{
    struct sim_replay_result *result = p->result;
    if (result->verdict == SIM_REPLAY_SAME) {
        result->verdict = SIM_REPLAY_DIFFERS;
        describe_event(p, result->event);
        snprintf(result->replayed, sizeof result->replayed, "%s", replayed);
        describe_record(&p->record, result->recorded);
    }
    p->over = true;
}

static void play_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct player *p = user;
    char line[SIM_REPLAY_LINE_SIZE];
    memset(out, 0, size);
    if (!peek(p)) return;
    const struct qe_record *record = &p->record;
    if (record->kind != QE_RECORD_RANDOM || record->body.size != size + 1 || record->body.data[0] != purpose) {
        snprintf(line, sizeof line, "a draw of %zu bytes for purpose %d", size, (int)purpose);
        differ(p, line);
        return;
    }
    memcpy(out, record->body.data + 1, size);
    p->peeked = false;
    p->result->draws++;
    if (p->watch) p->watch->drew(p->watch->user, purpose, qe_span(out, size));
}

static int play_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct player *p = user;
    memset(out, 0, size);
    if (!peek(p)) return -1;
    struct qe_span body = p->record.body;
    bool right = p->record.kind == QE_RECORD_SECRET && body.size >= 3 && body.data[0] == key &&
                 body.data[1] == operation && body.data[2] <= 1 && body.size == 3 + (body.data[2] ? 0 : size);
    if (!right) {
        differ(p, "a use of the secret key");
        return -1;
    }
    memcpy(out, body.data + 3, body.size - 3);
    int result = body.data[2] ? -1 : 0;
    p->peeked = false;
    p->result->draws++;
    if (p->watch) p->watch->answered(p->watch->user, operation, input, result, qe_span(out, size));
    return result;
}

// A daemon has no fault points, so its recording has none.
static bool play_fault(void *user, enum qe_fault_point point)
{
    struct player *p = user;
    if (!peek(p) || p->record.kind != QE_RECORD_FAULT) return false;
    struct qe_span body = p->record.body;
    if (body.size != 2 || body.data[0] != (uint8_t)point || body.data[1] > 1) {
        differ(p, "another fault point");
        return false;
    }
    bool fires = body.data[1] != 0;
    p->peeked = false;
    if (p->watch) p->watch->faulted(p->watch->user, point, fires);
    return fires;
}

// In a redacted recording TLS is what the recording says it did.
static bool play_tls(void *user, struct qe_tls_act *act)
{
    struct player *p = user;
    if (!peek(p)) return false;
    struct qe_reader r = qe_reader(p->record.body);
    if (p->record.kind != QE_RECORD_TLS) {
        differ(p, "a turn of TLS");
        return false;
    }
    qe_record_get_tls(&r, act);
    if (r.failed) {
        refuse(p, "a turn of TLS that cannot be");
        return false;
    }
    if (act->bytes.size) memcpy(p->tls_bytes, act->bytes.data, act->bytes.size);
    act->bytes.data = p->tls_bytes;
    p->peeked = false;
    p->result->draws++;
    return true;
}

static struct qe_buf *play_buf_new(void *user)
{
    struct player *p = user;
    return sim_spares_take(&p->free);
}

static void play_buf_free(void *user, struct qe_buf *buf)
{
    struct player *p = user;
    sim_spares_give(&p->free, buf);
}

static void play_trace(void *user, const struct qe_trace *trace)
{
    struct player *p = user;
    char peer[QE_NODE_ID_TEXT_SIZE];
    fprintf(p->options->trace, "    trace %s peer=%s a=%" PRIu64 " b=%" PRIu64 "\n", trace->name,
        qe_node_id_format(&trace->peer, peer), trace->a, trace->b);
}

static void *plain_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *plain_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void plain_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static const struct qe_mem plain_mem = {NULL, plain_alloc, plain_realloc, plain_free};

static void play_node(struct player *p)
{
    struct qe_reader r = qe_reader(p->record.body);
    struct qe_config config;
    qe_node_free(p->node);
    p->node = NULL;
    p->clock.now_ns = qe_record_get_max(&r, INT64_MAX);
    p->clock.wall_ms = qe_record_get_max(&r, INT64_MAX / 1000);
    qe_read_copy(&r, p->host.identity.bytes, sizeof p->host.identity.bytes);
    qe_read_copy(&r, p->hash.key, sizeof p->hash.key);
    qe_record_get_config(&r, &config, &plain_mem);
    if (r.failed || qe_reader_left(&r) > 0) {
        refuse(p, "a configuration that cannot be");
        goto out;
    }
    p->peeked = false;
    if (!p->result->nodes++) p->result->first_ns = p->clock.now_ns;
    p->result->last_ns = p->clock.now_ns;
    if (p->at_event) qe_record_event_fini(&p->event);
    p->at_event = false;
    if (p->options->trace) fprintf(p->options->trace, "%" PRIu64 " node\n", p->clock.now_ns);
    if (qe_node_new(&p->node, &config, &p->host, p->clock.now_ns, p->clock.wall_ms) != 0) {
        p->node = NULL;
        if (peek(p)) differ(p, "the node cannot be made");
    } else if (p->watch) {
        p->watch->made(p->watch->user, &config, &p->host.identity, p->clock.now_ns, p->clock.wall_ms);
    }
out:
    qe_config_fini(&config);
}

// The node owns what it gets, so it gets buffers of the host's.
static void own_packets(struct player *p)
{
    for (size_t i = 0; i < p->event.event.packets.count; i++) {
        struct qe_buf *from = p->event.packets[i].buf, *buf = play_buf_new(p);
        if (from->size) memcpy(qe_buf_bytes(buf), qe_buf_bytes(from), from->size);
        buf->size = from->size;
        p->event.packets[i].buf = buf;
    }
}

static void read_event(struct player *p, struct qe_reader *r)
{
    size_t size = p->record.body.size;
    if (p->capacity < size) {
        p->capacity = 2 * size;
        p->bytes = sim_resize(p->bytes, p->capacity, 1);
    }
    if (size) memcpy(p->bytes, p->record.body.data, size);
    if (p->at_event) qe_record_event_fini(&p->event);
    *r = qe_reader(qe_span(p->bytes, size));
    qe_record_get_event(r, &p->event, &p->clock, &plain_mem);
    p->at_event = true;
    p->peeked = false;
}

static void play_event(struct player *p)
{
    struct qe_reader r;
    char line[SIM_REPLAY_LINE_SIZE];
    read_event(p, &r);
    if (r.failed) {
        refuse(p, "an event that cannot be");
        return;
    }
    p->result->events++;
    if (p->clock.now_ns > p->result->last_ns) p->result->last_ns = p->clock.now_ns;
    if (p->options->trace) {
        describe_event(p, line);
        fprintf(p->options->trace, "%s\n", line);
    }
    if (p->watch) p->watch->stepping(p->watch->user, &p->event.event);
    if (p->event.event.kind == QE_EVENT_PACKETS) own_packets(p);
    qe_node_step(p->node, &p->event.event);
    // For messages: the node has the others.
    for (size_t i = 0; p->event.event.kind == QE_EVENT_PACKETS && i < p->event.event.packets.count; i++)
        p->event.packets[i].buf = &p->event.bufs[i];
    if (p->watch && !p->over) p->watch->stepped(p->watch->user, &p->event.event);
}

static void give_back(struct player *p, const struct qe_action *action)
{
    if (action->kind == QE_ACTION_SEND) play_buf_free(p, action->send.buf);
    if (action->kind == QE_ACTION_DELIVER) play_buf_free(p, action->deliver.buf);
}

static void play_next(struct player *p)
{
    struct qe_action action;
    char line[SIM_REPLAY_LINE_SIZE];
    bool got = qe_node_next(p->node, &action);
    enum qe_record_kind kind = got ? QE_RECORD_ACTION : QE_RECORD_IDLE;
    qe_record_body_clear(&p->body);
    if (got)
        qe_record_put_action(&p->body, &action, &p->hash);
    else
        qe_record_put(&p->body, qe_node_deadline(p->node));
    struct qe_record now = {(uint8_t)kind, qe_span(p->body.head, p->body.head_size)};
    if (peek(p) && (p->record.kind != kind || !qe_span_equal(p->record.body, now.body))) {
        describe_record(&now, line);
        differ(p, line);
    }
    if (p->options->trace && got) {
        describe_record(&now, line);
        fprintf(p->options->trace, "    %s\n", line);
    }
    if (p->watch && !p->over) p->watch->acted(p->watch->user, got ? &action : NULL);
    if (got) give_back(p, &action);
    p->peeked = false;
    p->result->actions += got;
}

static void play(struct player *p)
{
    const struct sim_replay_options *o = p->options;
    while (peek(p)) {
        if (p->watch && p->watch->failed(p->watch->user)) break;
        if (p->record.kind == QE_RECORD_NODE) {
            play_node(p);
        } else if (!p->node) {
            refuse(p, "it does not begin with a node");
        } else if (p->record.kind == QE_RECORD_EVENT) {
            if (p->result->events >= o->events_max) break;
            play_event(p);
            if (o->progress && p->result->events % PROGRESS_EVENTS == 0) o->progress(o->user, o->reader);
        } else {
            play_next(p);
        }
    }
}

void sim_replay(const struct sim_replay_options *options, struct sim_replay_result *result)
{
    struct player p = {.options = options, .result = result, .watch = options->watch};
    *result = (struct sim_replay_result){.verdict = SIM_REPLAY_SAME};
    p.host = (struct qe_host){.user = &p,
        .tls = options->tls,
        .mem = plain_mem,
        .random = play_random,
        .secret = play_secret,
        .buf_new = play_buf_new,
        .buf_free = play_buf_free,
        .fault = play_fault,
        .trace = options->trace ? play_trace : NULL};
    p.seam = (struct qe_seam){.user = &p, .next = play_tls};
    p.host.seam = options->reader->header.redacted ? &p.seam : p.watch ? p.watch->seam : NULL;
    qe_record_body_init(&p.body, &plain_mem);
    play(&p);
    qe_node_free(p.node);
    qe_record_body_fini(&p.body);
    if (p.at_event) qe_record_event_fini(&p.event);
    sim_release(p.bytes);
    sim_spares_free(&p.free);
    const struct qe_record_reader *reader = options->reader;
    bool unread = reader->state == QE_RECORD_BAD || (reader->state == QE_RECORD_CUT && !options->cut);
    if (result->verdict == SIM_REPLAY_SAME && unread) {
        result->verdict = SIM_REPLAY_REFUSED;
        snprintf(result->error, sizeof result->error, "%s", reader->error);
    }
}
