// Any datagrams at a node's server side: addresses, times, queries. What no fuzzer guesses it may name: a token of
// eight 'T' is the right one, a signature of 64 'S' is a real one by a key of ours. Malformed bytes are met with
// silence, replies are well-formed and within the budget, and what is stored is within its limits.
#include "dht/server.h"

#include "base/time.h"
#include "dht/limit.h"
#include "dht/token.h"
#include "mem.h"

#include <assert.h>
#include <sodium.h>

static struct qe_key key;
static uint8_t secret[64];

static void zeros(void *user, uint8_t *out, size_t size)
{
    (void)user;
    memset(out, 0, size);
}

static size_t closest(
    void *user, const struct qe_node_id *target, uint8_t family, struct qe_dht_contact *out, size_t max)
{
    (void)user;
    for (size_t i = 0; i < max; i++) {
        out[i] = (struct qe_dht_contact){.id = *target, .addr = {.ip.family = family, .port = 1}};
        out[i].id.bytes[19] ^= (uint8_t)i;
    }
    return max;
}

static bool all(struct qe_span span, size_t size, uint8_t byte)
{
    if (span.size != size) return false;
    for (size_t i = 0; i < size; i++)
        if (span.data[i] != byte) return false;
    return true;
}

struct help {
    uint8_t token[QE_DHT_TOKEN_SIZE], signature[64], record[QE_KRPC_RECORD_MAX];
};

static void help_with_record(struct qe_krpc *m, struct help *help)
{
    struct qe_dht_record record;
    uint8_t text[QE_DHT_SIGNED_MAX];
    if (!qe_krpc_record_read(m->record, m->authority, &record)) return;
    if (!all(qe_span(record.signature, 64), 64, 'S')) return;
    record.owner = key;
    if (record.certified) {
        record.authority = key;
        m->authority = qe_span(key.bytes, sizeof key.bytes);
        m->target = qe_node_id_from_key(&key);
        crypto_sign_detached(record.certificate, NULL, text, qe_dht_certificate_signed(&key, text), secret);
    }
    crypto_sign_detached(record.signature, NULL, text, qe_dht_record_signed(&record, &m->target, text), secret);
    m->record = qe_span(help->record, qe_krpc_record_write(&record, help->record, sizeof help->record));
}

static void help_with_item(struct qe_krpc *m, struct help *help)
{
    uint8_t text[QE_DHT_SIGNED_MAX];
    if (!all(m->signature, 64, 'S') || m->value.size > QE_DHT_VALUE_MAX || m->salt.size > QE_DHT_SALT_MAX) return;
    struct qe_dht_item item = {.mutable = true, .key = key, .salt = m->salt, .seq = m->seq, .value = m->value};
    crypto_sign_detached(help->signature, NULL, text, qe_dht_item_signed(&item, text), secret);
    m->key = qe_span(key.bytes, sizeof key.bytes);
    m->signature = qe_span(help->signature, sizeof help->signature);
}

static void help_with_token(struct qe_krpc *m, const struct qe_addr *from, uint64_t now_ns, struct help *help)
{
    static const uint8_t token_key[QE_DHT_TOKEN_KEY_SIZE];
    struct qe_node_id target = m->target;
    if (!all(m->token, QE_DHT_TOKEN_SIZE, 'T')) return;
    if (m->method == QE_KRPC_PUT) {
        struct qe_dht_item item = {.mutable = m->key.data, .salt = m->salt, .value = m->value};
        if (m->salt.size > QE_DHT_SALT_MAX) return;
        if (m->key.size == sizeof item.key.bytes) memcpy(item.key.bytes, m->key.data, sizeof item.key.bytes);
        target = qe_dht_item_target(&item);
    }
    qe_dht_token_make(token_key, &from->ip, &target, now_ns, help->token);
    m->token = qe_span(help->token, sizeof help->token);
}

static size_t answer(struct qe_dht_server *server, struct qe_span bytes, const struct qe_addr *from, uint64_t now_ns)
{
    struct qe_krpc query, got;
    struct help help;
    uint8_t out[QE_DHT_DATAGRAM_MAX];
    size_t size;
    if (!qe_krpc_read(bytes, &query) || query.type != QE_KRPC_QUERY) return 0;
    if (query.method == QE_KRPC_INDEX_PUT) help_with_record(&query, &help);
    if (query.method == QE_KRPC_PUT) help_with_item(&query, &help);
    help_with_token(&query, from, now_ns, &help);
    enum qe_dht_server_verdict verdict = qe_dht_server_answer(server, &query, bytes.size, from, now_ns, out, &size);
    assert((size == 0) == (verdict == QE_DHT_SERVER_LIMIT) && size <= sizeof out);
    if (size == 0) return 0;
    assert(qe_krpc_read(qe_span(out, size), &got) && got.canonical);
    assert(got.type == (verdict == QE_DHT_SERVER_ERROR ? QE_KRPC_ERROR : QE_KRPC_REPLY));
    assert(qe_span_equal(got.transaction, query.transaction));
    return size > 3 * bytes.size ? size - 3 * bytes.size : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = {1};
    crypto_sign_seed_keypair(key.bytes, secret, seed);
    struct qe_dht_server_options options = {
        .mem = fuzz_mem(), .index = true, .random = zeros, .closest = closest, .referrals = QE_DHT_K};
    struct qe_dht_server *server = qe_dht_server_new(&options);
    struct qe_reader r = qe_reader(qe_span(data, size));
    uint64_t now_ns = QE_NS_PER_S;
    size_t beyond = 0;
    // A step: seconds to wait (1) | address (1) | bytes (2) of datagram.
    while (qe_reader_left(&r) > 4) {
        now_ns += qe_read8(&r) * QE_NS_PER_S;
        uint8_t host = qe_read8(&r);
        struct qe_addr from = {.ip = qe_ip4(198, 51, host & 3, host), .port = 6881};
        if (host & 0x80) from.ip = qe_ip6((uint8_t[16]){0x20, 1, 0xd, 0xb8, host});
        size_t wanted = qe_read16(&r), left = qe_reader_left(&r);
        qe_dht_server_expire(server, now_ns);
        beyond += answer(server, qe_read_bytes(&r, wanted < left ? wanted : left), &from, now_ns);
        struct qe_dht_store_stats stats;
        qe_dht_server_stats(server, &stats);
        assert(stats.items <= QE_DHT_ITEMS_MAX && stats.peers <= QE_DHT_PEERS_MAX);
        assert(stats.records <= QE_DHT_RECORDS_MAX + QE_DHT_RECORDS_OPEN_MAX);
        assert(beyond <= QE_DHT_LIMIT_ALL_MAX + now_ns / QE_NS_PER_S * QE_DHT_LIMIT_ALL_S);
        assert(qe_dht_server_deadline(server) > now_ns);
    }
    qe_dht_server_free(server);
    return 0;
}
