#include "wire/member.h"

#include "wire/wire.h"

#include <string.h>

void qe_proof_input(bool client, const uint8_t exporter[32], const struct qe_key *client_key,
    const struct qe_key *server_key, uint8_t out[QE_PROOF_INPUT_SIZE])
{
    // So that no other MAC under the secret is ever one of these.
    static const uint8_t purpose[16] = "quicether-member";
    memcpy(out, purpose, 16);
    out[16] = client ? 'c' : 's';
    memcpy(out + 17, exporter, 32);
    memcpy(out + 49, client_key->bytes, 32);
    memcpy(out + 81, server_key->bytes, 32);
}

static size_t encode(uint8_t type, const void *body, size_t body_size, uint8_t *out, size_t size)
{
    if (size < 3 + body_size) return 0;
    qe_store16(out, (uint16_t)(1 + body_size));
    out[2] = type;
    memcpy(out + 3, body, body_size);
    return 3 + body_size;
}

size_t qe_proof_encode(const uint8_t mac[QE_PROOF_SIZE], uint8_t *out, size_t size)
{
    return encode(QE_MESSAGE_PROOF, mac, QE_PROOF_SIZE, out, size);
}

size_t qe_join_encode(const uint8_t token[QE_TOKEN_SIZE], uint8_t *out, size_t size)
{
    return encode(QE_MESSAGE_JOIN, token, QE_TOKEN_SIZE, out, size);
}

size_t qe_welcome_encode(const uint8_t handed[QE_SECRET_HANDED_SIZE], uint8_t *out, size_t size)
{
    return encode(QE_MESSAGE_WELCOME, handed, QE_SECRET_HANDED_SIZE, out, size);
}

size_t qe_decline_encode(enum qe_decline why, uint8_t *out, size_t size)
{
    const uint8_t code = (uint8_t)why;
    return encode(QE_MESSAGE_DECLINE, &code, 1, out, size);
}

static bool decode(struct qe_span body, uint8_t *out, size_t size)
{
    if (body.size < size) return false;
    memcpy(out, body.data, size);
    return true;
}

bool qe_proof_decode(struct qe_span body, uint8_t mac[QE_PROOF_SIZE])
{
    return decode(body, mac, QE_PROOF_SIZE);
}

bool qe_join_decode(struct qe_span body, uint8_t token[QE_TOKEN_SIZE])
{
    return decode(body, token, QE_TOKEN_SIZE);
}

bool qe_welcome_decode(struct qe_span body, uint8_t handed[QE_SECRET_HANDED_SIZE])
{
    return decode(body, handed, QE_SECRET_HANDED_SIZE);
}

bool qe_decline_decode(struct qe_span body, enum qe_decline *why)
{
    uint8_t code;
    if (!decode(body, &code, 1) || code == 0) return false;
    *why = code <= QE_DECLINE_LATER ? (enum qe_decline)code : QE_DECLINE_LATER;
    return true;
}

const char *qe_decline_text(enum qe_decline why)
{
    switch (why) {
    case QE_DECLINE_NOT:
        break;
    case QE_DECLINE_UNKNOWN:
        return "the inviter knows no such invitation";
    case QE_DECLINE_EXPIRED:
        return "the invitation has expired";
    case QE_DECLINE_USED:
        return "the invitation is used up";
    case QE_DECLINE_LATER:
        return "the inviter cannot say now";
    }
    return "?";
}
