// Datagrams as a node without cryptography gets them: what another node decrypted, its headers unmasked, its tags zero.
// What was not decrypted keeps its header, its size and its last bytes, which may be a stateless reset's token.
#ifndef QE_SIM_REDACT_INPUT_H
#define QE_SIM_REDACT_INPUT_H

#include "node/event.h"

// What a node unmasked and decrypted, as its seam tells it. Packets that QUIC kept until it had their keys are
// decrypted in a later step than they arrived in: a first pass over the recording finds them (keep_late), so that the
// second knows them when they arrive.
struct sim_opened {
    const uint8_t *at;            // where it was decrypted from; for a late one NULL
    size_t header, sealed, plain; // offsets into `bytes`
    size_t header_size, sealed_size;
    bool right;
};

struct sim_mask {
    const uint8_t *sample;
    uint8_t mask[5];
};

struct sim_redact_input {
    struct sim_opened *opened, *late;
    size_t opened_count, opened_capacity, late_count, late_capacity;
    struct sim_mask *masks;
    size_t mask_count, mask_capacity;
    uint8_t *bytes, *late_bytes;
    size_t byte_count, byte_capacity, late_byte_count, late_byte_capacity;
    const struct qe_datagrams *current; // the event's, while a node works on it
    size_t current_count;
};

void sim_redact_input_init(struct sim_redact_input *in);
void sim_redact_input_fini(struct sim_redact_input *in);

// A step begins: what is known of the one before is forgotten.
void sim_redact_input_begin(struct sim_redact_input *in, const struct qe_event *event);
void sim_redact_input_unmasked(struct sim_redact_input *in, const uint8_t *sample, const uint8_t mask[5]);
// keep_late: what lies outside of the event's datagrams is kept for ever.
void sim_redact_input_opened(
    struct sim_redact_input *in, struct qe_span header, struct qe_span sealed, const uint8_t *plain, bool keep_late);

// Writes the redacted form of a datagram to `out`, of the same size.
void sim_redact_datagram(const struct sim_redact_input *in, struct qe_span datagram, uint8_t *out);

#endif
