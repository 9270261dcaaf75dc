// The endpoint: which connection a datagram belongs to, whose timer is due, and whose turn it is to write. Nothing here
// is linear in the number of connections.
#include "base/mutants.h"
#include "quic/seam_internal.h"

#include <assert.h>

#define FORM_LONG 0x80
#define FIXED_BIT 0x40

static void *ng_malloc(size_t size, void *user)
{
    return qe_alloc(user, size);
}

static void ng_free(void *ptr, void *user)
{
    qe_free(user, ptr);
}

static void *ng_calloc(size_t count, size_t size, void *user)
{
    return qe_zalloc(user, count, size);
}

static void *ng_realloc(void *ptr, size_t size, void *user)
{
    return qe_realloc(user, ptr, 1, size);
}

void qe_quic_enter(struct qe_quic *quic, struct qe_tls_scope *scope, uint64_t now_ns, uint64_t wall_ms)
{
    // ngtcp2 insists on time that never goes back.
    if (now_ns > quic->now_ns) quic->now_ns = now_ns;
    quic->wall_ms = wall_ms;
    qe_tls_scope_enter(scope, quic->host, wall_ms);
}

static struct qe_table *new_table(struct qe_quic *quic, size_t key_size, size_t count_max)
{
    uint8_t secret[16];
    quic->host->random(quic->host->user, QE_RANDOM_HASH, secret, sizeof secret);
    return qe_table_new(quic->mem, key_size, count_max, secret);
}

int qe_quic_new(struct qe_quic **out, const struct qe_quic_options *options, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    const struct qe_host *host = options->host;
    // Graves and the living.
    size_t total = 2 * (size_t)options->connections_max + 1;
    assert(options->lane < 32 && options->connections_max > 0);
    struct qe_quic *quic = qe_zalloc(&host->mem, 1, sizeof *quic);
    if (!quic) return -1;
    quic->options = *options;
    quic->host = host;
    quic->mem = &host->mem;
    quic->ngmem = (ngtcp2_mem){(void *)(uintptr_t)quic->mem, ng_malloc, ng_free, ng_calloc, ng_realloc};
    qe_quic_enter(quic, &scope, now_ns, wall_ms);
    quic->reset_at_ns = now_ns;
    qe_list_init(&quic->ready);
    qe_list_init(&quic->conns);
    qe_list_init(&quic->graves);
    qe_heap_init(&quic->heap, quic->mem);
    host->random(host->user, QE_RANDOM_CONNECTION_ID, quic->token_key, sizeof quic->token_key);
    if (host->tell_carried) quic->carried = qe_zalloc(quic->mem, 1, sizeof *quic->carried);
    quic->cids = new_table(quic, QE_CID_SIZE, total * QE_CONN_CIDS_MAX);
    quic->initials = new_table(quic, QE_INITIAL_KEY_SIZE, total);
    quic->resets = new_table(quic, QE_RESET_TOKEN_SIZE, total * QE_CONN_RESETS_MAX);
    const struct qe_tls_options tls = {
        .library = host->tls,
        .identity = &host->identity,
        .sessions_max = (size_t)options->connections_max * 8 < 1024 ? 1024 : (size_t)options->connections_max * 8,
        .keylog = options->host->keylog != NULL,
    };
    int result = -1;
    if (quic->cids && quic->initials && quic->resets && (quic->carried || !host->tell_carried) &&
        qe_heap_reserve(&quic->heap, total) == 0)
        result = qe_seam_is_null(quic) ? 0 : qe_tls_init(&quic->tls, &tls);
    qe_tls_scope_leave(&scope);
    if (result != 0) {
        qe_quic_free(quic);
        return -1;
    }
    *out = quic;
    return 0;
}

void qe_quic_free(struct qe_quic *quic)
{
    struct qe_tls_scope scope;
    if (!quic) return;
    qe_tls_scope_enter(&scope, quic->host, quic->wall_ms);
    while (!qe_list_empty(&quic->conns))
        qe_conn_free(qe_container(quic->conns.next, struct qe_conn, link));
    while (!qe_list_empty(&quic->graves))
        qe_conn_free(qe_container(quic->graves.next, struct qe_conn, link));
    qe_tls_fini(&quic->tls);
    qe_tls_scope_leave(&scope);
    qe_table_free(quic->cids);
    qe_table_free(quic->initials);
    qe_table_free(quic->resets);
    qe_heap_fini(&quic->heap);
    qe_free(quic->mem, quic->carried);
    qe_free(quic->mem, quic);
}

// Whether the connection is where the datagram came from, as far as that must not change.
static bool belongs(const struct qe_conn *conn, const struct qe_datagrams *in)
{
    if (!conn->inside && in->socket != QE_QUIC_INSIDE) return true;
    return conn->inside && in->socket == QE_QUIC_INSIDE && qe_addr_equal(&conn->remote, &in->remote);
}

