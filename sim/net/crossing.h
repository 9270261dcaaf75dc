// Whether two nodes behind NATs and firewalls can meet directly: an oracle that knows the boxes between them, for
// scenarios to expect no more and no less than what is possible.
//
// It plays the best that anybody could do by sending alone, on NATs and firewalls that are as new: each side asks some
// nodes that both reach how it is seen, both send to every address that is known of the other, learn from where what
// arrives comes (peer-reflexive addresses), answer there, and begin again until nothing is new. They meet where an
// answer comes back. Links' states, loss and partitions do not count.
//
// Where both map by address and port and nobody filters by port, answers never come from the address that was sent to:
// each new address makes a new mapping. A transport that holds to the address that it dialled does not meet there.
#ifndef QE_SIM_CROSSING_H
#define QE_SIM_CROSSING_H

#include "net/network.h"

enum sim_crossing {
    SIM_CROSSING_NO,
    SIM_CROSSING_MAYBE,      // only by guessing ports, or by asking a NAT for one
    SIM_CROSSING_ASYMMETRIC, // by sending alone, to another address than answers come from
    SIM_CROSSING_DIRECT,     // by sending alone
};

// A node: its machine, and the ports of its sockets (0: none of that family).
struct sim_crossing_node {
    struct sim_box *box;
    uint16_t port4, port6;
};

// helpers: nodes that may signal and say how they see a sender; those that not both sides reach are no help.
enum sim_crossing sim_crossing_pair(const struct sim_crossing_node *a, const struct sim_crossing_node *b,
    const struct sim_crossing_node *helpers, size_t helper_count);
// Whether what `from` sends to an address of `to` arrives there, and an answer comes back.
bool sim_crossing_reaches(const struct sim_crossing_node *from, const struct sim_crossing_node *to);

#endif
