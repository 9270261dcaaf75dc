// Queries of ours under way. What is kept true: an answer counts only from the address that was asked, under a number
// that nobody else can guess, and once.
#include "dht/dht_internal.h"

#include "base/mutants.h"

#include <string.h>

#define CAPACITY_STEP     8
#define LATE_MIN_NS       (100 * QE_NS_PER_MS)
#define LATE_MAX_NS       (1000 * QE_NS_PER_MS)
#define PASSED_MIN_NS     (1000 * QE_NS_PER_MS)
#define LATE_UNKNOWN_NS   (500 * QE_NS_PER_MS) // while nothing was measured
#define REPLY_ITEM_MAX    (QE_DHT_VALUE_MAX + 400)
#define REPLY_TOKEN_BYTES 60
#define REPLY_NODES_BYTES 100 // of a reply beside its nodes

void qe_dht_queries_init(struct qe_dht_queries *queries)
{
    *queries = (struct qe_dht_queries){.deadline_ns = QE_TIME_NEVER};
}

void qe_dht_queries_fini(struct qe_dht *dht)
{
    qe_free(dht->options.mem, dht->queries.items);
}

// How long an answer is waited for before somebody else is asked: as a retransmission timeout (RFC 6298).
static uint64_t late_after_ns(const struct qe_dht_queries *queries)
{
    if (queries->rtt_us == 0) return LATE_UNKNOWN_NS;
    uint64_t after = (queries->rtt_us + 4 * queries->rtt_var_us) * QE_NS_PER_US;
    if (after < LATE_MIN_NS) return LATE_MIN_NS;
    return after < LATE_MAX_NS ? after : LATE_MAX_NS;
}

void qe_dht_query_measured(struct qe_dht *dht, uint64_t rtt_us)
{
    struct qe_dht_queries *q = &dht->queries;
    if (rtt_us == 0) rtt_us = 1;
    if (q->rtt_us == 0) {
        q->rtt_us = rtt_us;
        q->rtt_var_us = rtt_us / 2;
        return;
    }
    uint64_t off = rtt_us > q->rtt_us ? rtt_us - q->rtt_us : q->rtt_us - rtt_us;
    q->rtt_var_us = (q->rtt_var_us * 3 + off) / 4;
    q->rtt_us = (q->rtt_us * 7 + rtt_us) / 8;
}

static struct qe_dht_query *new_query(struct qe_dht *dht)
{
    struct qe_dht_queries *q = &dht->queries;
    if (q->count == QE_DHT_QUERIES_MAX) return NULL;
    if (q->count == q->capacity) {
        size_t capacity = q->capacity < 64 ? q->capacity + CAPACITY_STEP : q->capacity * 2;
        struct qe_dht_query *items = qe_realloc(dht->options.mem, q->items, capacity, sizeof *items);
        if (!items) return NULL;
        q->items = items;
        q->capacity = capacity;
    }
    return &q->items[q->count++];
}

static uint32_t draw_transaction(struct qe_dht *dht)
{
    for (;;) {
        uint8_t bytes[4];
        dht->options.random(dht->options.user, bytes, sizeof bytes);
        uint32_t drawn = qe_load32(bytes);
        size_t i = 0;
        while (i < dht->queries.count && dht->queries.items[i].transaction != drawn)
            i++;
        if (i == dht->queries.count) return drawn;
    }
}

// Of whoever is asked on the way to a store nothing is wanted but nodes and a token.
static size_t reply_size(const struct qe_dht_operation *op, const struct qe_krpc *message, const struct qe_addr *to)
{
    bool puts = op && (op->request.kind == QE_DHT_INDEX_PUT || (op->request.kind == QE_DHT_PUT && op->item.mutable));
    bool want6 = message->want6 || (!message->want4 && to->ip.family == 6);
    bool want4 = message->want4 || (!message->want6 && to->ip.family == 4);
    size_t nodes =
        REPLY_NODES_BYTES + QE_DHT_K * ((want4 ? QE_KRPC_NODE4_SIZE : 0u) + (want6 ? QE_KRPC_NODE6_SIZE : 0u));
    switch (message->method) {
    case QE_KRPC_FIND_NODE:
        return nodes;
    case QE_KRPC_GET:
    case QE_KRPC_INDEX_GET:
        return puts ? nodes + REPLY_TOKEN_BYTES : REPLY_ITEM_MAX;
    case QE_KRPC_GET_PEERS:
        return nodes + 400;
    default:
        return 0;
    }
}

bool qe_dht_query_send(struct qe_dht *dht, enum qe_dht_purpose purpose, const struct qe_dht_contact *to, bool has_id,
    struct qe_dht_operation *operation, struct qe_krpc *message, uint64_t now_ns)
{
    uint8_t transaction[4];
    uint32_t number = draw_transaction(dht);
    qe_store32(transaction, number);
    message->type = QE_KRPC_QUERY;
    message->transaction = qe_span(transaction, sizeof transaction);
    // In the public network it would only tell who we are.
    if (!dht->options.mainline) message->version = qe_span(QE_KRPC_VERSION, 4);
    message->read_only = dht->options.read_only && !QE_MUTANT(dht_read_only_asked);
    message->has_id = true;
    message->id = dht->options.id;
    message->reply_max = reply_size(operation, message, &to->addr);

    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    size_t size = qe_krpc_write(message, bytes, sizeof bytes);
    if (size == 0) return false;
    struct qe_dht_query *query = new_query(dht);
    if (!query) return false;
    *query = (struct qe_dht_query){.transaction = number,
        .purpose = (uint8_t)purpose,
        .method = (uint8_t)message->method,
        .has_id = has_id,
        .to = *to,
        .sent_ns = now_ns,
        .late_ns = now_ns + late_after_ns(&dht->queries),
        .operation = operation};
    if (!qe_dht_send_bytes(dht, 0, &to->addr, bytes, size)) {
        dht->queries.count--;
        return false;
    }
    dht->queries.checks += purpose == QE_DHT_FOR_CHECK;
    dht->queries.deadline_ns = qe_time_min(dht->queries.deadline_ns, query->late_ns);
    dht->stats.queries_sent++;
    if (operation) operation->queries++;
    return true;
}

