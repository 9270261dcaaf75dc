// UDP between the machines themselves, past quicether: what else is on the links, in NATs' tables and behind hosts. It
// is numbered as the other flows are; but the underlay may double or damage it, which is no fault of anybody's.
#ifndef QE_SIM_PLAIN_H
#define QE_SIM_PLAIN_H

#include "traffic/flow.h"

// Finds out where the flow is sent.
void sim_plain_init(struct sim_flow *flow);
// Sends `count` packets.
void sim_plain_send(struct sim_flow *flow, size_t count);
// A datagram for which the host has no socket: whether it is a flow's. It stays the caller's.
bool sim_plain_take(struct sim_flows *flows, struct sim_host *host, const struct sim_packet *packet);
// The same for one that came out of the host's TUN.
bool sim_plain_take_inner(struct sim_flows *flows, struct sim_host *host, const struct sim_inner *inner);

#endif
