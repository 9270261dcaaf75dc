// Lines of a TLS key log, each once: both ends of a connection tell the same ones.
#ifndef QE_SIM_SECRETS_H
#define QE_SIM_SECRETS_H

#include "engine/digest.h"

#include <stdbool.h>
#include <stddef.h>

struct sim_secrets {
    uint8_t (*known)[SIM_DIGEST_SIZE]; // by hash, open addressing; all zeros: empty
    size_t count, capacity;
};

// Whether the line is new; from then on it is known. A zeroed struct is empty.
bool sim_secrets_add(struct sim_secrets *secrets, const char *line);
void sim_secrets_fini(struct sim_secrets *secrets);

#endif
