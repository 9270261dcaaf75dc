// A network of raw boxes for tests that measure NATs and firewalls from outside, as RFC 5780's clients do: they send
// UDP and look at what arrives where, with which addresses. Nothing here knows what the boxes between have in their
// tables.
#ifndef QE_TESTS_PROBE_H
#define QE_TESTS_PROBE_H

#include "net/network.h"
#include "unit.h"

#define PROBE_S UINT64_C(1000000000)

// What arrived last.
struct probe_seen {
    const char *box; // NULL: nothing arrived
    struct qe_addr source, destination;
    uint8_t bytes[1500];
    size_t size;
};

// Builds the hosts and links of a scenario text, whose [scenario] table comes from here. The hosts run no nodes.
void probe_build(const char *text);
void probe_unbuild(void);
struct sim_box *probe_box(const char *name);

struct qe_addr probe_addr(const char *text);

// Sends from the box (from that address of it; an unspecified one is chosen by its routes) and waits until everything
// has arrived or was dropped.
const struct probe_seen *probe_send(const char *from, struct qe_addr source, struct qe_addr destination);
const struct probe_seen *probe_send_bytes(
    const char *from, struct qe_addr source, struct qe_addr destination, const uint8_t *bytes, size_t size);
// The same with the source's port only.
const struct probe_seen *probe_from(const char *from, uint16_t port, struct qe_addr destination);
// Datagrams that were dropped for the reason.
uint64_t probe_dropped(enum sim_drop reason);
// Lets time pass, and what happens in it.
void probe_wait(uint64_t ns);
// The router forgets everything, and is back after that time.
void probe_reboot(const char *router, uint64_t takes_ns);

#endif
