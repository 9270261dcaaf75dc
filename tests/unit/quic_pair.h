// Two endpoints, `a` and `b`, that may talk to each other, and what tests do with them over and over.
#ifndef QE_TESTS_QUIC_PAIR_H
#define QE_TESTS_QUIC_PAIR_H

#include "quic/internal.h"
#include "quic_net.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

extern struct net net;
extern struct net_end *a, *b;
extern const struct qe_span nothing;

struct qe_span text(const char *s);
// Makes both, seeded by QE_SEED.
void pair(uint8_t family);
// Ends both; every block must have come back.
void done(void);
void run_for(uint64_t ns);
// `a` dials `b`, and both are through.
void meet(void);
// Meets, leaves, and forgets all but the tickets that `a` was given; the first of them.
struct qe_span get_ticket(void);
// A tap: a NAT in front of `a`, whose outside port is what net.tap_user points at (uint16_t).
bool change_source(struct net *n, struct qe_addr *from, struct qe_addr *to, uint8_t *bytes, uint32_t *size);

#endif
