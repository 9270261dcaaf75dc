// Signals: small messages between two nodes that cannot reach each other yet, through nodes that both can reach. A node
// registers at a few of those that keep its record (the closest to its ID that answer), which therefore see where its
// NAT has it, and hold that mapping open; whoever has looked up the record sends a signal to those, and they pass it on
// to where they see the node. docs/protocol.md has the queries.
//
// What is kept true: a signal is passed on only to who registered, at the address that it registered from; only for who
// has a token for the address that it sends from; one datagram for one datagram, within limits a sender and a receiver.
// What is in a signal, and who may send one, is its receiver's affair: nothing here looks into it.
#ifndef QE_DHT_SIGNAL_H
#define QE_DHT_SIGNAL_H

#include "dht/dht.h"

#define QE_DHT_SIGNAL_MAX      640 // bytes of a payload
#define QE_DHT_HOLDERS         3   // that a node registers at, a family, among those that anybody can reach, and
#define QE_DHT_HOLDERS_MAX     8   // with those that may be behind a NAT themselves
#define QE_DHT_HOLDERS_EXTRA   4   // that the owner named (qe_dht_register_at)
#define QE_DHT_SIGNAL_LIFE_NS  (4 * QE_NS_PER_S)   // for which a signal is tried to be passed on
#define QE_DHT_REGISTRATION_NS (300 * QE_NS_PER_S) // for which a holder keeps one that is not renewed

enum qe_dht_signal_kind {
    QE_DHT_SIGNAL_RECEIVED,   // somebody's came for this node
    QE_DHT_SIGNAL_ANSWERED,   // an answer to one of this node's came
    QE_DHT_SIGNAL_PASSED,     // a holder has passed on one of this node's
    QE_DHT_SIGNAL_UNKNOWN,    // a holder has not: whom it is for is not registered there, or it has had enough
    QE_DHT_SIGNAL_REGISTERED, // this node is registered at a holder, which sees it there; told once, and at each change
    QE_DHT_SIGNAL_PORT,       // somebody would like a probe from another port: qe_dht_set_other_port; seen.ip.family
    QE_DHT_SIGNAL_LOST,       // a holder of this node's registration is silent, or has forgotten it
};

// How to answer a signal: a plain value that may be kept for as long as the holder's token is good (5 minutes).
struct qe_dht_way {
    struct qe_addr holder, to;
    uint8_t token[8];
};

// Everything it points at is borrowed for the call.
struct qe_dht_signal {
    enum qe_dht_signal_kind kind;
    struct qe_dht_contact holder;
    struct qe_node_id target; // PASSED, UNKNOWN: whom it was for
    // RECEIVED, ANSWERED, PASSED: where the holder sees the other one right now. REGISTERED: where it sees this node.
    struct qe_addr seen;
    struct qe_span payload; // RECEIVED, ANSWERED
    struct qe_dht_way way;  // RECEIVED
};

// Sends a payload (at most QE_DHT_SIGNAL_MAX bytes, copied) to a node whose record was looked up just now, through at
// most four of those that answered then and say that it is registered with them; where none does, through the three
// closest. Those that answer later, while the lookup is still under way, follow by themselves. How many it was sent to
// so far; 0: nobody is known that could pass it on: look it up first (QE_DHT_GET).
unsigned qe_dht_signal_send(struct qe_dht *dht, const struct qe_node_id *to, struct qe_span payload, uint64_t now_ns);
// The same through a node of the caller's choice (a gateway of `to`). False without memory.
bool qe_dht_signal_send_by(struct qe_dht *dht, const struct qe_addr *holder, const struct qe_node_id *to,
    struct qe_span payload, uint64_t now_ns);
// Answers a signal that was received, once or a few times: it takes the way back. False where it is too large.
bool qe_dht_signal_answer(struct qe_dht *dht, const struct qe_dht_way *way, struct qe_span payload, uint64_t now_ns);

// Keeps this node registered from now on, each registration renewed after `keep_ns`: what the NAT's mapping asks for.
// 0: not any more. The options need `key`, `sign` and `signal`.
void qe_dht_register(struct qe_dht *dht, uint64_t keep_ns, uint64_t now_ns);
// Registers at that node, too, for as long as it is not taken back (`wanted` false).
void qe_dht_register_at(struct qe_dht *dht, const struct qe_addr *holder, bool wanted, uint64_t now_ns);

// A check (qe_check): what a node is asked to do for its asker, so that this one learns what its NAT lets through.
enum qe_dht_how {
    QE_DHT_HOW_SEEN,       // say where it sees the asker, and give a token
    QE_DHT_HOW_SAME_PORT,  // send a probe from where it was asked
    QE_DHT_HOW_OTHER_PORT, // from the same address and another port
    QE_DHT_HOW_OTHER_NODE, // have another node send one
    QE_DHT_HOW_FOR_OTHER,  // of a node that does the last: send a probe to that address
};
// Where probes of the kind OTHER_PORT leave, beside the sockets that queries came in by (qe_dht_send.socket).
#define QE_DHT_SOCKET_OTHER UINT32_MAX
// Says which port of this node's that is, 0 for none. It is wished for with QE_DHT_SIGNAL_PORT.
void qe_dht_set_other_port(struct qe_dht *dht, uint8_t family, uint16_t port);

struct qe_dht_registration {
    struct qe_dht_contact holder;
    struct qe_addr seen;
    bool open;           // the holder says that anybody can reach it
    uint64_t since_ns;   // `seen` is the same
    uint64_t renewed_ns; // the holder's last word
};
// Those that hold; how many.
size_t qe_dht_registrations(const struct qe_dht *dht, struct qe_dht_registration *out, size_t max);
// Says of this node whether anybody can reach it unasked: others prefer such ones as holders. Unknown: false.
void qe_dht_set_open(struct qe_dht *dht, bool open);

#endif
