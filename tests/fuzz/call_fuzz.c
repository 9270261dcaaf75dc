// Arbitrary bytes as a call, and as what its sender signs: what is read lies within its limits, and is what is written
// again.
#include "nat/call.h"

#include "../unit/secrets.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char label[] = "quicether call";
    static struct secrets s;
    uint8_t bytes[QE_CALL_SIZE_MAX] = {0}, again[QE_CALL_SIZE_MAX], text[sizeof label + QE_CALL_SIZE_MAX];
    struct qe_call call;
    if (!s.host.user) secrets_init(&s, 1, 5);
    qe_call_decode(qe_span(data, size), &s.host, &call);
    // With a signature that is right.
    if (size < 42 || size > 300) return 0;
    memcpy(bytes + 1, data, size);
    memcpy(bytes + 3, s.host.identity.bytes, sizeof s.host.identity.bytes);
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, bytes + 1, size);
    qe_secret_do(&s.identity, QE_SECRET_SIGN, qe_span(text, sizeof label + size), bytes + 1 + size, 64);
    if (!qe_call_decode(qe_span(bytes, 1 + size + 64), &s.host, &call)) return 0;
    assert(call.count <= QE_CALL_CANDIDATES_MAX && call.attempt != 0);
    size_t written = qe_call_encode(&call, false, &s.host, again);
    // Kinds of a later version are read as others.
    assert(written == 1 + size + 64);
    return 0;
}