bool qe_dht_query_send_numbered(struct qe_dht *dht, enum qe_dht_purpose purpose, const struct qe_dht_contact *to,
    bool has_id, uint32_t number, struct qe_krpc *message, uint64_t now_ns)
{
    if (!qe_dht_query_send(dht, purpose, to, has_id, NULL, message, now_ns)) return false;
    dht->queries.items[dht->queries.count - 1].number = number;
    return true;
}

static void remove_at(struct qe_dht *dht, size_t index, struct qe_dht_query *out)
{
    struct qe_dht_queries *q = &dht->queries;
    *out = q->items[index];
    q->items[index] = q->items[--q->count];
    q->checks -= out->purpose == QE_DHT_FOR_CHECK;
    if (q->count == 0) {
        q->deadline_ns = QE_TIME_NEVER;
        qe_free(dht->options.mem, q->items);
        q->items = NULL;
        q->capacity = 0;
    }
}

bool qe_dht_query_take(
    struct qe_dht *dht, struct qe_span transaction, const struct qe_addr *from, struct qe_dht_query *out)
{
    if (transaction.size != 4) return false;
    uint32_t number = qe_load32(transaction.data);
    for (size_t i = 0; i < dht->queries.count; i++) {
        if (dht->queries.items[i].transaction != number) continue;
        if (!qe_addr_equal(&dht->queries.items[i].to.addr, from) && !QE_MUTANT(dht_source_any)) return false;
        remove_at(dht, i, out);
        return true;
    }
    return false;
}

void qe_dht_queries_forget(struct qe_dht *dht, const struct qe_dht_operation *operation)
{
    for (size_t i = 0; i < dht->queries.count; i++)
        if (dht->queries.items[i].operation == operation) dht->queries.items[i].operation = NULL;
}

// Nodes that do not know what they are asked are silent, and a lookup is not to wait for them for long.
static uint64_t passed_ns(const struct qe_dht_query *query)
{
    uint64_t after = 2 * (query->late_ns - query->sent_ns);
    return query->sent_ns + (after > PASSED_MIN_NS ? after : PASSED_MIN_NS);
}

static uint64_t due_ns(const struct qe_dht_query *query)
{
    switch ((enum qe_dht_stage)query->stage) {
    case QE_DHT_STAGE_FRESH:
        return query->late_ns;
    case QE_DHT_STAGE_LATE:
        return passed_ns(query);
    default:
        return query->sent_ns + QE_DHT_QUERY_LIFE_NS;
    }
}

// One that is due, in its next stage, or (`lost`) given up and taken out. False: none.
static bool next_due(struct qe_dht *dht, uint64_t now_ns, struct qe_dht_query *out, bool *lost)
{
    struct qe_dht_queries *q = &dht->queries;
    uint64_t deadline = QE_TIME_NEVER;
    for (size_t i = 0; i < q->count; i++) {
        struct qe_dht_query *query = &q->items[i];
        uint64_t due = due_ns(query);
        if (due > now_ns) {
            deadline = qe_time_min(deadline, due);
            continue;
        }
        *lost = query->stage == QE_DHT_STAGE_PASSED;
        if (*lost) {
            remove_at(dht, i, out);
        } else {
            query->stage++;
            *out = *query;
        }
        return true;
    }
    q->deadline_ns = deadline;
    return false;
}

void qe_dht_queries_expire(struct qe_dht *dht, uint64_t now_ns)
{
    struct qe_dht_query query;
    bool lost;
    while (now_ns >= dht->queries.deadline_ns && next_due(dht, now_ns, &query, &lost)) {
        if (!lost) {
            if (query.operation && query.purpose == QE_DHT_FOR_LOOKUP)
                qe_dht_lookup_on_late(dht, &query, query.stage == QE_DHT_STAGE_PASSED, now_ns);
            continue;
        }
        dht->stats.timeouts++;
        qe_dht_on_silence(dht, &query, now_ns);
    }
}

void qe_dht_check(struct qe_dht *dht, const struct qe_dht_contact *contact, bool has_id, uint64_t now_ns)
{
    if (dht->queries.checks >= QE_DHT_CHECKS_MAX) return;
    for (size_t i = 0; i < dht->queries.count; i++) {
        const struct qe_dht_query *query = &dht->queries.items[i];
        if (query->purpose == QE_DHT_FOR_CHECK && qe_addr_equal(&query->to.addr, &contact->addr)) return;
    }
    struct qe_krpc message = {.method = QE_KRPC_PING};
    if (!qe_dht_query_send(dht, QE_DHT_FOR_CHECK, contact, has_id, NULL, &message, now_ns)) return;
    if (has_id) qe_dht_table_asked(&dht->tables[qe_dht_family(&contact->addr)], contact);
}
