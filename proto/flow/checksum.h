// Internet checksum (RFC 1071) arithmetic. A running sum is the plain sum of big-endian 16-bit words: numbers may be
// added to it directly, and pieces of a packet one after another as long as each but the last has an even size.
#ifndef QE_FLOW_CHECKSUM_H
#define QE_FLOW_CHECKSUM_H

#include "base/bytes.h"

// Adds `bytes` to a running sum.
uint64_t qe_checksum_add(uint64_t sum, const uint8_t *bytes, size_t size);
// The same, copying them to `out` on the way; the two must not overlap.
uint64_t qe_checksum_copy(uint64_t sum, uint8_t *out, const uint8_t *bytes, size_t size);
// The 16-bit complement, as it stands in a header. Over bytes with a right checksum among them it is 0.
uint16_t qe_checksum_fold(uint64_t sum);

#endif
