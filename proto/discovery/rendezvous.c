#include "discovery/rendezvous.h"

#include "base/cursor.h"

#include <string.h>

#define VERSION     1
#define SEALED_SIZE (QE_RENDEZVOUS_VALUE_SIZE - 4)
#define HEAD        "136:" // of a bencoded string of that size

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

bool qe_rendezvous_seal(const struct qe_rendezvous *rendezvous, const struct qe_secret *secret,
    const uint8_t nonce[QE_SECRET_NONCE_SIZE], int64_t seq, uint8_t room[QE_RENDEZVOUS_VALUE_SIZE],
    struct qe_dht_item *item)
{
    uint8_t input[QE_SECRET_NONCE_SIZE + QE_RENDEZVOUS_PLAIN_SIZE], text[QE_DHT_SIGNED_MAX];
    memcpy(input, nonce, QE_SECRET_NONCE_SIZE);
    qe_rendezvous_write(rendezvous, input + QE_SECRET_NONCE_SIZE);
    memcpy(room, HEAD, 4);
    if (qe_secret_do(secret, QE_SECRET_SEAL, qe_span(input, sizeof input), room + 4, SEALED_SIZE) != 0) return false;
    *item = (struct qe_dht_item){
        .mutable = true, .key = qe_secret_public(secret), .seq = seq, .value = qe_span(room, QE_RENDEZVOUS_VALUE_SIZE)};
    size_t size = qe_dht_item_signed(item, text);
    return qe_secret_do(secret, QE_SECRET_SIGN, qe_span(text, size), item->signature, sizeof item->signature) == 0;
}

bool qe_rendezvous_open(struct qe_span value, const struct qe_secret *secret, struct qe_rendezvous *out)
{
    uint8_t plain[QE_RENDEZVOUS_PLAIN_SIZE];
    if (value.size != QE_RENDEZVOUS_VALUE_SIZE || memcmp(value.data, HEAD, 4) != 0) return false;
    struct qe_span sealed = {value.data + 4, SEALED_SIZE};
    if (qe_secret_do(secret, QE_SECRET_OPEN, sealed, plain, sizeof plain) != 0) return false;
    return qe_rendezvous_read(qe_span(plain, sizeof plain), out);
}
