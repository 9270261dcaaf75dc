// The secret of the private network that this node is in: a file in the state directory, and what is done with it,
// since the secret itself stays here.
//
// state_dir/network.key is one line, mode 0600:
//
//     quicether-network-secret:<secret, base64>:<network ID, 16 hexadecimal digits>
//
// The ID belongs to the secret, so that damage to either is noticed.
#ifndef QE_REALIO_NETKEY_H
#define QE_REALIO_NETKEY_H

#include "fault.h"
#include "identity/network.h"
#include "node/host.h"

#define QE_NETWORK_FILE "network.key"

struct qe_network;

// Reads the secret of this state directory; a node without one is in no network. 0, or -1 with `fault`: damaged files
// and files that others can read are refused by name.
int qe_network_open(struct qe_network **network, const char *state_dir, struct qe_fault *fault);
// Wipes the secret. NULL is fine.
void qe_network_close(struct qe_network *network);

bool qe_network_member(const struct qe_network *network);
// "" where it is in none. Returns `out`.
const char *qe_network_id(const struct qe_network *network, char out[QE_NETWORK_ID_SIZE]);
// As qe_host.secret with QE_SECRET_NETWORK, but for TAKE_OVER. -1 where it is in none.
int qe_network_secret(const struct qe_network *network, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size);

// Takes a secret, which replaces one that is there: it is on the disk when this returns. 0, or -1 with `fault`; then
// nothing has changed.
int qe_network_take(struct qe_network *network, const uint8_t secret[QE_SECRET_SIZE], struct qe_fault *fault);
// Likewise a new one.
int qe_network_make(struct qe_network *network, struct qe_fault *fault);
// Removes the file, whatever it is. 0, or -1 with `fault`.
int qe_network_erase(const char *state_dir, struct qe_fault *fault);

#endif
