#ifndef QE_SIM_PORTMAP_INTERNAL_H
#define QE_SIM_PORTMAP_INTERNAL_H

#include "net/portmap.h"

// A request on its way through one of the protocols.
struct portmap_call {
    const struct sim_portmap_settings *settings;
    struct sim_nat *nat;
    uint64_t now_ns;
    const struct qe_addr *client;
    struct qe_span request;
    uint8_t *answer;
};

size_t portmap_pcp(const struct portmap_call *call);
size_t portmap_nat_pmp(const struct portmap_call *call);

// Seconds since the NAT started.
uint32_t portmap_epoch(const struct portmap_call *call);
// What is granted of the lifetime that was asked for.
uint64_t portmap_lifetime_ns(const struct portmap_call *call, uint32_t seconds);
// Whether the client may have no more mappings, and this inside port of it has none.
bool portmap_over_quota(const struct portmap_call *call, uint16_t inside_port);

#define PORTMAP_UDP 17

#endif
