// One attempt at a direct path to a peer: the addresses at which it may be, when each is asked next, and what was heard
// from where. Both sides make the same attempt at once where one has told the other; each asks every address three
// times, in growing distances, so that the first question that finds both NATs open is answered. Whoever calls sends
// the probes and keeps the budgets.
#ifndef QE_NAT_ATTEMPT_H
#define QE_NAT_ATTEMPT_H

#include "base/addr.h"
#include "base/time.h"
#include "identity/identity.h"

#define QE_ATTEMPT_CANDIDATES_MAX 24
// The questions to one address: when, from when it became known. The last one finds a NAT open that a peer 1.5 s away
// opens when it hears of the attempt.
#define QE_ATTEMPT_ASKS      3
#define QE_ATTEMPT_SECOND_NS (300 * QE_NS_PER_MS)
#define QE_ATTEMPT_THIRD_NS  (1500 * QE_NS_PER_MS)
// Between the first questions to two addresses.
#define QE_ATTEMPT_STAGGER_NS (5 * QE_NS_PER_MS)
// When it is given up: answers over 800 ms each way, with one lost, come sooner.
#define QE_ATTEMPT_NS (6 * QE_NS_PER_S)

// Where an address is known from; the order in which they are asked.
enum qe_candidate_kind {
    QE_CANDIDATE_SEEN,      // a signalling node sees the peer there now
    QE_CANDIDATE_REFLEXIVE, // others have seen it there
    QE_CANDIDATE_MAPPED,    // its NAT granted it the port
    QE_CANDIDATE_HOST,      // its interface has that address
    QE_CANDIDATE_PREDICTED, // its NAT may choose that port next
    QE_CANDIDATE_MET,       // a question of the peer came from there
};

struct qe_candidate {
    struct qe_addr addr;
    enum qe_candidate_kind kind;
    uint8_t asked;        // how often of own accord
    bool heard;           // something of this attempt came from there
    uint8_t vouchers;     // nodes of different households that see it there now; 2: or more
    struct qe_ip voucher; // the first of them
    bool proven;          // an echo came from there
    uint32_t socket;      // where that came in; 0: nothing was heard
    uint64_t answered_ns; // when it was last answered, while not proven; 0: never
    uint64_t from_ns;     // when it became known
    uint64_t at_ns;       // when to ask next; QE_TIME_NEVER: not again
};

struct qe_attempt {
    uint64_t id; // not 0
    struct qe_node_id peer;
    bool caller; // this node began it
    // How often each address is asked for now. The other side may not know of the attempt yet: the first question opens
    // the own NAT, the others find the other one open once it does.
    uint8_t asks;
    uint64_t since_ns, until_ns;
    struct qe_candidate list[QE_ATTEMPT_CANDIDATES_MAX];
    size_t count;
    bool proven; // any address
};

void qe_attempt_init(struct qe_attempt *a, uint64_t id, const struct qe_node_id *peer, bool caller, uint64_t now_ns);
// One more address, or one known from elsewhere as well. NULL where there is no room for it.
struct qe_candidate *qe_attempt_add(
    struct qe_attempt *a, const struct qe_addr *addr, enum qe_candidate_kind kind, uint64_t now_ns);
struct qe_candidate *qe_attempt_find(struct qe_attempt *a, const struct qe_addr *addr);
// The next address to be asked now, or NULL. The caller asks it, or cannot, and says so.
struct qe_candidate *qe_attempt_due(struct qe_attempt *a, uint64_t now_ns);
void qe_attempt_on_asked(struct qe_attempt *a, struct qe_candidate *candidate, uint64_t now_ns);
// It may not be asked: its budget is spent.
void qe_attempt_on_refused(struct qe_attempt *a, struct qe_candidate *candidate);
// Something came from there, which is answered: it is asked with that answer, and not again unasked for a while.
void qe_attempt_on_heard(struct qe_attempt *a, struct qe_candidate *candidate, uint64_t now_ns);
// A node at that address sees the peer there now.
void qe_attempt_on_vouched(struct qe_candidate *candidate, const struct qe_ip *by);
// Whether both are of one household, which has an IPv4 address or an IPv6 /64 with as many addresses as it likes.
bool qe_attempt_same_voucher(const struct qe_ip *a, const struct qe_ip *b);
// Each address may be asked so often from now on, if that is more: the next question is due at once.
void qe_attempt_allow(struct qe_attempt *a, uint8_t asks, uint64_t now_ns);
void qe_attempt_on_proven(struct qe_attempt *a, struct qe_candidate *candidate);
// When `due` may have something next, or it is over.
uint64_t qe_attempt_deadline(const struct qe_attempt *a);

#endif
