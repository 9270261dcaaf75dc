// The node's Ed25519 key: a file in the state directory, made once and never overwritten; and what is done with it,
// since the key itself stays here.
//
// state_dir/identity.key is one line, mode 0600:
//
//     quicether-ed25519-seed:<seed, base64>:<public key, base64>
//
// The public key belongs to the seed, so that damage to either is noticed.
#ifndef QE_REALIO_IDENTITY_H
#define QE_REALIO_IDENTITY_H

#include "fault.h"
#include "node/host.h"

#define QE_IDENTITY_FILE "identity.key"

struct qe_identity;

// Reads the key of this state directory, or, where there is none yet, makes one. 0, or -1 with `fault`: damaged files
// and files that others can read are refused by name.
int qe_identity_open(struct qe_identity **identity, const char *state_dir, struct qe_fault *fault);
// Wipes the key. NULL is fine.
void qe_identity_close(struct qe_identity *identity);

struct qe_key qe_identity_public(const struct qe_identity *identity);
// As qe_host.secret with QE_SECRET_IDENTITY.
int qe_identity_secret(const struct qe_identity *identity, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size);
// Opens a network's secret that was sealed to this identity (QE_SECRET_HAND_OVER). 0, or -1.
int qe_identity_open_handed(const struct qe_identity *identity, struct qe_span handed, uint8_t seed[QE_SECRET_SIZE]);

#endif
