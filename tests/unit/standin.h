// A small scripted node for tests of the simulator: a tunnel without any protocol, which carries each packet from the
// TUN in one datagram with a random tail, and which can be told to break one rule.
#ifndef QE_TESTS_STANDIN_H
#define QE_TESTS_STANDIN_H

#include "host/host.h"

enum standin_fault {
    STANDIN_HONEST,
    STANDIN_LEAKS_MEMORY,
    STANDIN_LEAKS_BUFFER,
    STANDIN_LEAKS_PACKET,
    STANDIN_OVERDRAWS,       // takes more buffers than it has credit for
    STANDIN_GIVES_FOREIGN,   // gives a buffer back twice
    STANDIN_DEADLINE_STANDS, // its deadline is always in the past
    STANDIN_TALKS_FOR_EVER,  // actions without end
    STANDIN_DELIVERS_TWICE,
    STANDIN_DELIVERS_DAMAGED,
    STANDIN_DELIVERS_WRONG_SUM,
    STANDIN_DELIVERS_TO_SELF, // what its own TUN gave comes back out of it
    STANDIN_DELIVERS_CLOSED,  // before the TUN is open
    STANDIN_SENDS_NOWHERE,    // from a socket that it does not have
    STANDIN_CLOSES_TWICE,
    STANDIN_WILL_NOT_BE_MADE,
    STANDIN_DRAWS_MORE, // no fault: extra random draws for one purpose
};

// What the node of this name does from now on; NULL: every node. Reset with STANDIN_HONEST.
void standin_set(enum standin_fault fault, const char *name);

// What the nodes saw, since standin_reset.
struct standin_notes {
    uint64_t datagram_events, datagram_entries, datagrams, entries_with_many;
    uint64_t packet_events, packets;
    uint64_t links_up, links_down;
    uint64_t timeouts;
    uint64_t points; // at timeouts, where the host said that a fault point fires
    uint64_t sockets_refused;
    uint64_t stored_empty; // stored items of no bytes
    uint16_t second_port;  // what a bind to port 0 got
    uint64_t wall_ms_last;
};
extern struct standin_notes standin_notes;
void standin_reset(void);

// The first words that the node of this name drew for a purpose other than its tails.
uint64_t standin_drawn(const char *name);

extern const struct sim_core standin_core;

#endif
