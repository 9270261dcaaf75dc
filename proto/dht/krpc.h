// KRPC (BEP 5) with what BEP 32, 42 (reflection), 43 and 44 add to it, and quicether's own queries of the index; the
// page that docs/protocol.md explains. One struct is a message of any kind, read or to be written: what is not there is
// empty, and everything that it points at is borrowed.
#ifndef QE_DHT_KRPC_H
#define QE_DHT_KRPC_H

#include "dht/bencode.h"
#include "dht/dht.h"

#define QE_KRPC_READ_MAX        2048 // foreign nodes reply with more than QE_DHT_DATAGRAM_MAX
#define QE_KRPC_TRANSACTION_MAX 32
#define QE_KRPC_TOKEN_MAX       64
#define QE_KRPC_AMPLIFICATION   3
#define QE_KRPC_VERSION         "QE01" // "v" of our messages; those of nodes that know the index begin with "QE"

enum qe_krpc_type {
    QE_KRPC_QUERY,
    QE_KRPC_REPLY,
    QE_KRPC_ERROR,
};

enum qe_krpc_method {
    QE_KRPC_UNKNOWN, // of a query that was read: not one of these
    QE_KRPC_PING,
    QE_KRPC_FIND_NODE,
    QE_KRPC_GET_PEERS,
    QE_KRPC_ANNOUNCE_PEER,
    QE_KRPC_GET,
    QE_KRPC_PUT,
    QE_KRPC_INDEX_GET, // "qe_get"
    QE_KRPC_INDEX_PUT, // "qe_put"
    QE_KRPC_REGISTER,  // "qe_register"
    QE_KRPC_PUNCH,     // "qe_punch": pass a signal on
    QE_KRPC_SIGNAL,    // "qe_signal": one that is passed on; not answered
    QE_KRPC_CHECK,     // "qe_check": send me a probe
    QE_KRPC_PROBE,     // "qe_probe": the probe; not answered
};

enum qe_krpc_error {
    QE_KRPC_ERROR_GENERIC = 201,
    QE_KRPC_ERROR_SERVER = 202, // no room
    QE_KRPC_ERROR_PROTOCOL = 203,
    QE_KRPC_ERROR_METHOD = 204,
    QE_KRPC_ERROR_VALUE_SIZE = 205,
    QE_KRPC_ERROR_SIGNATURE = 206,
    QE_KRPC_ERROR_SALT_SIZE = 207,
    QE_KRPC_ERROR_UNKNOWN = 208, // whom a signal is for is not registered here
    QE_KRPC_ERROR_CAS = 301,
    QE_KRPC_ERROR_SEQ = 302,
};

struct qe_krpc {
    enum qe_krpc_type type;
    enum qe_krpc_method method; // of queries
    struct qe_span transaction;
    struct qe_span version;
    bool read_only; // BEP 43
    bool canonical; // of a message that was read: it is the one encoding of its meaning
    bool has_ip;    // BEP 42: where its sender sees us
    struct qe_addr ip;

    // Queries and replies.
    bool has_id; // always true of queries and replies that were read
    struct qe_node_id id;
    struct qe_span token;
    bool has_seq;
    int64_t seq;
    struct qe_span key;       // 32 bytes in a well-formed message; whatever it was in one that was read
    struct qe_span signature; // 64 bytes, likewise
    struct qe_span value;     // BEP 44's v, bencoded

    // Signals and checks (docs/protocol.md).
    struct qe_span payload; // of qe_punch and qe_signal
    bool has_peer;          // an address: of whom a signal comes from or goes to, or where a probe is to go
    struct qe_addr peer;
    bool answers;         // a qe_signal that answers one of ours
    struct qe_span nonce; // of a check and its probe
    int64_t how;          // of a check: enum qe_dht_how
    bool registered;      // of replies: whom the query was about is registered there
    bool open;            // of replies: anybody can reach who replies

    // Queries.
    bool has_target; // target, or info_hash
    struct qe_node_id target;
    bool want4, want6; // BEP 32; neither: the family that the query came over
    bool implied_port;
    uint16_t port; // 0: none
    struct qe_span salt;
    bool has_cas;
    int64_t cas;
    size_t reply_max; // of a query to be written: it is padded so that a reply of that size is at most 3 times as large

    // Replies.
    struct qe_span nodes, nodes6; // compact: qe_krpc_node
    struct qe_span values;        // BEP 5's peers, the content of a bencoded list: qe_krpc_each_peer
    bool has_values;

    // The index: records as docs/protocol.md has them (qe_krpc_each_record).
    struct qe_span record;    // of a qe_put
    struct qe_span authority; // 32 bytes: who certified those that are certified
    struct qe_span records;   // of a reply: the content of a bencoded list
    bool has_records;
    struct qe_span next; // of a reply: there are more records, beginning here; of a qe_get: begin here
    bool has_age; // of a reply to a qe_put: it was stored. A foreign node, which answers as to find_node, says none
    uint64_t age_s;

    // Errors.
    int error_code;
    struct qe_span error_text;
};

// Reads a datagram. False where malformed: not one dictionary, or without what BEP 5 demands of any message (t, y, and
// q, a query's or reply's id, an error's code). A field of the wrong type or size is as good as absent, but for key,
// signature, salt and value, whose sizes the caller judges (BEP 44 has errors for them).
bool qe_krpc_read(struct qe_span datagram, struct qe_krpc *out);

// Writes a message, keys sorted. Its size, or 0 where `size` is too small.
size_t qe_krpc_write(const struct qe_krpc *message, uint8_t *out, size_t size);

// Compact node info (BEP 5, BEP 32): 26 bytes in `nodes`, 38 in `nodes6`.
#define QE_KRPC_NODE4_SIZE 26
#define QE_KRPC_NODE6_SIZE 38
// The index-th node of `nodes` (family 4) or `nodes6` (6); false behind the last, and where the bytes are no whole
// number of nodes.
bool qe_krpc_node(struct qe_span nodes, uint8_t family, size_t index, struct qe_dht_contact *out);
// Writes those of `contacts` that have this family, one behind the other; their size.
size_t qe_krpc_nodes_write(
    const struct qe_dht_contact *contacts, size_t count, uint8_t family, uint8_t *out, size_t size);

// Compact address: 6 or 18 bytes.
#define QE_KRPC_ADDR_MAX 18
bool qe_krpc_addr_read(struct qe_span bytes, struct qe_addr *out);
size_t qe_krpc_addr_write(const struct qe_addr *addr, uint8_t out[QE_KRPC_ADDR_MAX]);

// The next of a reply's peers; begin with qe_reader(message->values). What is no address is passed over.
bool qe_krpc_each_peer(struct qe_reader *r, struct qe_addr *out);
// The next of a reply's records, not verified yet; begin with qe_reader(message->records). What is no record is passed
// over.
bool qe_krpc_each_record(struct qe_reader *r, const struct qe_krpc *message, struct qe_dht_record *out);

// A record in its compact form, at most QE_KRPC_RECORD_MAX bytes. The authority is not in it.
#define QE_KRPC_RECORD_MAX (1 + 4 + 8 + 32 + 64 + 64 + QE_DHT_RECORD_MAX)
size_t qe_krpc_record_write(const struct qe_dht_record *record, uint8_t *out, size_t size);
// `authority`: empty, or 32 bytes. False where malformed.
bool qe_krpc_record_read(struct qe_span bytes, struct qe_span authority, struct qe_dht_record *out);

#endif
