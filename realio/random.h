// Unpredictable bytes: a fast-key-erasure generator over ChaCha20 (D. J. Bernstein, "Fast-key-erasure random-number
// generators"), seeded by the system. What was given out cannot be computed back from the state that is left.
#ifndef QE_REALIO_RANDOM_H
#define QE_REALIO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define QE_RANDOM_KEY_SIZE   32
#define QE_RANDOM_BLOCK_SIZE 1024
// Fresh bytes of the system are mixed in after this much output.
#define QE_RANDOM_RESEED_BYTES (UINT64_C(1) << 20)

struct qe_random_source {
    uint8_t block[QE_RANDOM_BLOCK_SIZE]; // the next key, then output; what was used is zero
    size_t used;                         // of the block
    uint64_t since_seed;                 // bytes given out
};

// Waits for the system's generator to be ready. Aborts where there is none: nothing is safe then.
void qe_random_init(struct qe_random_source *source);
void qe_random_fini(struct qe_random_source *source);
void qe_random_fill(struct qe_random_source *source, void *out, size_t size);

#endif
