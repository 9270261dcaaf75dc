// Underlays inside the overlay's own range: a carrier's network lies in 100.64.0.0/10 (RFC 6598), as the overlay does.
// The tunnel's own packets go by the underlay all the same, and so does what is for a network that is narrower than the
// overlay; but who is where cannot be told of every address any more, so the user is told.
#ifndef QE_NODE_UNDERLAY_H
#define QE_NODE_UNDERLAY_H

#include "base/addr.h"

struct qe_cplane;
struct cplane_link;
struct qe_json;

// After the link has changed: logs what is new about it.
void cplane_underlay_on_link(struct qe_cplane *c, struct cplane_link *link);
// Whether an address of the overlay is one of an underlay network of this host, and hence is not to be its own.
bool cplane_underlay_has(const struct qe_cplane *c, const struct qe_ip *ip);
// The items of the "warnings" of STATUS that are about it.
void cplane_write_underlay_warnings(const struct qe_cplane *c, struct qe_json *json);

#endif
