// One function a method. Each fills a reply, or says the error; what is common to all is done around them: limits,
// room, the token's MAC, the nodes.
#include "dht/server.h"

#include "base/time.h"
#include "dht/holder.h"
#include "dht/limit.h"
#include "dht/reply.h"
#include "dht/token.h"

#define ERROR_TEXT_MAX 64
// A list of values or records leaves this much for nodes: three of IPv4, or two of IPv6.
#define NODES_RESERVE 90

struct qe_dht_server {
    struct qe_dht_server_options options;
    struct qe_dht_limit *limit;
    struct qe_dht_store *store;
    uint8_t token_key[QE_DHT_TOKEN_KEY_SIZE];
    struct qe_dht_holder holder;
};

// One query while it is answered.
struct asked {
    struct qe_dht_server *server;
    const struct qe_krpc *query;
    const struct qe_addr *from;
    uint64_t now_ns;
    struct qe_dht_reply *reply;
    bool wants_nodes, silent;
};

static const struct qe_dht_error none = {0, NULL};

struct qe_dht_server *qe_dht_server_new(const struct qe_dht_server_options *options)
{
    uint8_t secret[16];
    struct qe_dht_server *server = qe_zalloc(options->mem, 1, sizeof *server);
    if (!server) return NULL;
    server->options = *options;
    if (server->options.referrals > QE_DHT_REFERRALS_MAX) server->options.referrals = QE_DHT_REFERRALS_MAX;
    options->random(options->user, server->token_key, sizeof server->token_key);
    options->random(options->user, secret, sizeof secret);
    server->limit = qe_dht_limit_new(options->mem, secret);
    server->store = qe_dht_store_new(options->mem, secret);
    server->holder = (struct qe_dht_holder){.options = &server->options,
        .limit = server->limit,
        .token_key = server->token_key,
        .registry = options->index ? qe_dht_registry_new(options->mem, secret) : NULL};
    if (server->limit && server->store && (server->holder.registry || !options->index)) return server;
    qe_dht_server_free(server);
    return NULL;
}

void qe_dht_server_free(struct qe_dht_server *server)
{
    if (!server) return;
    qe_dht_limit_free(server->limit);
    qe_dht_store_free(server->store);
    qe_dht_registry_free(server->holder.registry);
    qe_free(server->options.mem, server);
}

static void give_token(const struct asked *asked)
{
    uint8_t *token = asked->reply->token;
    qe_dht_token_make(asked->server->token_key, &asked->from->ip, &asked->query->target, asked->now_ns, token);
    asked->reply->message.token = qe_span(token, QE_DHT_TOKEN_SIZE);
}

static bool token_is_good(const struct asked *asked, const struct qe_node_id *target)
{
    return qe_dht_token_check(asked->server->token_key, &asked->from->ip, target, asked->now_ns, asked->query->token);
}

static struct qe_dht_error answer_get_peers(struct asked *asked)
{
    struct qe_dht_reply *reply = asked->reply;
    struct qe_addr peers[QE_DHT_PEERS_TARGET_MAX];
    uint8_t compact[QE_KRPC_ADDR_MAX];
    give_token(asked);
    size_t peer_size = qe_ip_size(&asked->from->ip) + 2 + 3, left = qe_dht_reply_left(reply);
    size_t max = left > NODES_RESERVE ? (left - NODES_RESERVE) / peer_size : 0;
    if (max > QE_DHT_PEERS_TARGET_MAX) max = QE_DHT_PEERS_TARGET_MAX;
    size_t count =
        qe_dht_store_find_peers(asked->server->store, &asked->query->target, asked->from->ip.family, peers, max);
    reply->message.has_values = count > 0;
    for (size_t i = 0; i < count; i++)
        if (!qe_dht_reply_add(reply, qe_span(compact, qe_krpc_addr_write(&peers[i], compact)), NODES_RESERVE)) break;
    return none;
}

static struct qe_dht_error answer_announce(struct asked *asked)
{
    const struct qe_krpc *query = asked->query;
    struct qe_addr peer = *asked->from;
    if (!query->has_target) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no info_hash"};
    if (!token_is_good(asked, &query->target)) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "bad token"};
    if (!query->implied_port) peer.port = query->port;
    if (peer.port == 0) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no port"};
    peer.scope = 0;
    int code = qe_dht_store_peer(asked->server->store, &query->target, &peer, &asked->from->ip, asked->now_ns);
    return code ? (struct qe_dht_error){code, "no room"} : none;
}

