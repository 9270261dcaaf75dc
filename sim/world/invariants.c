#include "world/invariants.h"

#include "base/cursor.h"
#include "base/time.h"
#include "dht/dht.h"
#include "nat/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A peer is dialled no more often than this in DIAL_WINDOW_NS: waits between attempts grow from a quarter of a second,
// and at most once a second something else gives a reason.
#define DIALS_MAX      40
#define DIAL_WINDOW_NS (10 * QE_NS_PER_S)
// A record of where a peer was met: version, key, address, network (docs/protocol.md).
#define PEER_RECORD_VERSION 2
#define PEER_RECORD_SIZE    (1 + 32 + 1 + 16 + 2 + 8)

static void tell(struct sim_invariants *v, struct sim_host *host, enum sim_failure kind, const char *what)
{
    v->hosts->violated(v->hosts->user, host, kind, what);
}

static struct sim_watched_host *watched(struct sim_invariants *v, const struct sim_host *host)
{
    return &v->watched[host->box.index];
}

static struct sim_watched_peer *find_peer(const struct sim_invariants *v, size_t host, size_t other)
{
    const struct sim_watched_host *w = &v->watched[host];
    for (size_t i = 0; i < w->peer_count; i++)
        if (w->peers[i].host == other) return &w->peers[i];
    return NULL;
}

bool sim_invariants_mutual(const struct sim_invariants *v, size_t a, size_t b)
{
    return find_peer(v, a, b) && find_peer(v, b, a);
}

bool sim_invariants_up(const struct sim_invariants *v, size_t a, size_t b)
{
    const struct sim_watched_peer *peer = find_peer(v, a, b);
    return peer && peer->up;
}

static bool allowed(void *user, uint32_t host, uint32_t from)
{
    return find_peer(user, host, from) != NULL;
}

// Want of memory excuses much: what a node could not do for that it could not do.
static bool starved(const struct sim_host *host)
{
    return host->memory.refused > 0 || host->memory.bytes_max > 0 || host->memory.faults;
}

// What the node believes to be stored need not be.
static bool untrue(const struct sim_host *host)
{
    return starved(host) || host->counts.writes_failed > 0 || host->faults.state_damaged;
}

// Fault points take branches that are rare in life: timers fire early, peers are dialled without need, messages come
// that nobody knows.
static bool pointed(const struct sim_invariants *v)
{
    return v->scenario->faults.hosts != NULL;
}

static void on_entered(void *user, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    struct sim_invariants *v = user;
    sim_ledger_entered(&v->ledger, host, packet, offload);
}

static void on_started(void *user, struct sim_host *host)
{
    struct sim_invariants *v = user;
    struct sim_watched_host *w = watched(v, host);
    w->at_start = host->counts;
    w->stop_since_ns = UINT64_MAX;
    w->changed_ns = v->hosts->engine->now_ns;
    sim_probes_restarted(w->probes);
    sim_ledger_started(&v->ledger, host);
}

static const char *peer_key(const struct sim_invariants *v, const char *kind, size_t other, char out[64])
{
    char id[QE_NODE_ID_TEXT_SIZE];
    snprintf(out, 64, "%s/%s", kind, qe_node_id_format(&v->list[other]->id, id));
    return out;
}

// A ticket is good for one connection: it must be off the disk before its first packet leaves (RFC 8446 §8.1).
static void check_tickets(struct sim_invariants *v, struct sim_host *host)
{
    struct sim_watched_host *w = watched(v, host);
    char key[64];
    w->any_dialled = false;
    for (size_t i = 0; i < w->peer_count; i++) {
        if (!w->peers[i].dialled) continue;
        w->peers[i].dialled = false;
        if (untrue(host) || !sim_host_stored(host, peer_key(v, "ticket", w->peers[i].host, key))) continue;
        tell(v, host, SIM_FAILURE_STORED, "a ticket is used while it is still stored for another time");
    }
}

static void check_probe(struct sim_invariants *v, struct sim_host *host, const struct qe_addr *to, struct qe_span bytes)
{
    struct sim_watched_host *w = watched(v, host);
    const struct sim_contact *contact = sim_contacts_find(&w->contacts, to);
    struct qe_probe probe;
    if (!qe_probe_decode(bytes, &probe)) {
        tell(v, host, SIM_FAILURE_STATE, "a probe is sent that nobody could read");
        return;
    }
    if (contact && (contact->configured || contact->proven)) return;
    switch (sim_probes_sent(w->probes, to, probe.ask, v->hosts->engine->now_ns)) {
    case SIM_PROBES_FINE:
        break;
    case SIM_PROBES_ADDRESS:
        tell(v, host, SIM_FAILURE_STRANGER, "more than 3 probes in 30 s go to an address that has proven nothing");
        break;
    case SIM_PROBES_HOST:
        tell(v, host, SIM_FAILURE_STRANGER, "too many probes go to ports of an address that has proven nothing");
        break;
    }
}

