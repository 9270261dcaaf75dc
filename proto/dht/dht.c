// Where the parts of a DHT node meet: a datagram is told apart here, deadlines are handled here, and nothing here knows
// more of a part than its functions.
#include "dht/dht_internal.h"

#include "dht/holder.h"
#include "dht/network.h"
#include "dht/signal_internal.h"

#include <assert.h>
#include <string.h>

struct outgoing {
    struct qe_list link;
    struct qe_dht_send send;
    uint8_t bytes[];
};

static size_t closest_good(
    void *user, const struct qe_node_id *target, uint8_t family, struct qe_dht_contact *out, size_t max);

static bool send_for_server(void *user, uint32_t socket, const struct qe_addr *to, struct qe_span bytes)
{
    return qe_dht_send_bytes(user, socket, to, bytes.data, bytes.size);
}

static void wants_port(void *user, uint8_t family)
{
    struct qe_dht *dht = user;
    const struct qe_dht_signal signal = {.kind = QE_DHT_SIGNAL_PORT, .seen.ip.family = family};
    if (dht->options.signal) dht->options.signal(dht->options.user, &signal);
}

static bool knows(void *user, const struct qe_dht_contact *contact)
{
    const struct qe_dht *dht = user;
    return qe_dht_table_has(&dht->tables[qe_dht_family(&contact->addr)], contact);
}

static bool other_than(void *user, const struct qe_ip *than, struct qe_dht_contact *out)
{
    struct qe_dht *dht = user;
    struct qe_dht_contact list[QE_DHT_K];
    size_t count = qe_dht_table_sample(
        &dht->tables[than->family == 6], &dht->options, qe_dht_seconds(dht->now_ns), list, QE_DHT_K);
    for (size_t i = 0; i < count; i++) {
        if (qe_ip_equal(&list[i].addr.ip, than)) continue;
        *out = list[i];
        return true;
    }
    return false;
}

// The time of the step at work: the server's question for nodes does not carry it.
static uint32_t step_s(const struct qe_dht *dht)
{
    return qe_dht_seconds(dht->now_ns);
}

int qe_dht_new(struct qe_dht **out, const struct qe_dht_options *options, uint64_t now_ns)
{
    struct qe_dht *dht = qe_zalloc(options->mem, 1, sizeof *dht);
    if (!dht) return -1;
    dht->options = *options;
    dht->now_ns = now_ns;
    struct qe_dht_server_options server = {.mem = options->mem,
        .id = options->id,
        .index = !options->mainline,
        .user = dht,
        .random = qe_dht_random,
        .closest = closest_good,
        .send = send_for_server,
        .wants_port = wants_port,
        .knows = knows,
        .other = other_than,
        .private_too = options->exempt_private,
        .referrals = options->bootstrap ? QE_DHT_REFERRALS_MAX : QE_DHT_K};
    dht->server = qe_dht_server_new(&server);
    if (!dht->server) {
        qe_free(options->mem, dht);
        return -1;
    }
    qe_dht_table_init(&dht->tables[0], options, 4);
    qe_dht_table_init(&dht->tables[1], options, 6);
    qe_dht_queries_init(&dht->queries);
    qe_dht_upkeep_init(dht);
    qe_list_init(&dht->operations);
    qe_list_init(&dht->ended);
    qe_list_init(&dht->outbox);
    if (qe_dht_signals_new(dht) != 0) {
        qe_dht_free(dht);
        return -1;
    }
    *out = dht;
    return 0;
}

void qe_dht_random(void *user, uint8_t *out, size_t size)
{
    const struct qe_dht *dht = user;
    dht->options.random(dht->options.user, out, size);
}

uint64_t qe_dht_draw(struct qe_dht *dht, uint64_t below)
{
    uint8_t bytes[8];
    qe_dht_random(dht, bytes, sizeof bytes);
    return qe_load64(bytes) % below;
}

static void take_outgoing(struct qe_dht *dht, struct outgoing *outgoing)
{
    qe_list_remove(&outgoing->link);
    dht->outbox_count--;
    dht->outbox_bytes -= sizeof *outgoing + outgoing->send.size;
    qe_free(dht->options.mem, outgoing);
}

