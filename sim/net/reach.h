// Who can be dialled from where: facts about a built network, without looking at a run. Addresses, routes, NATs and
// firewalls count; whether links are up, lose packets or partitions are in force does not.
//
// SIM_REACH_YES and SIM_REACH_NO hold whatever has been sent before. Between them is what depends on that: a NAT that
// has a mapping because somebody behind it has sent something, a firewall that takes a datagram for an answer.
#ifndef QE_SIM_REACH_H
#define QE_SIM_REACH_H

#include "net/network.h"

enum sim_reach {
    SIM_REACH_NO,
    SIM_REACH_MAYBE,
    SIM_REACH_YES,
};

// Where a datagram ends up: the box, and its address there. box is NULL where that depends, or it arrives nowhere.
struct sim_reach_end {
    struct sim_box *box;
    struct qe_addr address;
};

// Whether what `from` sends to `remote` from UDP port `port` arrives, and answers come back. `end` may be NULL.
enum sim_reach sim_reach_dial(
    struct sim_box *from, uint16_t port, const struct qe_addr *remote, struct sim_reach_end *end);

// A node, and where it dials the other one; NULL: it does not.
struct sim_reach_node {
    struct sim_box *box;
    uint16_t port; // its socket's
    const struct qe_addr *dials;
};

// Whether the two can connect at all, by what each dials.
enum sim_reach sim_reach_connect(const struct sim_reach_node *a, const struct sim_reach_node *b);

#endif