static void on_received_probe(struct sim_watched_host *w, const struct sim_packet *packet)
{
    struct qe_probe probe;
    if (qe_probe_decode(qe_span(packet->bytes, packet->size), &probe))
        sim_probes_received(w->probes, &packet->source, probe.echo);
}

static void on_sending(void *user, struct sim_host *host, const struct qe_send *send)
{
    struct sim_invariants *v = user;
    struct sim_watched_host *w = watched(v, host);
    if (w->any_dialled) check_tickets(v, host);
    // What the DHT sends to whom is its own affair, and bounded there (docs/protocol.md).
    struct qe_span bytes = qe_span(qe_buf_bytes(send->buf), send->buf->size);
    if (qe_dht_is_krpc(bytes.data, bytes.size)) return;
    if (qe_probe_is(bytes.data, bytes.size)) {
        check_probe(v, host, &send->remote, bytes);
        return;
    }
    // An address of which somebody said that it is a peer's is dialled when an echo has come from there.
    if (!sim_contacts_find(&w->contacts, &send->remote) && sim_probes_proven(w->probes, &send->remote))
        sim_contacts_configured(&w->contacts, &send->remote);
    switch (sim_contacts_sent(&w->contacts, &send->remote, send->buf->size)) {
    case SIM_CONTACT_FINE:
        break;
    case SIM_CONTACT_STRANGER:
        if (host->faults.state_damaged) break; // its disk may have said so
        tell(v, host, SIM_FAILURE_STRANGER, "a datagram goes to an address that the node has from nowhere");
        break;
    case SIM_CONTACT_AMPLIFIED:
        tell(v, host, SIM_FAILURE_AMPLIFICATION, "more than three times what an unproven address sent goes back to it");
        break;
    }
}

static void on_received(void *user, struct sim_host *host, const struct sim_packet *packet)
{
    struct sim_invariants *v = user;
    if (qe_dht_is_krpc(packet->bytes, packet->size)) return;
    if (qe_probe_is(packet->bytes, packet->size)) {
        on_received_probe(watched(v, host), packet);
        return;
    }
    sim_contacts_received(
        &watched(v, host)->contacts, &packet->source, qe_span(packet->bytes, packet->size), v->hosts->engine->now_ns);
}

// A record of where a peer was met. False where it is none.
static bool read_peer_record(struct qe_span value, struct qe_key *key, struct qe_addr *addr)
{
    struct qe_reader r = qe_reader(value);
    *addr = (struct qe_addr){.port = 0};
    if (value.size != PEER_RECORD_SIZE || qe_read8(&r) != PEER_RECORD_VERSION) return false;
    qe_read_copy(&r, key->bytes, sizeof(key->bytes));
    addr->ip.family = qe_read8(&r);
    qe_read_copy(&r, addr->ip.bytes, sizeof(addr->ip.bytes));
    addr->port = qe_read16(&r);
    return true;
}

// The peer's own key, and an address from which something came.
static bool peer_record_holds(
    struct sim_invariants *v, struct sim_host *host, const char *id_text, struct qe_span value)
{
    struct qe_key key;
    struct qe_addr addr;
    struct qe_node_id named;
    if (!read_peer_record(value, &key, &addr) || !qe_node_id_parse(id_text, &named)) return false;
    struct qe_node_id id = qe_node_id_from_key(&key);
    const struct sim_contact *contact = sim_contacts_find(&watched(v, host)->contacts, &addr);
    return qe_node_id_equal(&id, &named) && contact && contact->received_bytes > 0;
}

const struct sim_contact *sim_invariants_met(struct sim_invariants *v, const struct sim_host *host, size_t other)
{
    char key[64];
    struct qe_key whose;
    struct qe_addr addr;
    const struct sim_stored *item = untrue(host) ? NULL : sim_host_stored(host, peer_key(v, "peer", other, key));
    if (!item || !read_peer_record(qe_span(item->value, item->size), &whose, &addr)) return NULL;
    return sim_contacts_find(&watched(v, host)->contacts, &addr);
}

static bool knows(const struct sim_invariants *v, const struct sim_host *host, const struct qe_node_id *id)
{
    if (qe_config_find_peer(&host->config, id)) return true;
    for (size_t i = 0; i < v->host_count; i++)
        if (qe_node_id_equal(&v->list[i]->id, id)) return find_peer(v, host->box.index, i) != NULL;
    return false;
}

