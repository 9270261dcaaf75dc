// Iterative lookups (Kademlia, section 2.3): ask the closest known for closer ones, three at a time, until the closest
// k have answered. IPv4 and IPv6 are two tables (BEP 32) and so two shortlists of one operation.
#include "dht/dht_internal.h"

#include "base/mutants.h"

#include "dht/network.h"
#include "dht/signal_internal.h"

#include <string.h>

#define REFERRALS_MAX QE_DHT_REFERRALS_MAX // taken from one answer
#define PAGES_MAX     16                   // of an index, asked of one node
#define QUERIES_MAX   160                  // of one operation

// Of those that keep a list, how many are read to its end. A record is missed where all of them hide it, until the next
// time.
#define LIST_READERS_MAX 4

static const uint8_t behind_all[QE_DHT_CURSOR_SIZE] = {UINT8_MAX};

void qe_dht_lookup_message(const struct qe_dht_operation *op, struct qe_span next, struct qe_krpc *out)
{
    *out = (struct qe_krpc){.has_target = true, .target = op->request.target};
    switch (op->request.kind) {
    case QE_DHT_GET:
        out->method = QE_KRPC_GET;
        break;
    case QE_DHT_PUT:
        // Values that are older than what is put need not be sent.
        out->method = QE_KRPC_GET;
        out->has_seq = op->item.mutable;
        out->seq = op->item.seq;
        break;
    case QE_DHT_GET_PEERS:
    case QE_DHT_ANNOUNCE:
        out->method = QE_KRPC_GET_PEERS;
        break;
    case QE_DHT_INDEX_GET:
        out->method = QE_KRPC_INDEX_GET;
        out->next = next;
        break;
    case QE_DHT_INDEX_PUT:
        // A token is wanted, and no record: the page behind the last one has none.
        out->method = QE_KRPC_INDEX_GET;
        out->next = qe_span(behind_all, sizeof behind_all);
        break;
    default:
        out->method = QE_KRPC_FIND_NODE;
        break;
    }
}

// Nodes of a family in use are taken in (BEP 32). Whether another one could be used shows when it is tried, now and
// then.
static bool takes(const struct qe_dht *dht, const struct qe_dht_operation *op, unsigned family)
{
    return dht->families[family] || op->task == QE_DHT_TASK_SELF;
}

static bool ask(struct qe_dht *dht, struct qe_dht_operation *op, struct qe_dht_candidate *candidate,
    struct qe_span next, uint64_t now_ns)
{
    struct qe_krpc message;
    qe_dht_lookup_message(op, next, &message);
    message.want4 = message.want6 = takes(dht, op, 0) && takes(dht, op, 1);
    if (op->queries >= QUERIES_MAX ||
        !qe_dht_query_send(dht, QE_DHT_FOR_LOOKUP, &candidate->contact, candidate->has_id, op, &message, now_ns))
        return false;
    candidate->state = QE_DHT_ASKED;
    return true;
}

static size_t answers(const struct qe_dht_operation *op)
{
    return op->answered[0] + op->answered[1];
}

static bool has_found(const struct qe_dht_operation *op)
{
    switch (op->request.kind) {
    case QE_DHT_GET:
        return op->found.has_item;
    case QE_DHT_GET_PEERS:
        return op->found.peer_count > 0;
    case QE_DHT_INDEX_GET:
        return op->found.record_count > 0;
    default:
        return false;
    }
}

static bool is_store(const struct qe_dht_operation *op)
{
    return op->request.kind == QE_DHT_PUT || op->request.kind == QE_DHT_ANNOUNCE ||
           op->request.kind == QE_DHT_INDEX_PUT;
}

static bool is_index(const struct qe_dht_operation *op)
{
    return op->request.kind == QE_DHT_INDEX_GET || op->request.kind == QE_DHT_INDEX_PUT;
}

void qe_dht_lookup_end(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    if (op->starting) {
        // Nobody knows its number yet.
        op->wait_ns = now_ns;
        qe_dht_upkeep_wake(dht, now_ns);
        return;
    }
    if (has_found(op) || (op->request.kind == QE_DHT_FIND_NODE && answers(op) > 0))
        qe_dht_operation_end(dht, op, QE_DHT_DONE, now_ns);
    else if (answers(op) == 0)
        qe_dht_operation_end(dht, op, QE_DHT_NO_NODES, now_ns);
    else if (is_store(op))
        qe_dht_storing_begin(dht, op, now_ns);
    else
        qe_dht_operation_end(dht, op, QE_DHT_NOT_FOUND, now_ns);
}

