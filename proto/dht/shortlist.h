// The nodes that a lookup has heard of, in one address family, the closest to its target first: who was asked, who
// answered, and whom to ask next. It sends nothing itself.
//
// What is kept true: one node of a /24 (IPv6: /48) and QE_DHT_PROVIDER_MAX of a /16 (/32), private networks and the
// target itself aside; no more than QE_DHT_CANDIDATES_MAX in all, of which those that were asked stay.
#ifndef QE_DHT_SHORTLIST_H
#define QE_DHT_SHORTLIST_H

#include "base/mem.h"
#include "dht/dht.h"
#include "dht/krpc.h"

#define QE_DHT_ALPHA          3
#define QE_DHT_CANDIDATES_MAX 64
#define QE_DHT_PROVIDER_MAX   4

enum qe_dht_candidate_state {
    QE_DHT_NEW,
    QE_DHT_ASKED,
    QE_DHT_SILENT, // asked, and its answer is late: somebody else is asked in its place
    QE_DHT_ANSWERED,
    QE_DHT_FAILED, // it did not answer in time, or what it answered is of no use
};

struct qe_dht_candidate {
    struct qe_dht_contact contact;
    bool has_id;   // false: an address to begin with; it counts as farther away than any other
    uint8_t state; // enum qe_dht_candidate_state
    uint8_t depth; // referrals between the own table, whose nodes have 1, and this
    bool foreign;  // answered about an index like one who does not know it
    bool storing;  // a put was sent there, or is not to be
    uint8_t pages; // of an index, that it was asked for beside the first
    uint8_t voice; // its number among those that answered about an index
    uint8_t token_size;
    uint8_t token[QE_KRPC_TOKEN_MAX];
};

struct qe_dht_shortlist {
    const struct qe_mem *mem;
    struct qe_node_id target;
    bool exempt_private;
    struct qe_dht_candidate *items;
    uint8_t count, capacity;
    uint8_t idle_answers; // in a row that told of nobody closer than the closest known
};

void qe_dht_shortlist_init(
    struct qe_dht_shortlist *list, const struct qe_dht_options *options, const struct qe_node_id *target);
void qe_dht_shortlist_fini(struct qe_dht_shortlist *list);

// Adds a node that was heard of; true where it is the closest one now. NULL-safe against duplicates: an ID or an
// address that is known already changes nothing.
bool qe_dht_shortlist_add(
    struct qe_dht_shortlist *list, const struct qe_dht_contact *contact, bool has_id, unsigned depth);
// The candidate at that address, or NULL. Pointers last until the next add or identify.
struct qe_dht_candidate *qe_dht_shortlist_at(struct qe_dht_shortlist *list, const struct qe_addr *addr);
// An address to begin with turned out to be this node; its candidate, in its new place.
struct qe_dht_candidate *qe_dht_shortlist_identify(
    struct qe_dht_shortlist *list, const struct qe_addr *addr, const struct qe_node_id *id);

// Whom to ask next, or NULL: the closest of the `k` closest that are in play (not failed, silent or foreign), as long
// as fewer than alpha are being asked; where the last answers told of nobody closer, all k of them.
struct qe_dht_candidate *qe_dht_shortlist_next(struct qe_dht_shortlist *list, size_t k);
// Whether the k closest in play have answered, or fewer have and nobody is left to wait for.
bool qe_dht_shortlist_done(const struct qe_dht_shortlist *list, size_t k);

#endif
