#include "dht/holder.h"

#include "base/mutants.h"
#include "base/time.h"
#include "dht/limit.h"
#include "dht/network.h"

#include <sodium/crypto_sign.h>

#define NONCE_SIZE 8
#define PROBE_NS   (QE_NS_PER_S / QE_DHT_PROBES_S)
#define PROBED_NS  (30 * QE_NS_PER_S)

static const struct qe_dht_error none = {0, NULL};
static const struct qe_dht_error no_room = {QE_KRPC_ERROR_SERVER, "no room"};
static const struct qe_dht_error too_many = {QE_KRPC_ERROR_SERVER, "too many"};

size_t qe_dht_register_signed(
    const struct qe_node_id *holder, struct qe_span token, uint8_t out[QE_DHT_REGISTER_SIGNED_SIZE])
{
    static const char what[] = "quicether register";
    memcpy(out, what, sizeof what);
    memcpy(out + sizeof what, holder->bytes, sizeof holder->bytes);
    memset(out + sizeof what + sizeof holder->bytes, 0, QE_DHT_TOKEN_SIZE);
    if (token.size == QE_DHT_TOKEN_SIZE) memcpy(out + sizeof what + sizeof holder->bytes, token.data, token.size);
    return QE_DHT_REGISTER_SIGNED_SIZE;
}

size_t qe_dht_holder_memory(const struct qe_dht_holder *holder)
{
    return holder->registry ? qe_dht_registry_memory(holder->registry) : 0;
}

static void give_token(const struct qe_dht_holder *holder, const struct qe_krpc *query, const struct qe_addr *from,
    uint64_t now_ns, struct qe_dht_reply *reply)
{
    qe_dht_token_make_at(holder->token_key, QE_DHT_TOKEN_HERE, from, &query->id, now_ns, reply->token);
    reply->message.token = qe_span(reply->token, QE_DHT_TOKEN_SIZE);
}

static bool signed_by_itself(const struct qe_dht_holder *holder, const struct qe_krpc *query)
{
    uint8_t text[QE_DHT_REGISTER_SIGNED_SIZE];
    struct qe_key key;
    if (query->key.size != sizeof key.bytes || query->signature.size != 64) return false;
    memcpy(key.bytes, query->key.data, sizeof key.bytes);
    struct qe_node_id id = qe_node_id_from_key(&key);
    size_t size = qe_dht_register_signed(&holder->options->id, query->token, text);
    return qe_node_id_equal(&id, &query->id) &&
           (crypto_sign_verify_detached(query->signature.data, text, size, key.bytes) == 0 ||
               QE_MUTANT(dht_register_unsigned));
}

// The first time a token is asked for, the second time the registration is signed; then a token is enough to renew it,
// as long as it comes from the same address.
struct qe_dht_error qe_dht_holder_register(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply)
{
    struct qe_addr before;
    give_token(holder, query, from, now_ns, reply);
    reply->message.open = holder->open;
    if (query->token.size == 0) return none;
    if (!qe_dht_token_check_at(holder->token_key, QE_DHT_TOKEN_HERE, from, &query->id, now_ns, query->token))
        return none;
    bool renews =
        qe_dht_registry_find(holder->registry, &query->id, from->ip.family, &before) && qe_addr_equal(&before, from);
    if (!renews && !query->signature.data) return none;
    if (!renews && !signed_by_itself(holder, query))
        return (struct qe_dht_error){QE_KRPC_ERROR_SIGNATURE, "bad signature"};
    if (!qe_dht_registry_put(holder->registry, &query->id, from, now_ns)) return no_room;
    reply->message.registered = true;
    return none;
}

static bool send(struct qe_dht_holder *holder, uint32_t socket, const struct qe_addr *to, struct qe_krpc *message)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    message->type = QE_KRPC_QUERY;
    message->transaction = qe_span("s", 1); // nobody answers
    message->version = qe_span(QE_KRPC_VERSION, 4);
    message->has_id = true;
    message->id = holder->options->id;
    size_t size = qe_krpc_write(message, bytes, sizeof bytes);
    return size > 0 && holder->options->send(holder->options->user, socket, to, qe_span(bytes, size));
}

// An answer goes where its asker was when this node passed the question on to the one that answers.
static struct qe_dht_error pass_answer(
    struct qe_dht_holder *holder, const struct qe_krpc *query, const struct qe_addr *from, uint64_t now_ns)
{
    struct qe_addr registered;
    struct qe_krpc signal = {.method = QE_KRPC_SIGNAL,
        .has_target = true,
        .target = query->target,
        .answers = true,
        .has_peer = true,
        .peer = *from,
        .payload = query->payload};
    if (!qe_dht_registry_find(holder->registry, &query->id, from->ip.family, &registered) ||
        !qe_addr_equal(&registered, from) ||
        !qe_dht_token_check_at(holder->token_key, QE_DHT_TOKEN_ANSWER, &query->peer, &query->id, now_ns, query->token))
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "bad token"};
    if (!qe_dht_limit_signal(holder->limit, &query->peer.ip, now_ns)) return too_many;
    return send(holder, 0, &query->peer, &signal) ? none : no_room;
}