// Whose datagram it is. NULL: nobody's, counted, and answered where that is due.
static struct qe_conn *find(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes)
{
    struct qe_conn *conn;
    if (bytes.size < 1 + QE_CID_SIZE || !(bytes.data[0] & FIXED_BIT)) {
        quic->stats.dropped_malformed++;
        return NULL;
    }
    if (bytes.data[0] & FORM_LONG) {
        // version (4), then the length of the destination ID and the ID (RFC 8999 §5.1)
        uint8_t size = bytes.size > 5 ? bytes.data[5] : 0;
        if (size == QE_CID_SIZE && bytes.size >= 6 + QE_CID_SIZE && (conn = qe_table_get(quic->cids, bytes.data + 6)))
            return conn;
        return qe_quic_accept(quic, in, bytes);
    }
    if ((conn = qe_table_get(quic->cids, bytes.data + 1))) return conn;
    // A stateless reset looks like a packet for nobody and ends in a token that its peer gave us (RFC 9000 §10.3.1).
    if (bytes.size > QE_RESET_TOKEN_SIZE &&
        (conn = qe_table_get(quic->resets, bytes.data + bytes.size - QE_RESET_TOKEN_SIZE)))
        return conn;
    quic->stats.dropped_unknown++;
    qe_quic_send_reset(quic, in, bytes);
    return NULL;
}

// Datagrams of one origin that follow each other for one connection share their path.
struct run {
    struct qe_conn *conn;
    uint8_t key[QE_CID_SIZE]; // of short headers
    bool short_header;
    ngtcp2_path path;
    ngtcp2_sockaddr_union local, remote;
};

static void run_begin(struct run *run, struct qe_conn *conn, const struct qe_datagrams *in)
{
    run->conn = conn;
    if (!conn || conn->grave) return;
    if (conn->client) {
        qe_conn_client_path(conn, in, &run->path, &run->local, &run->remote);
        return;
    }
    qe_path_address(&run->local, &run->path.local, &in->local, in->remote.ip.family);
    qe_path_address(&run->remote, &run->path.remote, &in->remote, 0);
    run->path.user_data = (void *)(uintptr_t)in->socket;
}

static void run_end(struct run *run)
{
    if (run->conn && run->conn->ng) qe_conn_on_batch_read(run->conn);
    run->conn = NULL;
}

static void receive_one(struct qe_quic *quic, struct run *run, const struct qe_datagrams *in, struct qe_span bytes)
{
    bool short_header = bytes.size > QE_CID_SIZE && (bytes.data[0] & (FORM_LONG | FIXED_BIT)) == FIXED_BIT;
    if (in->socket != QE_QUIC_INSIDE) quic->stats.datagrams_received++;
    if (!(run->conn && run->short_header && short_header && memcmp(run->key, bytes.data + 1, QE_CID_SIZE) == 0)) {
        struct qe_conn *conn = find(quic, in, bytes);
        if (!conn) return;
        if (!belongs(conn, in)) {
            quic->stats.dropped_unknown++;
            return;
        }
        if (conn != run->conn) {
            run_end(run);
            run_begin(run, conn, in);
        }
        run->short_header = short_header;
        if (short_header) memcpy(run->key, bytes.data + 1, QE_CID_SIZE);
    }
    if (run->conn->grave)
        qe_conn_on_straggler(run->conn);
    else
        qe_conn_read(run->conn, &run->path, in->ecn, bytes);
    // What of a ClientHello comes before its beginning is kept only for a client that has proven its address; with the
    // token it sends all of it again.
    if (!run->conn->retry) return;
    qe_quic_ask_for_proof(quic, in, bytes);
    run->conn = NULL;
}

void qe_quic_set_keep_alive(struct qe_quic *quic, uint64_t keep_alive_ns)
{
    quic->options.keep_alive_ns = keep_alive_ns;
    for (struct qe_list *at = quic->conns.next; at != &quic->conns; at = at->next) {
        struct qe_conn *conn = qe_container(at, struct qe_conn, link);
        if (conn->grave || !conn->ng) continue;
        ngtcp2_conn_set_keep_alive_timeout(conn->ng, keep_alive_ns ? keep_alive_ns : UINT64_MAX);
        uint64_t due_ns = ngtcp2_conn_get_expiry2(conn->ng);
        if (due_ns < conn->timer.at_ns) qe_conn_schedule_at(conn, due_ns);
    }
}

