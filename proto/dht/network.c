#include "dht/network.h"

#include <string.h>

unsigned qe_dht_common_bits(const struct qe_node_id *a, const struct qe_node_id *b)
{
    for (unsigned i = 0; i < sizeof a->bytes; i++) {
        unsigned difference = a->bytes[i] ^ b->bytes[i];
        if (difference == 0) continue;
        unsigned bits = i * 8;
        for (; !(difference & 0x80); difference <<= 1)
            bits++;
        return bits;
    }
    return 160;
}

int qe_dht_compare_distance(const struct qe_node_id *target, const struct qe_node_id *a, const struct qe_node_id *b)
{
    for (unsigned i = 0; i < sizeof a->bytes; i++)
        if (a->bytes[i] != b->bytes[i])
            return (a->bytes[i] ^ target->bytes[i]) < (b->bytes[i] ^ target->bytes[i]) ? -1 : 1;
    return 0;
}

static bool within(const struct qe_ip *ip, const struct qe_cidr *nets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (qe_cidr_contains(&nets[i], ip)) return true;
    return false;
}

bool qe_dht_address_private(const struct qe_ip *ip)
{
    static const struct qe_cidr nets[] = {
        {{4, {127}}, 8},
        {{4, {10}}, 8},
        {{4, {172, 16}}, 12},
        {{4, {192, 168}}, 16},
        {{4, {169, 254}}, 16},
        {{4, {100, 64}}, 10},
        {{6, {0xfc}}, 7},
        {{6, {0xfe, 0x80}}, 10},
        {{6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, 128},
    };
    return within(ip, nets, sizeof nets / sizeof nets[0]);
}

bool qe_dht_address_usable(const struct qe_addr *addr, bool private_too)
{
    // "This network", class E with the broadcast address, and IPv4 in the clothes of IPv6.
    static const struct qe_cidr nowhere[] = {
        {{4, {0}}, 8},
        {{4, {240}}, 4},
        {{6, {0}}, 96},
        {{6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96},
    };
    const struct qe_ip *ip = &addr->ip;
    if ((ip->family != 4 && ip->family != 6) || addr->port == 0 || qe_ip_is_multicast(ip)) return false;
    if (qe_dht_address_private(ip)) return private_too;
    return !within(ip, nowhere, sizeof nowhere / sizeof nowhere[0]);
}

bool qe_dht_same_network(const struct qe_ip *a, const struct qe_ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 3 : 6) == 0;
}

bool qe_dht_same_provider(const struct qe_ip *a, const struct qe_ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 2 : 4) == 0;
}
