// The client's side: dialling, resuming, and moving to another local address.
#include "quic/seam_internal.h"

#include "quic/ticket.h"

// A client's first destination ID is unpredictable and at least this long (RFC 9000 §7.2).
#define FIRST_DCID_SIZE 8

// The path of a binding as ngtcp2 sees it: a made-up local address that stays as long as the binding does.
static void binding_path(size_t index, ngtcp2_path *path, ngtcp2_sockaddr_union *local, ngtcp2_sockaddr_union *remote,
    const struct qe_addr *to)
{
    struct qe_addr made_up = {.ip.family = to->ip.family, .port = (uint16_t)(index + 1)};
    qe_path_address(local, &path->local, &made_up, 0);
    qe_path_address(remote, &path->remote, to, 0);
    path->user_data = (void *)(uintptr_t)index;
}

// Which of the client's paths a datagram came by.
void qe_conn_client_path(const struct qe_conn *conn, const struct qe_datagrams *in, ngtcp2_path *path,
    ngtcp2_sockaddr_union *local, ngtcp2_sockaddr_union *remote)
{
    size_t index = conn->binding;
    for (size_t i = 0; i < QE_BINDINGS; i++) {
        size_t candidate = (conn->binding + QE_BINDINGS - i) % QE_BINDINGS;
        const struct qe_binding *binding = &conn->bindings[candidate];
        if (!binding->used || binding->socket != in->socket) continue;
        if (binding->local.ip.family != 0 && in->local.ip.family != 0 &&
            !qe_ip_equal(&binding->local.ip, &in->local.ip))
            continue;
        index = candidate;
        break;
    }
    binding_path(index, path, local, remote, &in->remote);
}

// Gives TLS the session of a ticket.
static enum qe_tls_resume use_session(struct qe_conn *conn, const struct qe_ticket *ticket)
{
    struct qe_key key;
    enum qe_tls_resume how = QE_TLS_RESUME_NOT;
    SSL_SESSION *session = qe_tls_session_decode(conn->quic->host->tls, ticket->session, &key);
    // The session must be of the peer that the ticket names: TLS asks nobody about a resumed session's key.
    if (session && qe_key_equal(&key, &ticket->key) && SSL_set_session(conn->ssl, session))
        how = SSL_SESSION_get_max_early_data(session) == 0 ? QE_TLS_RESUME_LATE : QE_TLS_RESUME_EARLY;
    SSL_SESSION_free(session);
    return how;
}

// Takes up the session of a ticket; 0-RTT where it allows that. A ticket that does not work out is as good as none.
static void resume(struct qe_conn *conn, struct qe_span stored)
{
    struct qe_ticket ticket;
    if (stored.size == 0 || QE_FAULT(conn->quic->host, TICKET_LOST) || !qe_ticket_decode(stored, &ticket)) return;
    if (conn->pinned && !qe_key_equal(&conn->key, &ticket.key)) return;
    enum qe_tls_resume how = qe_seam_is_null(conn->quic) ? QE_TLS_RESUME_NOT : use_session(conn, &ticket);
    if (!qe_seam_resume(conn, &how) || how == QE_TLS_RESUME_NOT) return;
    conn->key = ticket.key;
    conn->pinned = conn->key_known = true;
    if (how != QE_TLS_RESUME_EARLY) return;
    if (ngtcp2_conn_decode_and_set_0rtt_transport_params(conn->ng, ticket.parameters.data, ticket.parameters.size) != 0)
        return;
    if (conn->ssl) SSL_set_quic_tls_early_data_enabled(conn->ssl, 1);
    conn->early_offered = true;
    qe_conn_open_control(conn);
}

