// What a node answers to a query: a function of the query, of what it holds for others, and of the nodes that it knows.
#ifndef QE_DHT_SERVER_H
#define QE_DHT_SERVER_H

#include "dht/krpc.h"
#include "dht/store.h"

struct qe_dht_server;

struct qe_dht_server_options {
    const struct qe_mem *mem;
    struct qe_node_id id;
    bool index; // keeps records of the index; false in the public network
    void *user;
    void (*random)(void *user, uint8_t *out, size_t size); // asked once, for keys
    // The good nodes of a family closest to a target (a bootstrap node: random ones), at most `max`; how many.
    size_t (*closest)(
        void *user, const struct qe_node_id *target, uint8_t family, struct qe_dht_contact *out, size_t max);
    // What is sent beside replies, from `socket` (0, or QE_DHT_SOCKET_OTHER): false where it cannot be. NULL: this node
    // neither keeps registrations nor checks anything for anybody; likewise without `index`.
    bool (*send)(void *user, uint32_t socket, const struct qe_addr *to, struct qe_span bytes);
    // Somebody would have liked a probe from another port.
    void (*wants_port)(void *user, uint8_t family);
    bool (*knows)(void *user, const struct qe_dht_contact *contact);
    // A good node of the same family as that address, at another one.
    bool (*other)(void *user, const struct qe_ip *than, struct qe_dht_contact *out);
    bool private_too; // private addresses may be probed
    size_t referrals; // how many nodes a reply has at most: QE_DHT_K; a bootstrap node: 20
};
#define QE_DHT_REFERRALS_MAX 20

// NULL without memory.
struct qe_dht_server *qe_dht_server_new(const struct qe_dht_server_options *options);
void qe_dht_server_free(struct qe_dht_server *server);

enum qe_dht_server_verdict {
    QE_DHT_SERVER_REPLY,
    QE_DHT_SERVER_ERROR,
    QE_DHT_SERVER_SILENT, // it is not to be answered
    QE_DHT_SERVER_LIMIT,  // silence: too many queries, or no bytes left for an answer
};
// Answers a query that was read from a datagram of `query_size` bytes. *size: of the reply in `out`; 0: silence. The
// reply is at most three times the query, or draws on the budget of its address.
enum qe_dht_server_verdict qe_dht_server_answer(struct qe_dht_server *server, const struct qe_krpc *query,
    size_t query_size, const struct qe_addr *from, uint64_t now_ns, uint8_t out[QE_DHT_DATAGRAM_MAX], size_t *size);

// Its part that keeps registrations (dht/holder.h).
struct qe_dht_holder;
struct qe_dht_holder *qe_dht_server_holder(struct qe_dht_server *server);

void qe_dht_server_expire(struct qe_dht_server *server, uint64_t now_ns);
uint64_t qe_dht_server_deadline(const struct qe_dht_server *server);
void qe_dht_server_stats(const struct qe_dht_server *server, struct qe_dht_store_stats *out);

#endif
