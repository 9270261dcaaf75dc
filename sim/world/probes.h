// What a host's node sends to addresses that have proven nothing, by underlay address: at most 3 probes to one within
// any 30 s, and to one host, whatever the ports, 100 a second and SIM_PROBES_SEARCH in all, until something there
// proves that it is wanted. So nobody can turn nodes against a third party (docs/protocol.md).
#ifndef QE_SIM_PROBES_H
#define QE_SIM_PROBES_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PROBES_MAX       3
#define SIM_PROBES_WINDOW_NS UINT64_C(30000000000)
#define SIM_PROBES_RATE      100  // a second, to all ports of a host
#define SIM_PROBES_SEARCH    1100 // of one host, in the window
// While a search for a port is under way, the side whose NAT chooses it asks the other one from so many sockets.
#define SIM_PROBES_SOCKETS   256
#define SIM_PROBES_SEARCH_NS UINT64_C(15000000000)

struct sim_probes;

struct sim_probes *sim_probes_new(void);
void sim_probes_free(struct sim_probes *probes);

enum sim_probes_fault {
    SIM_PROBES_FINE,
    SIM_PROBES_ADDRESS, // too many to the address
    SIM_PROBES_HOST,    // too many to its host
};
// A probe goes there. ask: the number that it wants to be echoed; 0: none.
enum sim_probes_fault sim_probes_sent(
    struct sim_probes *probes, const struct qe_addr *to, uint64_t ask, uint64_t now_ns);
// The node says that it searches for a port.
void sim_probes_searching(struct sim_probes *probes, uint64_t now_ns);
// A probe came from there; echo: the number that it echoes, 0: none. An echo of what was asked there proves the
// address.
void sim_probes_received(struct sim_probes *probes, const struct qe_addr *from, uint64_t echo);
// The node starts anew, and knows nothing of what it sent before.
void sim_probes_restarted(struct sim_probes *probes);
bool sim_probes_proven(const struct sim_probes *probes, const struct qe_addr *addr);

#endif
