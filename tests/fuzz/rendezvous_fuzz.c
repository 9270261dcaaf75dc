// Arbitrary bytes as the contents of a rendezvous, and as what hides them: what is read lies within its limits, and is
// what is written again.
#include "discovery/rendezvous.h"

#include "../unit/secrets.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[QE_SECRET_SIZE] = {1};
    static struct secrets s;
    struct qe_rendezvous read = {.endpoint_count = 0}, again = {.endpoint_count = 0};
    uint8_t plain[QE_RENDEZVOUS_PLAIN_SIZE] = {0}, written[QE_RENDEZVOUS_PLAIN_SIZE], room[QE_RENDEZVOUS_VALUE_SIZE];
    struct qe_dht_item item;
    if (!s.host.user) secrets_init(&s, 1, 0);
    assert(!qe_rendezvous_open(qe_span(data, size), &s.host, seed, &read));
    if (size < sizeof plain) assert(!qe_rendezvous_read(qe_span(data, size), &read));
    if (size) memcpy(plain, data, size < sizeof plain ? size : sizeof plain);
    if (!qe_rendezvous_read(qe_span(plain, sizeof plain), &read)) return 0;
    assert(read.endpoint_count <= QE_RENDEZVOUS_ENDPOINTS_MAX);
    qe_rendezvous_write(&read, written);
    assert(memcmp(written, plain, sizeof plain) == 0);
    assert(qe_rendezvous_seal(&read, &s.host, seed, 1, room, &item));
    assert(qe_rendezvous_open(item.value, &s.host, seed, &again) && qe_rendezvous_same(&read, &again));
    return 0;
}
