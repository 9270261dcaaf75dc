// What a node borrows from the host that runs it. The node calls these and nothing else: it reads no clock, no file, no
// socket and no random device. A host that answers the same way to the same calls gets the same node, byte for byte.
#ifndef QE_NODE_HOST_H
#define QE_NODE_HOST_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "identity/identity.h"
#include "identity/secret.h"
#include "node/fault.h"

// What a random draw is for. The simulator keys its generator by it, so that a draw added in one place moves no other.
enum qe_random {
    QE_RANDOM_HASH,          // secrets of hash tables
    QE_RANDOM_CONNECTION_ID, // connection IDs, path challenges, stateless reset tokens
    QE_RANDOM_TLS,           // whatever TLS draws
    QE_RANDOM_SESSION,       // session IDs, boot epochs, cookies
    QE_RANDOM_JITTER,        // timers
    QE_RANDOM_QUEUE,         // flow hashing
    QE_RANDOM_DHT,           // transaction IDs, tokens, targets of refreshes, nonces of records
    QE_RANDOM_NAT,           // punching: attempts, nonces, ports
    QE_RANDOM_COUNT,
};

// A thing that happened in the core, for the trace. Names are dotted and documented in docs/protocol.md.
struct qe_trace {
    uint64_t now_ns;
    const char *name;       // "session.connected", "path.closed", "drop_…", …
    struct qe_node_id peer; // all zero: about no peer
    uint64_t a, b;          // two numbers whose meaning the name gives
};

// A piece of the qlog of one connection, in the order of writing: a JSON text sequence (RFC 7464), as ngtcp2 has it.
struct qe_qlog {
    uint64_t connection; // unique in the life of the node
    bool client;
    bool end; // nothing follows
    struct qe_span data;
};

struct qe_tls_library; // quic/library.h
struct qe_seam;        // quic/seam.h

// Buffers that only deliveries may take: with so many free ones a node loses none of as many datagrams in one event,
// even where each becomes a packet of its own. A host gives more credit than this; the rest is for sends.
#define QE_NODE_DELIVERIES 256

struct qe_host {
    void *user;
    // What TLS shares in a process; the host makes it once, for all its nodes.
    struct qe_tls_library *tls;
    struct qe_mem mem;
    // Between QUIC and its cryptography, for redacted recordings; else NULL.
    const struct qe_seam *seam;
    struct qe_key identity; // the public half of QE_SECRET_IDENTITY

    // Fills `out` with unpredictable bytes.
    void (*random)(void *user, enum qe_random purpose, uint8_t *out, size_t size);

    // Does `operation` with a secret over `input` into `out` (exactly `size` bytes, as the operation says). 0, or -1.
    int (*secret)(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
        uint8_t *out, size_t size);

    // Lends an empty buffer of QE_BUF_SIZE, offset at QE_BUF_HEADROOM. The node asks only while it has room to its
    // credit (QE_EVENT_BUFFERS), so the host always has one.
    struct qe_buf *(*buf_new)(void *user);
    // Gives a buffer back: one that buf_new lent and no action took (its credit is the node's again), or one that came
    // in an event (QE_EVENT_PACKETS).
    void (*buf_free)(void *user, struct qe_buf *buf);

    // Sees each trace event; may be NULL.
    void (*trace)(void *user, const struct qe_trace *trace);

    // See the TLS secrets of every connection (a line of an NSS key log, without its end) and each connection's qlog.
    // NULL, as in the daemon, where nobody asked for them: a key log undoes the encryption.
    void (*keylog)(void *user, const char *line);
    void (*qlog)(void *user, const struct qe_qlog *qlog);

    // Whether a fault point fires (node/fault.h). NULL: none ever does.
    bool (*fault)(void *user, enum qe_fault_point point);

    // Sends are to say what each datagram carries (qe_send.carried). It costs time: for simulators.
    bool tell_carried;
};

#endif
