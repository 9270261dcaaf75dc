// The secret of the private network that this node is a member of: a file in the state directory, and what is done with
// it, since the secret itself stays here. It is made by `quicether network new`, or comes from an inviter.
//
// state_dir/network.key is one line, mode 0600:
//
//     quicether-network-secret:<secret, base64>:<the network's public key, base64>
#ifndef QE_REALIO_NETWORK_H
#define QE_REALIO_NETWORK_H

#include "fault.h"
#include "identity.h"
#include "node/host.h"

#define QE_NETWORK_FILE "network.key"
// 16 hexadecimal digits that tell networks apart, and a NUL.
#define QE_NETWORK_ID_TEXT_SIZE 17

struct qe_network;

// Reads the secret of this state directory, where there is one. 0, or -1 with `fault`.
int qe_network_open(struct qe_network **network, const char *state_dir, struct qe_fault *fault);
// Wipes the secret. NULL is fine.
void qe_network_close(struct qe_network *network);
// There is a secret.
bool qe_network_member(const struct qe_network *network);
// Which network; "" for none.
const char *qe_network_id(const struct qe_network *network, char out[QE_NETWORK_ID_TEXT_SIZE]);

// Makes a network: draws a secret and keeps it. 0; 1 where there is one already; -1 with `fault`.
int qe_network_create(const char *state_dir, struct qe_fault *fault);
// Leaves it: the file goes. 0; 1 where there is none; -1 with `fault`.
int qe_network_remove(const char *state_dir, struct qe_fault *fault);

// As qe_host.secret with QE_SECRET_NETWORK; TAKE_OVER keeps what it opens with `identity`, on the disk when it returns.
int qe_network_secret(struct qe_network *network, const struct qe_identity *identity,
    enum qe_secret_operation operation, struct qe_span input, uint8_t *out, size_t size);

#endif
