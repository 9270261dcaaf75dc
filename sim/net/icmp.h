// What a machine tells the sender of a datagram that did not fit a link: ICMP "fragmentation needed" (RFC 792, RFC
// 1191) and ICMPv6 "packet too big" (RFC 4443 §3.2).
//
// A node's sockets do not act on it: the daemon sets IP_PMTUDISC_PROBE, with which the kernel does not fragment and
// does not care for its own idea of the path MTU, and asks for no socket errors; the core finds the path MTU itself
// (RFC 8899). Such messages are sent, traced, counted and can be captured, and end at the machine they are for.
#ifndef QE_SIM_ICMP_H
#define QE_SIM_ICMP_H

#include "net/network.h"

// Tells the sender of `packet` that the link it was to take has that MTU. Nothing is said about ICMP itself (RFC 1122
// §3.2.2), nor to a sender to whom there is no route. As source port it has the datagram's destination port, as
// destination port its source port, so that a NAT can find whom it is for.
void sim_icmp_tell_too_big(struct sim_box *box, const struct sim_packet *packet, uint32_t mtu);

// Of an IPv4 header (RFC 1071).
uint16_t sim_icmp_checksum(const uint8_t *header, size_t size);

#endif
