#include "bare.h"

#include "base/time.h"

#include <assert.h>

static bool on_allow(void *user, const struct qe_key *key, void *dialled)
{
    (void)user, (void)key, (void)dialled;
    return true;
}

static void on_connected(void *user, struct qe_conn *conn, bool early)
{
    struct bare *bare = user;
    if (conn != bare->conn) return;
    bare->connected = true;
    bare->exported = !early && qe_conn_export(conn, bare->exporter) == 0;
}

static void on_conn(void *user, struct qe_conn *conn)
{
    (void)user, (void)conn;
}

static void on_closed(void *user, struct qe_conn *conn, struct qe_conn_close why)
{
    struct bare *bare = user;
    bare->closed++;
    if (conn != bare->conn) return;
    bare->conn = NULL;
    bare->connected = false;
    bare->why = why;
}

static void on_bytes(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    (void)user, (void)conn, (void)bytes;
}

static void on_control(void *user, struct qe_conn *conn, struct qe_span bytes)
{
    struct bare *bare = user;
    size_t room = sizeof bare->heard - bare->heard_size;
    size_t size = bytes.size < room ? bytes.size : room;
    if (conn != bare->conn || size == 0) return;
    memcpy(bare->heard + bare->heard_size, bytes.data, size);
    bare->heard_size += size;
}

static void on_datagram(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early)
{
    struct bare *bare = user;
    (void)conn, (void)ecn, (void)early;
    bare->received++;
    if (bare->on_frame) bare->on_frame(bare, bytes);
}

static void drop_first(struct bare *bare)
{
    bare->first = (bare->first + 1) % BARE_QUEUE_MAX;
    bare->count--;
}

static bool on_next_datagram(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out)
{
    struct bare *bare = user;
    if (conn != bare->conn) return false;
    while (bare->count > 0 && bare->queue[bare->first].size > size_max)
        drop_first(bare);
    if (bare->count == 0) return false;
    out->pieces[0] = qe_span(bare->queue[bare->first].bytes, bare->queue[bare->first].size);
    out->piece_count = 1;
    return true;
}

static void on_datagram_taken(void *user, struct qe_conn *conn)
{
    (void)conn;
    drop_first(user);
}

static bool on_responsive(void *user, struct qe_conn *conn, bool responsive)
{
    (void)user, (void)conn, (void)responsive;
    return true;
}

void bare_init(struct bare *bare, struct world_host *host)
{
    memset(bare, 0, sizeof *bare);
    const struct qe_quic_options options = {.host = &host->host,
        .owner = {.user = bare,
            .allow = on_allow,
            .connected = on_connected,
            .confirmed = on_conn,
            .closed = on_closed,
            .control = on_control,
            .datagram = on_datagram,
            .next_datagram = on_next_datagram,
            .datagram_taken = on_datagram_taken,
            .ticket = on_bytes,
            .moved = on_conn,
            .responsive = on_responsive},
        .handshakes_max = 16,
        .connections_max = 1024,
        .idle_timeout_ns = 30 * QE_NS_PER_S,
        .handshake_timeout_ns = 4 * QE_NS_PER_S};
    assert(!host->node && !host->bare);
    bare->host = host;
    int rc = qe_quic_new(&bare->quic, &options, host->world->now_ns, 1700000000000);
    assert(rc == 0);
    host->bare = bare->quic;
}

void bare_fini(struct bare *bare)
{
    bare->host->bare = NULL;
    qe_quic_free(bare->quic);
}

int bare_dial(struct bare *bare, const struct world_host *to)
{
    const struct qe_quic_dial dial = {.key = &to->host.identity,
        .socket = 1,
        .local = {qe_ip4(0, 0, 0, 0), QE_DEFAULT_PORT, 0},
        .remote = {to->ip, QE_DEFAULT_PORT, 0}};
    struct world *w = bare->host->world;
    bare->exported = false;
    bare->heard_size = 0;
    int rc = qe_quic_dial(bare->quic, &dial, &bare->conn, w->now_ns, 1700000000000);
    if (rc == 0) world_bare_flush(bare->host);
    return rc;
}

bool bare_datagram(struct bare *bare, const void *bytes, size_t size)
{
    if (!bare->conn || bare->count == BARE_QUEUE_MAX || size > BARE_DATAGRAM_MAX) return false;
    size_t at = (bare->first + bare->count++) % BARE_QUEUE_MAX;
    if (size > 0) memcpy(bare->queue[at].bytes, bytes, size);
    bare->queue[at].size = size;
    qe_conn_wake(bare->conn);
    world_bare_flush(bare->host);
    return true;
}

void bare_control(struct bare *bare, const void *bytes, size_t size)
{
    if (!bare->conn) return;
    qe_conn_control_send(bare->conn, qe_span(bytes, size));
    world_bare_flush(bare->host);
}
