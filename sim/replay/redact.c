#include "replay/redact.h"

#include "engine/memory.h"
#include "replay/redact_input.h"
#include "replay/redact_invitation.h"
#include "replay/redact_packet.h"
#include "replay/spares.h"

#include "identity/network.h"
#include "node/cplane.h"
#include "quic/ticket.h"
#include "record/event.h"
#include "record/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What the first node drew, was answered, was told by TLS or sealed, and the second one has not yet.
enum item_kind { ITEM_RANDOM, ITEM_SECRET, ITEM_TLS, ITEM_SEALED, ITEM_FAULT };

struct item {
    enum item_kind kind;
    uint8_t tag; // purpose; operation
    int result;
    struct qe_tls_act act;
    size_t at, size; // of its bytes
    size_t header_size;
};

struct items {
    struct item *list;
    size_t first, count, capacity;
    uint8_t *bytes;
    size_t byte_count, byte_capacity;
};

struct redaction {
    const struct sim_redact_options *options;
    struct sim_redact_input input;
    bool first_pass;
    bool differs;
    char what[SIM_REPLAY_LINE_SIZE], expected[SIM_REPLAY_LINE_SIZE];
    struct qe_event event; // at hand
    struct items random, secret, tls, sealed, fault;
    struct qe_seam watching, null;
    struct qe_host host;
    struct qe_node *node;
    struct qe_recorder *recorder;
    struct qe_record_chain chain;
    uint8_t *buffer, *framed, *scratch;
    size_t scratch_size;
    struct qe_buf *free;
    bool unwritten;
};

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

static void diverge(struct redaction *r, const char *expected, const char *what)
{
    if (r->differs) return;
    r->differs = true;
    snprintf(r->expected, sizeof r->expected, "%s", expected);
    snprintf(r->what, sizeof r->what, "%s", what);
}

static struct item *push(struct items *items, const struct item *item, struct qe_span bytes)
{
    SIM_ROOM(items->list, items->count, items->capacity);
    struct item *made = &items->list[items->count++];
    *made = *item;
    made->at = items->byte_count;
    made->size = bytes.size;
    if (items->byte_capacity - items->byte_count < bytes.size) {
        items->byte_capacity = 2 * items->byte_capacity + bytes.size;
        items->bytes = sim_resize(items->bytes, items->byte_capacity, 1);
    }
    if (bytes.size) memcpy(items->bytes + items->byte_count, bytes.data, bytes.size);
    items->byte_count += bytes.size;
    return made;
}

static const struct item *pull(struct items *items)
{
    return items->first < items->count ? &items->list[items->first++] : NULL;
}

static void forget(struct items *items)
{
    items->first = items->count = items->byte_count = 0;
}

static void free_items(struct items *items)
{
    sim_release(items->list);
    sim_release(items->bytes);
}

// The first node, as it is watched.

static void on_acted(void *user, const struct qe_tls_act *act)
{
    struct redaction *r = user;
    if (r->first_pass) return;
    const struct item item = {.kind = ITEM_TLS, .act = *act};
    push(&r->tls, &item, act->bytes);
}

static void on_unmasked(void *user, const uint8_t *sample, const uint8_t mask[5])
{
    struct redaction *r = user;
    if (!r->first_pass) sim_redact_input_unmasked(&r->input, sample, mask);
}

static void on_opened(void *user, struct qe_span header, struct qe_span sealed, const uint8_t *plain)
{
    struct redaction *r = user;
    sim_redact_input_opened(&r->input, header, sealed, plain, r->first_pass);
}

// Copies both to r->scratch, one behind the other.
static struct qe_span join(struct redaction *r, struct qe_span first, struct qe_span second)
{
    size_t size = first.size + second.size;
    if (r->scratch_size < size) {
        r->scratch_size = 2 * size;
        r->scratch = sim_resize(r->scratch, r->scratch_size, 1);
    }
    if (first.size) memcpy(r->scratch, first.data, first.size);
    if (second.size) memcpy(r->scratch + first.size, second.data, second.size);
    return qe_span(r->scratch, size);
}

// Header and frames of a packet before sealing, as far as both nodes' must agree.
static struct qe_span comparable(struct redaction *r, struct qe_span header, struct qe_span plain)
{
    struct qe_span both = join(r, header, plain);
    sim_redact_frames(r->scratch + header.size, plain.size, SIM_REDACT_COMPARE, NULL);
    return both;
}

