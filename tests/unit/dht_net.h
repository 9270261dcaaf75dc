// A virtual network of DHT nodes for the unit tests: the production state machine, datagrams with a delay between each
// two nodes, loss, nodes that are switched off, and halves that are cut off from each other.
#ifndef QE_TESTS_UNIT_DHT_NET_H
#define QE_TESTS_UNIT_DHT_NET_H

#include "base/time.h"
#include "dht/dht.h"
#include "unit.h"

#define DHT_NET_NODES_MAX 16384 // a power of two

struct dht_net_answer {
    bool final;
    enum qe_dht_outcome outcome;
    bool has_item;
    int64_t seq;
    uint8_t value[QE_DHT_VALUE_MAX];
    size_t value_size;
    size_t record_count, peer_count, closest_count;
    struct qe_dht_record records[64]; // their values are in record_values
    uint8_t record_values[64][QE_DHT_RECORD_MAX];
    struct qe_addr peers[64];
    struct qe_dht_contact closest[32];
    unsigned stored, hops, queries, timeouts, partial; // partial: answers before the final one
    int error_code;
    char error_text[64];
    uint64_t elapsed_us;
};

struct dht_net_node {
    struct qe_dht *dht;
    uint8_t secret_key[64];
    struct qe_key key;
    struct qe_node_id id;
    struct qe_addr addr;
    uint16_t other_port; // a second one of its address (QE_DHT_SOCKET_OTHER); 0: none
    struct qe_addr also; // a second one, of the other family; its family 0: none
    struct unit_random random;
    bool off; // neither sends nor receives
    int half; // nodes of different halves hear each other only while the net is whole
    struct dht_net_answer last;
};

struct dht_net_datagram {
    uint64_t at_ns, order;
    struct qe_addr from, to;
    uint16_t size;
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
};

struct dht_net {
    uint64_t now_ns;
    struct dht_net_node *nodes; // they stay where they are
    size_t count;
    uint64_t *deadlines;              // a tree: the earlier of two children; the second half is the nodes'
    struct dht_net_datagram **flying; // a heap
    size_t flying_count, flying_capacity;
    uint64_t order, sent, sent_bytes;
    unsigned loss_percent;
    bool cut;
    struct unit_random random;
    // Sees each datagram that nobody has the address of.
    void (*stranger)(void *user, const struct dht_net_datagram *datagram);
    void *user;
};

struct dht_net *dht_net_new(void);
void dht_net_free(struct dht_net *net);
// A node whose address is 1.x.y.1 (or 10.x.y.1 with options->exempt_private set), its number telling x and y. NULL
// options: those of a private swarm.
struct dht_net_node *dht_net_add(struct dht_net *net, const struct qe_dht_options *options);
// The same with an IPv6 address.
struct dht_net_node *dht_net_add6(struct dht_net *net, const struct qe_dht_options *options);
// Gives a node with an IPv4 address an IPv6 one, too.
void dht_net_also6(struct dht_net *net, struct dht_net_node *node);
// Puts a datagram on its way.
void dht_net_send(struct dht_net *net, const struct qe_addr *from, const struct qe_addr *to, struct qe_span bytes);
// Lets what a node has to say out.
void dht_net_flush(struct dht_net *net, struct dht_net_node *node);
void dht_net_run(struct dht_net *net, uint64_t until_ns);
void dht_net_run_for(struct dht_net *net, uint64_t ns);
// `count` nodes that know the first one, 20 ms after each other, and a while for them to join.
void dht_net_grow(struct dht_net *net, size_t count);
// Does it and waits for its end (at most 30 s); its last answer.
const struct dht_net_answer *dht_net_do(
    struct dht_net *net, struct dht_net_node *node, const struct qe_dht_request *request);
// Signed by the node.
struct qe_dht_item dht_net_item(const struct dht_net_node *node, const char *bencoded, const char *salt, int64_t seq);
struct qe_dht_record dht_net_record(
    const struct dht_net_node *node, const struct qe_node_id *target, const char *value, uint64_t seq);

#endif
