// The exit node: the peer that everything goes to which no other route takes, by the user's word and nobody else's.
// While it is away the host still sends such packets here, where they end, unless the user lets them go without it.
#ifndef QE_NODE_EXIT_H
#define QE_NODE_EXIT_H

#include "identity/identity.h"
#include "node/event.h"

enum cplane_exit_state {
    CPLANE_EXIT_OFF,
    CPLANE_EXIT_UNKNOWN, // nobody is known to have that name
    CPLANE_EXIT_AWAY,    // it is not connected
    CPLANE_EXIT_SILENT,  // it is, and advertises no default route
    CPLANE_EXIT_ACTIVE,
};

struct cplane_exit {
    bool known;
    struct qe_node_id id; // where known
    uint64_t look_at_ns;  // when to look again
    uint64_t wanted_ns;   // when a connection was asked for last
    uint64_t since_ns;    // it is not active since then
    bool told;            // the user knows that
};

struct qe_cplane;
struct qe_json;

// The configuration names another one, or none.
void cplane_exit_on_setting(struct qe_cplane *c);
void cplane_exit_expire(struct qe_cplane *c);
uint64_t cplane_exit_deadline(const struct qe_cplane *c);
enum cplane_exit_state cplane_exit_state(const struct qe_cplane *c);
// The member "exit" of STATUS.
void cplane_write_exit(const struct qe_cplane *c, struct qe_json *json);
// Whether the host is to route this network here, of which a peer is in use or not: a default route also without one,
// or not even with one.
bool cplane_exit_routes(const struct qe_cplane *c, const struct qe_cidr *subnet, bool in_use);

#endif
