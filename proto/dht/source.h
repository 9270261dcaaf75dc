// Whom to charge for what: an IPv4 address or an IPv6 /64 (one household's) is an address; an IPv4 /24 or an IPv6 /48
// is a network, which is what it costs something to have many of.
#ifndef QE_DHT_SOURCE_H
#define QE_DHT_SOURCE_H

#include "base/addr.h"
#include "base/bytes.h"

// IPv4 lies in ff00::/8, where no IPv6 source is.
static inline uint64_t qe_dht_source_address(const struct qe_ip *ip)
{
    return ip->family == 4 ? UINT64_C(0xff) << 56 | qe_load32(ip->bytes) : qe_load64(ip->bytes);
}

static inline uint64_t qe_dht_source_network(const struct qe_ip *ip)
{
    return qe_dht_source_address(ip) & (ip->family == 4 ? ~UINT64_C(0xff) : ~UINT64_C(0xffff));
}

#endif
