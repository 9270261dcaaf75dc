// A reply as it grows: what must be in it first, then as much as fits of what else there is to say.
#ifndef QE_DHT_REPLY_H
#define QE_DHT_REPLY_H

#include "dht/krpc.h"
#include "dht/server.h"

struct qe_dht_error {
    int code; // enum qe_krpc_error; 0: none
    const char *text;
};

struct qe_dht_reply {
    struct qe_krpc message;
    size_t room; // bytes that it may have
    uint8_t token[8], key[32], signature[64], next[33], authority[32];
    uint8_t nodes[QE_DHT_REFERRALS_MAX * QE_KRPC_NODE4_SIZE], nodes6[QE_DHT_REFERRALS_MAX * QE_KRPC_NODE6_SIZE];
    uint8_t list[QE_DHT_DATAGRAM_MAX]; // values or records, bencoded
    size_t list_size;
};

// A reply to `query`, with what every one has.
void qe_dht_reply_init(
    struct qe_dht_reply *reply, const struct qe_krpc *query, const struct qe_node_id *id, const struct qe_addr *to);
// How many bytes are left of its room; 0 also where it does not fit into it.
size_t qe_dht_reply_left(const struct qe_dht_reply *reply);
// Adds one more string to its list of values or records, if that leaves `reserve` bytes. False where it does not.
bool qe_dht_reply_add(struct qe_dht_reply *reply, struct qe_span string, size_t reserve);
// Adds as many of the contacts as fit, each family's closest first, both families alike.
void qe_dht_reply_nodes(struct qe_dht_reply *reply, const struct qe_dht_contact *four, size_t four_count,
    const struct qe_dht_contact *six, size_t six_count);

#endif