static void on_sealing(void *user, struct qe_span header, struct qe_span plain)
{
    struct redaction *r = user;
    const struct item item = {.kind = ITEM_SEALED, .header_size = header.size};
    if (r->first_pass || plain.size == 0) return;
    push(&r->sealed, &item, comparable(r, header, plain));
}

static void on_drew(void *user, enum qe_random purpose, struct qe_span bytes)
{
    struct redaction *r = user;
    const struct item item = {.kind = ITEM_RANDOM, .tag = (uint8_t)purpose};
    if (r->first_pass || purpose == QE_RANDOM_TLS) return;
    const struct item *kept = push(&r->random, &item, bytes);
    // Nothing else of that purpose is as long as an invitation's token.
    if (purpose == QE_RANDOM_SESSION && bytes.size == QE_INVITATION_TOKEN_SIZE)
        sim_redact_token(r->options->hash_key, r->random.bytes + kept->at);
}

// TLS signs what begins with 64 spaces (RFC 8446 §4.4.3), and nothing else does.
static bool is_of_tls(enum qe_secret_operation operation, struct qe_span input)
{
    if (operation != QE_SECRET_SIGN || input.size < 64) return false;
    for (size_t i = 0; i < 64; i++)
        if (input.data[i] != ' ') return false;
    return true;
}

static void on_answered(
    void *user, enum qe_secret_operation operation, struct qe_span input, int result, struct qe_span bytes)
{
    struct redaction *r = user;
    const struct item item = {.kind = ITEM_SECRET, .tag = (uint8_t)operation, .result = result};
    if (!r->first_pass && !is_of_tls(operation, input)) push(&r->secret, &item, bytes);
}

static void on_faulted(void *user, enum qe_fault_point point, bool fired)
{
    struct redaction *r = user;
    const struct item item = {.kind = ITEM_FAULT, .tag = (uint8_t)point, .result = fired};
    // This one is asked from inside TLS, where the second node does not come.
    if (!r->first_pass && point != QE_FAULT_EARLY_REFUSED) push(&r->fault, &item, qe_span(NULL, 0));
}

// The second node's host.

static bool null_fault(void *user, enum qe_fault_point point)
{
    struct redaction *r = user;
    // A daemon has no fault points, so its recording says nothing of them.
    if (r->fault.count == 0 || point == QE_FAULT_EARLY_REFUSED) return false;
    const struct item *item = pull(&r->fault);
    if (item && item->tag == (uint8_t)point) return item->result != 0;
    diverge(r, "another fault point, or none", "a fault point");
    return false;
}

static void null_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct redaction *r = user;
    const struct item *item = pull(&r->random);
    memset(out, 0, size);
    if (!item || item->tag != purpose || item->size != size) {
        diverge(r, "another draw, or none", "a draw of random bytes");
        return;
    }
    memcpy(out, r->random.bytes + item->at, size);
}

static int null_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct redaction *r = user;
    const struct item *item = pull(&r->secret);
    (void)key;
    (void)input;
    memset(out, 0, size);
    if (!item || item->tag != operation || item->size != size) {
        diverge(r, "another use of the secret key, or none", "a use of the secret key");
        return -1;
    }
    memcpy(out, r->secret.bytes + item->at, size);
    return item->result;
}

static bool null_next(void *user, struct qe_tls_act *act)
{
    struct redaction *r = user;
    const struct item *item = pull(&r->tls);
    if (!item) {
        diverge(r, "nothing of TLS", "a turn of TLS");
        return false;
    }
    *act = item->act;
    act->bytes = qe_span(r->tls.bytes + item->at, item->size);
    return true;
}

static void null_sealing(void *user, struct qe_span header, struct qe_span plain)
{
    struct redaction *r = user;
    char expected[SIM_REPLAY_LINE_SIZE], what[SIM_REPLAY_LINE_SIZE];
    if (plain.size == 0) return;
    const struct item *item = pull(&r->sealed);
    struct qe_span mine = comparable(r, header, plain);
    if (item && qe_span_equal(mine, qe_span(r->sealed.bytes + item->at, item->size))) return;
    size_t at = 0;
    while (item && at < mine.size && at < item->size && mine.data[at] == r->sealed.bytes[item->at + at])
        at++;
    snprintf(expected, sizeof expected, "a packet of %zu bytes before sealing", item ? item->size : 0);
    snprintf(what, sizeof what, "a packet of %zu bytes before sealing, other from byte %zu on", mine.size, at);
    diverge(r, expected, what);
}

static struct qe_buf *null_buf_new(void *user)
{
    struct redaction *r = user;
    return sim_spares_take(&r->free);
}