// What of an item goes into a reply; the spans point into the reply, since the store may move its own.
static void show_item(struct qe_dht_reply *reply, const struct qe_dht_item *item)
{
    struct qe_krpc *m = &reply->message;
    m->value = item->value;
    if (!item->mutable) return;
    memcpy(reply->key, item->key.bytes, sizeof reply->key);
    memcpy(reply->signature, item->signature, sizeof reply->signature);
    m->key = qe_span(reply->key, sizeof reply->key);
    m->signature = qe_span(reply->signature, sizeof reply->signature);
}

static void hide_item(struct qe_dht_reply *reply)
{
    reply->message.value = reply->message.key = reply->message.signature = (struct qe_span){0};
}

// Of whom a record is sought it is good to know whether a signal finds it.
static bool is_registered(const struct asked *asked)
{
    const struct qe_dht_registry *registry = asked->server->holder.registry;
    struct qe_addr addr;
    return registry && (qe_dht_registry_find(registry, &asked->query->target, 4, &addr) ||
                           qe_dht_registry_find(registry, &asked->query->target, 6, &addr));
}

static struct qe_dht_error answer_get(struct asked *asked)
{
    struct qe_dht_item item;
    struct qe_krpc *m = &asked->reply->message;
    give_token(asked);
    m->registered = is_registered(asked);
    if (!qe_dht_store_find_item(asked->server->store, &asked->query->target, &item)) return none;
    m->has_seq = item.mutable;
    m->seq = item.seq;
    // BEP 44: whoever has it already is told its number only.
    if (item.mutable && asked->query->has_seq && item.seq <= asked->query->seq) return none;
    show_item(asked->reply, &item);
    if (qe_dht_reply_left(asked->reply) == 0) hide_item(asked->reply);
    return none;
}

static struct qe_dht_error read_item(const struct qe_krpc *query, struct qe_dht_item *item)
{
    *item = (struct qe_dht_item){.value = query->value};
    if (!query->canonical) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "keys out of order"};
    if (query->value.size == 0) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no v"};
    if (query->value.size > QE_DHT_VALUE_MAX) return (struct qe_dht_error){QE_KRPC_ERROR_VALUE_SIZE, "v is too large"};
    if (!query->key.data) return none;
    item->mutable = true;
    item->salt = query->salt;
    item->seq = query->seq;
    if (query->salt.size > QE_DHT_SALT_MAX) return (struct qe_dht_error){QE_KRPC_ERROR_SALT_SIZE, "salt is too large"};
    if (query->key.size != sizeof item->key.bytes)
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "k is not 32 bytes"};
    if (query->signature.size != sizeof item->signature)
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "sig is not 64 bytes"};
    if (!query->has_seq || query->seq < 0)
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no seq, or a negative one"};
    memcpy(item->key.bytes, query->key.data, sizeof item->key.bytes);
    memcpy(item->signature, query->signature.data, sizeof item->signature);
    return none;
}

// What is stored already was verified when it came.
static bool item_is_known(
    const struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_dht_item *item)
{
    struct qe_dht_item old;
    return qe_dht_store_find_item(store, target, &old) && old.mutable == item->mutable && old.seq == item->seq &&
           memcmp(old.signature, item->signature, sizeof old.signature) == 0 && qe_span_equal(old.value, item->value);
}

static struct qe_dht_error answer_put(struct asked *asked)
{
    const struct qe_krpc *query = asked->query;
    struct qe_dht_item item;
    struct qe_dht_error error = read_item(query, &item);
    if (error.code) return error;
    struct qe_node_id target = qe_dht_item_target(&item);
    if (!token_is_good(asked, &target)) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "bad token"};
    if (!item_is_known(asked->server->store, &target, &item) && !qe_dht_item_verify(&item))
        return (struct qe_dht_error){QE_KRPC_ERROR_SIGNATURE, "bad signature"};
    int code = qe_dht_store_item(
        asked->server->store, &item, query->has_cas ? &query->cas : NULL, &asked->from->ip, asked->now_ns);
    if (code == QE_KRPC_ERROR_CAS) return (struct qe_dht_error){code, "cas is not the stored seq"};
    if (code == QE_KRPC_ERROR_SEQ) return (struct qe_dht_error){code, "seq is lower than the stored one, or v differs"};
    return code ? (struct qe_dht_error){code, "no room"} : none;
}

