// The order in which a peer's port is searched for where its NAT chooses one for each destination: while the peer asks
// from many sockets, so that its NAT chooses many ports, these are asked one after another, none twice. Of 64,512 ports
// of which 256 are the peer's, 1,024 questions find one in 98 of 100 searches.
#ifndef QE_NAT_SEARCH_H
#define QE_NAT_SEARCH_H

#include "base/time.h"

#include <stdint.h>

#define QE_SEARCH_SOCKETS     256
#define QE_SEARCH_PORTS       1024
#define QE_SEARCH_INTERVAL_NS (11 * QE_NS_PER_MS) // between two packets, on either side

struct qe_search {
    uint16_t base; // a port that the NAT chose lately
    uint16_t start, stride;
    uint16_t sent;
};

// `random`: 32 bits.
void qe_search_init(struct qe_search *search, uint16_t base, uint32_t random);
// The next port; 0: it is over. By the time when all sockets are open come ports a little above the base, for NATs that
// choose one after another.
uint16_t qe_search_next(struct qe_search *search);

#endif
