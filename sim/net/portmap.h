// Port mapping protocols as a NAT's box answers them: NAT-PMP (RFC 6886) and PCP (RFC 6887), both on UDP port 5351 of
// an inside address. Requests go in as bytes and answers come out as bytes; the NAT does the rest.
#ifndef QE_SIM_PORTMAP_H
#define QE_SIM_PORTMAP_H

#include "base/bytes.h"
#include "net/nat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PORTMAP_PORT        5351
#define SIM_PORTMAP_ANSWER_SIZE 1100 // RFC 6887 §7

// What it says to requests that are in order.
enum sim_portmap_policy {
    SIM_PORTMAP_GRANT,
    SIM_PORTMAP_NOT_AUTHORIZED,
    SIM_PORTMAP_NETWORK_FAILURE,
    SIM_PORTMAP_NO_RESOURCES,
    SIM_PORTMAP_SILENT, // nothing at all
};

struct sim_portmap_settings {
    bool nat_pmp, pcp;
    bool upnp; // it is not spoken in datagrams (host/host_portmap.c)
    enum sim_portmap_policy policy;
    uint64_t lifetime_min_ns, lifetime_max_ns;
    uint32_t host_max; // mappings of one inside host; 0: no limit
};

// Answers a request from an inside endpoint; returns the answer's size, 0 for none. RFC 6887 §8.2, RFC 6886 §3.
size_t sim_portmap_answer(const struct sim_portmap_settings *settings, struct sim_nat *nat, uint64_t now_ns,
    const struct qe_addr *client, struct qe_span request, uint8_t answer[SIM_PORTMAP_ANSWER_SIZE]);

#endif
