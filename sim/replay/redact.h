// Makes a recording that can be shown to others: the same node does the same, but nothing that a program sent is in it,
// and no key.
//
// The recording is replayed; beside its node a second one runs in step with it, whose cryptography is null
// (quic/seam.h) and whose input is redacted. The second node's recording is the result. Whatever both send must agree
// before sealing, once redacted, so that the result shows what happened and nothing else.
#ifndef QE_SIM_REDACT_H
#define QE_SIM_REDACT_H

#include "replay/player.h"

struct sim_redact_options {
    struct qe_tls_library *tls;
    // Opens the recording for another reading: it is read twice. NULL after saying why not.
    struct qe_record_reader *(*open)(void *user);
    void (*close)(void *user, struct qe_record_reader *reader);
    void *user;
    FILE *out;
    const uint8_t *hash_key; // QE_RECORD_HASH_KEY_SIZE random bytes
    bool cut;                // as in struct sim_replay_options
};

// The verdict is that of replaying the recording; DIFFERS also where the second node did something else, which `event`,
// `recorded` and `replayed` then tell. REFUSED also where it cannot be written.
void sim_redact(const struct sim_redact_options *options, struct sim_replay_result *result);

#endif
