// A node of a distributed hash table that speaks the BitTorrent mainline protocol (BEP 5, 32, 42's reflection, 43, 44)
// and, between quicether nodes, an index of many values under one target. Pure, as all of proto: datagrams and times
// in, datagrams and answers out, one next deadline. Whoever owns it has the sockets.
//
// What is kept true: malformed bytes are met with silence and a counter; every reply is at most three times its query,
// or within a budget of its address; whatever is held for others has a limit in all, a limit a source, and an end.
#ifndef QE_DHT_DHT_H
#define QE_DHT_DHT_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "identity/identity.h"

#define QE_DHT_DATAGRAM_MAX 1400 // larger ones are neither sent nor read
#define QE_DHT_VALUE_MAX    1000 // BEP 44: a bencoded value
#define QE_DHT_SALT_MAX     64   // BEP 44
#define QE_DHT_RECORD_MAX   512  // a value of the index
#define QE_DHT_K            8

struct qe_dht;
struct qe_dht_signal; // dht/signal.h

struct qe_dht_contact {
    struct qe_node_id id;
    struct qe_addr addr;
};

// An item of BEP 44. Borrowed wherever it is given.
struct qe_dht_item {
    bool mutable;
    struct qe_key key; // where mutable; likewise the next three
    struct qe_span salt;
    int64_t seq;
    uint8_t signature[64];
    struct qe_span value; // bencoded, byte for byte as signed
};

// A record of the index: what one owner has under a target. Signed by its owner over target, seq and value, and
// certified where the target is the ID of a key (SHA-1) that signed the owner's: then nobody without that key can crowd
// it out. docs/protocol.md has the bytes.
struct qe_dht_record {
    struct qe_key owner;
    uint64_t seq;
    uint8_t signature[64];
    bool certified;
    struct qe_key authority; // where certified
    uint8_t certificate[64]; // the authority's signature of the owner's key, where certified
    struct qe_span value;    // borrowed
    uint64_t age_s;          // found ones: for how long those who were asked have had the owner's, without a gap; the
                             // median over all that answered
};

// What is signed, into `out`; its size. A caller without a private key of its own asks its host to sign this.
#define QE_DHT_SIGNED_MAX (QE_DHT_VALUE_MAX + QE_DHT_SALT_MAX + 64)
size_t qe_dht_item_signed(const struct qe_dht_item *item, uint8_t out[QE_DHT_SIGNED_MAX]);
size_t qe_dht_record_signed(
    const struct qe_dht_record *record, const struct qe_node_id *target, uint8_t out[QE_DHT_SIGNED_MAX]);
size_t qe_dht_certificate_signed(const struct qe_key *owner, uint8_t out[QE_DHT_SIGNED_MAX]);
// Where an item lives: SHA-1 of its value, or of its key and salt (BEP 44).
struct qe_node_id qe_dht_item_target(const struct qe_dht_item *item);
bool qe_dht_item_verify(const struct qe_dht_item *item);
bool qe_dht_record_verify(const struct qe_dht_record *record, const struct qe_node_id *target);

enum qe_dht_kind {
    QE_DHT_FIND_NODE, // the nodes closest to the target
    QE_DHT_GET,       // BEP 44
    QE_DHT_PUT,       // BEP 44, to the closest nodes; the target follows from the item
    QE_DHT_GET_PEERS, // BEP 5
    QE_DHT_ANNOUNCE,  // BEP 5
    QE_DHT_INDEX_GET,
    QE_DHT_INDEX_PUT,
    QE_DHT_PING, // one address
};

// Something to be done over the network. What it points at is copied.
struct qe_dht_request {
    enum qe_dht_kind kind;
    struct qe_node_id target;
    struct qe_span salt;            // GET of a mutable item
    const struct qe_dht_item *item; // PUT
    bool has_cas;                   // PUT: only over the item with this seq
    int64_t cas;
    const struct qe_dht_record *record; // INDEX_PUT
    uint16_t port;                      // ANNOUNCE; 0: that of the socket (implied_port)
    struct qe_addr addr;                // PING
    bool list; // INDEX_GET: the records are of interest, and not their ages: later pages are asked of a few nodes only
};

enum qe_dht_outcome {
    QE_DHT_DONE,
    QE_DHT_NOT_FOUND, // nodes answered, and none had it; or none of them took it
    QE_DHT_NO_NODES,  // nobody answered
    QE_DHT_CANCELLED, // the DHT is being freed, or memory ran out
};

// How a lookup stands. Everything it points at is borrowed for the call.
struct qe_dht_answer {
    uint64_t operation;
    enum qe_dht_kind kind;
    struct qe_node_id target;
    bool final;                     // the last about this operation; others before it tell of a first or better value
    enum qe_dht_outcome outcome;    // where final
    const struct qe_dht_item *item; // GET: of those found, the one with the highest seq; NULL: none yet
    const struct qe_dht_record *records; // INDEX_GET: each verified, one an owner, its newest
    size_t record_count;
    const struct qe_addr *peers; // GET_PEERS
    size_t peer_count;
    const struct qe_dht_contact *closest; // those that answered, closest first
    size_t closest_count;
    unsigned stored; // PUT, ANNOUNCE, INDEX_PUT: how many nodes took it
    int error_code;  // PUT: the error of BEP 44 that a node refused it with; 0: none
    char error_text[64];
    unsigned hops;    // referral depth of the first node that returned what was looked for, or the closest
    unsigned queries; // sent
    unsigned timeouts;
    uint64_t elapsed_us;
};

