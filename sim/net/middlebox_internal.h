#ifndef QE_SIM_MIDDLEBOX_INTERNAL_H
#define QE_SIM_MIDDLEBOX_INTERNAL_H

#include "net/icmp.h"
#include "net/middlebox.h"

uint64_t middlebox_now(const struct sim_middlebox *m);
void middlebox_drop(struct sim_middlebox *m, struct sim_packet *packet, enum sim_drop why);
// Traces the datagram with the addresses that it has now.
void middlebox_translated(struct sim_middlebox *m, const struct sim_packet *packet);

// middlebox_icmp.c. An ICMP error has come to an interface; takes it.
void middlebox_receive_error(struct sim_middlebox *m, const struct sim_interface *interface, struct sim_packet *packet);
// The box itself sends one: false where it was taken.
bool middlebox_sends_error(struct sim_middlebox *m, struct sim_packet *packet);

#endif
