// A QUIC endpoint (RFC 9000) for one lane: every connection it dials or accepts, demultiplexed by connection ID. It
// does no I/O: datagrams are fed in, batches are pulled out, and it names its next deadline. TLS 1.3 with raw public
// keys in both directions (RFC 7250), ALPN "quicether/1", DATAGRAM frames (RFC 9221), one bidirectional control stream.
//
// Nothing is sent from inside receive or expire: qe_quic_next writes, once per batch of input, so that acknowledgements
// and GSO batches amortise.
#ifndef QE_QUIC_QUIC_H
#define QE_QUIC_QUIC_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "identity/identity.h"
#include "node/action.h"
#include "node/event.h"
#include "node/host.h"
#include "observe/carried.h"

struct qe_quic;
struct qe_conn;

// Connection IDs that we issue: 4 bytes, the first one 0x80 | lane, the others random, unique in the endpoint.
#define QE_CID_SIZE 4

// The socket of connections whose datagrams travel inside another connection, each pair of ends with an address of its
// own. They have nothing to do with any other socket: what comes from one address is for connections with that address
// alone, and none moves to or from it.
#define QE_QUIC_INSIDE UINT32_MAX

// Bytes of a connection's exporter (RFC 8446 §7.5).
#define QE_EXPORT_SIZE 32

// Why a connection ended.
enum qe_conn_end {
    QE_CONN_END_LOCAL,     // we closed it
    QE_CONN_END_REMOTE,    // the peer closed it; code is its application error code, or 0
    QE_CONN_END_IDLE,      // nothing heard for the idle timeout
    QE_CONN_END_HANDSHAKE, // no handshake in time
    QE_CONN_END_REFUSED,   // TLS said no on either side (unknown key, ALPN); code is the TLS alert
    QE_CONN_END_RESET,     // stateless reset: the peer has forgotten us
    QE_CONN_END_ERROR,     // the peer broke the protocol, or memory ran out
};

struct qe_conn_close {
    enum qe_conn_end end;
    uint64_t code;
};

// One thing to send as a DATAGRAM frame, gathered from up to 4 pieces that stay valid until datagram_taken or the next
// call of next_datagram.
struct qe_datagram_out {
    struct qe_span pieces[4];
    size_t piece_count;
    enum qe_carried carried; // what it is; matters only to a host that asks (qe_host.tell_carried)
};

// What the endpoint tells and asks its owner (the lane). All are called from inside receive, expire or next.
struct qe_quic_owner {
    void *user;
    // May a node with this key connect? Asked once in every handshake, resumed ones included. `dialled`: the user
    // pointer given to qe_quic_dial, or NULL for an incoming connection; a dialled connection's key must be the one
    // asked for.
    bool (*allow)(void *user, const struct qe_key *key, void *dialled);
    // The handshake is complete and the peer's key is proven; early: a server that accepted 0-RTT calls it before the
    // client's Finished: what arrives until `confirmed` may be a replay.
    void (*connected)(void *user, struct qe_conn *conn, bool early);
    // The handshake is confirmed (RFC 9001 §4.1.2).
    void (*confirmed)(void *user, struct qe_conn *conn);
    // The connection is over; it is freed right after.
    void (*closed)(void *user, struct qe_conn *conn, struct qe_conn_close why);
    // Bytes of the control stream, in order.
    void (*control)(void *user, struct qe_conn *conn, struct qe_span bytes);
    // A DATAGRAM frame; ecn: the ECN bits of the IP packet that brought it; early: 0-RTT, may be a replay.
    void (*datagram)(void *user, struct qe_conn *conn, struct qe_span bytes, uint8_t ecn, bool early);
    // The connection can send a DATAGRAM frame of up to `size_max` bytes now. True fills `out`. What is offered is
    // either taken (datagram_taken follows) or asked for again later, possibly with another size_max.
    bool (*next_datagram)(void *user, struct qe_conn *conn, size_t size_max, struct qe_datagram_out *out);
    void (*datagram_taken)(void *user, struct qe_conn *conn);
    // A session ticket to keep for the next qe_quic_dial to this peer, single use.
    void (*ticket)(void *user, struct qe_conn *conn, struct qe_span ticket);
    // Evidence of the path's health: false when nothing has been heard for three probe timeouts (5 s at the most)
    // although something was sent that wants an answer; true when such a silence ends. It returns false where it could
    // not take note, and is told again.
    bool (*responsive)(void *user, struct qe_conn *conn, bool responsive);
    // The addresses of the connection changed (rebinding or migration, RFC 9000 §9), already validated.
    void (*moved)(void *user, struct qe_conn *conn);
};

struct qe_quic_options {
    const struct qe_host *host;
    struct qe_quic_owner owner;
    uint8_t lane;            // 0..31, into connection IDs
    uint32_t handshakes_max; // connections not yet authenticated; beyond half of it new ones must pass Retry, beyond it
                             // they are dropped
    uint32_t connections_max;
    uint64_t idle_timeout_ns;
    uint64_t keep_alive_ns; // PING when nothing was sent for this long; 0 for never
    uint64_t handshake_timeout_ns;
};

// Counters, for observation only.
struct qe_quic_stats {
    uint64_t datagrams_received; // of sockets, as those sent; the others here are of all connections
    uint64_t datagrams_sent;
    uint64_t dropped_malformed; // not a QUIC packet, or one that cannot be for us
    uint64_t dropped_unknown;   // a connection ID that nobody has
    uint64_t dropped_version;
    uint64_t dropped_limit; // handshakes_max or connections_max
    uint64_t dropped_memory;
    uint64_t retries_sent;
    uint64_t tokens_refused;
    uint64_t resets_sent;
    uint64_t handshakes; // begun
    uint64_t handshakes_refused;
    uint64_t handshakes_timed_out;
};

