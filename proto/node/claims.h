// What the control plane knows of claims: its own, and those of peers (route/subnets.h decides between them).
#ifndef QE_NODE_CLAIMS_H
#define QE_NODE_CLAIMS_H

#include "config/config.h"
#include "route/subnets.h"

// Requests to the host, beside those of cplane.c.
#define CPLANE_REQUEST_ROUTES    UINT64_C(2)
#define CPLANE_REQUEST_FORWARD   UINT64_C(3)
#define CPLANE_REQUEST_ADDRESSES UINT64_C(4)
#define CPLANE_REQUEST_DNS       UINT64_C(5)

// What a peer said counts for so long after it was heard last.
#define CPLANE_CLAIMS_KEPT_S 3600
// What a peer does not repeat when it is back ends after this.
#define CPLANE_CLAIMS_DOUBTED_S 3
// Another owner of a network must be nearer by a quarter, and this, to take over from one that works.
#define CPLANE_NEARER_US 2000

struct cplane_claims {
    struct qe_subnets subnets; // of peers
    uint64_t number;           // of the last change of what this node claims; 0: hello says it all
    struct qe_cidr *routes;    // as the host was told last
    size_t route_count, route_capacity;
    int64_t next_s;         // when something expires or is to be decided; INT64_MAX: never
    char routes_error[96];  // why the host has no routes; "": it has
    char forward_error[96]; // why it does not forward
};

#endif
