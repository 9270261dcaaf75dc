// The endpoint and its connections from the inside; only proto/quic includes this.
//
// A connection lives in three stages. While `ng` is set it is alive. When it is over the owner is told at once, and as
// soon as ngtcp2 is not at work on it, it is buried: ngtcp2's and OpenSSL's state is freed and a grave remains that
// answers stragglers with the goodbye (RFC 9000 §10.2), until its timer frees that too.
#ifndef QE_QUIC_INTERNAL_H
#define QE_QUIC_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "base/time.h"
#include "quic/path.h"
#include "quic/quic.h"
#include "quic/scope.h"
#include "quic/tls.h"
#include "quic/token.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/ssl.h>

// Connection IDs of ours that one connection has at a time: ngtcp2 issues at most 8 and retires one by one.
#define QE_CONN_CIDS_MAX 16
// Stateless reset tokens of one peer: one for each of its connection IDs in use.
#define QE_CONN_RESETS_MAX 8
// Bytes waiting on a control stream, unacknowledged ones included.
#define QE_CONTROL_MAX (64 * 1024)
// Answers that need no connection, waiting to be sent; more are dropped, as the peer repeats what it asked.
#define QE_ANSWERS_MAX     32
#define QE_ANSWER_SIZE_MAX 192
// A datagram of ours never exceeds this: Ethernet's 1500 less IP (20 or 40) and UDP (8).
#define QE_PAYLOAD_MAX_IP4 1472
#define QE_PAYLOAD_MAX_IP6 1452
// Inside another connection: less what a DATAGRAM frame of that one costs, and the circuit's header.
#define QE_PAYLOAD_MAX_INSIDE (QE_PAYLOAD_MAX_IP4 - 28 - 4)
// First destination IDs of clients, as table keys: size (1) and bytes (20).
#define QE_INITIAL_KEY_SIZE (1 + QE_TOKEN_CID_MAX)

// Bytes queued on the control stream. Chunks never move: ngtcp2 points into them until they are acknowledged.
struct qe_control_chunk {
    struct qe_control_chunk *next;
    uint32_t size;
    uint32_t capacity;
    uint8_t bytes[];
};

struct qe_control {
    struct qe_control_chunk *head, *tail;
    uint64_t start;                // stream offset of head's first byte
    uint64_t end;                  // offset after the last byte queued
    uint64_t sent;                 // offset of the next byte to hand to ngtcp2
    uint64_t early;                // before the handshake is complete, only bytes up to this offset are sent
    struct qe_control_chunk *next; // the chunk that holds `sent`, NULL where everything is sent
    uint32_t next_at;              // where in it
    int64_t stream;                // -1: not open yet
    bool blocked;                  // by flow control
    bool greet;                    // the stream is open and no frame of it has been sent yet
};

// Where a path of ngtcp2 really runs. A client keeps a made-up local address for each, so that only a migration that we
// asked for looks like one.
struct qe_binding {
    bool used;
    uint32_t socket;
    uint32_t interface;
    struct qe_addr local;
};
#define QE_BINDINGS 4

// Where the control messages of a connection end, for a host that asks what datagrams carry; of those that are more
// nobody knows the type.
#define QE_CARRIED_MESSAGES_MAX 32

struct qe_carried_messages {
    size_t count;
    uint64_t ends[QE_CARRIED_MESSAGES_MAX]; // offsets in the control stream
    uint8_t types[QE_CARRIED_MESSAGES_MAX];
};

struct qe_conn {
    struct qe_quic *quic;
    ngtcp2_conn *ng; // NULL in a grave
    uint64_t number; // unique in the node's life
    SSL *ssl;
    ngtcp2_crypto_ossl_ctx *tls;
    ngtcp2_crypto_conn_ref ref;
    void *user;
    void *dialled; // the user pointer of qe_quic_dial
    struct qe_list link;
    struct qe_list ready;
    struct qe_timer timer;

    bool client;
    bool busy;        // ngtcp2 is at work on it: it must not be freed
    bool over;        // the owner has been told, or never knew
    bool known;       // the owner knows it: dialled, or told of
    bool counted;     // among the handshakes
    bool established; // told of
    bool complete;    // the TLS handshake
    bool confirmed;
    bool inside;        // its socket is QE_QUIC_INSIDE
    bool early_offered; // a client with 0-RTT keys
    bool early_accepted;
    bool refused;    // by allow
    bool reset;      // by a stateless reset
    bool wanted;     // the owner has datagrams
    bool ping;       // asked for
    bool validating; // a path of it is being validated
    bool silent;     // ends without a goodbye
    bool retry;      // ended because its client is to prove its address first
    bool grave;
    bool grave_said; // the goodbye has been sent once
    bool pinned;     // `key` must be the peer's
    bool asked;      // `allow` was, about `key`
    bool allowed;    // and what it said
    bool key_known;
    uint8_t ecn; // of the datagram being read
    uint8_t cid_count, reset_count, binding;
    uint8_t seam_level; // seam.c: of the handshake messages that the script submits next
    bool seam_resumed, seam_complete;

