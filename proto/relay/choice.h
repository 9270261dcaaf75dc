// Gateways that are known, and which of them to go by. Decisions only: whoever calls does the connecting.
//
// What is kept true:
//  - the order follows from what is known alone: first those that the user prefers, in his order, then those that the
//    peer says it can be reached through, then those of the own network or that the user allows, last those that help
//    out where there is no gateway; of each kind first those that are there, the nearest first;
//  - one that failed is not in the order for a bounded, growing while, and is the first to make room for another;
//  - what the user named is never pushed out.
#ifndef QE_RELAY_CHOICE_H
#define QE_RELAY_CHOICE_H

#include "identity/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QE_GATEWAYS_MAX 32

// How long one that failed is left alone: doubling from the first to the last, each spread by a quarter.
#define QE_GATEWAY_UNWELL_FIRST_NS (UINT64_C(2) * 1000000000)
#define QE_GATEWAY_UNWELL_LAST_NS  (UINT64_C(300) * 1000000000)

// Why a gateway is known, as bits.
enum qe_gateway_why {
    QE_GATEWAY_PREFERRED = 1, // the user named it
    QE_GATEWAY_ALLOWED = 2,   // likewise, with no precedence
    QE_GATEWAY_LISTED = 4,    // its record says so, in the index or found otherwise
    QE_GATEWAY_NAMED = 8,     // the record of a peer that is being reached names it
    QE_GATEWAY_EMERGENCY = 16 // no gateway, but it relays where there is none
};

struct qe_gateway {
    struct qe_node_id id;
    unsigned why;        // bits
    unsigned place;      // among those preferred
    bool present;        // connected directly
    uint64_t rtt_us;     // 0: not known
    uint64_t asked_ns;   // being connected to since then; 0: it is not
    unsigned failures;   // in a row
    uint64_t well_at_ns; // not to be used before; 0: it is well
};

struct qe_gateways {
    struct qe_gateway list[QE_GATEWAYS_MAX];
    size_t count;
};

// NULL: it is not known.
struct qe_gateway *qe_gateways_find(struct qe_gateways *g, const struct qe_node_id *id);
// The gateway with that ID, known for that reason too. Where there is no room the one that is worth least goes; NULL
// where none is worth less.
struct qe_gateway *qe_gateways_add(struct qe_gateways *g, const struct qe_node_id *id, enum qe_gateway_why why);
// Takes a reason back. True where that was the last one: it is gone, and pointers into the list mean others.
bool qe_gateways_drop(struct qe_gateways *g, const struct qe_node_id *id, enum qe_gateway_why why);

// It does not answer, or has fallen silent. `jitter`: 32 random bits.
void qe_gateway_on_failed(struct qe_gateway *gateway, uint32_t jitter, uint64_t now_ns);
// It is connected.
void qe_gateway_on_present(struct qe_gateway *gateway, uint64_t rtt_us);
bool qe_gateway_is_well(const struct qe_gateway *gateway, uint64_t now_ns);
// When the next one may be used that may not now; QE_TIME_NEVER for none.
uint64_t qe_gateways_deadline(const struct qe_gateways *g, uint64_t now_ns);

// Those that may be used now, best first, into `order` (room for QE_GATEWAYS_MAX). `named`: by the record of the peer
// that is to be reached. Returns how many.
size_t qe_gateways_order(const struct qe_gateways *g, const struct qe_node_id *named, size_t named_count,
    uint64_t now_ns, const struct qe_gateway **order);

#endif