void qe_dht_free(struct qe_dht *dht)
{
    if (!dht) return;
    while (!qe_list_empty(&dht->operations)) {
        struct qe_dht_operation *op = qe_container(dht->operations.next, struct qe_dht_operation, link);
        qe_dht_operation_end(dht, op, QE_DHT_CANCELLED, dht->now_ns);
    }
    qe_dht_operations_reap(dht);
    while (!qe_list_empty(&dht->outbox))
        take_outgoing(dht, qe_container(dht->outbox.next, struct outgoing, link));
    qe_dht_signals_free(dht);
    qe_dht_queries_fini(dht);
    qe_dht_bootstrap_fini(dht);
    qe_dht_table_fini(&dht->tables[0]);
    qe_dht_table_fini(&dht->tables[1]);
    qe_dht_server_free(dht->server);
    qe_free(dht->options.mem, dht);
}

bool qe_dht_is_krpc(const uint8_t *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 'd' && bytes[1] >= '0' && bytes[1] <= '9' && bytes[size - 1] == 'e';
}

static size_t closest_good(
    void *user, const struct qe_node_id *target, uint8_t family, struct qe_dht_contact *out, size_t max)
{
    struct qe_dht *dht = user;
    const struct qe_dht_table *table = &dht->tables[family == 6];
    // A well-known node is asked by all; telling each of the same few would make all of them meet the same few.
    if (dht->options.bootstrap) return qe_dht_table_sample(table, &dht->options, step_s(dht), out, max);
    return qe_dht_table_closest(table, target, QE_DHT_GOOD_ONLY, step_s(dht), out, max);
}

bool qe_dht_send_bytes(struct qe_dht *dht, uint32_t socket, const struct qe_addr *to, const uint8_t *bytes, size_t size)
{
    if (dht->outbox_count == QE_DHT_OUTBOX_MAX) {
        dht->stats.dropped_limit++;
        return false;
    }
    struct outgoing *outgoing = qe_alloc(dht->options.mem, sizeof *outgoing + size);
    if (!outgoing) {
        dht->stats.dropped_memory++;
        return false;
    }
    outgoing->send = (struct qe_dht_send){.socket = socket, .to = *to, .size = size};
    memcpy(outgoing->bytes, bytes, size);
    qe_list_append(&dht->outbox, &outgoing->link);
    dht->outbox_count++;
    dht->outbox_bytes += sizeof *outgoing + size;
    return true;
}

bool qe_dht_next(struct qe_dht *dht, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send, uint64_t now_ns)
{
    dht->now_ns = now_ns;
    qe_dht_operations_reap(dht);
    if (qe_list_empty(&dht->outbox)) return false;
    struct outgoing *outgoing = qe_container(dht->outbox.next, struct outgoing, link);
    *send = outgoing->send;
    memcpy(out, outgoing->bytes, send->size);
    take_outgoing(dht, outgoing);
    dht->stats.sent++;
    dht->stats.sent_bytes += send->size;
    return true;
}

void qe_dht_on_heard(
    struct qe_dht *dht, const struct qe_dht_contact *contact, bool replied, uint64_t rtt_us, uint64_t now_ns)
{
    if (!qe_dht_address_usable(&contact->addr, dht->options.exempt_private)) return;
    struct qe_dht_contact ask;
    struct qe_dht_table *table = &dht->tables[qe_dht_family(&contact->addr)];
    enum qe_dht_heard heard = qe_dht_table_heard(table, contact, replied, rtt_us, qe_dht_seconds(now_ns), &ask);
    if (ask.addr.port != 0) qe_dht_check(dht, &ask, true, now_ns);
    if (heard == QE_DHT_HEARD_WANTED) qe_dht_check(dht, contact, true, now_ns);
    if (heard == QE_DHT_HEARD_NEW) qe_dht_upkeep_on_new(dht, now_ns);
}

// Queries of others.

static void on_query(struct qe_dht *dht, uint32_t socket, const struct qe_addr *from, const struct qe_krpc *message,
    size_t size, uint64_t now_ns)
{
    dht->stats.queries_received++;
    if (message->method == QE_KRPC_SIGNAL) {
        qe_dht_signals_on_query(dht, from, message, now_ns);
        return;
    }
    if (dht->options.read_only || message->method == QE_KRPC_PROBE) return;
    uint8_t reply[QE_DHT_DATAGRAM_MAX];
    size_t reply_size = 0;
    switch (qe_dht_server_answer(dht->server, message, size, from, now_ns, reply, &reply_size)) {
    case QE_DHT_SERVER_REPLY:
        dht->stats.replies_sent++;
        break;
    case QE_DHT_SERVER_ERROR:
        dht->stats.errors_sent++;
        break;
    case QE_DHT_SERVER_SILENT:
        return;
    case QE_DHT_SERVER_LIMIT:
        dht->stats.dropped_limit++;
        return;
    default:
        dht->stats.dropped_memory++;
        return;
    }
    if (reply_size > 0) qe_dht_send_bytes(dht, socket, from, reply, reply_size);
    if (message->read_only || !message->has_id) return;
    struct qe_dht_contact contact = {.id = message->id, .addr = *from};
    qe_dht_on_heard(dht, &contact, false, 0, now_ns);
}

