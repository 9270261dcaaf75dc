// Where an inviter is now, told to those who have its invitation and to nobody else: the value of the item of the DHT
// whose key follows from the invitation's token (qe_invitation_rendezvous). Whoever has the line could have written it,
// so it is a hint where to dial, and no more: who answers there is proven by TLS. docs/protocol.md has the bytes.
#ifndef QE_DISCOVERY_RENDEZVOUS_H
#define QE_DISCOVERY_RENDEZVOUS_H

#include "base/addr.h"
#include "base/bytes.h"
#include "dht/dht.h"
#include "identity/secret.h"
#include "node/host.h"

#define QE_RENDEZVOUS_ENDPOINTS_MAX 5
// Always the same, so that its size tells nothing.
#define QE_RENDEZVOUS_PLAIN_SIZE (1 + 19 * QE_RENDEZVOUS_ENDPOINTS_MAX)
#define QE_RENDEZVOUS_VALUE_SIZE (4 + QE_SECRET_NONCE_SIZE + QE_RENDEZVOUS_PLAIN_SIZE + QE_SECRET_TAG_SIZE)

struct qe_rendezvous {
    struct qe_addr endpoints[QE_RENDEZVOUS_ENDPOINTS_MAX]; // best first, without scopes
    size_t endpoint_count;
};

bool qe_rendezvous_same(const struct qe_rendezvous *a, const struct qe_rendezvous *b);

// The item's contents, before they are sealed.
void qe_rendezvous_write(const struct qe_rendezvous *rendezvous, uint8_t out[QE_RENDEZVOUS_PLAIN_SIZE]);
// False for anything but what qe_rendezvous_write writes; then `out` is as it was.
bool qe_rendezvous_read(struct qe_span plain, struct qe_rendezvous *out);

// What follows is done by the host with the invitation's secret (qe_invitation_rendezvous); false where it does not.

// The key that the item is under.
bool qe_rendezvous_key(const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], struct qe_key *key);
// Makes the whole item, sealed and signed. `room` is to outlive it.
bool qe_rendezvous_seal(const struct qe_rendezvous *rendezvous, const struct qe_host *host,
    const uint8_t seed[QE_SECRET_SIZE], int64_t seq, uint8_t room[QE_RENDEZVOUS_VALUE_SIZE], struct qe_dht_item *item);
// Reads the value of such an item.
bool qe_rendezvous_open(
    struct qe_span value, const struct qe_host *host, const uint8_t seed[QE_SECRET_SIZE], struct qe_rendezvous *out);

#endif
