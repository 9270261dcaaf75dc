// What is looked at once a virtual second: bounds, deadlines, and whether nodes agree on who is connected.
#include "world/invariants.h"

#include "base/time.h"

// What a node may hold: a fixed part, for each lane what unfinished handshakes take (256 of them), and for each peer on
// each lane queues, fragments and control data, all at their limits.
#define MEMORY_FIXED (UINT64_C(512) << 10)
#define MEMORY_LANE  (UINT64_C(8) << 20)
#define MEMORY_PEER  (UINT64_C(1) << 20)
// After a while without traffic or changes.
#define QUIET_LANE (UINT64_C(320) << 10)
#define QUIET_PEER (UINT64_C(256) << 10) // of a connection that was fast, QUIC keeps what it tracked its packets with
#define QUIET_NS   (15 * QE_NS_PER_S)
// Packets that wait for a peer, by the core's limit, and a few on their way.
#define PACKETS_PEER (8192 + 256)
#define PACKETS_HOST 256
// How long one side may see a connection that the other does not: two idle timeouts and a margin.
#define ALONE_NS (90 * QE_NS_PER_S)
// A node that is told to stop waits a second for its goodbyes to go.
#define STOP_NS (3 * QE_NS_PER_S)

static void tell(struct sim_invariants *v, struct sim_host *host, enum sim_failure kind, const char *what)
{
    v->hosts->violated(v->hosts->user, host, kind, what);
}

static void check_memory(struct sim_invariants *v, struct sim_host *host, uint64_t now_ns)
{
    const struct sim_watched_host *w = &v->watched[host->box.index];
    uint64_t lanes = host->config.lanes, peers = w->peer_count;
    if (host->memory.bytes_peak > MEMORY_FIXED + lanes * (MEMORY_LANE + peers * MEMORY_PEER))
        tell(v, host, SIM_FAILURE_MEMORY, "the node took more memory than its lanes and peers account for");
    if (host->inputs > PACKETS_HOST + host->tun_in_count + lanes * peers * PACKETS_PEER)
        tell(v, host, SIM_FAILURE_MEMORY, "the node holds more packets than its queues may");
    bool quiet = now_ns > w->changed_ns + QUIET_NS && host->inputs == 0;
    if (quiet && host->memory.bytes > MEMORY_FIXED + lanes * (QUIET_LANE + peers * QUIET_PEER))
        tell(v, host, SIM_FAILURE_MEMORY, "the node holds memory although nothing is going on");
}

static void check_deadline(struct sim_invariants *v, struct sim_host *host, uint64_t now_ns)
{
    struct sim_watched_host *w = &v->watched[host->box.index];
    bool scheduled = sim_source_scheduled(&host->source);
    // A machine that does nothing for a while steps nobody.
    uint64_t due = host->deadline_ns > host->faults.idle_until_ns ? host->deadline_ns : host->faults.idle_until_ns;
    if (host->deadline_ns != QE_TIME_NEVER && (!scheduled || sim_engine_time_of(v->hosts->engine, &host->source) > due))
        tell(v, host, SIM_FAILURE_DEADLINE, "a node will not be stepped at its deadline");
    if (!host->stopping || sim_host_idle(host))
        w->stop_since_ns = UINT64_MAX;
    else if (w->stop_since_ns == UINT64_MAX)
        w->stop_since_ns = now_ns;
    else if (now_ns - w->stop_since_ns > STOP_NS)
        tell(v, host, SIM_FAILURE_DEADLINE, "a node that was told to stop goes on");
}

static void check_peers(struct sim_invariants *v, struct sim_host *host, uint64_t now_ns)
{
    const struct sim_watched_host *w = &v->watched[host->box.index];
    for (size_t i = 0; i < w->peer_count; i++) {
        const struct sim_watched_peer *peer = &w->peers[i];
        if (peer->up && peer->up_alone_ns != UINT64_MAX && now_ns - peer->up_alone_ns > ALONE_NS)
            tell(v, host, SIM_FAILURE_STATE, "a node says for long that a peer is connected which does not say so");
    }
}

void sim_invariants_scan(struct sim_invariants *v, uint64_t now_ns)
{
    if (now_ns < v->next_scan_ns) return;
    v->next_scan_ns = now_ns - now_ns % QE_NS_PER_S + QE_NS_PER_S;
    for (size_t i = 0; i < v->host_count; i++) {
        struct sim_host *host = v->list[i];
        if (!sim_host_running(host)) continue;
        check_memory(v, host, now_ns);
        check_deadline(v, host, now_ns);
        check_peers(v, host, now_ns);
    }
}