// Answers to queries of ours.

static void end_ping(struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_dht_contact *contact,
    bool there, uint64_t now_ns)
{
    struct qe_dht_operation *op = query->operation;
    unsigned f = qe_dht_family(&contact->addr);
    if (there) {
        qe_dht_shortlist_add(&op->lists[f], contact, true, 1);
        struct qe_dht_candidate *candidate = qe_dht_shortlist_at(&op->lists[f], &contact->addr);
        if (candidate) candidate->state = QE_DHT_ANSWERED;
        op->hops = 1;
    } else {
        op->timeouts++;
    }
    qe_dht_operation_end(dht, op, there ? QE_DHT_DONE : QE_DHT_NO_NODES, now_ns);
}

// `message`: NULL where there was no answer, or one from somebody else.
static void hand_on(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns)
{
    if (query->purpose == QE_DHT_FOR_REGISTER) qe_dht_register_on_answer(dht, query, message, now_ns);
    if (query->purpose == QE_DHT_FOR_SIGNAL) qe_dht_signals_on_punched(dht, query, message, now_ns);
    if (!query->operation) return;
    bool error = message && message->type == QE_KRPC_ERROR;
    struct qe_dht_contact contact = query->to;
    if (message && !error) contact.id = message->id;
    switch ((enum qe_dht_purpose)query->purpose) {
    case QE_DHT_FOR_PING:
        end_ping(dht, query, &contact, message != NULL, now_ns);
        break;
    case QE_DHT_FOR_LOOKUP:
        qe_dht_lookup_on_answer(dht, query, error ? NULL : message, now_ns);
        break;
    case QE_DHT_FOR_STORE:
        qe_dht_storing_on_answer(dht, query, message, now_ns);
        break;
    default:
        break;
    }
}

// Nodes that do not know BEP 44 are silent when asked for it; that says nothing about whether they are there.
static bool counts_as_absence(const struct qe_dht_query *query)
{
    return query->method == QE_KRPC_PING || query->method == QE_KRPC_FIND_NODE || query->method == QE_KRPC_GET_PEERS;
}

void qe_dht_on_silence(struct qe_dht *dht, const struct qe_dht_query *query, uint64_t now_ns)
{
    struct qe_dht_table *table = &dht->tables[qe_dht_family(&query->to.addr)];
    if (query->has_id && counts_as_absence(query)) {
        enum qe_dht_failed failed = qe_dht_table_failed(table, &query->to);
        if (failed == QE_DHT_FAILED_ONCE) {
            qe_dht_upkeep_on_checked(dht, false);
            qe_dht_check(dht, &query->to, true, now_ns);
        }
        if (failed == QE_DHT_FAILED_BAD) qe_dht_lost_add(dht, &query->to, now_ns);
        if (query->purpose == QE_DHT_FOR_CHECK) qe_dht_lost_on_silence(dht, &query->to);
    } else if (query->has_id && qe_dht_table_has(table, &query->to)) {
        qe_dht_check(dht, &query->to, true, now_ns);
    }
    hand_on(dht, query, NULL, now_ns);
}

static void on_answer(struct qe_dht *dht, const struct qe_addr *from, const struct qe_krpc *message, uint64_t now_ns)
{
    struct qe_dht_query query;
    if (!qe_dht_query_take(dht, message->transaction, from, &query)) {
        dht->stats.dropped_unasked++;
        return;
    }
    bool reply = message->type == QE_KRPC_REPLY;
    if (reply)
        dht->stats.replies_received++;
    else
        dht->stats.errors_received++;

    uint64_t rtt_us = (now_ns - query.sent_ns) / QE_NS_PER_US;
    qe_dht_query_measured(dht, rtt_us);
    if (message->has_ip && qe_dht_address_usable(&message->ip, dht->options.exempt_private))
        qe_dht_votes_add(
            &dht->votes[qe_dht_family(&message->ip)], &from->ip, &message->ip, dht->options.exempt_private);

    struct qe_dht_contact contact = {.id = reply ? message->id : query.to.id, .addr = *from};
    bool other = reply && query.has_id && !qe_node_id_equal(&message->id, &query.to.id);
    if (other) qe_dht_table_remove(&dht->tables[qe_dht_family(from)], &query.to);
    // Who answers under another ID than it was told of gains no place in the table by it.
    if (!other && (reply || query.has_id)) qe_dht_on_heard(dht, &contact, true, rtt_us, now_ns);
    if (!other) {
        if (query.purpose == QE_DHT_FOR_CHECK) qe_dht_upkeep_on_checked(dht, true);
        qe_dht_lost_on_reply(dht, &contact, now_ns);
    }
    hand_on(dht, &query, other ? NULL : message, now_ns);
}

