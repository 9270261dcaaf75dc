// The part of a node's server that helps others to meet: it keeps registrations, passes signals on, and sends probes to
// those who ask what their NAT lets through. Everything that it sends beside replies goes to an address whose owner
// asked for it, or registered there, and is no larger than what was asked with.
#ifndef QE_DHT_HOLDER_H
#define QE_DHT_HOLDER_H

#include "dht/registry.h"
#include "dht/reply.h"
#include "dht/server.h"
#include "dht/signal.h"
#include "dht/token.h"

#define QE_DHT_PROBES_MAX   32 // addresses that are remembered because somebody else had them probed
#define QE_DHT_PROBES_S     4  // probes a second, all together
#define QE_DHT_PROBES_BURST 16

struct qe_dht_holder {
    const struct qe_dht_server_options *options;
    struct qe_dht_limit *limit;
    const uint8_t *token_key;
    struct qe_dht_registry *registry;
    bool open;               // what this node knows of itself
    uint16_t other_ports[2]; // by family: where its probes can come from, too; 0: from nowhere
    struct {
        struct qe_addr addr;
        uint64_t until_ns;
    } probed[QE_DHT_PROBES_MAX];
    unsigned next_probed;
    uint64_t probes_ns; // when the bucket of probes is empty again
};

// The three answer a query: each fills the reply, or says the error. *silent: there is to be no reply.
struct qe_dht_error qe_dht_holder_register(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply);
struct qe_dht_error qe_dht_holder_punch(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply);
struct qe_dht_error qe_dht_holder_check(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply, bool *silent);

size_t qe_dht_holder_memory(const struct qe_dht_holder *holder);

// What a node signs to register at a holder that gave it this token, into `out`; its size.
#define QE_DHT_REGISTER_SIGNED_SIZE (sizeof "quicether register" + 20 + QE_DHT_TOKEN_SIZE)
size_t qe_dht_register_signed(
    const struct qe_node_id *holder, struct qe_span token, uint8_t out[QE_DHT_REGISTER_SIGNED_SIZE]);

#endif
