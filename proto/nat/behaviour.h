// What the NATs between a node and the rest do, in the words of RFC 4787: how they map, what they let in, which ports
// they choose. It is worked out from where others see the node's datagrams come from, and from which of theirs arrive.
#ifndef QE_NAT_BEHAVIOUR_H
#define QE_NAT_BEHAVIOUR_H

#include "base/addr.h"

#define QE_NAT_SEEN_MAX      8
#define QE_NAT_EXTERNALS_MAX 4

enum qe_nat_dependence {
    QE_NAT_UNKNOWN,
    QE_NAT_INDEPENDENT,      // endpoint-independent
    QE_NAT_ADDRESS,          // address-dependent
    QE_NAT_ADDRESS_AND_PORT, // address- and port-dependent
};

enum qe_nat_allocation {
    QE_NAT_ALLOCATION_UNKNOWN,
    QE_NAT_PRESERVES,  // the port outside is the one inside
    QE_NAT_SEQUENTIAL, // each mapping's is a step away from the one before
    QE_NAT_RANDOM,
};

enum qe_nat_answer { QE_NAT_NOT_KNOWN, QE_NAT_YES, QE_NAT_NO };

struct qe_nat_behaviour {
    uint64_t known_ns; // when it was found out; 0: not yet, and nothing else means anything
    enum qe_nat_answer
        translated; // NO: others see the node's own address and port. It may be behind a firewall all the same
    enum qe_nat_dependence mapping, filtering;
    enum qe_nat_allocation allocation;
    int32_t step; // of a sequential allocation
    enum qe_nat_answer preserves, hairpin;
    struct qe_ip externals[QE_NAT_EXTERNALS_MAX]; // addresses that the node was seen at
    uint8_t external_count;
    // How long an idle mapping lasts: at least the first, less than the second; 0: not known, and no end was seen.
    uint32_t lives_s, dies_s;
};

// Where one socket's datagrams to several addresses came from, in the order of sending.
struct qe_nat_seen {
    struct {
        struct qe_addr to, from;
    } list[QE_NAT_SEEN_MAX];
    uint8_t count;
};
// Adds one; beyond QE_NAT_SEEN_MAX it is forgotten.
void qe_nat_seen_add(struct qe_nat_seen *seen, const struct qe_addr *to, const struct qe_addr *from);

// Mapping, allocation, preservation and external addresses, from what was seen of a socket bound to `port`. `own`: the
// host's own addresses.
void qe_nat_infer(struct qe_nat_behaviour *behaviour, const struct qe_nat_seen *seen, uint16_t port,
    const struct qe_ip *own, size_t own_count);

// Whether anybody can reach the node unasked, at the address that others see it at.
bool qe_nat_is_open(const struct qe_nat_behaviour *behaviour);

// How often something must be sent to keep a mapping: three quarters of what it is known to last, between 2 s and
// `most_s`. `unknown_s` while nothing was measured.
uint32_t qe_nat_keep_s(const struct qe_nat_behaviour *behaviour, uint32_t unknown_s, uint32_t most_s);

#endif