void qe_dht_receive(
    struct qe_dht *dht, uint32_t socket, const struct qe_addr *from, struct qe_span bytes, uint64_t now_ns)
{
    dht->now_ns = now_ns;
    qe_dht_operations_reap(dht);
    dht->stats.received++;
    dht->stats.received_bytes += bytes.size;
    if (!qe_dht_address_usable(from, true)) {
        dht->stats.dropped_blocked++;
        return;
    }
    struct qe_krpc message;
    if (bytes.size > QE_KRPC_READ_MAX || !qe_krpc_read(bytes, &message)) {
        dht->stats.dropped_malformed++;
        return;
    }
    if (!dht->families[qe_dht_family(from)]) {
        dht->families[qe_dht_family(from)] = true;
        qe_dht_upkeep_on_family(dht, now_ns);
    }
    if (message.type == QE_KRPC_QUERY)
        on_query(dht, socket, from, &message, bytes.size, now_ns);
    else
        on_answer(dht, from, &message, now_ns);
}

void qe_dht_expire(struct qe_dht *dht, uint64_t now_ns)
{
    dht->now_ns = now_ns;
    qe_dht_operations_reap(dht);
    qe_dht_queries_expire(dht, now_ns);
    qe_dht_upkeep_run(dht, now_ns);
    qe_dht_server_expire(dht->server, now_ns);
    qe_dht_signals_expire(dht, now_ns);
}

uint64_t qe_dht_deadline(const struct qe_dht *dht)
{
    uint64_t at = qe_time_min(dht->queries.deadline_ns, dht->upkeep.next_ns);
    at = qe_time_min(at, qe_dht_signals_deadline(dht));
    return qe_time_min(at, qe_dht_server_deadline(dht->server));
}

void qe_dht_set_open(struct qe_dht *dht, bool open)
{
    qe_dht_server_holder(dht->server)->open = open;
}

void qe_dht_set_other_port(struct qe_dht *dht, uint8_t family, uint16_t port)
{
    qe_dht_server_holder(dht->server)->other_ports[family == 6] = port;
}

// What it looks like from outside.

size_t qe_dht_contacts(const struct qe_dht *dht, struct qe_dht_contact *out, size_t max)
{
    size_t count = qe_dht_table_contacts(&dht->tables[0], step_s(dht), out, max);
    return count + qe_dht_table_contacts(&dht->tables[1], step_s(dht), out + count, max - count);
}

bool qe_dht_external(const struct qe_dht *dht, uint8_t family, struct qe_addr *out)
{
    return qe_dht_votes_winner(&dht->votes[family == 6], out);
}

size_t qe_dht_nodes(const struct qe_dht *dht, struct qe_dht_node_info *out, size_t max)
{
    size_t count = qe_dht_table_nodes(&dht->tables[0], step_s(dht), out, max);
    return count + qe_dht_table_nodes(&dht->tables[1], step_s(dht), out + count, max - count);
}

void qe_dht_stats(const struct qe_dht *dht, struct qe_dht_stats *out)
{
    struct qe_dht_store_stats stored;
    qe_dht_server_stats(dht->server, &stored);
    *out = dht->stats;
    for (int f = 0; f < 2; f++) {
        out->nodes += dht->tables[f].count;
        out->good_nodes += qe_dht_table_good(&dht->tables[f], step_s(dht));
        out->memory_bytes += qe_dht_table_memory(&dht->tables[f]);
    }
    out->items = stored.items;
    out->peers = stored.peers;
    out->records = stored.records;
    out->stored_bytes = stored.bytes;
    out->memory_bytes += qe_dht_signals_memory(dht) + qe_dht_holder_memory(qe_dht_server_holder(dht->server));
    out->memory_bytes += sizeof *dht + stored.bytes + dht->outbox_bytes +
                         dht->queries.capacity * sizeof dht->queries.items[0] +
                         dht->operation_count * sizeof(struct qe_dht_operation);
    out->operations = dht->operation_count;
}
