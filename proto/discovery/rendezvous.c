#include "discovery/rendezvous.h"

#include "base/cursor.h"

#include <sodium.h>
#include <string.h>

#define VERSION     1
#define SEALED_SIZE (QE_RENDEZVOUS_VALUE_SIZE - 4)
#define HEAD        "136:" // of a bencoded string of that size
#define LABEL       "rendezvous"

_Static_assert(SEALED_SIZE == 136, "the head says the size");

bool qe_rendezvous_same(const struct qe_rendezvous *a, const struct qe_rendezvous *b)
{
    bool same = a->endpoint_count == b->endpoint_count;
    for (size_t i = 0; same && i < a->endpoint_count; i++)
        same = qe_addr_equal(&a->endpoints[i], &b->endpoints[i]);
    return same;
}

void qe_rendezvous_write(const struct qe_rendezvous *rendezvous, uint8_t out[QE_RENDEZVOUS_PLAIN_SIZE])
{
    struct qe_writer w = qe_writer(out, QE_RENDEZVOUS_PLAIN_SIZE);
    memset(out, 0, QE_RENDEZVOUS_PLAIN_SIZE);
    qe_write8(&w, VERSION);
    for (size_t i = 0; i < rendezvous->endpoint_count; i++) {
        const struct qe_addr *addr = &rendezvous->endpoints[i];
        qe_write8(&w, addr->ip.family);
        qe_write_bytes(&w, addr->ip.bytes, qe_ip_size(&addr->ip));
        qe_write16(&w, addr->port);
    }
}

static bool read_endpoint(struct qe_reader *r, uint8_t family, struct qe_addr *addr)
{
    *addr = (struct qe_addr){.ip.family = family};
    if (family != 4 && family != 6) return false;
    qe_read_copy(r, addr->ip.bytes, qe_ip_size(&addr->ip));
    addr->port = qe_read16(r);
    return !r->failed && addr->port != 0 && !qe_ip_is_unspecified(&addr->ip) && !qe_ip_is_multicast(&addr->ip);
}

bool qe_rendezvous_read(struct qe_span plain, struct qe_rendezvous *out)
{
    struct qe_rendezvous read = {.endpoint_count = 0};
    struct qe_reader r = qe_reader(plain);
    uint8_t family = 0;
    if (plain.size != QE_RENDEZVOUS_PLAIN_SIZE || qe_read8(&r) != VERSION) return false;
    while (read.endpoint_count < QE_RENDEZVOUS_ENDPOINTS_MAX && (family = qe_read8(&r)) != 0)
        if (!read_endpoint(&r, family, &read.endpoints[read.endpoint_count++])) return false;
    while (qe_reader_left(&r) > 0)
        if (qe_read8(&r) != 0) return false;
    *out = read;
    return true;
}

// Has the host do an operation with that secret.
static bool with(const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], enum qe_secret_operation operation,
    struct qe_span input, uint8_t *out, size_t size)
{
    uint8_t bytes[QE_SECRET_SIZE + 1 + 1 + sizeof LABEL + QE_DHT_SIGNED_MAX];
    struct qe_writer w = qe_writer(bytes, sizeof bytes);
    qe_write_bytes(&w, seed, QE_SECRET_SIZE);
    qe_write8(&w, (uint8_t)operation);
    qe_write_bytes(&w, input.data, input.size);
    bool done = !w.failed && host->secret(host->user, QE_SECRET_IDENTITY, QE_SECRET_GIVEN,
                                 qe_span(bytes, qe_writer_size(&w)), out, size) == 0;
    sodium_memzero(bytes, QE_SECRET_SIZE);
    return done;
}

bool qe_rendezvous_key(const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], struct qe_key *key)
{
    return with(host, seed, QE_SECRET_DERIVED_KEY, qe_span(LABEL, sizeof LABEL - 1), key->bytes, sizeof key->bytes);
}

static bool sign(const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], struct qe_dht_item *item)
{
    uint8_t text[1 + sizeof LABEL - 1 + QE_DHT_SIGNED_MAX] = {sizeof LABEL - 1};
    memcpy(text + 1, LABEL, sizeof LABEL - 1);
    size_t size = sizeof LABEL + qe_dht_item_signed(item, text + sizeof LABEL);
    return with(host, seed, QE_SECRET_DERIVED_SIGN, qe_span(text, size), item->signature, sizeof item->signature);
}

bool qe_rendezvous_seal(const struct qe_rendezvous *rendezvous, const struct qe_host *host,
    const uint8_t seed[QE_SECRET_SIZE], int64_t seq, uint8_t room[QE_RENDEZVOUS_VALUE_SIZE], struct qe_dht_item *item)
{
    uint8_t input[QE_SECRET_NONCE_SIZE + QE_RENDEZVOUS_PLAIN_SIZE];
    *item = (struct qe_dht_item){.mutable = true, .seq = seq, .value = qe_span(room, QE_RENDEZVOUS_VALUE_SIZE)};
    host->random(host->user, QE_RANDOM_DHT, input, QE_SECRET_NONCE_SIZE);
    qe_rendezvous_write(rendezvous, input + QE_SECRET_NONCE_SIZE);
    memcpy(room, HEAD, 4);
    return qe_rendezvous_key(host, seed, &item->key) &&
           with(host, seed, QE_SECRET_SEAL, qe_span(input, sizeof input), room + 4, SEALED_SIZE) &&
           sign(host, seed, item);
}

bool qe_rendezvous_open(
    struct qe_span value, const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], struct qe_rendezvous *out)
{
    uint8_t plain[QE_RENDEZVOUS_PLAIN_SIZE];
    if (value.size != QE_RENDEZVOUS_VALUE_SIZE || memcmp(value.data, HEAD, 4) != 0) return false;
    return with(host, seed, QE_SECRET_OPEN, qe_span(value.data + 4, SEALED_SIZE), plain, sizeof plain) &&
           qe_rendezvous_read(qe_span(plain, sizeof plain), out);
}
