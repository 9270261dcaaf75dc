// Overlay addresses that follow from a node's ID, so that peers who know only that can reach each other.
#ifndef QE_ROUTE_OVERLAY_H
#define QE_ROUTE_OVERLAY_H

#include "base/addr.h"
#include "identity/identity.h"

// fd71:6574:6872::/48 (RFC 4193; 71 65 74 68 72 spells "qethr") followed by the first 80 bits of the node ID: nobody
// can have another's without its key.
struct qe_cidr qe_overlay_ip6(const struct qe_node_id *id);
// 100.64.0.0/16 (RFC 6598) with 16 bits of BLAKE2b over ID and counter. Sixteen bits collide: the counter is the way
// out.
struct qe_cidr qe_overlay_ip4(const struct qe_node_id *id, uint32_t counter);
// Whether `ip` lies in fd71:6574:6872::/48.
bool qe_overlay_is_derived6(const struct qe_ip *ip);

#endif