static void on_stored(void *user, struct sim_host *host, const char *key, struct qe_span value)
{
    struct sim_invariants *v = user;
    struct qe_node_id id;
    const char *slash = strchr(key, '/');
    bool peer = slash && strncmp(key, "peer/", 5) == 0, ticket = slash && strncmp(key, "ticket/", 7) == 0;
    if (!peer && !ticket) return;
    if (!qe_node_id_parse(slash + 1, &id) || !knows(v, host, &id) || value.size == 0)
        tell(v, host, SIM_FAILURE_STORED, "an item was stored about a node that is no peer");
    else if (peer && !peer_record_holds(v, host, slash + 1, value))
        tell(v, host, SIM_FAILURE_STORED, "a peer's stored key is not its own, or nothing ever came from its address");
}

static void check_met(struct sim_invariants *v, struct sim_host *host)
{
    struct sim_watched_host *w = watched(v, host);
    char key[64];
    w->any_connected = false;
    for (size_t i = 0; i < w->peer_count; i++) {
        if (!w->peers[i].connected) continue;
        w->peers[i].connected = false;
        if (untrue(host) || sim_host_stored(host, peer_key(v, "peer", w->peers[i].host, key))) continue;
        tell(v, host, SIM_FAILURE_STORED, "a peer is connected and where it was met is not stored");
    }
}

static uint64_t busy(const struct sim_host *host)
{
    return host->counts.datagrams_sent + host->counts.datagrams_received + host->counts.tun_in;
}

// Wakeups for nothing, in a second with hardly any traffic.
#define IDLE_WAKEUPS_MAX(peers) (200 + 20 * (peers))
#define IDLE_TRAFFIC            20

static void on_settled(void *user, struct sim_host *host, bool idle)
{
    struct sim_invariants *v = user;
    struct sim_watched_host *w = watched(v, host);
    uint64_t now = v->hosts->engine->now_ns;
    if (w->any_connected && v->hosts->core->counts) check_met(v, host);
    if (now - w->window_ns >= QE_NS_PER_S) {
        w->window_ns = now;
        w->idle_wakeups = 0;
        w->busy_then = busy(host);
    }
    if (!idle || pointed(v) || ++w->idle_wakeups <= IDLE_WAKEUPS_MAX(w->peer_count)) return;
    if (busy(host) - w->busy_then <= IDLE_TRAFFIC)
        tell(v, host, SIM_FAILURE_STORM, "timer storm: the node wakes again and again for nothing");
    w->window_ns = now;
    w->idle_wakeups = 0;
    w->busy_then = busy(host);
}

static void on_dial(struct sim_invariants *v, struct sim_host *host, struct sim_watched_peer *peer)
{
    uint64_t now = v->hosts->engine->now_ns;
    if (now - peer->dials_from_ns >= DIAL_WINDOW_NS) {
        peer->dials_from_ns = now;
        peer->dials = 0;
    }
    if (++peer->dials == DIALS_MAX && !pointed(v))
        tell(v, host, SIM_FAILURE_STORM, "dialling storm: one peer, again and again");
    peer->dialled = watched(v, host)->any_dialled = true;
}

static void on_connection(struct sim_invariants *v, struct sim_host *host, struct sim_watched_peer *peer, bool up)
{
    uint64_t now = v->hosts->engine->now_ns;
    peer->since_ns = now;
    peer->up = up;
    if (!up) peer->connected = false;
    if (peer->host == SIM_NONE) return;
    struct sim_watched_peer *back = find_peer(v, peer->host, host->box.index);
    if (up && !back)
        peer->up_alone_ns = now;
    else if (back) {
        peer->up_alone_ns = up && !back->up ? now : UINT64_MAX;
        back->up_alone_ns = !up && back->up ? now : UINT64_MAX;
    }
}

void sim_invariants_traced(struct sim_invariants *v, struct sim_host *host, const char *name, size_t other)
{
    struct sim_watched_host *w = watched(v, host);
    if (strncmp(name, "path.", 5) == 0 || strncmp(name, "session.", 8) == 0) w->changed_ns = v->hosts->engine->now_ns;
    v->closed += strcmp(name, "path.closed") == 0;
    if (strcmp(name, "punch.search") == 0) sim_probes_searching(w->probes, v->hosts->engine->now_ns);
    struct sim_watched_peer *peer = other == SIM_NONE ? NULL : find_peer(v, host->box.index, other);
    if (!peer) return;
    if (strcmp(name, "session.dial") == 0)
        on_dial(v, host, peer);
    else if (strcmp(name, "session.connected") == 0)
        on_connection(v, host, peer, true);
    else if (strcmp(name, "session.lost") == 0)
        on_connection(v, host, peer, false);
    bool direct = strcmp(name, "session.direct") == 0;
    if (!direct && strcmp(name, "session.relayed") != 0) return;
    peer->relayed = !direct;
    peer->connected = direct; // by a gateway it was met nowhere
    w->any_connected |= direct;
}

