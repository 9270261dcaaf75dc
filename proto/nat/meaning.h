// What the NATs in front of a node mean for its connections: with whom it connects directly, and how (docs/protocol.md,
// what two NATs allow).
#ifndef QE_NAT_MEANING_H
#define QE_NAT_MEANING_H

#include "nat/behaviour.h"

enum qe_nat_meaning {
    QE_NAT_MEANS_UNKNOWN,
    QE_NAT_MEANS_BLOCKED,  // no UDP comes back at all
    QE_NAT_MEANS_ANYBODY,  // others dial it, unasked
    QE_NAT_MEANS_EVERYONE, // once both send: every other node, behind whatever NAT
    QE_NAT_MEANS_MOST,     // those that map alike; the rest by searching their port, or a gateway
    QE_NAT_MEANS_FEW,      // those that take packets from ports that they did not send to; a gateway for the rest
};

// mapped: there is a port at a NAT that takes packets from everywhere. heard: datagrams come in at all.
enum qe_nat_meaning qe_nat_meaning(const struct qe_nat_behaviour *behaviour, bool mapped, bool heard);
// One word, and one or two sentences for people.
const char *qe_nat_meaning_name(enum qe_nat_meaning meaning);
const char *qe_nat_meaning_text(enum qe_nat_meaning meaning);

#endif
