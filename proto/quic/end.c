// How connections end. The owner hears of it at once; memory follows when ngtcp2 has let go. What remains for three
// probe timeouts is a grave: the goodbye, said again to whoever has not heard it (RFC 9000 §10.2.1), and the connection
// IDs, so that late packets are not answered as if we had forgotten.
#include "quic/internal.h"

#include "wire/wire.h"

#include <assert.h>

#define GOODBYE_SIZE_MAX 1200
#define GRAVE_NS_MAX     (3 * QE_NS_PER_S)

// RFC 9001 §4.8: a TLS alert is the transport error 0x100 + alert.
#define CRYPTO_ERROR         0x100
#define CRYPTO_ERROR_LAST    0x1ff
#define ALERT_ACCESS_DENIED  49
#define ALERT_INTERNAL_ERROR 80

void qe_conn_end(struct qe_conn *conn, struct qe_conn_close why)
{
    struct qe_quic *quic = conn->quic;
    if (conn->over) return;
    conn->over = true;
    if (!conn->established && why.end == QE_CONN_END_REFUSED) {
        quic->stats.handshakes_refused++;
        if (quic->host->trace) {
            struct qe_trace trace = {.now_ns = quic->now_ns, .name = "quic.refused", .a = why.code, .b = conn->client};
            if (conn->key_known) trace.peer = qe_node_id_from_key(&conn->key);
            quic->host->trace(quic->host->user, &trace);
        }
    }
    if (!conn->established && why.end == QE_CONN_END_HANDSHAKE) quic->stats.handshakes_timed_out++;
    if (conn->known) quic->options.owner.closed(quic->options.owner.user, conn, why);
}

// The peer has said why.
static struct qe_conn_close why_draining(const struct qe_conn *conn)
{
    if (conn->reset) return (struct qe_conn_close){QE_CONN_END_RESET, 0};
    const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr2(conn->ng);
    if (error->type == NGTCP2_CCERR_TYPE_APPLICATION)
        return (struct qe_conn_close){QE_CONN_END_REMOTE, error->error_code};
    if (error->error_code >= CRYPTO_ERROR && error->error_code <= CRYPTO_ERROR_LAST)
        return (struct qe_conn_close){QE_CONN_END_REFUSED, error->error_code - CRYPTO_ERROR};
    if (error->error_code == NGTCP2_NO_ERROR || error->error_code == NGTCP2_APPLICATION_ERROR)
        return (struct qe_conn_close){QE_CONN_END_REMOTE, 0};
    return (struct qe_conn_close){QE_CONN_END_ERROR, error->error_code};
}

void qe_conn_fail(struct qe_conn *conn, int rv)
{
    ngtcp2_ccerr *say = &conn->goodbye;
    struct qe_conn_close why = {QE_CONN_END_ERROR, 0};
    if (conn->over && rv != NGTCP2_ERR_DRAINING) return;
    switch (rv) {
    case NGTCP2_ERR_DRAINING:
    case NGTCP2_ERR_CLOSING:
        conn->silent = true;
        why = why_draining(conn);
        break;
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        conn->silent = true;
        why.end = conn->established ? QE_CONN_END_IDLE : QE_CONN_END_HANDSHAKE;
        break;
    case NGTCP2_ERR_DROP_CONN:
        conn->silent = true;
        qe_conn_forget_cids(conn);
        why.end = QE_CONN_END_HANDSHAKE;
        break;
    case NGTCP2_ERR_RETRY: // the end of a ClientHello came before its beginning
        conn->silent = conn->retry = true;
        qe_conn_forget_cids(conn);
        break;
    case NGTCP2_ERR_CRYPTO: {
        uint8_t alert = ngtcp2_conn_get_tls_alert2(conn->ng);
        ngtcp2_ccerr_set_tls_alert(say, alert, NULL, 0);
        why.code = alert;
        if (!conn->established && alert != ALERT_INTERNAL_ERROR) why.end = QE_CONN_END_REFUSED;
        break;
    }
    default:
        if (conn->refused) {
            ngtcp2_ccerr_set_tls_alert(say, ALERT_ACCESS_DENIED, NULL, 0);
            why = (struct qe_conn_close){QE_CONN_END_REFUSED, ALERT_ACCESS_DENIED};
            break;
        }
        ngtcp2_ccerr_set_liberr(say, rv, NULL, 0);
        why.code = say->error_code;
    }
    qe_conn_end(conn, why);
}

