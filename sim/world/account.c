// The end of a run: what each node counted must add up with what its host saw, and with what the others counted. A
// packet that is lost in a node without being counted is found here.
#include "world/invariants.h"

#include "base/time.h"
#include "observe/counters.h"

#include <string.h>

// What a node that nothing happened to for this long says of its connections must fit together.
#define STABLE_NS (12 * QE_NS_PER_S)
#define PREFIX    "quicether_"

static void tell(struct sim_invariants *v, struct sim_host *host, enum sim_failure kind, const char *what)
{
    v->hosts->violated(v->hosts->user, host, kind, what);
}

void sim_invariants_ask(struct sim_invariants *v)
{
    for (size_t i = 0; i < v->host_count; i++) {
        if (!sim_host_running(v->list[i])) continue;
        sim_host_command(v->list[i], SIM_INVARIANTS_METRICS, QE_COMMAND_METRICS, NULL);
        sim_host_command(v->list[i], SIM_INVARIANTS_STATUS, QE_COMMAND_STATUS, NULL);
    }
}

static json_t *metrics_of(const json_t *root)
{
    json_t *flat = json_object(), *metric;
    size_t index;
    json_array_foreach(json_object_get(root, "metrics"), index, metric)
    {
        const char *name = json_string_value(json_object_get(metric, "name"));
        json_t *value = json_object_get(json_array_get(json_object_get(metric, "samples"), 0), "value");
        if (name && json_is_integer(value) && strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0)
            json_object_set(flat, name + sizeof(PREFIX) - 1, value);
    }
    return flat;
}

static uint64_t member_of(const json_t *root, const char *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(root, object), key));
}

void sim_invariants_replied(
    struct sim_invariants *v, struct sim_host *host, uint64_t command, int status, struct qe_span body)
{
    struct sim_watched_host *w = &v->watched[host->box.index];
    if (status != 200 || (command != SIM_INVARIANTS_METRICS && command != SIM_INVARIANTS_STATUS)) return;
    json_t *root = json_loadb((const char *)body.data, body.size, 0, NULL);
    if (!root || !json_is_object(root)) {
        json_decref(root);
        tell(v, host, SIM_FAILURE_STATE, "a node's answer is no JSON object");
        return;
    }
    if (command == SIM_INVARIANTS_METRICS && !w->metrics) {
        w->metrics = metrics_of(root);
    } else if (command == SIM_INVARIANTS_STATUS) {
        w->has_status =
            json_is_object(json_object_get(root, "paths")) && json_is_object(json_object_get(root, "peers"));
        w->paths_active = member_of(root, "paths", "active");
        w->peers_connected = member_of(root, "peers", "connected");
    }
    json_decref(root);
}

static uint64_t counted(const struct sim_watched_host *w, enum qe_counter which)
{
    return (uint64_t)json_integer_value(json_object_get(w->metrics, qe_counter_name(which)));
}

static uint64_t named(const struct sim_watched_host *w, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(w->metrics, name));
}

static uint64_t sum(const struct sim_watched_host *w, const enum qe_counter *list, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += counted(w, list[i]);
    return total;
}