static void null_buf_free(void *user, struct qe_buf *buf)
{
    struct redaction *r = user;
    sim_spares_give(&r->free, buf);
}

static uint8_t *take_block(void *user, uint8_t *payload, size_t size, enum qe_record_end end)
{
    struct redaction *r = user;
    size = qe_record_frame_block(&r->chain, qe_span(payload, size), end, r->framed);
    if (fwrite(r->framed, 1, size, r->options->out) != size) r->unwritten = true;
    return r->buffer;
}

// What the first node had and the second did not ask for.
static void settle(struct redaction *r)
{
    if (r->random.first < r->random.count) diverge(r, "a draw of random bytes", "none");
    if (r->secret.first < r->secret.count) diverge(r, "a use of the secret key", "none");
    if (r->tls.first < r->tls.count) diverge(r, "a turn of TLS", "none");
    if (r->sealed.first < r->sealed.count) diverge(r, "a packet", "none");
    forget(&r->random);
    forget(&r->secret);
    forget(&r->tls);
    forget(&r->sealed);
    forget(&r->fault);
}

static void on_made(
    void *user, const struct qe_config *config, const struct qe_key *identity, uint64_t now_ns, uint64_t wall_ms)
{
    struct redaction *r = user;
    if (r->first_pass) return;
    r->host.identity = *identity;
    qe_node_free(r->node);
    r->node = NULL;
    if (!r->recorder) {
        const struct qe_record_sink sink = {r, take_block};
        struct qe_record_hash hash;
        memcpy(hash.key, r->options->hash_key, sizeof hash.key);
        r->recorder = qe_recorder_new(&r->host, &sink, r->buffer, &hash);
    }
    if (!r->recorder || qe_recorder_node_new(r->recorder, &r->node, config, now_ns, wall_ms) != 0) {
        r->node = NULL;
        diverge(r, "a node", "the node cannot be made");
    }
    settle(r);
}

static void on_stepping(void *user, const struct qe_event *event)
{
    struct redaction *r = user;
    sim_redact_input_begin(&r->input, event);
}

static uint8_t *redact_datagrams(struct redaction *r, const struct qe_event *event, struct qe_datagrams *out)
{
    size_t total = 0;
    for (size_t i = 0; i < event->datagrams.count; i++)
        total += event->datagrams.list[i].size;
    uint8_t *bytes = sim_obtain(1, total + 1), *at = bytes;
    for (size_t i = 0; i < event->datagrams.count; i++) {
        const struct qe_datagrams *d = &event->datagrams.list[i];
        out[i] = *d;
        out[i].bytes = at;
        for (uint32_t done = 0; done < d->size; done += d->segment_size) {
            uint32_t size = d->size - done < d->segment_size ? d->size - done : d->segment_size;
            if (d->socket == CPLANE_DNS_SOCKET)
                memcpy(at, d->bytes + done, size);
            else
                sim_redact_datagram(&r->input, qe_span(d->bytes + done, size), at);
            at += size;
        }
    }
    return bytes;
}

static void redact_packets(struct redaction *r, const struct qe_event *event, struct qe_packet_in *out)
{
    for (size_t i = 0; i < event->packets.count; i++) {
        struct qe_buf *from = event->packets.list[i].buf, *buf = null_buf_new(r);
        if (from->size) memcpy(qe_buf_bytes(buf), qe_buf_bytes(from), from->size);
        buf->size = from->size;
        out[i] = (struct qe_packet_in){buf, event->packets.list[i].offload};
        sim_redact_ip(qe_buf_bytes(buf), buf->size, &out[i].offload);
    }
}

// The secret part of a stored session, and those of stored invitations.
static uint8_t *redact_stored(const struct redaction *r, const struct qe_event *event)
{
    struct qe_ticket ticket;
    uint8_t *value = sim_obtain(1, event->stored.value.size + 1);
    if (event->stored.value.size) memcpy(value, event->stored.value.data, event->stored.value.size);
    if (strcmp(event->stored.key, QE_NETWORK_INVITATION_KEY) == 0)
        sim_redact_invitation(r->options->hash_key, (char *)value, event->stored.value.size);
    if (strncmp(event->stored.key, "invite/", 7) == 0) sim_redact_invite(value, event->stored.value.size);
    if (strncmp(event->stored.key, "ticket/", 7) != 0) return value;
    if (qe_ticket_decode(qe_span(value, event->stored.value.size), &ticket))
        memset((uint8_t *)(uintptr_t)ticket.session.data, 0, ticket.session.size);
    else
        memset(value, 0, event->stored.value.size);
    return value;
}