static uint64_t of_goodbye(const ngtcp2_ccerr *goodbye)
{
    bool stops = goodbye->type == NGTCP2_CCERR_TYPE_APPLICATION && goodbye->error_code == QE_CLOSE_GOODBYE;
    return stops ? QE_CARRIED_BIT(GOODBYE) : QE_CARRIED_BIT(CLOSE);
}

// Writes the goodbye while there is still something to encrypt it with.
static void write_goodbye(struct qe_conn *conn)
{
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info = {0};
    struct qe_quic *quic = conn->quic;
    ngtcp2_path_storage_zero(&path);
    uint8_t *bytes = qe_alloc(quic->mem, GOODBYE_SIZE_MAX);
    if (!bytes) return;
    if (quic->carried) quic->carried->packet = 0;
    ngtcp2_ssize size = ngtcp2_conn_write_connection_close(
        conn->ng, &path.path, &info, bytes, GOODBYE_SIZE_MAX, &conn->goodbye, quic->now_ns);
    if (size <= 0) {
        qe_free(quic->mem, bytes);
        return;
    }
    if (quic->carried) conn->grave_carried = quic->carried->packet | of_goodbye(&conn->goodbye);
    uint8_t *smaller = qe_realloc(quic->mem, bytes, 1, (size_t)size);
    conn->grave_bytes = smaller ? smaller : bytes;
    conn->grave_size = (uint32_t)size;
    qe_conn_route(conn, &path.path, &conn->grave_send);
    conn->grave_send.ecn = (uint8_t)info.ecn;
}

void qe_conn_settle(struct qe_conn *conn)
{
    struct qe_quic *quic = conn->quic;
    if (!conn->over || conn->busy || conn->grave) return;
    if (!conn->silent && !ngtcp2_conn_in_draining_period2(conn->ng)) write_goodbye(conn);
    conn->grave_stay_ns = qe_time_min(3 * ngtcp2_conn_get_pto2(conn->ng), GRAVE_NS_MAX);
    qe_conn_free_engine(conn);

    if (conn->counted) quic->handshake_count--;
    conn->counted = false;
    conn->grave = true;
    quic->conn_count--;
    quic->grave_count++;
    qe_list_remove(&conn->ready);
    qe_list_remove(&conn->link);
    qe_list_append(&quic->graves, &conn->link);
    // An owner closes between events too, when the clock here is an old one: the goodbye's sending sets it right.
    qe_heap_set(&quic->heap, &conn->timer, quic->now_ns + (conn->grave_bytes ? GRAVE_NS_MAX : conn->grave_stay_ns));
    if (conn->grave_bytes) qe_conn_ready(conn);
    // Graves are a courtesy: the oldest gives way.
    if (quic->grave_count > quic->options.connections_max)
        qe_conn_free(qe_container(quic->graves.next, struct qe_conn, link));
}

void qe_conn_on_straggler(struct qe_conn *conn)
{
    assert(conn->grave);
    conn->stragglers++;
    // Ever more rarely: at the 1st, 2nd, 4th, 8th … packet.
    if (conn->grave_bytes && (conn->stragglers & (conn->stragglers - 1)) == 0) qe_conn_ready(conn);
}

void qe_conn_close(struct qe_conn *conn, uint64_t code)
{
    struct qe_tls_scope scope;
    if (conn->over) return;
    ngtcp2_ccerr_set_application_error(
        &conn->goodbye, code < (UINT64_C(1) << 62) ? code : (UINT64_C(1) << 62) - 1, NULL, 0);
    qe_tls_scope_enter(&scope, conn->quic->host, conn->quic->wall_ms);
    qe_conn_end(conn, (struct qe_conn_close){QE_CONN_END_LOCAL, code});
    qe_conn_settle(conn);
    qe_tls_scope_leave(&scope);
}
