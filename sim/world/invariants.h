// What must hold in every run whatever the scenario expects (docs/scenarios.md, "What is always checked"). Each event
// costs a few operations here; what needs a look at everything is looked at once in a virtual second, and at the end.
#ifndef QE_SIM_INVARIANTS_H
#define QE_SIM_INVARIANTS_H

#include "scenario/scenario.h"
#include "world/contacts.h"
#include "world/ledger.h"
#include "world/probes.h"

#include <jansson.h>

// A host's node and one of its configured peers.
struct sim_watched_peer {
    size_t host;            // the peer's; SIM_NONE: not of this scenario
    bool up;                // the node says that it is connected
    bool relayed;           // and by a gateway
    uint64_t since_ns;      // since when
    uint64_t up_alone_ns;   // since when it is up while the other is not; UINT64_MAX: it is not so
    uint64_t dials_from_ns; // dials counted since then
    unsigned dials;
    bool dialled;   // since the last datagram left: its stored ticket must be gone
    bool connected; // directly, since the last step: where it was met must be stored
};

struct sim_watched_host {
    struct sim_watched_peer *peers; // as in its configuration
    size_t peer_count;
    struct sim_contacts contacts; // of QUIC
    struct sim_probes *probes;
    bool any_dialled, any_connected;
    uint64_t stop_since_ns; // UINT64_MAX: not told to stop
    uint64_t changed_ns;    // when a path or session of it changed last
    uint64_t window_ns;     // idle wakeups are counted since then
    unsigned idle_wakeups;
    uint64_t busy_then;              // its datagrams and packets at that time
    bool errors_allowed;             // its log may have lines at level error
    struct sim_host_counts at_start; // of this boot
    // What it answered at the end; NULL: nothing.
    json_t *metrics;
    uint64_t paths_active, peers_connected; // of its status
    bool has_status;
};

struct sim_invariants {
    const struct sim_scenario *scenario;
    struct sim_hosts *hosts;
    struct sim_host *const *list;
    size_t host_count;
    struct sim_network *network;
    struct sim_watched_host *watched;
    struct sim_ledger ledger;
    uint64_t next_scan_ns;
    uint64_t closed; // paths that ended
};

void sim_invariants_init(struct sim_invariants *v, const struct sim_scenario *scenario, struct sim_hosts *hosts,
    struct sim_network *network, struct sim_host *const *list);
void sim_invariants_fini(struct sim_invariants *v);

// What happened, told by the world. The rest comes by itself (hosts->watch).
void sim_invariants_delivered(
    struct sim_invariants *v, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload);
// A trace event of a node; `other`: the host of its peer, or SIM_NONE.
void sim_invariants_traced(struct sim_invariants *v, struct sim_host *host, const char *name, size_t other);
void sim_invariants_logged(struct sim_invariants *v, struct sim_host *host, enum qe_log_level level, const char *text);
void sim_invariants_ended(struct sim_invariants *v, struct sim_host *host);

// Whether the configurations of both hosts' nodes name each other.
bool sim_invariants_mutual(const struct sim_invariants *v, size_t a, size_t b);
// Whether host `a`'s node says that it is connected to `b`'s.
bool sim_invariants_up(const struct sim_invariants *v, size_t a, size_t b);

// After each event; looks at everything once a virtual second.
void sim_invariants_scan(struct sim_invariants *v, uint64_t now_ns);

// Where host's stored state says that the peer is; NULL where it says nothing, or need not be true.
const struct sim_contact *sim_invariants_met(struct sim_invariants *v, const struct sim_host *host, size_t other);

// The end: asks every node for its counters (the answers come to sim_invariants_replied, in one instant) …
#define SIM_INVARIANTS_METRICS UINT64_C(2)
#define SIM_INVARIANTS_STATUS  UINT64_C(3)
void sim_invariants_ask(struct sim_invariants *v);
void sim_invariants_replied(
    struct sim_invariants *v, struct sim_host *host, uint64_t command, int status, struct qe_span body);
// … and adds up.
void sim_invariants_add_up(struct sim_invariants *v);

#endif
