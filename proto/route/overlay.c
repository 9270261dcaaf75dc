#include "route/overlay.h"

#include "base/bytes.h"

#include <sodium/crypto_generichash.h>

static const uint8_t prefix6[6] = {0xfd, 0x71, 0x65, 0x74, 0x68, 0x72};

struct qe_cidr qe_overlay_ip6(const struct qe_node_id *id)
{
    uint8_t bytes[16];
    memcpy(bytes, prefix6, sizeof prefix6);
    memcpy(bytes + sizeof prefix6, id->bytes, sizeof bytes - sizeof prefix6);
    return (struct qe_cidr){qe_ip6(bytes), 48};
}

struct qe_cidr qe_overlay_ip4(const struct qe_node_id *id, uint32_t counter)
{
    static const char label[] = "quicether overlay ipv4";
    uint8_t input[sizeof label + sizeof id->bytes + 4], digest[16];
    memcpy(input, label, sizeof label);
    memcpy(input + sizeof label, id->bytes, sizeof id->bytes);
    qe_store32(input + sizeof label + sizeof id->bytes, counter);
    crypto_generichash(digest, sizeof digest, input, sizeof input, NULL, 0);
    // The network's own address and its broadcast address are no host's: take the first pair of bytes that is neither.
    size_t at = 0;
    while (at + 4 <= sizeof digest && (qe_load16(digest + at) == 0 || qe_load16(digest + at) == 0xffff))
        at += 2;
    return (struct qe_cidr){qe_ip4(100, 64, digest[at], digest[at + 1]), 16};
}

bool qe_overlay_is_derived6(const struct qe_ip *ip)
{
    return ip->family == 6 && memcmp(ip->bytes, prefix6, sizeof prefix6) == 0;
}
