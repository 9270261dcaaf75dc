// Files of one line that hold a secret, in the state directory: read with care, and made once, whole, and never over
// one that is there.
#ifndef QE_REALIO_KEYFILE_H
#define QE_REALIO_KEYFILE_H

#include "fault.h"

#include <stddef.h>
#include <stdint.h>

// "PREFIX<base64 of 32 bytes>:<base64 of 32 bytes>\n"; the second half follows from the first, so that damage to either
// is noticed.
#define QE_KEYFILE_LINE_MAX 160

struct qe_keyfile {
    const char *name;   // of the file, such as "identity.key"
    const char *what;   // for people, such as "identity key"
    const char *prefix; // of the line
    const char *advice; // what to do about a damaged one
};

// 0; 1 where there is no such file; -1 with `fault`: damaged files and files that others can read are refused by name.
int qe_keyfile_read(const struct qe_keyfile *file, const char *state_dir, uint8_t secret[32], uint8_t public[32],
    struct qe_fault *fault);
// 0; 1 where there is one already; -1 with `fault`. It is on the disk when this returns.
int qe_keyfile_create(const struct qe_keyfile *file, const char *state_dir, const uint8_t secret[32],
    const uint8_t public[32], struct qe_fault *fault);
// Something is wrong with what was read: -1, and `fault` says so.
int qe_keyfile_damaged(const struct qe_keyfile *file, const char *state_dir, struct qe_fault *fault);

#endif
