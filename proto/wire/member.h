// Control messages between a member of a private network and a node that it does not know yet: how both prove that they
// are members, and how an invitation is redeemed. docs/protocol.md has the bytes.
#ifndef QE_WIRE_MEMBER_H
#define QE_WIRE_MEMBER_H

#include "base/bytes.h"
#include "identity/identity.h"
#include "identity/secret.h"

#include <stdbool.h>

#define QE_PROOF_SIZE 32
#define QE_TOKEN_SIZE 16

// What a proof is a MAC of, under the network's secret (QE_SECRET_MAC): who says it, on which connection, to whom.
#define QE_PROOF_INPUT_SIZE (16 + 1 + 32 + 32 + 32)
// `client`: the client says it. `exporter`: 32 bytes that only the two ends of the connection know.
void qe_proof_input(bool client, const uint8_t exporter[32], const struct qe_key *client_key,
    const struct qe_key *server_key, uint8_t out[QE_PROOF_INPUT_SIZE]);

// Why an invitation is not redeemed.
enum qe_decline {
    QE_DECLINE_NOT = 0,     // it is
    QE_DECLINE_UNKNOWN = 1, // no such invitation
    QE_DECLINE_EXPIRED = 2,
    QE_DECLINE_USED = 3,  // as often as it may be
    QE_DECLINE_LATER = 4, // this node cannot say now
};

// Each writes a whole message, size field included: its size, or 0 where `size` is too small.
size_t qe_proof_encode(const uint8_t mac[QE_PROOF_SIZE], uint8_t *out, size_t size);
size_t qe_join_encode(const uint8_t token[QE_TOKEN_SIZE], uint8_t *out, size_t size);
size_t qe_welcome_encode(const uint8_t handed[QE_SECRET_HANDED_SIZE], uint8_t *out, size_t size);
size_t qe_decline_encode(enum qe_decline why, uint8_t *out, size_t size);

// Each reads a message body. Bytes after the known fields belong to later versions and are passed over. False where
// malformed; then `out` is as it was.
bool qe_proof_decode(struct qe_span body, uint8_t mac[QE_PROOF_SIZE]);
bool qe_join_decode(struct qe_span body, uint8_t token[QE_TOKEN_SIZE]);
bool qe_welcome_decode(struct qe_span body, uint8_t handed[QE_SECRET_HANDED_SIZE]);
bool qe_decline_decode(struct qe_span body, enum qe_decline *why); // reasons of later versions read as LATER

// A few words for people.
const char *qe_decline_text(enum qe_decline why);

#endif
