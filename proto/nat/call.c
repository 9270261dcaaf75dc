#include "nat/call.h"

#include "base/cursor.h"

#include <sodium.h>

#define VERSION        1
#define SIGNATURE_SIZE 64
#define INNER_MAX      (QE_CALL_SIZE_MAX - 1 - QE_SECRET_NONCE_SIZE - QE_SECRET_TAG_SIZE)

enum form { FORM_OPEN, FORM_SEALED };

_Static_assert(81 + QE_CALL_CANDIDATES_MAX * 20 + SIGNATURE_SIZE <= INNER_MAX, "the largest call fits");

// A signature of these bytes means nothing anywhere else.
static const char label[] = "quicether call";

struct signed_text {
    uint8_t bytes[sizeof label + INNER_MAX];
    size_t size;
};

static void compose(struct signed_text *text, struct qe_span contents)
{
    memcpy(text->bytes, label, sizeof label);
    memcpy(text->bytes + sizeof label, contents.data, contents.size);
    text->size = sizeof label + contents.size;
}

static size_t write_inner(const struct qe_call *call, const struct qe_host *host, uint8_t out[INNER_MAX])
{
    struct signed_text text;
    struct qe_writer w = qe_writer(out, INNER_MAX);
    size_t count = call->count < QE_CALL_CANDIDATES_MAX ? call->count : QE_CALL_CANDIDATES_MAX;
    qe_write8(&w, VERSION);
    qe_write8(&w, call->answer);
    qe_write_bytes(&w, host->identity.bytes, sizeof host->identity.bytes);
    qe_write_bytes(&w, call->to.bytes, sizeof call->to.bytes);
    qe_write64(&w, call->attempt);
    qe_write64(&w, call->time_ms);
    qe_write8(&w, (uint8_t)call->ports);
    qe_write8(&w, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct qe_addr *addr = &call->list[i].addr;
        qe_write8(&w, (uint8_t)call->list[i].kind);
        qe_write8(&w, addr->ip.family);
        qe_write_bytes(&w, addr->ip.bytes, qe_ip_size(&addr->ip));
        qe_write16(&w, addr->port);
    }
    compose(&text, qe_span(out, qe_writer_size(&w)));
    uint8_t *signature = qe_write_room(&w, SIGNATURE_SIZE);
    if (!signature || host->secret(host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(text.bytes, text.size),
                          signature, SIGNATURE_SIZE) != 0)
        return 0;
    return qe_writer_size(&w);
}

size_t qe_call_encode(
    const struct qe_call *call, bool sealed, const struct qe_host *host, uint8_t out[QE_CALL_SIZE_MAX])
{
    uint8_t plain[QE_SECRET_NONCE_SIZE + INNER_MAX];
    size_t size = write_inner(call, host, plain + QE_SECRET_NONCE_SIZE);
    if (size == 0) return 0;
    out[0] = sealed ? FORM_SEALED : FORM_OPEN;
    if (!sealed) {
        memcpy(out + 1, plain + QE_SECRET_NONCE_SIZE, size);
        return 1 + size;
    }
    host->random(host->user, QE_RANDOM_NAT, plain, QE_SECRET_NONCE_SIZE);
    size += QE_SECRET_NONCE_SIZE;
    if (host->secret(host->user, QE_SECRET_NETWORK, QE_SECRET_SEAL, qe_span(plain, size), out + 1,
            size + QE_SECRET_TAG_SIZE) != 0)
        return 0;
    return 1 + size + QE_SECRET_TAG_SIZE;
}

static bool read_candidate(struct qe_reader *r, struct qe_call_candidate *out)
{
    uint8_t kind = qe_read8(r);
    out->addr = (struct qe_addr){.ip.family = qe_read8(r)};
    out->kind = kind <= QE_CANDIDATE_PREDICTED ? (enum qe_candidate_kind)kind : QE_CANDIDATE_HOST;
    struct qe_ip *ip = &out->addr.ip;
    if (ip->family != 4 && ip->family != 6) return false;
    qe_read_copy(r, ip->bytes, qe_ip_size(ip));
    out->addr.port = qe_read16(r);
    return !r->failed && out->addr.port != 0 && !qe_ip_is_unspecified(ip) && !qe_ip_is_multicast(ip);
}

static bool read_inner(struct qe_span inner, struct qe_call *out)
{
    struct signed_text text;
    if (inner.size < SIGNATURE_SIZE || inner.size > INNER_MAX) return false;
    struct qe_span contents = {inner.data, inner.size - SIGNATURE_SIZE};
    struct qe_reader r = qe_reader(contents);
    if (qe_read8(&r) != VERSION) return false;
    uint8_t answer = qe_read8(&r);
    out->answer = answer == 1;
    qe_read_copy(&r, out->from.bytes, sizeof out->from.bytes);
    qe_read_copy(&r, out->to.bytes, sizeof out->to.bytes);
    out->attempt = qe_read64(&r);
    out->time_ms = qe_read64(&r);
    uint8_t ports = qe_read8(&r);
    out->ports = ports <= QE_CALL_PORTS_OTHER ? (enum qe_call_ports)ports : QE_CALL_PORTS_UNKNOWN;
    out->count = qe_read8(&r);
    if (answer > 1 || out->attempt == 0 || out->count > QE_CALL_CANDIDATES_MAX) return false;
    for (size_t i = 0; i < out->count; i++)
        if (!read_candidate(&r, &out->list[i])) return false;
    if (r.failed || qe_reader_left(&r) > 0) return false;
    compose(&text, contents);
    return crypto_sign_verify_detached(inner.data + contents.size, text.bytes, text.size, out->from.bytes) == 0;
}

bool qe_call_decode(struct qe_span bytes, const struct qe_host *host, struct qe_call *out)
{
    const size_t extra = QE_SECRET_NONCE_SIZE + QE_SECRET_TAG_SIZE;
    uint8_t plain[INNER_MAX];
    struct qe_call read = {.attempt = 0};
    if (bytes.size < 1 || bytes.size > QE_CALL_SIZE_MAX || bytes.data[0] > FORM_SEALED) return false;
    struct qe_span in = qe_span(bytes.data + 1, bytes.size - 1);
    if (bytes.data[0] == FORM_SEALED) {
        if (in.size < extra || in.size - extra > sizeof plain) return false;
        if (host->secret(host->user, QE_SECRET_NETWORK, QE_SECRET_OPEN, in, plain, in.size - extra) != 0) return false;
        in = qe_span(plain, in.size - extra);
        read.sealed = true;
    }
    if (!read_inner(in, &read)) return false;
    *out = read;
    return true;
}

bool qe_call_is_timely(const struct qe_call *call, uint64_t wall_ms)
{
    uint64_t apart = wall_ms > call->time_ms ? wall_ms - call->time_ms : call->time_ms - wall_ms;
    return apart <= QE_CALL_SKEW_MS;
}