static struct qe_dht_error answer_index_get(struct asked *asked)
{
    struct qe_dht_reply *reply = asked->reply;
    struct qe_krpc *m = &reply->message;
    struct qe_dht_record record;
    uint8_t cursor[QE_DHT_CURSOR_SIZE], compact[QE_KRPC_RECORD_MAX];
    struct qe_span next = asked->query->next;
    give_token(asked);
    m->has_records = true;
    // As if there were more, so that there is room to say it.
    memset(reply->next, 0, sizeof reply->next);
    m->next = qe_span(reply->next, sizeof reply->next);
    bool more;
    while (
        (more = qe_dht_store_next_record(asked->server->store, &asked->query->target, next, &record, asked->now_ns))) {
        if (record.certified) {
            memcpy(reply->authority, record.authority.bytes, sizeof reply->authority);
            m->authority = qe_span(reply->authority, sizeof reply->authority);
        }
        size_t reserve = reply->list_size > 0 ? NODES_RESERVE : 0;
        if (!qe_dht_reply_add(reply, qe_span(compact, qe_krpc_record_write(&record, compact, sizeof compact)), reserve))
            break;
        qe_dht_store_cursor(&record, true, cursor);
        next = qe_span(cursor, sizeof cursor);
    }
    if (more) qe_dht_store_cursor(&record, false, reply->next);
    if (!more) m->next = (struct qe_span){0};
    return none;
}

static struct qe_dht_error answer_index_put(struct asked *asked)
{
    const struct qe_krpc *query = asked->query;
    struct qe_krpc *m = &asked->reply->message;
    struct qe_dht_record record;
    if (!query->canonical) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "keys out of order"};
    if (!query->has_target) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no target"};
    if (!token_is_good(asked, &query->target)) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "bad token"};
    if (!qe_krpc_record_read(query->record, query->authority, &record))
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "bad record"};
    if (!qe_dht_record_verify(&record, &query->target))
        return (struct qe_dht_error){QE_KRPC_ERROR_SIGNATURE, "bad signature"};
    int code =
        qe_dht_store_record(asked->server->store, &query->target, &record, &asked->from->ip, asked->now_ns, &m->age_s);
    m->has_age = code == 0;
    if (code == QE_KRPC_ERROR_SEQ) return (struct qe_dht_error){code, "a newer record is here"};
    return code ? (struct qe_dht_error){code, "no room"} : none;
}

// Those between nodes of quicether alone that are no lookups. False: it is none.
static bool dispatch_meeting(struct asked *asked, struct qe_dht_error *error)
{
    struct qe_dht_holder *holder = &asked->server->holder;
    const struct qe_krpc *query = asked->query;
    if (!holder->registry || !asked->server->options.send) return false;
    if (query->method == QE_KRPC_REGISTER)
        *error = qe_dht_holder_register(holder, query, asked->from, asked->now_ns, asked->reply);
    else if (query->method == QE_KRPC_PUNCH)
        *error = qe_dht_holder_punch(holder, query, asked->from, asked->now_ns, asked->reply);
    else if (query->method == QE_KRPC_CHECK)
        *error = qe_dht_holder_check(holder, query, asked->from, asked->now_ns, asked->reply, &asked->silent);
    else
        return false;
    return true;
}

static struct qe_dht_error dispatch(struct asked *asked)
{
    enum qe_krpc_method method = asked->query->method;
    bool index = asked->server->options.index;
    struct qe_dht_error error;
    if (method == QE_KRPC_PING) return none;
    if (dispatch_meeting(asked, &error)) return error;
    if (method == QE_KRPC_ANNOUNCE_PEER) return answer_announce(asked);
    if (method == QE_KRPC_PUT) return answer_put(asked);
    if (method == QE_KRPC_INDEX_PUT && index) return answer_index_put(asked);
    if (!asked->query->has_target) {
        if (method == QE_KRPC_UNKNOWN) return (struct qe_dht_error){QE_KRPC_ERROR_METHOD, "unknown method"};
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no target"};
    }
    // The others, and what later versions may ask, are on their way to a target.
    asked->wants_nodes = true;
    if (method == QE_KRPC_GET_PEERS) return answer_get_peers(asked);
    if (method == QE_KRPC_GET) return answer_get(asked);
    if (method == QE_KRPC_INDEX_GET && index) return answer_index_get(asked);
    return none;
}