// From the TUN: received = sent + dropped + held. Super-packets leave as many, and are dropped as one. A packet of
// which the last piece has just left is still held: one for each peer on each lane.
static void check_outbound(struct sim_invariants *v, struct sim_host *host)
{
    static const enum qe_counter drops[] = {QE_COUNT_DROP_NOT_IP, QE_COUNT_DROP_NO_ROUTE, QE_COUNT_DROP_TUN_SOURCE,
        QE_COUNT_DROP_MULTICAST, QE_COUNT_DROP_NO_PATH, QE_COUNT_DROP_TOO_BIG, QE_COUNT_DROP_QUEUE_FULL,
        QE_COUNT_DROP_QUEUE_CODEL, QE_COUNT_DROP_STALE, QE_COUNT_DROP_UNSENDABLE};
    const struct sim_watched_host *w = &v->watched[host->box.index];
    const struct sim_ledger_host *own = &v->ledger.per_host[host->box.index];
    uint64_t in = host->counts.tun_in - w->at_start.tun_in - host->tun_in_count;
    uint64_t held = host->inputs - host->tun_in_count, slack = w->peer_count * host->config.lanes;
    if (counted(w, QE_COUNT_TUN_RECEIVED_PACKETS) != in)
        tell(v, host, SIM_FAILURE_CONSERVATION, "a node counts other packets from its TUN than it was given");
    uint64_t out = counted(w, QE_COUNT_PACKETS_SENT) + sum(w, drops, sizeof(drops) / sizeof(drops[0])) + held;
    if (out < in)
        tell(v, host, SIM_FAILURE_CONSERVATION, "packets from the TUN are neither sent, nor dropped, nor held");
    if (!own->super_in && out > in + slack)
        tell(v, host, SIM_FAILURE_CONSERVATION, "a node counts more packets sent and dropped than it was given");
}

static void check_inbound(struct sim_invariants *v, struct sim_host *host)
{
    const struct sim_watched_host *w = &v->watched[host->box.index];
    uint64_t out = v->ledger.per_host[host->box.index].out_segments;
    uint64_t due = counted(w, QE_COUNT_PACKETS_RECEIVED) + counted(w, QE_COUNT_TOO_BIG_SENT);
    if (counted(w, QE_COUNT_TUN_SENT_PACKETS) != host->counts.tun_out - w->at_start.tun_out)
        tell(v, host, SIM_FAILURE_CONSERVATION, "a node counts other packets to its TUN than it gave");
    if (!v->ledger.cut_anywhere && (out > due || due - out > counted(w, QE_COUNT_DROP_NO_BUFFER)))
        tell(v, host, SIM_FAILURE_CONSERVATION, "packets from peers are neither delivered nor dropped");
    uint64_t received = named(w, "datagrams_recv") + counted(w, QE_COUNT_DHT_DATAGRAMS_RECEIVED) +
                        counted(w, QE_COUNT_PROBES_RECEIVED) + counted(w, QE_COUNT_DNS_QUERIES);
    if (received != host->counts.datagrams_received - w->at_start.datagrams_received)
        tell(v, host, SIM_FAILURE_CONSERVATION, "a node counts other datagrams received than came");
    uint64_t sent = named(w, "datagrams_sent") + counted(w, QE_COUNT_DHT_DATAGRAMS_SENT) +
                    counted(w, QE_COUNT_PROBES_SENT) + counted(w, QE_COUNT_DNS_ANSWERS);
    if (sent != host->counts.datagrams_sent - w->at_start.datagrams_sent)
        tell(v, host, SIM_FAILURE_CONSERVATION, "a node counts other datagrams sent than left");
}

static bool sends_unknown(const struct sim_invariants *v)
{
    for (size_t i = 0; i < v->host_count; i++)
        if (sim_host_point_fired(v->list[i], QE_FAULT_CONTROL_UNKNOWN)) return true;
    return false;
}

// Every node here keeps the protocol, so nothing may come that one would not send. A claim that was refused, or an
// address that was given by hand and is not known before the hello, explains packets that do not fit.
static void check_manners(struct sim_invariants *v, struct sim_host *host, bool plain_addresses)
{
    static const enum qe_counter never[] = {
        QE_COUNT_DROP_CONTROL, QE_COUNT_DROP_MALFORMED, QE_COUNT_DROP_UNKNOWN_FRAME, QE_COUNT_DROP_UNSENDABLE};
    const struct sim_watched_host *w = &v->watched[host->box.index];
    // One fault point says what no node says by itself.
    size_t first = sends_unknown(v) ? 1 : 0;
    if (sum(w, never + first, sizeof(never) / sizeof(never[0]) - first))
        tell(v, host, SIM_FAILURE_DAMAGED, "a node got frames or messages from a peer that no node sends");
    if (plain_addresses && counted(w, QE_COUNT_DROP_SOURCE) + counted(w, QE_COUNT_DROP_NOT_LOCAL))
        tell(v, host, SIM_FAILURE_MISDELIVERED, "a node got packets from a peer that are not from it, or for another");
}

