// QUIC endpoints on a network in memory, in virtual time: links with delay, loss and a size limit, hosts with seeded
// randomness and a key each. Everything that an endpoint tells its owner is written down as one readable line.
#ifndef QE_TESTS_QUIC_NET_H
#define QE_TESTS_QUIC_NET_H

#include "quic/library.h"
#include "quic/quic.h"
#include "unit.h"

#define NET_ENDS_MAX     8
#define NET_TICKETS_MAX  16
#define NET_CONTROL_MAX  (1 << 20)
#define NET_PAYLOAD_SIZE 65536

struct net;

struct net_end {
    struct net *net;
    const char *name;
    struct qe_host host;
    struct qe_quic *quic;
    struct qe_quic_options options;
    struct unit_random random[QE_RANDOM_COUNT];
    uint8_t secret[64];
    struct qe_addr addr;
    uint32_t socket;
    bool down; // packets to it vanish
    const struct qe_key *allowed[4];
    size_t allowed_count;
    bool allow_all;
    unsigned asked; // how often allow was

    struct qe_conn *conn; // the last one dialled or told of
    char log[4096];       // "connected\nconfirmed\n…"
    struct qe_conn_close closed;
    unsigned closed_count, moved_count;
    uint8_t *control; // what came over control streams
    size_t control_size;
    bool control_early; // some of it before `confirmed` at a server
    bool is_confirmed;

    size_t outgoing; // datagrams left to send
    size_t outgoing_size;
    bool offered;
    uint64_t sequence;
    uint8_t payload[NET_PAYLOAD_SIZE];
    size_t datagrams, datagram_bytes; // received
    size_t datagrams_bad;             // with other content than sent
    uint8_t last_ecn;

    uint8_t tickets[NET_TICKETS_MAX][4096];
    size_t ticket_sizes[NET_TICKETS_MAX];
    size_t ticket_count;

    size_t batches, batch_segments_max; // written by qe_quic_next
    size_t sends;
    uint64_t carried[QE_CARRIED_COUNT]; // datagrams sent that carry this class
};

struct net_flight;

struct net {
    struct qe_tls_library *tls;
    uint64_t now_ns, wall_ms;
    uint64_t delay_ns;
    unsigned loss_percent;
    uint32_t size_max; // larger datagrams vanish; 0: none do
    struct unit_random random;
    struct net_end ends[NET_ENDS_MAX];
    size_t end_count;
    struct net_flight *first, *last;
    // Sees, and may change, each datagram on its way (its bytes, size, addresses); false drops it.
    bool (*tap)(struct net *net, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size);
    void *tap_user;
    bool tell_carried;  // ends made from now on say what their datagrams carry
    bool keep_batches;  // deliver what was sent in one go in one go (UDP_GRO)
    uint8_t digest[32]; // over every byte on the wire, with times and addresses
    uint64_t seed;
};

// One for the whole program.
struct qe_tls_library *net_tls(void);

void net_init(struct net *net, uint64_t seed);
void net_fini(struct net *net);
// A host at 10.0.0.N (or fd00::N), port 9000, and its endpoint. Its key follows from `name` alone.
struct net_end *net_add(struct net *net, const char *name, uint8_t family);
// Ends the endpoint without a word and starts another with the same key.
void net_restart(struct net_end *end);
void net_allow(struct net_end *end, const struct net_end *peer);
// Dials, pinned to the other's key unless `key` is another one.
struct qe_conn *net_dial(
    struct net_end *from, struct net_end *to, const struct qe_key *key, struct qe_span ticket, struct qe_span early);
// Lets time pass until nothing happens before `until_ns` any more; the clock then shows `until_ns`.
void net_run(struct net *net, uint64_t until_ns);
// Delivers nothing, but takes all that the endpoints want to send now.
void net_flush(struct net *net);
// A datagram out of nowhere.
void net_inject(struct net *net, struct qe_addr from, struct qe_addr to, const void *bytes, size_t size);
bool net_log_has(const struct net_end *end, const char *line);

#endif
