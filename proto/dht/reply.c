// Sizes are not reckoned by hand but by writing the message: it is small, and no formula can disagree with the writer.
#include "dht/reply.h"

void qe_dht_reply_init(
    struct qe_dht_reply *reply, const struct qe_krpc *query, const struct qe_node_id *id, const struct qe_addr *to)
{
    reply->message = (struct qe_krpc){
        .type = QE_KRPC_REPLY,
        .transaction = query->transaction,
        .version = qe_span(QE_KRPC_VERSION, strlen(QE_KRPC_VERSION)),
        .has_ip = true,
        .ip = *to,
        .has_id = true,
        .id = *id,
    };
    reply->list_size = 0;
}

size_t qe_dht_reply_left(const struct qe_dht_reply *reply)
{
    uint8_t scratch[QE_DHT_DATAGRAM_MAX];
    size_t size = qe_krpc_write(&reply->message, scratch, sizeof scratch);
    return size > 0 && size < reply->room ? reply->room - size : 0;
}

bool qe_dht_reply_add(struct qe_dht_reply *reply, struct qe_span string, size_t reserve)
{
    // Four digits of length and a colon at most.
    size_t left = qe_dht_reply_left(reply), needed = string.size + 5 + reserve;
    struct qe_writer w = qe_writer(reply->list + reply->list_size, sizeof reply->list - reply->list_size);
    if (left < needed) return false;
    qe_bencode_write_string(&w, string);
    if (w.failed) return false;
    reply->list_size += qe_writer_size(&w);
    struct qe_span *list = reply->message.has_values ? &reply->message.values : &reply->message.records;
    *list = qe_span(reply->list, reply->list_size);
    return true;
}

// "5:nodes" or "6:nodes6", three digits and a colon.
#define HEAD4 11
#define HEAD6 12

static size_t fitting(size_t left, size_t head, size_t node_size, size_t count)
{
    size_t fit = left > head ? (left - head) / node_size : 0;
    return fit < count ? fit : count;
}

void qe_dht_reply_nodes(struct qe_dht_reply *reply, const struct qe_dht_contact *four, size_t four_count,
    const struct qe_dht_contact *six, size_t six_count)
{
    size_t left = qe_dht_reply_left(reply), sixes = fitting(left, HEAD6, QE_KRPC_NODE6_SIZE, six_count);
    if (four_count > 0 && sixes > 0) {
        // Half of the room is IPv6's, and what IPv4 does not use.
        size_t rest = four_count * QE_KRPC_NODE4_SIZE + HEAD4;
        size_t share = left > 2 * rest ? left - rest : left / 2;
        sixes = fitting(share, HEAD6, QE_KRPC_NODE6_SIZE, six_count);
    }
    if (sixes > 0) {
        size_t size = qe_krpc_nodes_write(six, sixes, 6, reply->nodes6, sizeof reply->nodes6);
        reply->message.nodes6 = qe_span(reply->nodes6, size);
    }
    size_t fours = fitting(qe_dht_reply_left(reply), HEAD4, QE_KRPC_NODE4_SIZE, four_count);
    if (fours > 0) {
        size_t size = qe_krpc_nodes_write(four, fours, 4, reply->nodes, sizeof reply->nodes);
        reply->message.nodes = qe_span(reply->nodes, size);
    }
}
