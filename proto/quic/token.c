// The Retry token: kind (1) | made at, ns (8) | original ID: size (1), bytes (20) | MAC (16). The MAC (keyed BLAKE2b)
// covers the peer's address and the connection ID that the Retry packet chose as well, which the peer shows by itself.
#include "quic/token.h"

#include "base/cursor.h"
#include "base/time.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#define KIND     0x51
#define MAC_SIZE 16
// A client answers Retry at once; this leaves room for its retransmissions.
#define LIFE_NS (10 * QE_NS_PER_S)

static void mac_of(const struct qe_retry_token *token, const uint8_t key[QE_TOKEN_KEY_SIZE], const uint8_t *body,
    size_t body_size, uint8_t out[MAC_SIZE])
{
    uint8_t text[128];
    struct qe_writer w = qe_writer(text, sizeof text);
    qe_write_bytes(&w, body, body_size);
    qe_write8(&w, token->remote.ip.family);
    qe_write_bytes(&w, token->remote.ip.bytes, sizeof token->remote.ip.bytes);
    qe_write16(&w, token->remote.port);
    qe_write8(&w, (uint8_t)token->retry.size);
    qe_write_bytes(&w, token->retry.data, token->retry.size);
    crypto_generichash(out, MAC_SIZE, text, qe_writer_size(&w), key, QE_TOKEN_KEY_SIZE);
}

void qe_retry_token_make(const struct qe_retry_token *token, const uint8_t key[QE_TOKEN_KEY_SIZE], uint64_t now_ns,
    uint8_t out[QE_RETRY_TOKEN_SIZE])
{
    struct qe_writer w = qe_writer(out, QE_RETRY_TOKEN_SIZE);
    qe_write8(&w, KIND);
    qe_write64(&w, now_ns);
    qe_write8(&w, token->original_size);
    qe_write_bytes(&w, token->original, sizeof token->original);
    mac_of(token, key, out, qe_writer_size(&w), w.at);
}

bool qe_retry_token_check(
    struct qe_retry_token *token, const uint8_t key[QE_TOKEN_KEY_SIZE], uint64_t now_ns, struct qe_span bytes)
{
    uint8_t mac[MAC_SIZE];
    if (bytes.size != QE_RETRY_TOKEN_SIZE) return false;
    struct qe_reader r = qe_reader(bytes);
    uint8_t kind = qe_read8(&r);
    uint64_t made_ns = qe_read64(&r);
    uint8_t size = qe_read8(&r);
    struct qe_span original = qe_read_bytes(&r, sizeof token->original);
    mac_of(token, key, bytes.data, bytes.size - MAC_SIZE, mac);
    if (sodium_memcmp(mac, r.at, MAC_SIZE) != 0) return false;
    if (kind != KIND || size > sizeof token->original || made_ns > now_ns || now_ns - made_ns > LIFE_NS) return false;
    memcpy(token->original, original.data, original.size);
    token->original_size = size;
    return true;
}

int qe_reset_token(const struct qe_host *host, struct qe_span cid, uint8_t out[QE_RESET_TOKEN_SIZE])
{
    static const char label[] = "quicether stateless reset";
    uint8_t text[sizeof label + QE_TOKEN_CID_MAX], mac[32];
    if (cid.size > QE_TOKEN_CID_MAX) return -1;
    struct qe_writer w = qe_writer(text, sizeof text);
    qe_write_bytes(&w, label, sizeof label);
    qe_write_bytes(&w, cid.data, cid.size);
    struct qe_span input = qe_span(text, qe_writer_size(&w));
    if (host->secret(host->user, QE_SECRET_IDENTITY, QE_SECRET_MAC, input, mac, sizeof mac) != 0) return -1;
    memcpy(out, mac, QE_RESET_TOKEN_SIZE);
    return 0;
}
