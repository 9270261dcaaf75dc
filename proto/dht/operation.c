// Operations from their start to their last answer. Who is told of one may start and cancel others from there, so one
// that ended is kept until the next step.
#include "dht/dht_internal.h"

#include <string.h>

size_t qe_dht_operation_k(const struct qe_dht *dht, const struct qe_dht_operation *op)
{
    bool stores =
        op->request.kind == QE_DHT_PUT || op->request.kind == QE_DHT_ANNOUNCE || op->request.kind == QE_DHT_INDEX_PUT;
    return stores && !dht->options.mainline ? QE_DHT_STORES : QE_DHT_K;
}

// Copies what the request points at. False where it makes no sense or without memory.
static bool copy_request(struct qe_dht *dht, struct qe_dht_operation *op, const struct qe_dht_request *request)
{
    struct qe_span salt = request->salt, value = {0};
    if (request->kind == QE_DHT_PUT) {
        if (!request->item) return false;
        op->item = *request->item;
        op->request.target = qe_dht_item_target(request->item);
        salt = request->item->mutable ? request->item->salt : (struct qe_span){0};
        value = request->item->value;
        if (value.size == 0 || value.size > QE_DHT_VALUE_MAX) return false;
    }
    if (request->kind == QE_DHT_INDEX_PUT) {
        if (!request->record) return false;
        op->record = *request->record;
        value = request->record->value;
        if (value.size > QE_DHT_RECORD_MAX) return false;
    }
    if (salt.size > QE_DHT_SALT_MAX) return false;
    op->bytes = qe_alloc(dht->options.mem, salt.size + value.size);
    if (!op->bytes) return false;
    if (salt.size) memcpy(op->bytes, salt.data, salt.size);
    if (value.size) memcpy(op->bytes + salt.size, value.data, value.size);
    salt.data = op->bytes;
    value.data = op->bytes + salt.size;
    op->request.salt = op->item.salt = salt;
    op->item.value = op->record.value = value;
    op->request.item = NULL;
    op->request.record = NULL;
    return true;
}

struct qe_dht_operation *qe_dht_operation_new(
    struct qe_dht *dht, enum qe_dht_task task, const struct qe_dht_request *request, uint64_t now_ns)
{
    struct qe_dht_operation *op = qe_zalloc(dht->options.mem, 1, sizeof *op);
    if (!op) return NULL;
    op->task = task;
    op->request = *request;
    if (!copy_request(dht, op, request)) {
        qe_free(dht->options.mem, op);
        return NULL;
    }
    op->number = ++dht->last_number;
    op->started_ns = now_ns;
    for (int f = 0; f < 2; f++)
        qe_dht_shortlist_init(&op->lists[f], &dht->options, &op->request.target);
    qe_dht_found_init(&op->found, dht->options.mem);
    qe_list_append(&dht->operations, &op->link);
    dht->operation_count++;
    return op;
}

#define CLOSEST_MAX (2 * QE_DHT_STORES)

static size_t closest(const struct qe_dht *dht, const struct qe_dht_operation *op, struct qe_dht_contact *out)
{
    size_t k = qe_dht_operation_k(dht, op), count = 0;
    for (int f = 0; f < 2; f++) {
        size_t taken = 0;
        for (unsigned i = 0; i < op->lists[f].count && taken < k; i++) {
            const struct qe_dht_candidate *candidate = &op->lists[f].items[i];
            if (candidate->state != QE_DHT_ANSWERED) continue;
            out[count++] = candidate->contact;
            taken++;
        }
    }
    return count;
}

static void tell(struct qe_dht *dht, struct qe_dht_operation *op, const enum qe_dht_outcome *outcome, uint64_t now_ns)
{
    if (op->task != QE_DHT_TASK_USER || !dht->options.answer) return;
    struct qe_dht_contact contacts[CLOSEST_MAX];
    struct qe_dht_answer answer = {.operation = op->number,
        .kind = op->request.kind,
        .target = op->request.target,
        .final = outcome != NULL,
        .outcome = outcome ? *outcome : QE_DHT_DONE,
        .item = op->found.has_item ? &op->found.item : NULL,
        .records = qe_dht_found_records(&op->found),
        .record_count = op->found.record_count,
        .peers = op->found.peers,
        .peer_count = op->found.peer_count,
        .closest = contacts,
        .closest_count = closest(dht, op, contacts),
        .stored = op->stored[0] + op->stored[1],
        .error_code = op->error_code,
        .hops = op->hops,
        .queries = op->queries,
        .timeouts = op->timeouts,
        .elapsed_us = (now_ns - op->started_ns) / QE_NS_PER_US};
    memcpy(answer.error_text, op->error_text, sizeof answer.error_text);
    dht->options.answer(dht->options.user, &answer);
}

void qe_dht_operation_tell(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    if (!op->ended) tell(dht, op, NULL, now_ns);
}

void qe_dht_operation_end(struct qe_dht *dht, struct qe_dht_operation *op, enum qe_dht_outcome outcome, uint64_t now_ns)
{
    if (op->ended) return;
    op->ended = true;
    dht->operation_count--;
    qe_list_remove(&op->link);
    qe_list_append(&dht->ended, &op->link);
    qe_dht_queries_forget(dht, op);
    if (op->task == QE_DHT_TASK_USER) {
        dht->stats.lookups++;
        dht->stats.lookups_failed += outcome != QE_DHT_DONE;
    } else {
        qe_dht_upkeep_on_looked_up(dht, op, now_ns);
    }
    tell(dht, op, &outcome, now_ns);
}

void qe_dht_operations_reap(struct qe_dht *dht)
{
    while (!qe_list_empty(&dht->ended)) {
        struct qe_dht_operation *op = qe_container(dht->ended.next, struct qe_dht_operation, link);
        qe_list_remove(&op->link);
        for (int f = 0; f < 2; f++)
            qe_dht_shortlist_fini(&op->lists[f]);
        qe_dht_found_fini(&op->found);
        qe_free(dht->options.mem, op->bytes);
        qe_free(dht->options.mem, op);
    }
}

static void begin_ping(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    struct qe_dht_contact contact = {.addr = op->request.addr};
    struct qe_krpc message = {.method = QE_KRPC_PING};
    if (qe_dht_query_send(dht, QE_DHT_FOR_PING, &contact, false, op, &message, now_ns)) return;
    op->wait_ns = now_ns;
    qe_dht_upkeep_wake(dht, now_ns);
}

uint64_t qe_dht_start(struct qe_dht *dht, const struct qe_dht_request *request, uint64_t now_ns)
{
    if (dht->operation_count >= QE_DHT_OPERATIONS_MAX) return 0;
    struct qe_dht_operation *op = qe_dht_operation_new(dht, QE_DHT_TASK_USER, request, now_ns);
    if (!op) return 0;
    op->starting = true;
    if (request->kind == QE_DHT_PING)
        begin_ping(dht, op, now_ns);
    else
        qe_dht_lookup_begin(dht, op, now_ns);
    op->starting = false;
    return op->number;
}

void qe_dht_cancel(struct qe_dht *dht, uint64_t number)
{
    for (struct qe_list *at = dht->operations.next; at != &dht->operations; at = at->next) {
        struct qe_dht_operation *op = qe_container(at, struct qe_dht_operation, link);
        if (op->number != number) continue;
        qe_dht_operation_end(dht, op, QE_DHT_CANCELLED, dht->now_ns > op->started_ns ? dht->now_ns : op->started_ns);
        return;
    }
}
