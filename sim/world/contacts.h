// Whom a host's node has exchanged datagrams with, by underlay address. A node sends to no address that it has from
// nowhere (its configuration, or a datagram that came from there), and to one that has proven nothing at most three
// times what came from there (RFC 9000 §8.1).
#ifndef QE_SIM_CONTACTS_H
#define QE_SIM_CONTACTS_H

#include "host/host.h"

struct sim_contact {
    struct qe_addr addr; // family 0: a free slot
    uint64_t sent_bytes, received_bytes;
    uint64_t received_ns; // when something came last
    bool configured;
    bool proven; // a packet came that only somebody who reads its mail can write
};

struct sim_contacts {
    struct sim_contact *slots; // a hash table; capacity: a power of two, or 0
    size_t count, capacity;
};

void sim_contacts_fini(struct sim_contacts *contacts);
// The contact, or NULL.
const struct sim_contact *sim_contacts_find(const struct sim_contacts *contacts, const struct qe_addr *addr);
// An address that the node's configuration names.
void sim_contacts_configured(struct sim_contacts *contacts, const struct qe_addr *addr);
void sim_contacts_received(
    struct sim_contacts *contacts, const struct qe_addr *from, struct qe_span datagram, uint64_t now_ns);

enum sim_contact_fault { SIM_CONTACT_FINE, SIM_CONTACT_STRANGER, SIM_CONTACT_AMPLIFIED };
enum sim_contact_fault sim_contacts_sent(struct sim_contacts *contacts, const struct qe_addr *to, size_t bytes);

#endif
