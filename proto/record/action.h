// Actions as a recording keeps them: every field; of packets, stored values and replies their size and a keyed hash of
// their bytes. Equal actions have equal bodies, so a replay compares bodies byte for byte.
//
// The hash is Poly1305 (RFC 8439 §2.5) under a key that the recording draws for itself: two different contents agree
// with a probability below 2^-90, whatever they are, and it is many times faster than a cryptographic hash.
#ifndef QE_RECORD_ACTION_H
#define QE_RECORD_ACTION_H

#include "node/action.h"
#include "record/body.h"

#define QE_RECORD_HASH_KEY_SIZE 32
#define QE_RECORD_HASH_SIZE     16

struct qe_record_hash {
    uint8_t key[QE_RECORD_HASH_KEY_SIZE];
};

void qe_record_put_action(
    struct qe_record_body *body, const struct qe_action *action, const struct qe_record_hash *hash);

// One line about an action's body, cut to `size`; it says so where the body is none.
void qe_record_describe_action(struct qe_span body, char *out, size_t size);

#endif