// State of one connection, for observation and scheduling.
struct qe_conn_info {
    bool client;      // we dialled
    bool established; // handshake complete
    bool confirmed;
    bool resumed;
    bool early_accepted; // 0-RTT was accepted
    uint32_t socket;
    struct qe_addr local, remote;
    uint64_t rtt_us; // smoothed; 0 before the first sample
    uint64_t rtt_min_us;
    uint64_t rtt_var_us;
    uint64_t cwnd_bytes;
    uint64_t in_flight_bytes;
    uint64_t last_received_ns; // when the last authenticated packet arrived
    // When the oldest ack-eliciting packet left that nothing has answered since; QE_TIME_NEVER: none.
    uint64_t unanswered_since_ns;
    uint64_t pto_ns;     // the current probe timeout
    size_t udp_max;      // largest UDP payload that fits the path, as far as is known
    size_t datagram_max; // largest DATAGRAM payload that fits the path now
    uint64_t sent_bytes, received_bytes, lost_packets, sent_packets, received_packets;
};

// 0, or -1 without memory or TLS. The options are copied.
int qe_quic_new(struct qe_quic **quic, const struct qe_quic_options *options, uint64_t now_ns, uint64_t wall_ms);
// Frees all connections without a word and without calling the owner.
void qe_quic_free(struct qe_quic *quic);

// Keeps connections alive so often from now on, those that are there too.
void qe_quic_set_keep_alive(struct qe_quic *quic, uint64_t keep_alive_ns);

// Takes in the datagrams of one origin; hostile bytes are counted and dropped.
void qe_quic_receive(struct qe_quic *quic, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms);

struct qe_quic_dial {
    const struct qe_key *key; // the peer's, where it is known (pinned); else NULL and `allow` decides
    void *user;               // passed to `allow`, and the connection's qe_conn_user
    uint32_t socket;
    uint32_t interface;
    struct qe_addr local; // port that of the socket; the IP may be unspecified
    struct qe_addr remote;
    struct qe_span ticket;         // from the owner's `ticket`, or empty
    uint64_t handshake_timeout_ns; // 0: that of the options
    struct qe_span early;          // control-stream bytes to send at once, as 0-RTT where the ticket allows it
};

// Starts a connection; its first packet comes out of qe_quic_next. 0; -1 at a limit or without memory.
int qe_quic_dial(
    struct qe_quic *quic, const struct qe_quic_dial *dial, struct qe_conn **conn, uint64_t now_ns, uint64_t wall_ms);

// Writes the next batch of one connection (or a stateless answer) into `buf`, an empty one that the caller lends, and
// says where to send it; `out->buf` is `buf`. False: nothing to send now, `buf` is untouched. Connections take turns.
bool qe_quic_next(struct qe_quic *quic, struct qe_buf *buf, struct qe_send *out, uint64_t now_ns, uint64_t wall_ms);

// Handles every timer due. Call it when now ≥ qe_quic_deadline.
void qe_quic_expire(struct qe_quic *quic, uint64_t now_ns, uint64_t wall_ms);
uint64_t qe_quic_deadline(const struct qe_quic *quic);
// Whether qe_quic_next may have something to write.
bool qe_quic_writable(const struct qe_quic *quic);

const struct qe_quic_stats *qe_quic_stats(const struct qe_quic *quic);
size_t qe_quic_connection_count(const struct qe_quic *quic);

// The owner's own pointer.
void *qe_conn_user(const struct qe_conn *conn);
void qe_conn_set_user(struct qe_conn *conn, void *user);
// The peer's key; valid from `allow` on.
const struct qe_key *qe_conn_key(const struct qe_conn *conn);
void qe_conn_info(const struct qe_conn *conn, struct qe_conn_info *info, uint64_t now_ns);

// A client goes on from another place, keeping the connection (RFC 9000 §9.2); `moved` follows once the new path is
// validated. 0; -1 for a server, before `confirmed`, or where the peer left no connection ID for it. Where memory runs
// out the connection ends, too.
struct qe_conn_place {
    uint32_t socket;
    uint32_t interface;
    struct qe_addr local; // as in qe_quic_dial
};
int qe_conn_migrate(struct qe_conn *conn, const struct qe_conn_place *to, uint64_t now_ns, uint64_t wall_ms);

// What only the two ends of this connection know: both have the same, no other connection ever has, and it says nothing
// of the connection's keys. From inside `connected` (but not an early one) or `confirmed`. 0, or -1.
int qe_conn_export(const struct qe_conn *conn, uint8_t out[QE_EXPORT_SIZE]);

// While set, every new client is to prove its address first (Retry, RFC 9000 §8.1.2), few handshakes or not.
void qe_quic_demand_proof(struct qe_quic *quic, bool demand);

// Queues bytes on the control stream (copied). 0; -1 where more than 64 KiB would wait, or without memory.
int qe_conn_control_send(struct qe_conn *conn, struct qe_span bytes);
// There is something in next_datagram for this connection.
void qe_conn_wake(struct qe_conn *conn);
// Asks for an acknowledgement soon: a PING frame.
void qe_conn_ping(struct qe_conn *conn);
// There is reason to think that the path is dead: where nothing came for `quiet_ns`, `responsive` says so at once, and
// the connection is asked.
void qe_conn_doubt(struct qe_conn *conn, uint64_t quiet_ns, uint64_t now_ns);
// Says goodbye with an application error code; `closed` is called with QE_CONN_END_LOCAL, at once. The goodbye itself
// comes out of qe_quic_next.
void qe_conn_close(struct qe_conn *conn, uint64_t code);

#endif
