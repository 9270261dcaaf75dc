// IP addresses, transport addresses and prefixes as plain values that compare with memcmp-like exactness.
#ifndef QE_BASE_ADDR_H
#define QE_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An IPv4 or IPv6 address. family: 4, 6, or 0 for none. IPv4 uses bytes[0..3]; the rest is always zero.
struct qe_ip {
    uint8_t family;
    uint8_t bytes[16];
};

// A UDP endpoint. port in host order; scope: interface index of a link-local IPv6 address, else 0.
struct qe_addr {
    struct qe_ip ip;
    uint16_t port;
    uint32_t scope;
};

// A prefix; bits is 0..32 or 0..128.
struct qe_cidr {
    struct qe_ip ip;
    uint8_t bits;
};

// Longest text, with its NUL: "[ffff:…:ffff%4294967295]:65535", and "…/128" for a prefix.
#define QE_ADDR_TEXT_SIZE 80

struct qe_ip qe_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
struct qe_ip qe_ip4_from_u32(uint32_t host_order);
uint32_t qe_ip4_to_u32(const struct qe_ip *ip);
struct qe_ip qe_ip6(const uint8_t bytes[16]);

bool qe_ip_equal(const struct qe_ip *a, const struct qe_ip *b);
// Total order: family, then bytes. <0, 0, >0.
int qe_ip_compare(const struct qe_ip *a, const struct qe_ip *b);
bool qe_addr_equal(const struct qe_addr *a, const struct qe_addr *b);

// 4 or 16.
size_t qe_ip_size(const struct qe_ip *ip);
// 0.0.0.0 or ::
bool qe_ip_is_unspecified(const struct qe_ip *ip);
bool qe_ip_is_multicast(const struct qe_ip *ip);
bool qe_ip_is_loopback(const struct qe_ip *ip);
bool qe_ip_is_link_local(const struct qe_ip *ip);

bool qe_cidr_contains(const struct qe_cidr *net, const struct qe_ip *ip);
bool qe_cidr_overlaps(const struct qe_cidr *a, const struct qe_cidr *b);
// Clears the host bits.
struct qe_cidr qe_cidr_network(struct qe_cidr c);

// Parsers take a NUL-terminated text and return false where it is not exactly one value. RFC 4291 §2.2 for IPv6.
bool qe_ip_parse(const char *text, struct qe_ip *out);
// "1.2.3.4:port" or "[v6]:port"; "[fe80::1%7]:port" with a numeric scope.
bool qe_addr_parse(const char *text, struct qe_addr *out);
// "10.0.0.0/16"; host bits may be set (an address with its prefix). A bare address is a host prefix.
bool qe_cidr_parse(const char *text, struct qe_cidr *out);

// Formatters write the canonical text (RFC 5952 for IPv6) into `out` and return it.
const char *qe_ip_format(const struct qe_ip *ip, char out[QE_ADDR_TEXT_SIZE]);
const char *qe_addr_format(const struct qe_addr *addr, char out[QE_ADDR_TEXT_SIZE]);
const char *qe_cidr_format(const struct qe_cidr *cidr, char out[QE_ADDR_TEXT_SIZE]);

#endif