    struct qe_key key;
    struct qe_control control;
    struct qe_binding bindings[QE_BINDINGS]; // of a client
    // The path as the owner knows it.
    uint32_t socket, interface;
    struct qe_addr local, remote;

    uint64_t last_received_ns, unanswered_since_ns;
    uint64_t in_flight_bytes; // when it was last looked at
    uint64_t pacer_ns;        // when ngtcp2's pacing timer ends while there is nothing to send; QE_TIME_NEVER: not so
    // Probes of a larger MTU, sent since nothing was in flight, and since it was last looked at: a path may swallow
    // them and be well, so that they go unanswered says nothing.
    uint64_t mtu_probe_bytes, mtu_probe_new;
    bool unheard;              // the owner was told that nothing is heard
    uint64_t packets_received; // as of the last look
    uint64_t burst_bytes;      // most to send at a time
    uint64_t burst_used;       // of it, since the pacer was last told
    size_t datagram_max;

    ngtcp2_ccerr goodbye;
    struct qe_send grave_send; // where the goodbye goes
    uint8_t *grave_bytes;
    uint32_t grave_size;
    uint64_t grave_carried;
    uint64_t grave_stay_ns; // after the goodbye was first sent
    uint32_t stragglers;

    struct qe_carried_messages *said; // NULL where nobody asks
    bool initial_known;
    uint8_t initial[QE_INITIAL_KEY_SIZE];
    uint8_t cids[QE_CONN_CIDS_MAX][QE_CID_SIZE];
    uint8_t resets[QE_CONN_RESETS_MAX][QE_RESET_TOKEN_SIZE];
};

struct qe_answer {
    struct qe_send to;
    uint16_t size;
    uint8_t bytes[QE_ANSWER_SIZE_MAX];
};

// Packets of one batch.
#define QE_SEGMENTS_MAX 64

// What datagrams carry, for a host that asks: sets of enum qe_carried.
struct qe_carried_notes {
    uint64_t packet; // the one at hand
    uint64_t batch[QE_SEGMENTS_MAX];
    uint64_t stray;
    uint64_t answers[QE_ANSWERS_MAX];
};

struct qe_quic {
    struct qe_quic_options options;
    const struct qe_host *host;
    const struct qe_mem *mem;
    ngtcp2_mem ngmem;
    struct qe_tls tls;
    uint64_t now_ns, wall_ms;

    struct qe_table *cids;     // our connection IDs → connection
    struct qe_table *initials; // first destination IDs of clients → connection
    struct qe_table *resets;   // stateless reset tokens of peers → connection
    struct qe_heap heap;
    struct qe_list ready;  // may have something to write, in turn
    struct qe_list conns;  // alive
    struct qe_list graves; // oldest first
    size_t conn_count, grave_count;
    uint64_t conns_made;
    uint32_t handshake_count; // incoming and not authenticated
    bool proof_demanded;      // of every new client's address

    uint8_t token_key[QE_TOKEN_KEY_SIZE];
    uint64_t reset_credit_ns; // of the bucket that limits stateless resets
    uint64_t reset_at_ns;
    struct qe_answer answers[QE_ANSWERS_MAX];
    size_t answer_first, answer_count;
    // A packet that ngtcp2 wrote for another path or with other ECN bits than the batch at hand.
    struct qe_send stray_to;
    uint32_t stray_size;
    uint8_t stray[QE_PAYLOAD_MAX_IP4];

    struct qe_carried_notes *carried; // NULL where nobody asks
    struct qe_quic_stats stats;
};

// One lane's connection IDs begin with this.
static inline uint8_t qe_quic_cid_mark(const struct qe_quic *quic)
{
    return (uint8_t)(0x80 | quic->options.lane);
}

static inline void qe_conn_ready(struct qe_conn *conn)
{
    if (conn->ready.next == &conn->ready) qe_list_append(&conn->quic->ready, &conn->ready);
}

// endpoint.c: every entry from outside begins with this and ends with qe_tls_scope_leave.
void qe_quic_enter(struct qe_quic *quic, struct qe_tls_scope *scope, uint64_t now_ns, uint64_t wall_ms);

// accept.c: what belongs to no connection.
struct qe_conn *qe_quic_accept(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes);
// Asks the client of the Initial packet in `bytes`, which no connection has, to prove its address.
void qe_quic_ask_for_proof(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes);
void qe_quic_send_reset(struct qe_quic *quic, const struct qe_datagrams *in, struct qe_span bytes);