static void on_stepped(void *user, const struct qe_event *event)
{
    struct redaction *r = user;
    struct qe_event mine = *event;
    uint8_t *bytes = NULL;
    void *list = NULL;
    if (r->first_pass || r->differs || !r->node) return;
    if (event->kind == QE_EVENT_DATAGRAMS) {
        mine.datagrams.list = list = sim_obtain(event->datagrams.count + 1, sizeof(struct qe_datagrams));
        bytes = redact_datagrams(r, event, list);
    } else if (event->kind == QE_EVENT_PACKETS) {
        mine.packets.list = list = sim_obtain(event->packets.count + 1, sizeof(struct qe_packet_in));
        redact_packets(r, event, list);
    } else if (event->kind == QE_EVENT_STORED) {
        bytes = redact_stored(r, event);
        mine.stored.value.data = bytes;
    } else if (event->kind == QE_EVENT_COMMAND && event->command.verb == QE_COMMAND_JOIN && event->command.argument) {
        size_t size = strlen(event->command.argument);
        bytes = sim_obtain(1, size + 1);
        memcpy(bytes, event->command.argument, size + 1);
        sim_redact_invitation(r->options->hash_key, (char *)bytes, size);
        mine.command.argument = (const char *)bytes;
    }
    qe_recorder_step(r->recorder, r->node, &mine);
    settle(r);
    sim_release(bytes);
    sim_release(list);
    // What it points at is gone.
    sim_redact_input_begin(&r->input, NULL);
}

static bool same_send(const struct qe_send *a, const struct qe_send *b)
{
    return a->socket == b->socket && a->interface == b->interface && qe_addr_equal(&a->local, &b->local) &&
           qe_addr_equal(&a->remote, &b->remote) && a->segment_size == b->segment_size && a->ecn == b->ecn &&
           a->buf->size == b->buf->size;
}

static bool same_deliver(struct redaction *r, const struct qe_deliver *a, const struct qe_deliver *b)
{
    const struct qe_offload *x = &a->offload, *y = &b->offload;
    if (a->buf->size != b->buf->size || x->kind != y->kind || x->needs_checksum != y->needs_checksum ||
        x->checksum_valid != y->checksum_valid || x->header_size != y->header_size ||
        x->segment_size != y->segment_size)
        return false;
    // Both redacted once more: of a packet that came in pieces a sum is left, where its checksum needs it.
    const struct qe_span first = {qe_buf_bytes(a->buf), a->buf->size}, second = {qe_buf_bytes(b->buf), b->buf->size};
    join(r, first, second);
    sim_redact_ip(r->scratch, first.size, x);
    sim_redact_ip(r->scratch + first.size, second.size, x);
    return memcmp(r->scratch, r->scratch + first.size, first.size) == 0;
}

// Whether the two did the same, sealed bytes and what programs sent aside.
static bool same(struct redaction *r, const struct qe_action *a, const struct qe_action *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case QE_ACTION_SEND:
        return same_send(&a->send, &b->send);
    case QE_ACTION_DELIVER:
        return same_deliver(r, &a->deliver, &b->deliver);
    case QE_ACTION_STORE:
        return strcmp(a->store.key, b->store.key) == 0 && a->store.value.size == b->store.value.size;
    case QE_ACTION_REPLY:
        return a->reply.command == b->reply.command && a->reply.status == b->reply.status &&
               a->reply.body.size == b->reply.body.size;
    default: {
        // The others hold nothing that is redacted.
        static const struct qe_record_hash hash;
        struct qe_record_body x, y;
        qe_record_body_init(&x, &plain_mem);
        qe_record_body_init(&y, &plain_mem);
        qe_record_put_action(&x, a, &hash);
        qe_record_put_action(&y, b, &hash);
        bool equal = qe_span_equal(qe_span(x.head, x.head_size), qe_span(y.head, y.head_size));
        qe_record_body_fini(&x);
        qe_record_body_fini(&y);
        return equal;
    }
    }
}

static void describe(const struct qe_action *action, char *out, size_t size)
{
    static const struct qe_record_hash hash;
    struct qe_record_body body;
    if (!action) {
        snprintf(out, size, "no action");
        return;
    }
    qe_record_body_init(&body, &plain_mem);
    qe_record_put_action(&body, action, &hash);
    qe_record_describe_action(qe_span(body.head, body.head_size), out, size);
    qe_record_body_fini(&body);
}