void qe_quic_receive(struct qe_quic *quic, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    struct run run = {0};
    if (in->size == 0 || in->segment_size == 0 || in->remote.ip.family == 0) {
        quic->stats.datagrams_received++;
        quic->stats.dropped_malformed++;
        return;
    }
    qe_quic_enter(quic, &scope, now_ns, wall_ms);
    for (uint32_t at = 0; at < in->size; at += in->segment_size) {
        uint32_t left = in->size - at;
        receive_one(quic, &run, in, qe_span(in->bytes + at, left < in->segment_size ? left : in->segment_size));
    }
    run_end(&run);
    qe_tls_scope_leave(&scope);
}

void qe_quic_expire(struct qe_quic *quic, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    struct qe_timer *timer;
    qe_quic_enter(quic, &scope, now_ns, wall_ms);
    while ((timer = qe_heap_pop(&quic->heap, quic->now_ns))) {
        struct qe_conn *conn = qe_container(timer, struct qe_conn, timer);
        if (conn->grave) {
            // A goodbye that the host has had no room for is still to be said.
            if (conn->grave_bytes && !conn->grave_said)
                qe_heap_set(&quic->heap, &conn->timer, quic->now_ns + conn->grave_stay_ns + 1);
            else
                qe_conn_free(conn);
            continue;
        }
        conn->busy = true;
        int rv = qe_conn_catch_up(conn);
        if (rv == 0) rv = ngtcp2_conn_handle_expiry(conn->ng, quic->now_ns);
        conn->busy = false;
        if (rv != 0) {
            qe_conn_fail(conn, rv);
            qe_conn_settle(conn);
            continue;
        }
        qe_conn_judge(conn);
        qe_conn_ready(conn);
    }
    qe_tls_scope_leave(&scope);
}

uint64_t qe_quic_deadline(const struct qe_quic *quic)
{
    return qe_heap_deadline(&quic->heap);
}

bool qe_quic_writable(const struct qe_quic *quic)
{
    return !qe_list_empty(&quic->ready) || quic->answer_count > 0 || quic->stray_size > 0;
}

// One datagram that is there already; carried: what, where somebody asks.
static bool emit(struct qe_quic *quic, struct qe_buf *buf, struct qe_send *out, const struct qe_send *to,
    struct qe_span datagram, uint64_t carried)
{
    const uint32_t size = (uint32_t)datagram.size;
    assert(buf->capacity - buf->offset >= size);
    memcpy(qe_buf_bytes(buf), datagram.data, size);
    buf->size = size;
    *out = *to;
    out->buf = buf;
    out->segment_size = (uint16_t)size;
    if (quic->carried) {
        quic->carried->batch[0] = carried;
        out->carried = quic->carried->batch;
    }
    if (to->socket != QE_QUIC_INSIDE) quic->stats.datagrams_sent++;
    return true;
}

// The next connection's turn.
static bool next_conn(struct qe_quic *quic, struct qe_buf *buf, struct qe_send *out)
{
    while (!qe_list_empty(&quic->ready)) {
        struct qe_conn *conn = qe_container(quic->ready.next, struct qe_conn, ready);
        qe_list_remove(&conn->ready);
        if (conn->grave) {
            if (!conn->grave_bytes) continue;
            if (!conn->grave_said) qe_heap_set(&quic->heap, &conn->timer, quic->now_ns + conn->grave_stay_ns);
            conn->grave_said = true;
            return emit(
                quic, buf, out, &conn->grave_send, qe_span(conn->grave_bytes, conn->grave_size), conn->grave_carried);
        }
        if (qe_conn_write(conn, buf, out)) return true;
    }
    return false;
}

bool qe_quic_next(struct qe_quic *quic, struct qe_buf *buf, struct qe_send *out, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    bool result;
    qe_quic_enter(quic, &scope, now_ns, wall_ms);
    if (QE_MUTANT(stray_lost)) quic->stray_size = 0;
    if (quic->stray_size > 0) {
        result = emit(quic, buf, out, &quic->stray_to, qe_span(quic->stray, quic->stray_size),
            quic->carried ? quic->carried->stray : 0);
        quic->stray_size = 0;
    } else if (quic->answer_count > 0) {
        const struct qe_answer *answer = &quic->answers[quic->answer_first];
        result = emit(quic, buf, out, &answer->to, qe_span(answer->bytes, answer->size),
            quic->carried ? quic->carried->answers[quic->answer_first] : 0);
        quic->answer_first = (quic->answer_first + 1) % QE_ANSWERS_MAX;
        quic->answer_count--;
    } else {
        result = next_conn(quic, buf, out);
    }
    qe_tls_scope_leave(&scope);
    return result;
}

void qe_quic_demand_proof(struct qe_quic *quic, bool demand)
{
    quic->proof_demanded = demand;
}

const struct qe_quic_stats *qe_quic_stats(const struct qe_quic *quic)
{
    return &quic->stats;
}

size_t qe_quic_connection_count(const struct qe_quic *quic)
{
    return quic->conn_count;
}
