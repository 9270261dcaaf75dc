// The second half of an operation that stores: the nodes closest to the target, each of which gave a token when it was
// looked up, are asked to take it. One that is silent is replaced by the next.
#include "dht/dht_internal.h"

#include "base/mutants.h"

#include <string.h>

void qe_dht_storing_message(
    const struct qe_dht_operation *op, struct qe_span token, uint8_t record[QE_KRPC_RECORD_MAX], struct qe_krpc *out)
{
    *out = (struct qe_krpc){.token = token};
    switch (op->request.kind) {
    case QE_DHT_PUT:
        out->method = QE_KRPC_PUT;
        out->value = op->item.value;
        if (!op->item.mutable) break;
        out->key = qe_span(op->item.key.bytes, sizeof op->item.key.bytes);
        out->signature = qe_span(op->item.signature, sizeof op->item.signature);
        out->salt = op->item.salt;
        out->has_seq = true;
        out->seq = op->item.seq;
        out->has_cas = op->request.has_cas && !QE_MUTANT(dht_cas_lost);
        out->cas = op->request.cas;
        break;
    case QE_DHT_ANNOUNCE:
        out->method = QE_KRPC_ANNOUNCE_PEER;
        out->has_target = true;
        out->target = op->request.target;
        out->port = op->request.port;
        out->implied_port = op->request.port == 0;
        break;
    default:
        out->method = QE_KRPC_INDEX_PUT;
        out->has_target = true;
        out->target = op->request.target;
        out->record = qe_span(record, qe_krpc_record_write(&op->record, record, QE_KRPC_RECORD_MAX));
        if (op->record.certified) out->authority = qe_span(op->record.authority.bytes, 32);
        break;
    }
}

static bool send_put(
    struct qe_dht *dht, struct qe_dht_operation *op, const struct qe_dht_candidate *candidate, uint64_t now_ns)
{
    uint8_t record[QE_KRPC_RECORD_MAX];
    struct qe_krpc message;
    qe_dht_storing_message(op, qe_span(candidate->token, candidate->token_size), record, &message);
    return qe_dht_query_send(dht, QE_DHT_FOR_STORE, &candidate->contact, true, op, &message, now_ns);
}

static void advance(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    size_t k = QE_MUTANT(dht_put_on_one) ? 1 : qe_dht_operation_k(dht, op);
    for (int f = 0; f < 2; f++)
        for (unsigned i = 0; i < op->lists[f].count; i++) {
            struct qe_dht_candidate *candidate = &op->lists[f].items[i];
            if (op->stored[f] + op->refused[f] + op->pending[f] >= k) break;
            if (candidate->state != QE_DHT_ANSWERED || candidate->token_size == 0 || candidate->storing) continue;
            candidate->storing = true;
            op->pending[f] += send_put(dht, op, candidate, now_ns);
        }
    if (op->pending[0] + op->pending[1] > 0) return;
    bool stored = op->stored[0] + op->stored[1] > 0;
    qe_dht_operation_end(dht, op, stored ? QE_DHT_DONE : QE_DHT_NOT_FOUND, now_ns);
}

void qe_dht_storing_begin(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    // What the lookup still waits for comes too late to be counted in.
    qe_dht_queries_forget(dht, op);
    op->storing = true;
    qe_dht_local_put(dht, op, now_ns);
    advance(dht, op, now_ns);
}

static bool is_refusal(int code)
{
    return code == QE_KRPC_ERROR_CAS || code == QE_KRPC_ERROR_SEQ;
}

static void note_error(struct qe_dht_operation *op, const struct qe_krpc *message)
{
    if (op->error_code != 0 && !is_refusal(message->error_code)) return;
    op->error_code = message->error_code;
    size_t size = message->error_text.size;
    if (size >= sizeof op->error_text) size = sizeof op->error_text - 1;
    if (size) memcpy(op->error_text, message->error_text.data, size);
    op->error_text[size] = 0;
}

void qe_dht_storing_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_operation *op = query->operation;
    unsigned f = qe_dht_family(&query->to.addr);
    op->pending[f]--;
    if (!message) {
        op->timeouts++;
    } else if (message->type == QE_KRPC_ERROR) {
        note_error(op, message);
        // Who has something newer is one of the k, and asking others in its place would change nothing.
        op->refused[f] += is_refusal(message->error_code);
    } else {
        // A foreign node answers an index query as if it were find_node.
        op->stored[f] += op->request.kind != QE_DHT_INDEX_PUT || message->has_age;
    }
    advance(dht, op, now_ns);
}