static void on_acting(void *user, const struct qe_action *action)
{
    struct redaction *r = user;
    struct qe_action mine;
    char expected[SIM_REPLAY_LINE_SIZE], what[SIM_REPLAY_LINE_SIZE];
    if (r->first_pass || r->differs || !r->node) return;
    bool got = qe_recorder_next(r->recorder, r->node, &mine);
    if (got != (action != NULL) || (got && !same(r, action, &mine))) {
        describe(action, expected, sizeof expected);
        describe(got ? &mine : NULL, what, sizeof what);
        diverge(r, expected, what);
    }
    if (got && mine.kind == QE_ACTION_SEND) null_buf_free(r, mine.send.buf);
    if (got && mine.kind == QE_ACTION_DELIVER) null_buf_free(r, mine.deliver.buf);
    settle(r);
}

static bool on_failed(void *user)
{
    const struct redaction *r = user;
    return r->differs || r->unwritten;
}

static void init(struct redaction *r, const struct sim_redact_options *options)
{
    *r = (struct redaction){.options = options, .first_pass = true};
    sim_redact_input_init(&r->input);
    r->watching = (struct qe_seam){
        .user = r, .acted = on_acted, .unmasked = on_unmasked, .opened = on_opened, .sealing = on_sealing};
    r->null = (struct qe_seam){.user = r, .next = null_next, .sealing = null_sealing};
    r->host = (struct qe_host){.user = r,
        .tls = options->tls,
        .mem = plain_mem,
        .seam = &r->null,
        .random = null_random,
        .secret = null_secret,
        .buf_new = null_buf_new,
        .buf_free = null_buf_free,
        .fault = null_fault};
    r->buffer = sim_obtain(1, QE_RECORD_BLOCK_MAX);
    r->framed = sim_obtain(1, QE_RECORD_FRAMED_MAX);
}

static void fini(struct redaction *r)
{
    qe_node_free(r->node);
    qe_recorder_free(r->recorder);
    sim_spares_free(&r->free);
    free_items(&r->random);
    free_items(&r->secret);
    free_items(&r->tls);
    free_items(&r->sealed);
    free_items(&r->fault);
    sim_redact_input_fini(&r->input);
    sim_release(r->buffer);
    sim_release(r->framed);
    sim_release(r->scratch);
}

// Replays the recording once, watched. False where it cannot be read.
static bool pass(struct redaction *r, struct sim_replay_result *result)
{
    const struct sim_replay_watch watch = {.user = r,
        .seam = &r->watching,
        .made = on_made,
        .stepping = on_stepping,
        .stepped = on_stepped,
        .acted = on_acting,
        .drew = on_drew,
        .answered = on_answered,
        .faulted = on_faulted,
        .failed = on_failed};
    struct qe_record_reader *reader = r->options->open(r->options->user);
    if (!reader) {
        *result = (struct sim_replay_result){.verdict = SIM_REPLAY_REFUSED};
        return false;
    }
    if (!r->first_pass) {
        struct qe_record_header header = reader->header;
        header.sealed = false;
        header.redacted = true;
        size_t size = qe_record_frame_header(&r->chain, &header, r->framed);
        if (fwrite(r->framed, 1, size, r->options->out) != size) r->unwritten = true;
    }
    const struct sim_replay_options options = {
        .reader = reader, .tls = r->options->tls, .events_max = UINT64_MAX, .cut = r->options->cut, .watch = &watch};
    sim_replay(&options, result);
    enum qe_record_end end = reader->end == QE_RECORD_GOES_ON ? QE_RECORD_STOPPED : reader->end;
    if (r->recorder) qe_recorder_end(r->recorder, end);
    r->options->close(r->options->user, reader);
    return result->verdict == SIM_REPLAY_SAME;
}

void sim_redact(const struct sim_redact_options *options, struct sim_replay_result *result)
{
    struct redaction r;
    init(&r, options);
    if (pass(&r, result)) {
        r.first_pass = false;
        pass(&r, result);
    }
    if (r.differs && result->verdict == SIM_REPLAY_SAME) {
        result->verdict = SIM_REPLAY_DIFFERS;
        snprintf(result->event, sizeof result->event, "event %" PRIu64, result->events);
        snprintf(result->recorded, sizeof result->recorded, "%s", r.expected);
        snprintf(result->replayed, sizeof result->replayed, "%s", r.what);
    }
    if (r.unwritten && result->verdict == SIM_REPLAY_SAME) {
        result->verdict = SIM_REPLAY_REFUSED;
        snprintf(result->error, sizeof result->error, "cannot be written: %s", strerror(errno));
    }
    fini(&r);
}