struct qe_dht_error qe_dht_holder_punch(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply)
{
    uint8_t token[QE_DHT_TOKEN_SIZE];
    if (!query->has_target || query->payload.size == 0 || query->payload.size > QE_DHT_SIGNAL_MAX)
        return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no target, or no payload of a fitting size"};
    reply->message.open = holder->open;
    if (query->has_peer) {
        struct qe_dht_error error = pass_answer(holder, query, from, now_ns);
        reply->message.registered = error.code == 0;
        return error;
    }
    qe_dht_token_make(holder->token_key, &from->ip, &query->target, now_ns, reply->token);
    reply->message.token = qe_span(reply->token, sizeof token);
    if (!qe_dht_token_check(holder->token_key, &from->ip, &query->target, now_ns, query->token)) return none;
    uint8_t family = from->ip.family;
    struct qe_addr callee;
    if (!qe_dht_registry_find(holder->registry, &query->target, family, &callee)) {
        // It may have a registration of the other family only.
        family = family == 4 ? 6 : 4;
        if (!qe_dht_registry_find(holder->registry, &query->target, family, &callee))
            return (struct qe_dht_error){QE_KRPC_ERROR_UNKNOWN, "not registered here"};
    }
    if (!qe_dht_limit_signal(holder->limit, &from->ip, now_ns)) return too_many;
    if (!qe_dht_registry_call(holder->registry, &query->target, family, now_ns)) return too_many;
    qe_dht_token_make_at(holder->token_key, QE_DHT_TOKEN_ANSWER, from, &query->target, now_ns, token);
    struct qe_krpc signal = {.method = QE_KRPC_SIGNAL,
        .has_target = true,
        .target = query->target,
        .has_peer = true,
        .peer = *from,
        .token = qe_span(token, sizeof token),
        .payload = query->payload};
    if (!send(holder, 0, &callee, &signal)) return no_room;
    reply->message.registered = true;
    reply->message.has_peer = true;
    reply->message.peer = callee;
    return none;
}

// One more probe, in all.
static bool may_probe(struct qe_dht_holder *holder, uint64_t now_ns)
{
    uint64_t empty_ns = holder->probes_ns > now_ns ? holder->probes_ns : now_ns;
    if (empty_ns - now_ns > (QE_DHT_PROBES_BURST - 1) * PROBE_NS) return false;
    holder->probes_ns = empty_ns + PROBE_NS;
    return true;
}

// Nothing proves to this node that its asker speaks for that address: so it gets one probe in half a minute.
static bool may_probe_unproven(struct qe_dht_holder *holder, const struct qe_addr *to, uint64_t now_ns)
{
    for (size_t i = 0; i < QE_DHT_PROBES_MAX; i++)
        if (holder->probed[i].until_ns > now_ns && qe_ip_equal(&holder->probed[i].addr.ip, &to->ip) &&
            !QE_MUTANT(dht_probe_anybody))
            return false;
    if (holder->probed[holder->next_probed].until_ns > now_ns || !may_probe(holder, now_ns)) return false;
    holder->probed[holder->next_probed].addr = *to;
    holder->probed[holder->next_probed].until_ns = now_ns + PROBED_NS;
    holder->next_probed = (holder->next_probed + 1) % QE_DHT_PROBES_MAX;
    return true;
}

static struct qe_dht_error probe_for_other(
    struct qe_dht_holder *holder, const struct qe_krpc *query, const struct qe_addr *from, uint64_t now_ns)
{
    const struct qe_dht_contact contact = {query->id, *from};
    struct qe_krpc probe = {.method = QE_KRPC_PROBE, .nonce = query->nonce};
    if (!query->has_peer || !qe_dht_address_usable(&query->peer, holder->options->private_too)) return none;
    if (!holder->options->knows(holder->options->user, &contact)) return none;
    if (may_probe_unproven(holder, &query->peer, now_ns)) send(holder, 0, &query->peer, &probe);
    return none;
}

struct qe_dht_error qe_dht_holder_check(struct qe_dht_holder *holder, const struct qe_krpc *query,
    const struct qe_addr *from, uint64_t now_ns, struct qe_dht_reply *reply, bool *silent)
{
    const struct qe_addr *to = query->has_peer ? &query->peer : from;
    const struct qe_dht_server_options *options = holder->options;
    unsigned family = from->ip.family == 6;
    if (query->nonce.size != NONCE_SIZE) return (struct qe_dht_error){QE_KRPC_ERROR_PROTOCOL, "no nonce"};
    if (query->how == QE_DHT_HOW_FOR_OTHER) {
        *silent = true;
        return probe_for_other(holder, query, from, now_ns);
    }
    give_token(holder, query, from, now_ns, reply);
    reply->message.open = holder->open;
    reply->message.port = holder->other_ports[family];
    if (query->how < QE_DHT_HOW_SAME_PORT || query->how > QE_DHT_HOW_OTHER_NODE) return none;
    if (!qe_dht_token_check_at(holder->token_key, QE_DHT_TOKEN_HERE, to, &query->id, now_ns, query->token)) return none;
    if (!qe_dht_limit_signal(holder->limit, &from->ip, now_ns) || !may_probe(holder, now_ns)) return too_many;
    struct qe_krpc probe = {.method = QE_KRPC_PROBE, .nonce = query->nonce};
    if (query->how == QE_DHT_HOW_OTHER_PORT && holder->other_ports[family] == 0) {
        options->wants_port(options->user, from->ip.family);
        return (struct qe_dht_error){QE_KRPC_ERROR_SERVER, "no other port yet"};
    }
    struct qe_dht_contact other;
    if (query->how == QE_DHT_HOW_OTHER_NODE) {
        if (!options->other(options->user, &to->ip, &other))
            return (struct qe_dht_error){QE_KRPC_ERROR_SERVER, "no other node"};
        probe.method = QE_KRPC_CHECK;
        probe.how = QE_DHT_HOW_FOR_OTHER;
        probe.has_peer = true;
        probe.peer = *to;
    }
    bool port = query->how == QE_DHT_HOW_OTHER_PORT;
    reply->message.registered =
        send(holder, port ? QE_DHT_SOCKET_OTHER : 0, probe.method == QE_KRPC_CHECK ? &other.addr : to, &probe);
    return none;
}
