// What a datagram shows to whoever sees it pass: the QUIC packets in it, by their headers (RFC 9000 §17, RFC 8999).
#ifndef QE_SIM_OUTER_H
#define QE_SIM_OUTER_H

#include "observe/carried.h"

#include <stddef.h>

// The classes of the QUIC version 1 packets in the datagram, or that of a message of the DHT, as bits; 0: none.
uint64_t sim_outer_classes(const uint8_t *bytes, size_t size);

#endif