struct qe_dht_options {
    const struct qe_mem *mem;
    struct qe_node_id id;
    void *user;
    void (*random)(void *user, uint8_t *out, size_t size);
    void (*answer)(void *user, const struct qe_dht_answer *answer); // from inside receive, expire, cancel and free
    // Of a node that registers and is signalled (dht/signal.h); from inside receive and expire. NULL: it is not.
    void (*signal)(void *user, const struct qe_dht_signal *signal);
    // Signs with the key of the node's ID; false where that is not possible.
    bool (*sign)(void *user, struct qe_span text, uint8_t signature[64]);
    struct qe_key key;
    bool read_only;      // BEP 43: asks, and is asked nothing
    bool bootstrap;      // a well-known node: referrals are up to 20 random good nodes
    bool mainline;       // the public network: stores on 8 nodes there, not on 16, and has no index
    bool exempt_private; // several nodes of one private, loopback or shared (100.64.0.0/10) network may be met: true
                         // but for the public network
};

struct qe_dht_stats {
    uint64_t received, received_bytes, sent, sent_bytes;
    uint64_t queries_received, replies_received, errors_received;
    uint64_t dropped_malformed, dropped_unasked, dropped_limit, dropped_blocked, dropped_memory;
    uint64_t queries_sent, replies_sent, errors_sent, timeouts;
    uint64_t lookups, lookups_failed;
    size_t nodes, good_nodes;          // in the routing tables
    size_t items, peers, records;      // stored for others
    size_t stored_bytes, memory_bytes; // all that is allocated, and of that what is stored for others
    size_t operations;
};

// 0, or -1 without memory.
int qe_dht_new(struct qe_dht **dht, const struct qe_dht_options *options, uint64_t now_ns);
// Every operation ends with QE_DHT_CANCELLED first.
void qe_dht_free(struct qe_dht *dht);

// Whether a datagram is one for a DHT: it begins with a 'd' and a digit and ends with an 'e' (docs/protocol.md says why
// no packet of QUIC or of punching does).
bool qe_dht_is_krpc(const uint8_t *bytes, size_t size);

// Takes in one datagram. `socket` is the caller's own number of where it came in; the reply names it again.
void qe_dht_receive(
    struct qe_dht *dht, uint32_t socket, const struct qe_addr *from, struct qe_span bytes, uint64_t now_ns);

struct qe_dht_send {
    uint32_t socket; // a reply: where the query came in; 0: a query of ours, any socket of that family
    struct qe_addr to;
    size_t size;
};
// Writes the next datagram into `out`, or returns false.
bool qe_dht_next(struct qe_dht *dht, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send, uint64_t now_ns);
// Handles everything due. Call it when now ≥ qe_dht_deadline.
void qe_dht_expire(struct qe_dht *dht, uint64_t now_ns);
uint64_t qe_dht_deadline(const struct qe_dht *dht);

// An address to begin with. It is asked until the DHT is joined, and again whenever it is cut off.
void qe_dht_add_bootstrap(struct qe_dht *dht, const struct qe_addr *addr, uint64_t now_ns);
void qe_dht_clear_bootstrap(struct qe_dht *dht);
// A node of an earlier session, or one that the owner met: asked before it is believed.
void qe_dht_add_contact(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns);
// Good nodes, the longest known first; how many.
size_t qe_dht_contacts(const struct qe_dht *dht, struct qe_dht_contact *out, size_t max);
// There is at least one good node, and the own neighbourhood has been looked up.
bool qe_dht_joined(const struct qe_dht *dht);
// Tells that addresses changed (a link came, a clock jumped): questionable nodes are asked soon.
void qe_dht_on_network_change(struct qe_dht *dht, uint64_t now_ns);
// What other nodes see as this one's address: at least two of different networks said so. False where none is agreed.
bool qe_dht_external(const struct qe_dht *dht, uint8_t family, struct qe_addr *out);

// Starts an operation: its number, or 0 without memory or with too many under way (QE_DHT_OPERATIONS_MAX).
#define QE_DHT_OPERATIONS_MAX 256
uint64_t qe_dht_start(struct qe_dht *dht, const struct qe_dht_request *request, uint64_t now_ns);
void qe_dht_cancel(struct qe_dht *dht, uint64_t operation);

// When to put again what was put, by how fast nodes come and go: 4 to 22 minutes.
uint32_t qe_dht_republish_s(const struct qe_dht *dht);

// Of two nodes behind one socket, one of a network of one's own and one of the public network: whether a datagram is
// for the latter. Answers belong to whoever asked; a query is the former's if its sender is known to it, or knows the
// index.
bool qe_dht_is_public(
    const struct qe_dht *own, const struct qe_dht *mainline, const struct qe_addr *from, struct qe_span bytes);

void qe_dht_stats(const struct qe_dht *dht, struct qe_dht_stats *out);
// The routing table, bucket by bucket, for people.
struct qe_dht_node_info {
    struct qe_dht_contact contact;
    unsigned bucket; // bits it shares with the own ID
    bool good, replacement;
    uint64_t rtt_us;
    uint64_t last_heard_ns;
};
size_t qe_dht_nodes(const struct qe_dht *dht, struct qe_dht_node_info *out, size_t max);

#endif
