// What an address may be sent before it has proven that somebody there wants it: at most 3 packets in any 30 seconds,
// whoever asked for them, and of the node's own accord ever more rarely while none is answered. That is what keeps a
// node from being turned against a third party by addresses that somebody made up.
#ifndef QE_NAT_BUDGET_H
#define QE_NAT_BUDGET_H

#include "base/addr.h"
#include "base/mem.h"
#include "base/time.h"

#define QE_BUDGET_PACKETS   3
#define QE_BUDGET_WINDOW_NS (30 * QE_NS_PER_S)
// Between two rounds of own packets to an address that never answers: the window, doubled with each, up to this.
#define QE_BUDGET_REST_NS (480 * QE_NS_PER_S)
// Addresses that are kept count of; with so many at once, no further one is sent anything.
#define QE_BUDGET_ADDRESSES 4096

struct qe_budget;

// NULL without memory.
struct qe_budget *qe_budget_new(const struct qe_mem *mem, const uint8_t secret[16]);
void qe_budget_free(struct qe_budget *budget);

// Takes one packet of own accord, or says that there is none to be had now.
bool qe_budget_ask(struct qe_budget *budget, const struct qe_addr *to, uint64_t now_ns);
// The same for an answer to what came from there.
bool qe_budget_answer(struct qe_budget *budget, const struct qe_addr *to, uint64_t now_ns);
// Somebody there echoed a number that went there: what was sent so far counts no more.
void qe_budget_on_proven(struct qe_budget *budget, const struct qe_addr *to);
// The network is another one: addresses are asked again without waiting for a rest to end. The 3 in 30 s stay.
void qe_budget_on_network(struct qe_budget *budget);
// The same for one address, at which something may have changed.
void qe_budget_on_reason(struct qe_budget *budget, const struct qe_addr *to);
size_t qe_budget_count(const struct qe_budget *budget);

#endif