static int start(struct qe_conn *conn, const struct qe_quic_dial *dial)
{
    struct qe_quic *quic = conn->quic;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_sockaddr_union local, remote;
    ngtcp2_path path;
    ngtcp2_cid scid, dcid = {.datalen = FIRST_DCID_SIZE};
    quic->host->random(quic->host->user, QE_RANDOM_CONNECTION_ID, dcid.data, dcid.datalen);
    if (qe_conn_new_cid(conn, &scid) != 0) return -1;
    qe_conn_settings(conn, &settings, &params, dial->remote.ip.family);
    if (dial->handshake_timeout_ns) settings.handshake_timeout = dial->handshake_timeout_ns;
    binding_path(0, &path, &local, &remote, &dial->remote);
    const ngtcp2_callbacks callbacks = qe_conn_callbacks(quic);
    if (ngtcp2_conn_client_new(&conn->ng, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params,
            &quic->ngmem, conn) != 0)
        return -1;
    if (qe_conn_start_tls(conn, quic->tls.client) != 0) return -1;
    ngtcp2_conn_set_tls_native_handle(conn->ng, conn->tls);
    if (quic->options.keep_alive_ns) ngtcp2_conn_set_keep_alive_timeout(conn->ng, quic->options.keep_alive_ns);
    if (qe_control_queue(&conn->control, quic->mem, dial->early) != 0) return -1;
    if (quic->carried) qe_carried_on_said(conn, dial->early);
    conn->control.early = dial->early.size;
    resume(conn, dial->ticket);
    qe_conn_note_path(conn);
    return 0;
}

int qe_quic_dial(
    struct qe_quic *quic, const struct qe_quic_dial *dial, struct qe_conn **out, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    int result = -1;
    if (quic->conn_count >= quic->options.connections_max) return -1;
    qe_quic_enter(quic, &scope, now_ns, wall_ms);
    struct qe_conn *conn = qe_conn_alloc(quic);
    if (!conn) goto out;
    conn->client = conn->known = true;
    conn->inside = dial->socket == QE_QUIC_INSIDE;
    conn->dialled = conn->user = dial->user;
    if (dial->key) {
        conn->key = *dial->key;
        conn->pinned = conn->key_known = true;
    }
    conn->bindings[0] = (struct qe_binding){true, dial->socket, dial->interface, dial->local};
    if (qe_ip_is_unspecified(&dial->local.ip)) conn->bindings[0].local = (struct qe_addr){0};
    if (start(conn, dial) != 0) {
        qe_conn_free(conn);
        goto out;
    }
    quic->stats.handshakes++;
    qe_conn_ready(conn);
    qe_conn_schedule(conn);
    *out = conn;
    result = 0;
out:
    qe_tls_scope_leave(&scope);
    return result;
}

int qe_conn_migrate(struct qe_conn *conn, const struct qe_conn_place *to, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_tls_scope scope;
    ngtcp2_sockaddr_union local, remote;
    ngtcp2_path path;
    uint8_t next = (uint8_t)((conn->binding + 1) % QE_BINDINGS);
    if (!conn->client || !conn->confirmed || conn->over || conn->busy) return -1;
    binding_path(next, &path, &local, &remote, &conn->remote);
    const struct qe_binding before = conn->bindings[next];
    conn->bindings[next] = (struct qe_binding){true, to->socket, to->interface, to->local};
    if (qe_ip_is_unspecified(&to->local.ip)) conn->bindings[next].local = (struct qe_addr){0};
    qe_quic_enter(conn->quic, &scope, now_ns, wall_ms);
    conn->busy = true;
    int rv = qe_conn_catch_up(conn);
    if (rv == 0) rv = ngtcp2_conn_initiate_immediate_migration(conn->ng, &path, conn->quic->now_ns);
    conn->busy = false;
    if (rv == NGTCP2_ERR_NOMEM || rv == NGTCP2_ERR_CALLBACK_FAILURE) {
        // ngtcp2 may be half there already: neither place is right for it.
        qe_conn_fail(conn, rv);
        qe_conn_settle(conn);
    } else if (rv != 0) {
        conn->bindings[next] = before;
    }
    qe_tls_scope_leave(&scope);
    if (rv != 0) return -1;
    conn->binding = next;
    qe_conn_ready(conn);
    return 0;
}
