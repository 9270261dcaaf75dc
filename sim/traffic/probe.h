// Packets of the simulator's own through the overlay, one way: an ICMP echo reply that nobody asked for, which is
// ECN-capable and of a traffic class, over IPv6 behind a header of destination options. What comes out must be what
// went in.
#ifndef QE_SIM_PROBE_H
#define QE_SIM_PROBE_H

#include "base/addr.h"
#include "base/bytes.h"

#include <stdbool.h>

#define SIM_PROBE_SIZE_MIN 104
#define SIM_PROBE_SIZE_MAX 2048

struct sim_probe {
    struct qe_ip source, destination; // of one family
    uint32_t from, to;                // hosts
    uint64_t number;
};

// Writes `size` bytes, from SIM_PROBE_SIZE_MIN to SIM_PROBE_SIZE_MAX.
void sim_probe_write(const struct sim_probe *probe, uint8_t *out, size_t size);
// Whether the packet is a probe, and which.
bool sim_probe_read(struct qe_span packet, struct sim_probe *probe);

#endif
