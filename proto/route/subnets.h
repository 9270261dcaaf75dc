// Networks behind peers: who claims which, and which of the claims count here. A node believes no claim because it was
// made: what overlaps the overlay, this host's own networks or a longer-standing claim of another owner is refused, and
// so is what its user did not ask for. Every claim is kept with the reason for its refusal, so that people can see it.
//
// How long a claim stands is what third nodes have witnessed (the age of its record in the index), or for how long this
// node itself has known it, whichever is longer; never what its owner says. Several owners of the very same network
// share it: all of them count.
#ifndef QE_ROUTE_SUBNETS_H
#define QE_ROUTE_SUBNETS_H

#include "base/addr.h"
#include "base/mem.h"
#include "identity/identity.h"

#define QE_SUBNETS_MAX       4096 // claims in all
#define QE_SUBNETS_OWNER_MAX 64   // of one owner; more are passed over
// Claims whose beginnings lie closer than this are of the same age: then the owner with the lower ID goes first.
#define QE_CLAIM_TIE_S 60
// For so long a claim that contradicts another waits until its age is known.
#define QE_SUBNETS_PATIENCE_S 10
// A shorter prefix is as good as a default route: two halves make a whole.
#define QE_SUBNETS_BITS4_MIN 8
#define QE_SUBNETS_BITS6_MIN 16

enum qe_subnet_verdict {
    QE_SUBNET_ACCEPTED,
    QE_SUBNET_UNDECIDED,    // contradicts `against`, and its age is being asked for
    QE_SUBNET_NO_HOSTS,     // of no hosts: multicast, loopback, link-local
    QE_SUBNET_OVERLAY,      // overlaps the overlay's own addresses
    QE_SUBNET_UNASKED,      // a default route, which nobody asked for
    QE_SUBNET_NOT_ACCEPTED, // not within what the user accepts
    QE_SUBNET_OWN,          // overlaps a network that this host is in, or advertises itself
    QE_SUBNET_TAKEN,        // overlaps `against`, which another owner has had for longer
};

struct qe_subnet_claim {
    struct qe_cidr subnet; // without host bits
    struct qe_node_id owner;
    uint32_t peer;        // the caller's number of the owner
    int64_t since_s;      // it stands since then, in seconds of the caller's clock; negative: before that began
    bool witnessed;       // third nodes' word is in since_s
    int64_t first_seen_s; // by this node
    int64_t expires_s;    // when it ends by itself
    enum qe_subnet_verdict verdict;
    struct qe_cidr against;          // UNDECIDED, OWN, TAKEN
    struct qe_node_id against_owner; // UNDECIDED, TAKEN
    // The caller's: what it last said of the verdict, whether this owner is the one in use.
    enum qe_subnet_verdict told;
    bool in_use;
    int64_t asked_s; // when third nodes were asked for its age; 0: never
};

// What this host wants. Lists are the caller's, for the call.
struct qe_subnet_rules {
    const struct qe_cidr *overlay; // the overlay's networks
    size_t overlay_count;
    const struct qe_cidr *own; // networks of this host's interfaces, and those that it advertises
    size_t own_count;
    bool restricted; // only what lies within `accept`. A network that is itself in it may be one of the host's own, or
                     // a default route.
    const struct qe_cidr *accept;
    size_t accept_count;
    bool exit_only; // a default route is used from one owner alone, and from that one although `accept` has none:
    const struct qe_node_id *exit; // NULL: it is not known
};

struct qe_subnets {
    const struct qe_mem *mem;
    struct qe_subnet_claim *claims; // by subnet (shorter prefixes first), then by owner
    size_t count, capacity;
    uint64_t passed_over; // claims for which there was no room
};

void qe_subnets_init(struct qe_subnets *s, const struct qe_mem *mem);
void qe_subnets_fini(struct qe_subnets *s);
// All that this owner claims from now on, until expires_s. True where anything is different. Decide afterwards.
bool qe_subnets_set(struct qe_subnets *s, uint32_t peer, const struct qe_node_id *owner, const struct qe_cidr *list,
    size_t count, int64_t expires_s, int64_t now_s);
// Third nodes have known for age_s that this owner claims that. Replaces what they said before.
void qe_subnets_witness(
    struct qe_subnets *s, const struct qe_node_id *owner, const struct qe_cidr *subnet, uint64_t age_s, int64_t now_s);
// Drops what has expired. True where there was any.
bool qe_subnets_expire(struct qe_subnets *s, int64_t now_s);
// Judges every claim anew. True where a verdict has changed. Without memory all stays as it was.
bool qe_subnets_decide(struct qe_subnets *s, const struct qe_subnet_rules *rules, int64_t now_s);
// When expire or decide may have something next; INT64_MAX: never.
int64_t qe_subnets_deadline(const struct qe_subnets *s, int64_t now_s);
// "it overlaps …": the reason for people, without its subject, or NULL where it is accepted.
const char *qe_subnet_reason(const struct qe_subnet_claim *claim, char out[160]);

// One of several who claim the same thing that only one can have.
struct qe_claimant {
    struct qe_node_id id;
    int64_t since_s;
};
// Which of them keeps it: of those that are within QE_CLAIM_TIE_S of the oldest, the one with the lowest ID. count > 0.
size_t qe_claim_keeper(const struct qe_claimant *list, size_t count);

#endif
