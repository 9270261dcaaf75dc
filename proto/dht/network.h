// What the DHT needs to know of addresses: how close two IDs are, which addresses are worth a datagram, and which of
// them stand for one and the same owner.
#ifndef QE_DHT_NETWORK_H
#define QE_DHT_NETWORK_H

#include "base/addr.h"
#include "identity/identity.h"

// How many leading bits they share: 0..160.
unsigned qe_dht_common_bits(const struct qe_node_id *a, const struct qe_node_id *b);
// <0 where `a` is closer to the target than `b` (by XOR), 0 where they are the same, >0 otherwise.
int qe_dht_compare_distance(const struct qe_node_id *target, const struct qe_node_id *a, const struct qe_node_id *b);

// A datagram may go there: a port, and an address of one host. Loopback, private and shared ones (RFC 1918, RFC 6598,
// RFC 4193, link-local) only with `private_too`.
bool qe_dht_address_usable(const struct qe_addr *addr, bool private_too);
// A loopback, private, shared or link-local address: several nodes behind one prefix are nothing strange there.
bool qe_dht_address_private(const struct qe_ip *ip);

// Likely one owner: the same /24, or /48 of IPv6. And, wider, what one provider hands to one customer in bulk: the same
// /16, or /32 of IPv6.
bool qe_dht_same_network(const struct qe_ip *a, const struct qe_ip *b);
bool qe_dht_same_provider(const struct qe_ip *a, const struct qe_ip *b);

#endif
