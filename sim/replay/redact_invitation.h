// Whoever reads a redacted recording must not be able to redeem an invitation that its node made or redeemed: a token
// is replaced by another, the same one by the same.
#ifndef QE_SIM_REDACT_INVITATION_H
#define QE_SIM_REDACT_INVITATION_H

#include "base/bytes.h"
#include "identity/invitation.h"
#include "record/action.h"

void sim_redact_token(const uint8_t key[QE_RECORD_HASH_KEY_SIZE], uint8_t token[QE_INVITATION_TOKEN_SIZE]);

// An invitation's line, in place, without a NUL. What is none, and may be one with a slip in it, is made something else
// that is none.
void sim_redact_invitation(const uint8_t key[QE_RECORD_HASH_KEY_SIZE], char *line, size_t size);

// Zeroes the tokens of JOIN messages in what a STREAM frame carries. One that two frames share is found in the first of
// them only, where at least its head is.
void sim_redact_joins(uint8_t *bytes, size_t size);

#endif