void sim_invariants_logged(struct sim_invariants *v, struct sim_host *host, enum qe_log_level level, const char *text)
{
    if (level != QE_LOG_ERROR || starved(host) || pointed(v)) return;
    for (size_t i = 0; i < v->scenario->expect_count; i++) {
        const struct sim_scenario_expect *e = &v->scenario->expects[i];
        if (e->kind == SIM_EXPECT_LOG && e->host == host->box.index && strstr(text, e->text)) return;
    }
    tell(v, host, SIM_FAILURE_LOG, "a log line at level error that the scenario does not expect");
}

void sim_invariants_ended(struct sim_invariants *v, struct sim_host *host)
{
    struct sim_watched_host *w = watched(v, host);
    w->stop_since_ns = UINT64_MAX;
    w->any_connected = w->any_dialled = false;
    for (size_t i = 0; i < w->peer_count; i++) {
        w->peers[i].dialled = false;
        if (w->peers[i].up) on_connection(v, host, &w->peers[i], false);
    }
}

void sim_invariants_delivered(
    struct sim_invariants *v, struct sim_host *host, struct qe_span packet, const struct qe_offload *offload)
{
    sim_ledger_left(&v->ledger, host, packet, offload);
}

struct known {
    struct qe_node_id id;
    size_t host;
};

static int by_id(const void *a, const void *b)
{
    return qe_node_id_compare(&((const struct known *)a)->id, &((const struct known *)b)->id);
}

static bool same_network(const struct sim_invariants *v, size_t a, size_t b)
{
    const char *one = v->scenario->hosts[a].member_of, *two = v->scenario->hosts[b].member_of;
    return one && two && strcmp(one, two) == 0;
}

static void watch_host(struct sim_invariants *v, size_t index, const struct known *known)
{
    struct sim_watched_host *w = &v->watched[index];
    const struct qe_config *config = &v->list[index]->config;
    w->stop_since_ns = UINT64_MAX;
    w->probes = sim_probes_new();
    w->peer_count = config->peer_count;
    w->peers = sim_obtain(v->host_count + w->peer_count, sizeof(*w->peers));
    for (size_t i = 0; i < w->peer_count; i++) {
        struct known key = {.id = config->peers[i].id};
        const struct known *found = bsearch(&key, known, v->host_count, sizeof(*known), by_id);
        w->peers[i] = (struct sim_watched_peer){.host = found ? found->host : SIM_NONE, .up_alone_ns = UINT64_MAX};
        if (config->peers[i].addr.ip.family) sim_contacts_configured(&w->contacts, &config->peers[i].addr);
    }
    for (size_t i = 0; i < v->host_count; i++)
        if (i != index && same_network(v, index, i) && !find_peer(v, index, i))
            w->peers[w->peer_count++] = (struct sim_watched_peer){.host = i, .up_alone_ns = UINT64_MAX};
}

void sim_invariants_init(struct sim_invariants *v, const struct sim_scenario *scenario, struct sim_hosts *hosts,
    struct sim_network *network, struct sim_host *const *list)
{
    *v = (struct sim_invariants){.scenario = scenario,
        .hosts = hosts,
        .list = list,
        .host_count = scenario->host_count,
        .network = network,
        .next_scan_ns = QE_NS_PER_S};
    v->watched = sim_obtain(v->host_count, sizeof(*v->watched));
    struct known *known = sim_obtain(v->host_count, sizeof(*known));
    for (size_t i = 0; i < v->host_count; i++)
        known[i] = (struct known){list[i]->id, i};
    qsort(known, v->host_count, sizeof(*known), by_id);
    for (size_t i = 0; i < v->host_count; i++)
        watch_host(v, i, known);
    sim_release(known);
    sim_ledger_init(&v->ledger, hosts, list, v->host_count);
    v->ledger.allowed = allowed;
    v->ledger.user = v;
    hosts->watch = (struct sim_watch){.user = v,
        .started = on_started,
        .entered = on_entered,
        .sending = on_sending,
        .received = on_received,
        .stored = on_stored,
        .settled = on_settled};
}

void sim_invariants_fini(struct sim_invariants *v)
{
    for (size_t i = 0; i < v->host_count; i++) {
        sim_contacts_fini(&v->watched[i].contacts);
        sim_probes_free(v->watched[i].probes);
        sim_release(v->watched[i].peers);
        json_decref(v->watched[i].metrics);
    }
    sim_release(v->watched);
    sim_ledger_fini(&v->ledger);
}
