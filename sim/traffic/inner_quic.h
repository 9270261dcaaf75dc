// One end of a QUIC connection inside the overlay: an application on a simulated machine, with ngtcp2 and the shared
// TLS library, whose datagrams go into the machine's TUN. A client dials; a server has one connection, the newest one
// that a client began. What its streams carry is made by rule, so nothing is stored to be sent or compared: a head of
// some bytes, then a pattern that both ends know.
#ifndef QE_SIM_INNER_QUIC_H
#define QE_SIM_INNER_QUIC_H

#include "engine/engine.h"
#include "engine/random.h"
#include "traffic/inner_tls.h"

#include "base/bytes.h"
#include "base/list.h"
#include "node/host.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>

#define SIM_INNER_HEAD_MAX 16
#define SIM_INNER_CID_SIZE 8
#define SIM_INNER_CIDS_MAX 8
// The pattern repeats after so many bytes; a prime, so that no part of it stands where another should.
#define SIM_INNER_PATTERN 65521
#define SIM_INNER_NO_END  UINT64_MAX

struct qe_tls_scope;
struct sim_quic_end;

// A stream that has not been closed.
struct sim_quic_stream {
    struct qe_list link;
    int64_t id;
    uint8_t head[SIM_INNER_HEAD_MAX]; // to be sent first
    size_t head_size;
    uint64_t total; // bytes to send, the head's too; SIM_INNER_NO_END: as many as there is time for
    uint64_t given; // of these, to ngtcp2
    bool sends, ended, blocked;
    uint8_t head_in[SIM_INNER_HEAD_MAX];
    uint64_t received;
};

// What an end asks and tells its owner. `user` is the end's.
struct sim_quic_owner {
    void *user;
    // Datagrams for the other end, equal in size but for the last one.
    void (*send)(struct sim_quic_end *end, struct qe_span bytes, size_t segment);
    void (*connected)(struct sim_quic_end *end);
    // So many bytes more came in order; `fin`: they were the last.
    void (*received)(struct sim_quic_end *end, struct sim_quic_stream *stream, size_t size, bool fin);
    // The connection is gone, and its streams.
    void (*lost)(struct sim_quic_end *end);
    // Bytes came that were not sent.
    void (*damaged)(struct sim_quic_end *end);
};

struct sim_quic_options {
    struct sim_engine *engine;
    struct sim_inner_tls *tls;
    uint64_t wall_ms; // at the start of the run
    uint64_t seed;
    const char *name; // unique in the run; of the random streams
    bool client;
    bool offload;           // several datagrams at a time
    uint64_t idle_ns;       // silence after which a connection counts as gone
    size_t head_in_size;    // of streams that come in
    const uint8_t *pattern; // twice SIM_INNER_PATTERN bytes, lent
    struct sim_quic_owner owner;
};

struct sim_quic_end {
    struct sim_source source; // its timer
    struct sim_quic_options options;
    struct sim_stream random;
    struct qe_host host; // lends OpenSSL the randomness
    ngtcp2_conn *conn;   // NULL: none
    ngtcp2_crypto_conn_ref ref;
    SSL *ssl;
    ngtcp2_crypto_ossl_ctx *tls;
    uint8_t family;
    size_t payload_max; // bytes of a datagram
    bool established;
    bool failed;  // a callback found that it cannot go on
    bool stopped; // sends nothing new
    uint8_t cids[SIM_INNER_CIDS_MAX][SIM_INNER_CID_SIZE];
    size_t cid_count;
    ngtcp2_cid first_dcid; // of the client's first packet, at a server
    struct qe_list streams;
    uint64_t connections; // made so far
    uint64_t retransmits; // packets that were given up as lost, of connections that are over
};

void sim_quic_end_init(struct sim_quic_end *end, const struct sim_quic_options *options);
void sim_quic_end_fini(struct sim_quic_end *end);

// A client begins a connection; there must be none. payload_max: bytes of a datagram that the TUN takes.
void sim_quic_end_dial(struct sim_quic_end *end, uint8_t family, size_t payload_max);
// A datagram from the other end.
void sim_quic_end_receive(struct sim_quic_end *end, uint8_t family, size_t payload_max, struct qe_span datagram);
// A stream to send on: bidirectional, or in one direction. NULL where the other end allows no more of them now.
struct sim_quic_stream *sim_quic_end_open(struct sim_quic_end *end, bool bidirectional);
// What the stream sends from now on; heads are at most SIM_INNER_HEAD_MAX.
void sim_quic_stream_send(struct sim_quic_stream *stream, struct qe_span head, uint64_t total);
// Writes what there is to write and sets the timer. Call it after any of the above.
void sim_quic_end_pump(struct sim_quic_end *end);
// Ends the connection without a word.
void sim_quic_end_drop(struct sim_quic_end *end);
// Packets given up as lost so far.
uint64_t sim_quic_end_retransmits(const struct sim_quic_end *end);

// For the other file of the end: whatever OpenSSL asks for from now on, it asks this end.
void sim_quic_end_enter(const struct sim_quic_end *end, struct qe_tls_scope *scope);
struct sim_quic_stream *sim_quic_end_add_stream(struct sim_quic_end *end, int64_t id);

#endif