static void add_nodes(struct asked *asked)
{
    const struct qe_dht_server_options *options = &asked->server->options;
    const struct qe_krpc *query = asked->query;
    struct qe_dht_contact four[QE_DHT_REFERRALS_MAX], six[QE_DHT_REFERRALS_MAX];
    bool said = query->want4 || query->want6;
    bool want4 = said ? query->want4 : asked->from->ip.family == 4;
    bool want6 = said ? query->want6 : asked->from->ip.family == 6;
    size_t max = options->referrals;
    size_t fours = want4 ? options->closest(options->user, &query->target, 4, four, max) : 0;
    size_t sixes = want6 ? options->closest(options->user, &query->target, 6, six, max) : 0;
    qe_dht_reply_nodes(asked->reply, four, fours, six, sixes);
}

static void make_error(struct qe_dht_reply *reply, struct qe_dht_error error)
{
    struct qe_krpc m = {
        .type = QE_KRPC_ERROR,
        .transaction = reply->message.transaction,
        .version = reply->message.version,
        .has_ip = true,
        .ip = reply->message.ip,
        .error_code = error.code,
        .error_text = qe_span(error.text, strlen(error.text)),
    };
    reply->message = m;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum qe_dht_server_verdict qe_dht_server_answer(struct qe_dht_server *server, const struct qe_krpc *query,
    size_t query_size, const struct qe_addr *from, uint64_t now_ns, uint8_t out[QE_DHT_DATAGRAM_MAX], size_t *size)
{
    struct qe_dht_reply reply;
    struct asked asked = {server, query, from, now_ns, &reply, false, false};
    *size = 0;
    if (!qe_dht_limit_query(server->limit, &from->ip, now_ns)) return QE_DHT_SERVER_LIMIT;
    size_t free_size = QE_KRPC_AMPLIFICATION * query_size;
    qe_dht_reply_init(&reply, query, &server->options.id, from);
    size_t budget = qe_dht_limit_bytes(server->limit, &from->ip, now_ns);
    size_t room = reply.room = smaller(free_size + budget, QE_DHT_DATAGRAM_MAX);
    struct qe_dht_error error = dispatch(&asked);
    if (asked.silent) return QE_DHT_SERVER_SILENT;
    if (error.code) make_error(&reply, error);
    // Half of the budget is for values alone, lest many small replies leave none.
    const size_t kept = QE_DHT_LIMIT_BYTES_MAX / 2;
    reply.room = smaller(free_size + (budget > kept ? budget - kept : 0), QE_DHT_DATAGRAM_MAX);
    if (!error.code && asked.wants_nodes) add_nodes(&asked);
    *size = qe_krpc_write(&reply.message, out, room);
    if (*size == 0) return QE_DHT_SERVER_LIMIT;
    if (*size > free_size) qe_dht_limit_spend(server->limit, &from->ip, *size - free_size, now_ns);
    return error.code ? QE_DHT_SERVER_ERROR : QE_DHT_SERVER_REPLY;
}

void qe_dht_server_expire(struct qe_dht_server *server, uint64_t now_ns)
{
    qe_dht_store_expire(server->store, now_ns);
    if (server->holder.registry) qe_dht_registry_expire(server->holder.registry, now_ns);
}

uint64_t qe_dht_server_deadline(const struct qe_dht_server *server)
{
    uint64_t at = qe_dht_store_deadline(server->store);
    return server->holder.registry ? qe_time_min(at, qe_dht_registry_deadline(server->holder.registry)) : at;
}

struct qe_dht_holder *qe_dht_server_holder(struct qe_dht_server *server)
{
    return &server->holder;
}

void qe_dht_server_stats(const struct qe_dht_server *server, struct qe_dht_store_stats *out)
{
    qe_dht_store_stats(server->store, out);
}