static void check_connections(struct sim_invariants *v, struct sim_host *host)
{
    const struct sim_watched_host *w = &v->watched[host->box.index];
    uint64_t up = 0, standby = 0;
    if (!w->has_status || v->hosts->engine->now_ns - w->changed_ns < STABLE_NS) return;
    for (size_t i = 0; i < w->peer_count; i++) {
        up += w->peers[i].up;
        standby += w->peers[i].up && w->peers[i].relayed;
    }
    if (up != w->peers_connected)
        tell(v, host, SIM_FAILURE_STATE, "a node's status counts other peers as connected than its events say");
    // Of a peer that is reached by a gateway one more may stand by.
    if (w->paths_active < w->peers_connected || w->paths_active > w->peers_connected + standby)
        tell(v, host, SIM_FAILURE_STATE, "a node has kept more than one connection to a peer, or none");
}

// Where a peer was met is where it is: something came from there not long ago.
static void check_met(struct sim_invariants *v, struct sim_host *host)
{
    const struct sim_watched_host *w = &v->watched[host->box.index];
    uint64_t now = v->hosts->engine->now_ns;
    for (size_t i = 0; i < w->peer_count; i++) {
        const struct sim_watched_peer *peer = &w->peers[i];
        const struct sim_contact *met = peer->host == SIM_NONE ? NULL : sim_invariants_met(v, host, peer->host);
        if (!peer->up || now - peer->since_ns < STABLE_NS || !met || now - met->received_ns < STABLE_NS) continue;
        tell(v, host, SIM_FAILURE_STORED, "where a connected peer is said to be is not where it sends from");
    }
}

// Where the underlay lost nothing and no connection ended, what was sent has been received or dropped for a reason.
static void check_overlay(struct sim_invariants *v)
{
    static const enum qe_counter drops[] = {QE_COUNT_PACKETS_RECEIVED, QE_COUNT_DROP_SOURCE, QE_COUNT_DROP_NOT_LOCAL,
        QE_COUNT_DROP_MALFORMED, QE_COUNT_DROP_EARLY, QE_COUNT_DROP_NO_BUFFER};
    uint64_t sent = 0, received = 0;
    if (v->closed || v->network->corrupted) return;
    for (int i = 0; i < SIM_DROP_COUNT; i++)
        if (v->network->dropped[i]) return;
    for (size_t i = 0; i < v->host_count; i++) {
        const struct sim_watched_host *w = &v->watched[i];
        if (v->list[i]->counts.starts == 0) continue;
        if (!w->metrics || v->list[i]->counts.starts != 1 || counted(w, QE_COUNT_DROP_MEMORY)) return;
        sent += counted(w, QE_COUNT_PACKETS_SENT);
        received += sum(w, drops, sizeof(drops) / sizeof(drops[0]));
    }
    if (v->network->sent == v->network->received && received < sent)
        tell(v, NULL, SIM_FAILURE_CONSERVATION, "packets between nodes are lost although no datagram was");
}

void sim_invariants_add_up(struct sim_invariants *v)
{
    bool plain = true;
    if (!v->hosts->core->counts) return;
    for (size_t i = 0; i < v->host_count; i++) {
        const struct sim_watched_host *w = &v->watched[i];
        plain &= v->list[i]->config.tun_addr.ip.family == 0 && (!w->metrics || !counted(w, QE_COUNT_DROP_CLAIM));
    }
    for (size_t i = 0; i < v->host_count; i++) {
        struct sim_host *host = v->list[i];
        const struct sim_watched_host *w = &v->watched[i];
        if (!w->metrics || counted(w, QE_COUNT_DROP_MEMORY)) continue;
        check_outbound(v, host);
        check_inbound(v, host);
        check_manners(v, host, plain);
        check_connections(v, host);
        check_met(v, host);
    }
    check_overlay(v);
}