void qe_dht_lookup_advance(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    if (op->ended || op->storing || op->wait_ns) return;
    size_t k = qe_dht_operation_k(dht, op);
    bool done[2];
    for (int f = 0; f < 2; f++) {
        struct qe_dht_candidate *candidate;
        while ((candidate = qe_dht_shortlist_next(&op->lists[f], k)) != NULL)
            if (!ask(dht, op, candidate, (struct qe_span){0}, now_ns)) candidate->state = QE_DHT_FAILED;
        done[f] = qe_dht_shortlist_done(&op->lists[f], k);
    }
    // A family in which nobody has answered is not waited for once the other one is through.
    for (int f = 0; f < 2; f++)
        if (done[f] && op->answered[f] > 0 && op->answered[!f] == 0) done[!f] = true;
    if (done[0] && done[1]) qe_dht_lookup_end(dht, op, now_ns);
}

static bool seed(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    bool any = false;
    for (int f = 0; f < 2; f++) {
        struct qe_dht_contact contacts[QE_DHT_STORES];
        size_t count = qe_dht_table_closest(
            &dht->tables[f], &op->request.target, QE_DHT_ANY, qe_dht_seconds(now_ns), contacts, QE_DHT_STORES);
        for (size_t i = 0; i < count; i++)
            qe_dht_shortlist_add(&op->lists[f], &contacts[i], true, 1);
        qe_dht_table_touch(&dht->tables[f], &op->request.target, qe_dht_seconds(now_ns));
    }
    qe_dht_bootstrap_seed(dht, op);
    for (int f = 0; f < 2; f++)
        any = any || op->lists[f].count > 0;
    return any;
}

// The nodes that an answer refers to, into the shortlists. Whoever tells of too many is not believed beyond that.
static void take_nodes(
    struct qe_dht *dht, struct qe_dht_operation *op, const struct qe_krpc *message, unsigned depth, unsigned family)
{
    bool closer = false;
    for (unsigned f = 0; f < 2; f++) {
        struct qe_span nodes = f == 0 ? message->nodes : message->nodes6;
        struct qe_dht_contact contact;
        for (size_t i = 0; i < REFERRALS_MAX && qe_krpc_node(nodes, f == 0 ? 4 : 6, i, &contact); i++) {
            if (!takes(dht, op, f) ||
                (!qe_dht_address_usable(&contact.addr, dht->options.exempt_private) && !QE_MUTANT(dht_bogus_sent)))
                continue;
            if (qe_node_id_equal(&contact.id, &dht->options.id)) continue;
            if (qe_dht_shortlist_add(&op->lists[f], &contact, true, depth + 1) && f == family) closer = true;
        }
    }
    struct qe_dht_shortlist *list = &op->lists[family];
    if (closer)
        list->idle_answers = 0;
    else if (list->idle_answers < UINT8_MAX)
        list->idle_answers++;
}

// What an answer brought of that which was looked for. *hit: something at all. True where it is news.
static bool take_values(struct qe_dht_operation *op, const struct qe_krpc *message, unsigned voice, bool *hit)
{
    bool news = false;
    *hit = false;
    switch (op->request.kind) {
    case QE_DHT_GET:
        return qe_dht_found_item(&op->found, &op->request.target, op->request.salt, message, hit);
    case QE_DHT_GET_PEERS: {
        struct qe_reader r = qe_reader(message->values);
        struct qe_addr peer;
        while (qe_krpc_each_peer(&r, &peer)) {
            *hit = true;
            news = qe_dht_found_peer(&op->found, &peer) || news;
        }
        return news;
    }
    case QE_DHT_INDEX_GET:
        return qe_dht_found_take_records(&op->found, &op->request.target, message, voice, hit);
    default:
        return false;
    }
}

// Where there is another page of the index to be had from it, that is asked for.
static void turn_page(struct qe_dht *dht, struct qe_dht_operation *op, struct qe_dht_candidate *candidate,
    const struct qe_krpc *message, uint64_t now_ns)
{
    if (op->request.kind != QE_DHT_INDEX_GET || message->next.size == 0 || candidate->pages >= PAGES_MAX) return;
    // Who is listed a few can say; since when, all are asked.
    if (candidate->pages == 0 && op->request.list && op->readers++ >= LIST_READERS_MAX) return;
    candidate->pages++;
    ask(dht, op, candidate, message->next, now_ns);
}

