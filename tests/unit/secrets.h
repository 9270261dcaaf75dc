// A host that has secrets and randomness, and nothing else.
#ifndef QE_TESTS_SECRETS_H
#define QE_TESTS_SECRETS_H

#include "node/host.h"

#include <string.h>

struct secrets {
    struct qe_host host;
    struct qe_secret identity, network;
    bool member;
    uint8_t drawn;
};

static int secrets_do(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct secrets *s = user;
    if (key == QE_SECRET_NETWORK && !s->member) return -1;
    return qe_secret_do(key == QE_SECRET_IDENTITY ? &s->identity : &s->network, operation, input, out, size);
}

static void secrets_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct secrets *s = user;
    (void)purpose;
    for (size_t i = 0; i < size; i++)
        out[i] = s->drawn++;
}

// A host with the identity of that number, a member of the network of that number (0: of none).
static inline void secrets_init(struct secrets *s, uint8_t identity, uint8_t network)
{
    uint8_t seed[QE_SECRET_SIZE];
    memset(s, 0, sizeof *s);
    memset(seed, identity, sizeof seed);
    qe_secret_init(&s->identity, seed);
    memset(seed, 0x80 | network, sizeof seed);
    qe_secret_init(&s->network, seed);
    s->member = network != 0;
    s->host.user = s;
    s->host.identity = qe_secret_public(&s->identity);
    s->host.secret = secrets_do;
    s->host.random = secrets_random;
}

#endif
