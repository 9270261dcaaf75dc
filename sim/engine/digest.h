// A 128-bit digest of packet bytes, for the trace hash: fast enough to see every byte of every packet, the same on
// every machine. Not a cryptographic one; docs/scenarios.md gives its definition.
#ifndef QE_SIM_DIGEST_H
#define QE_SIM_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define SIM_DIGEST_SIZE 16

void sim_digest(const uint8_t *bytes, size_t size, uint8_t out[SIM_DIGEST_SIZE]);

#endif