// conn.c
struct qe_conn_server {
    const ngtcp2_pkt_hd *header;
    const struct qe_retry_token *token; // that the client showed, or NULL
    const struct qe_datagrams *in;
};
struct qe_conn *qe_conn_new_server(struct qe_quic *quic, const struct qe_conn_server *from);
struct qe_conn *qe_conn_alloc(struct qe_quic *quic);
// TLS and ngtcp2's defaults for both sides. 0, or -1.
int qe_conn_start_tls(struct qe_conn *conn, SSL_CTX *context);
void qe_conn_settings(struct qe_conn *conn, ngtcp2_settings *settings, ngtcp2_transport_params *params, uint8_t family);
// What ngtcp2 calls, for connections of this endpoint.
ngtcp2_callbacks qe_conn_callbacks(const struct qe_quic *quic);
void qe_conn_on_qlog(void *conn, uint32_t flags, const void *data, size_t size);
// A fresh connection ID of ours, registered. 0, or -1.
int qe_conn_new_cid(struct qe_conn *conn, ngtcp2_cid *cid);
void qe_conn_forget_cids(struct qe_conn *conn);
// Frees what is left of a connection; the owner has been told.
void qe_conn_free(struct qe_conn *conn);
// Frees ngtcp2's and OpenSSL's part of it.
void qe_conn_free_engine(struct qe_conn *conn);
// Takes the path that ngtcp2 uses for the one the owner knows.
void qe_conn_note_path(struct qe_conn *conn);
// The largest DATAGRAM payload that fits the path; 0: the peer takes none.
size_t qe_conn_datagram_max(const struct qe_conn *conn);
// Takes stock after reading or writing: liveness, sizes.
void qe_conn_look(struct qe_conn *conn);
// Once the handshake is complete, or early: tells the owner. False where the peer is refused.
bool qe_conn_on_proven(struct qe_conn *conn, bool early);
// A datagram for this connection.
void qe_conn_read(struct qe_conn *conn, const ngtcp2_path *path, uint8_t ecn, struct qe_span bytes);
// Tells the owner where nothing has been heard for too long. Call it when a timer fired.
void qe_conn_judge(struct qe_conn *conn);
// After all datagrams of a batch for this connection.
void qe_conn_on_batch_read(struct qe_conn *conn);
// Sets its timer to what ngtcp2 wants.
void qe_conn_schedule(struct qe_conn *conn);
void qe_conn_schedule_at(struct qe_conn *conn, uint64_t at_ns);
// To be called before anything that tells ngtcp2 the time. 0 or ngtcp2's error.
int qe_conn_catch_up(struct qe_conn *conn);

// end.c
// Ends it because ngtcp2 returned `rv`.
void qe_conn_fail(struct qe_conn *conn, int rv);
void qe_conn_end(struct qe_conn *conn, struct qe_conn_close why);
// Buries it where it is over and ngtcp2 is done with it.
void qe_conn_settle(struct qe_conn *conn);
void qe_conn_on_straggler(struct qe_conn *conn);

// control.c
void qe_control_init(struct qe_control *control);
void qe_control_fini(struct qe_control *control, const struct qe_mem *mem);
int qe_control_queue(struct qe_control *control, const struct qe_mem *mem, struct qe_span bytes);
void qe_control_on_acked(struct qe_control *control, const struct qe_mem *mem, uint64_t offset);
// The server refused 0-RTT: everything is to be sent again, on a new stream.
void qe_control_rewind(struct qe_control *control);
// What may be sent next.
struct qe_span qe_control_next(const struct qe_control *control, bool complete);
void qe_control_on_sent(struct qe_control *control, size_t size);
// Opens the stream where that is possible; the client's part.
void qe_conn_open_control(struct qe_conn *conn);

// dial.c: which of a client's paths a datagram came by.
void qe_conn_client_path(const struct qe_conn *conn, const struct qe_datagrams *in, ngtcp2_path *path,
    ngtcp2_sockaddr_union *local, ngtcp2_sockaddr_union *remote);

// write.c
// Writes a batch of one connection. False: it has nothing to say now.
bool qe_conn_write(struct qe_conn *conn, struct qe_buf *buf, struct qe_send *out);

// carried.c; only where quic->carried is.
// A record of ngtcp2's qlog: adds what it says of a packet sent to quic->carried->packet.
void qe_carried_on_qlog(struct qe_conn *conn, struct qe_span record);
// Whole messages have been queued on the control stream.
void qe_carried_on_said(struct qe_conn *conn, struct qe_span messages);

// Where packets of this path go.
void qe_conn_route(const struct qe_conn *conn, const ngtcp2_path *path, struct qe_send *out);

#endif
