// Finds out what the NATs in front of a node do (nat/behaviour.h), with the help of nodes of the DHT that it asks from
// a socket of its own, which nothing else uses: what its datagrams have opened in a NAT is known then. First what is
// let in: probes from another node, and from another port of the one that was asked. Then how it maps: where several
// nodes see it. Then whether it turns back what is for itself. Then how long a mapping lasts: it is left alone for
// longer and longer, and the node that made it is asked, from the main socket, for a probe to where it saw the spare
// one.
//
// Pure: datagrams and times in, datagrams out. It sends one at a time, and a dozen in a round.
#ifndef QE_NAT_CHECKER_H
#define QE_NAT_CHECKER_H

#include "base/bytes.h"
#include "dht/dht.h"
#include "nat/behaviour.h"

#define QE_NAT_SERVERS_MAX 6
#define QE_NAT_OWN_MAX     16

struct qe_nat_checker;

struct qe_nat_checker_options {
    struct qe_node_id id;
    void *user;
    void (*random)(void *user, uint8_t *out, size_t size);
};

// A round. Everything is copied.
struct qe_nat_round {
    uint16_t port;                 // that the spare socket is bound to
    const struct qe_addr *servers; // nodes of quicether, at addresses that differ; the first are asked most
    size_t server_count;
    const struct qe_ip *own; // the host's addresses
    size_t own_count;
    struct qe_addr main_seen; // where others see the main socket; family 0: unknown
    bool lifetime;            // also how long a mapping lasts: that takes minutes
};

enum qe_nat_step {
    QE_NAT_IDLE,
    QE_NAT_ASK_FIRST,   // where the first server sees the spare socket
    QE_NAT_FILTER_NODE, // does a probe of another node arrive?
    QE_NAT_FILTER_PORT, // one of the first server's other port?
    QE_NAT_ASK_PORT,    // where that port sees the spare socket
    QE_NAT_ASK_OTHERS,  // where the other servers do
    QE_NAT_HAIRPIN,
    QE_NAT_LIFE_BEGIN, // the mapping is made anew
    QE_NAT_LIFE_WAIT,
    QE_NAT_LIFE_PROBE, // is it still there?
};

struct qe_nat_checker {
    struct qe_nat_checker_options options;
    enum qe_nat_step step;
    struct qe_addr servers[QE_NAT_SERVERS_MAX];
    size_t server_count, server; // the one in turn
    struct qe_ip own[QE_NAT_OWN_MAX];
    size_t own_count;
    struct qe_addr main_seen;
    uint16_t port;
    bool lifetime;
    struct qe_nat_behaviour found; // of this round, so far
    struct qe_nat_seen seen;
    struct qe_addr outside; // where the first server sees the spare socket
    uint16_t other_port;    // the first server's; 0: it has none
    uint8_t token[8];
    bool has_token;
    // The question under way.
    bool waits, send; // for an answer; to be sent now
    uint8_t transaction[4], nonce[8];
    unsigned tries, granted; // granted: the server said that it sent a probe
    uint64_t due_ns;
    // The lifetime.
    uint64_t made_ns;
    uint32_t wait_s;
    struct qe_nat_behaviour result; // of the last round that came to an end
    bool news;                      // since qe_nat_checker_take
};

void qe_nat_checker_init(struct qe_nat_checker *checker, const struct qe_nat_checker_options *options);
// Begins a round, and ends one that is under way without a result.
void qe_nat_checker_start(struct qe_nat_checker *checker, const struct qe_nat_round *round, uint64_t now_ns);
void qe_nat_checker_stop(struct qe_nat_checker *checker);
// Whether it still finds out something; measuring the lifetime aside.
bool qe_nat_checker_busy(const struct qe_nat_checker *checker);
// Takes a datagram that came to the spare socket, or (`spare` false) to the main one. False: it is not for it.
bool qe_nat_checker_receive(
    struct qe_nat_checker *checker, bool spare, const struct qe_addr *from, struct qe_span bytes, uint64_t now_ns);

struct qe_nat_checker_send {
    bool spare; // by that socket; else by the main one
    struct qe_addr to;
    size_t size;
};
bool qe_nat_checker_next(struct qe_nat_checker *checker, uint8_t out[QE_DHT_DATAGRAM_MAX],
    struct qe_nat_checker_send *send, uint64_t now_ns);
void qe_nat_checker_expire(struct qe_nat_checker *checker, uint64_t now_ns);
uint64_t qe_nat_checker_deadline(const struct qe_nat_checker *checker);
// What is known now, where that is news: known_ns is set.
bool qe_nat_checker_take(struct qe_nat_checker *checker, struct qe_nat_behaviour *out);

#endif
