// A node is one of those that hold values, and is asked like any other where it is one of the closest: by the same
// queries, which its own server answers.
#include "dht/dht_internal.h"

#include "dht/network.h"

static bool ask(struct qe_dht *dht, struct qe_krpc *message, uint8_t reply[QE_DHT_DATAGRAM_MAX], struct qe_krpc *out,
    uint64_t now_ns)
{
    static const struct qe_addr self = {.ip = {4, {127, 0, 0, 1}}, .port = 1};
    message->type = QE_KRPC_QUERY;
    message->transaction = qe_span("s", 1);
    message->version = qe_span(QE_KRPC_VERSION, 4);
    message->has_id = true;
    message->id = dht->options.id;
    message->reply_max = QE_DHT_DATAGRAM_MAX;
    uint8_t query[QE_DHT_DATAGRAM_MAX];
    size_t size = qe_krpc_write(message, query, sizeof query), reply_size;
    struct qe_krpc read;
    if (size == 0 || !qe_krpc_read(qe_span(query, size), &read)) return false;
    return qe_dht_server_answer(dht->server, &read, size, &self, now_ns, reply, &reply_size) == QE_DHT_SERVER_REPLY &&
           qe_krpc_read(qe_span(reply, reply_size), out) && out->type == QE_KRPC_REPLY;
}

bool qe_dht_local_get(struct qe_dht *dht, const struct qe_dht_operation *op, struct qe_span next,
    uint8_t reply[QE_DHT_DATAGRAM_MAX], struct qe_krpc *out, uint64_t now_ns)
{
    struct qe_krpc message;
    if (dht->options.read_only || op->request.kind == QE_DHT_FIND_NODE) return false;
    qe_dht_lookup_message(op, next, &message);
    return ask(dht, &message, reply, out, now_ns);
}

static bool is_close(const struct qe_dht *dht, const struct qe_dht_operation *op)
{
    size_t k = qe_dht_operation_k(dht, op);
    for (int f = 0; f < 2; f++) {
        size_t closer = 0;
        for (unsigned i = 0; i < op->lists[f].count; i++) {
            const struct qe_dht_candidate *candidate = &op->lists[f].items[i];
            closer += candidate->state == QE_DHT_ANSWERED && !candidate->foreign &&
                      qe_dht_compare_distance(&op->request.target, &candidate->contact.id, &dht->options.id) < 0;
        }
        if (op->answered[f] > 0 && closer < k) return true;
    }
    return false;
}

void qe_dht_local_put(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns)
{
    uint8_t reply[QE_DHT_DATAGRAM_MAX], stored[QE_DHT_DATAGRAM_MAX], record[QE_KRPC_RECORD_MAX];
    struct qe_krpc given, message, out;
    // A peer is announced for the address that others see; nobody sees it here.
    if (op->request.kind == QE_DHT_ANNOUNCE || !is_close(dht, op)) return;
    if (!qe_dht_local_get(dht, op, (struct qe_span){0}, reply, &given, now_ns)) return;
    qe_dht_storing_message(op, given.token, record, &message);
    ask(dht, &message, stored, &out, now_ns);
}