static void note_hops(struct qe_dht_operation *op, const struct qe_dht_candidate *candidate, bool hit)
{
    if (hit && !op->told) {
        op->told = true;
        op->hops = candidate->depth;
    } else if (!op->told) {
        // Nothing found yet: as far as the way to the closest one that answered.
        const struct qe_dht_shortlist *list = &op->lists[qe_dht_family(&candidate->contact.addr)];
        unsigned i = 0;
        while (i < list->count && list->items[i].state != QE_DHT_ANSWERED)
            i++;
        if (&list->items[i] == candidate) op->hops = candidate->depth;
    }
}

static bool is_conclusive(const struct qe_dht_operation *op)
{
    return op->request.kind == QE_DHT_GET && op->found.has_item && !op->found.item.mutable;
}

// What this node holds itself.
static void ask_self(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX], next[QE_DHT_DATAGRAM_MAX];
    struct qe_krpc reply;
    struct qe_span page = {0};
    for (unsigned n = 0; n <= PAGES_MAX && qe_dht_local_get(dht, op, page, bytes, &reply, now_ns); n++) {
        bool hit;
        if (n == 0 && reply.has_records) op->found.voices++;
        take_values(op, &reply, 0, &hit);
        op->told = op->told || hit;
        if (reply.next.size == 0) break;
        memcpy(next, reply.next.data, reply.next.size);
        page = qe_span(next, reply.next.size);
    }
}

void qe_dht_lookup_begin(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns)
{
    bool first = op->wait_ns == 0;
    if (first) ask_self(dht, op, now_ns);
    if (is_conclusive(op)) {
        qe_dht_lookup_end(dht, op, now_ns);
    } else if (seed(dht, op, now_ns)) {
        op->wait_ns = 0;
        qe_dht_lookup_advance(dht, op, now_ns);
    } else if (first) {
        op->wait_ns = now_ns + QE_DHT_PATIENCE_NS;
        qe_dht_upkeep_wake(dht, op->wait_ns);
    }
}

static void on_reply(struct qe_dht *dht, struct qe_dht_operation *op, struct qe_dht_candidate *candidate,
    const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_addr addr = candidate->contact.addr;
    unsigned family = qe_dht_family(&addr);
    candidate->state = QE_DHT_ANSWERED;
    if (message->token.size > 0 && message->token.size <= sizeof candidate->token) {
        candidate->token_size = (uint8_t)message->token.size;
        memcpy(candidate->token, message->token.data, message->token.size);
    }
    qe_dht_signals_on_reply(dht, op, &candidate->contact, message, now_ns);
    if (candidate->pages == 0) {
        op->answered[family]++;
        if (message->has_records) candidate->voice = (uint8_t)op->found.voices++;
    }
    // Whoever knows no index shows the way like any other, and is none of the k that keep it.
    candidate->foreign = is_index(op) && !message->has_records;
    bool hit;
    bool news = take_values(op, message, candidate->voice, &hit);
    note_hops(op, candidate, hit);
    take_nodes(dht, op, message, candidate->depth, family);
    candidate = qe_dht_shortlist_at(&op->lists[family], &addr);
    if (candidate) turn_page(dht, op, candidate, message, now_ns);
    if (is_conclusive(op))
        qe_dht_operation_end(dht, op, QE_DHT_DONE, now_ns);
    else if (news)
        qe_dht_operation_tell(dht, op, now_ns);
}

void qe_dht_lookup_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_operation *op = query->operation;
    struct qe_dht_shortlist *list = &op->lists[qe_dht_family(&query->to.addr)];
    struct qe_dht_candidate *candidate = message && !query->has_id
                                             ? qe_dht_shortlist_identify(list, &query->to.addr, &message->id)
                                             : qe_dht_shortlist_at(list, &query->to.addr);
    if (!candidate) return;
    if (candidate->state == QE_DHT_SILENT && message) op->timeouts--; // late, and still welcome
    if (message) {
        on_reply(dht, op, candidate, message, now_ns);
    } else {
        candidate->state = QE_DHT_FAILED;
    }
    qe_dht_lookup_advance(dht, op, now_ns);
}

void qe_dht_lookup_on_late(struct qe_dht *dht, const struct qe_dht_query *query, bool passed, uint64_t now_ns)
{
    struct qe_dht_operation *op = query->operation;
    struct qe_dht_candidate *candidate =
        qe_dht_shortlist_at(&op->lists[qe_dht_family(&query->to.addr)], &query->to.addr);
    if (!candidate || (candidate->state != QE_DHT_ASKED && candidate->state != QE_DHT_SILENT)) return;
    if (QE_MUTANT(dht_late_waited)) return;
    op->timeouts += candidate->state == QE_DHT_ASKED;
    candidate->state = passed ? QE_DHT_FAILED : QE_DHT_SILENT;
    qe_dht_lookup_advance(dht, op, now_ns);
}
