// Proofs without state: the token of a Retry packet (RFC 9000 §8.1.2) and the token of a stateless reset (§10.3.2).
#ifndef QE_QUIC_TOKEN_H
#define QE_QUIC_TOKEN_H

#include "base/addr.h"
#include "base/bytes.h"
#include "node/host.h"

#define QE_TOKEN_KEY_SIZE   32
#define QE_RETRY_TOKEN_SIZE 46
#define QE_RESET_TOKEN_SIZE 16
#define QE_TOKEN_CID_MAX    20

// What a Retry token vouches for: `remote` really receives at its address, and its first destination connection ID was
// `original`, before Retry made it `retry`.
struct qe_retry_token {
    struct qe_addr remote;
    struct qe_span retry;
    uint8_t original[QE_TOKEN_CID_MAX];
    uint8_t original_size;
};

// Writes a token made at `now_ns` under the endpoint's own key.
void qe_retry_token_make(const struct qe_retry_token *token, const uint8_t key[QE_TOKEN_KEY_SIZE], uint64_t now_ns,
    uint8_t out[QE_RETRY_TOKEN_SIZE]);
// Checks `bytes` for token->remote and token->retry and fills in `original`. False for whatever this endpoint did not
// make in the last seconds.
bool qe_retry_token_check(
    struct qe_retry_token *token, const uint8_t key[QE_TOKEN_KEY_SIZE], uint64_t now_ns, struct qe_span bytes);

// The stateless reset token of a connection ID of ours. It follows from the node's identity, so that the node knows it
// again after a restart. 0, or -1.
int qe_reset_token(const struct qe_host *host, struct qe_span cid, uint8_t out[QE_RESET_TOKEN_SIZE]);

#endif
