// Answers queries about one domain of a node's own, NAME.qe, and about the addresses of the overlay; everything else is
// refused, so that no resolver that is asked wrongly believes that a name does not exist.
#ifndef QE_DNS_ANSWER_H
#define QE_DNS_ANSWER_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"

#define QE_DNS_ADDRESSES_MAX 8
#define QE_DNS_NETWORKS_MAX  4
#define QE_DNS_TTL_S         30 // of what is found: names move when nodes do
#define QE_DNS_NEGATIVE_S    5  // of what is not: it may come any moment

enum qe_dns_found {
    QE_DNS_FOUND,
    QE_DNS_ABSENT,
    QE_DNS_LATER, // it is being looked for: ask again
};

// What is known, and to whom the questions go.
struct qe_dns_zone {
    const char *domain;             // one label, in lower case: "qe"
    const struct qe_cidr *networks; // those whose addresses belong to names of the domain
    size_t network_count;           // at most QE_DNS_NETWORKS_MAX
    void *user;
    // The addresses of NAME (a valid name or a node ID as text), at most QE_DNS_ADDRESSES_MAX.
    enum qe_dns_found (*addresses)(void *user, const char *name, struct qe_ip *out, size_t *count);
    // What has that address: its name, or its ID as text.
    enum qe_dns_found (*name)(void *user, const struct qe_ip *ip, char out[QE_NAME_SIZE]);
};

// Writes the answer to a packet into `out` (512 bytes suffice). Its size; 0 for silence. Where something is still being
// looked for nothing is written and *later is set: the packet is to be asked again, and with `last` it gets an answer
// all the same.
size_t qe_dns_answer(
    const struct qe_dns_zone *zone, struct qe_span packet, bool last, uint8_t *out, size_t size, bool *later);

#endif
