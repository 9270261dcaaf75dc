// Which gateways there are, and which of them this node keeps connected. They are those that the user named, those that
// are listed in the index, those whose own record says that they relay, and those that a peer's record names. A node
// that others cannot dial keeps a connection to a few, and says in its record that it can be reached through them.
#include "node/gateways.h"

#include "dht/signal.h"
#include "node/discovery_internal.h"
#include "node/relay.h"

// Waits between two readings of the index: doubling from the first to the last, which is shorter while a peer cannot be
// reached.
#define READ_FIRST_NS  (2 * QE_NS_PER_S)
#define READ_URGENT_NS (60 * QE_NS_PER_S)
#define READ_LAST_NS   (600 * QE_NS_PER_S)
// What a gateway has to be connected; then it counts as one that does not answer.
#define CONNECT_NS (4 * QE_NS_PER_S)
// So many are connected to, to find those that are near.
#define EXPLORED_MAX 4
#define GIVEN_NS     (5 * QE_NS_PER_S) // between two looks for the owner of a name

void cplane_gateways_init(struct qe_cplane *c)
{
    c->gateways.at_ns = QE_TIME_NEVER;
}

void cplane_gateways_wake(struct qe_cplane *c, uint64_t at_ns)
{
    c->gateways.at_ns = qe_time_min(c->gateways.at_ns, at_ns);
}

uint64_t cplane_gateways_deadline(const struct qe_cplane *c)
{
    return c->up && !c->stopping ? c->gateways.at_ns : QE_TIME_NEVER;
}

bool cplane_is_relay(const struct qe_cplane *c)
{
    return (c->config->gateway || c->config->relay.emergency) && c->config->relay.allow != QE_RELAY_NOBODY;
}

static bool is_own(const struct qe_cplane *c, const struct qe_ip *ip)
{
    for (size_t i = 0; i < c->link_count; i++)
        for (size_t j = 0; c->links[i].up && j < c->links[i].address_count; j++)
            if (qe_ip_equal(&c->links[i].addresses[j].ip, ip)) return true;
    return false;
}

// Whether others cannot dial this node: most of those that it is registered with see it at an address that is none of
// its own, and nobody vouches for that one. What they agree on is not enough: of some NATs each sees another port.
static bool look_behind_nat(const struct qe_cplane *c)
{
    struct qe_dht_registration seen[QE_DHT_HOLDERS_MAX];
    struct qe_addr agreed;
    size_t foreign = 0, own = 0;
    if (c->config->public_ip.family != 0 || c->link_count == 0) return false;
    size_t count = qe_dht_registrations(c->discovery->dht, seen, QE_DHT_HOLDERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (seen[i].seen.ip.family != 4) continue;
        if (is_own(c, &seen[i].seen.ip))
            own++;
        else
            foreign++;
    }
    if (own + foreign > 0) return foreign > own;
    bool known = qe_dht_external(c->discovery->dht, 4, &agreed) || mainline_external(c, 4, &agreed);
    return known && !is_own(c, &agreed.ip);
}

void cplane_gateways_look(struct qe_cplane *c)
{
    bool behind_nat = look_behind_nat(c);
    if (behind_nat == c->gateways.behind_nat) return;
    c->gateways.behind_nat = behind_nat;
    cplane_trace(c, "gateway.behind_nat", NULL, behind_nat, 0);
    cplane_gateways_wake(c, c->now_ns);
}

static bool is_kept(const struct cplane_gateways *g, const struct qe_node_id *id)
{
    for (size_t i = 0; i < g->kept_count; i++)
        if (qe_node_id_equal(&g->kept[i], id)) return true;
    return false;
}

// Signals reach this node by its gateways, too (dht/signal.h).
static void register_at_kept(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    for (size_t i = 0; i < g->kept_count; i++) {
        struct cplane_peer *peer = cplane_peer_find(c, &g->kept[i]);
        const struct qe_path *path = peer ? qe_session_active(&peer->session) : NULL;
        g->kept_at[i] = path && !path->relayed ? path->remote : (struct qe_addr){.port = 0};
        if (g->kept_at[i].port) qe_dht_register_at(c->discovery->dht, &g->kept_at[i], true, c->now_ns);
    }
    c->discovery->stirred = true;
}

static void unregister(struct qe_cplane *c)
{
    const struct cplane_gateways *g = &c->gateways;
    for (size_t i = 0; i < g->kept_count; i++)
        if (g->kept_at[i].port) qe_dht_register_at(c->discovery->dht, &g->kept_at[i], false, c->now_ns);
}

// Those that are kept stay while they are there; a preferred one takes the place of another.
static void keep(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    const struct qe_gateway *order[QE_GATEWAYS_MAX];
    struct qe_node_id kept[CPLANE_GATEWAYS_KEPT];
    size_t count = 0, usable = g->behind_nat ? qe_gateways_order(&g->known, NULL, 0, c->now_ns, order) : 0;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < usable && count < CPLANE_GATEWAYS_KEPT; i++) {
            bool preferred = order[i]->why & QE_GATEWAY_PREFERRED, stays = is_kept(g, &order[i]->id), taken = false;
            if (!order[i]->present || order[i]->why == QE_GATEWAY_EMERGENCY) continue;
            if (round == 0 ? !preferred : round == 1 && !stays) continue;
            for (size_t j = 0; j < count; j++)
                taken = taken || qe_node_id_equal(&kept[j], &order[i]->id);
            if (!taken) kept[count++] = order[i]->id;
        }
    }
    bool same = count == g->kept_count;
    for (size_t i = 0; i < count; i++)
        same = same && is_kept(g, &kept[i]);
    if (same) return;
    unregister(c);
    memcpy(g->kept, kept, count * sizeof kept[0]);
    g->kept_count = count;
    register_at_kept(c);
    cplane_trace(c, "gateway.kept", count ? cplane_peer_find(c, &kept[0]) : NULL, count, 0);
    announce_wake(c, 0);
}

void cplane_gateway_connect(struct qe_cplane *c, struct qe_gateway *gateway)
{
    struct cplane_peer *peer = cplane_peer_find(c, &gateway->id);
    if (gateway->present || gateway->asked_ns || qe_node_id_equal(&gateway->id, &c->self)) return;
    if (!peer) peer = cplane_peer_add(c, &gateway->id, NULL, CPLANE_WHY_GATEWAY);
    if (!peer) return;
    gateway->asked_ns = c->now_ns;
    qe_session_on_wanted(&peer->session, c->now_ns);
    // One that is reached by another gateway is no good as one.
    if (qe_session_is_relayed(&peer->session)) qe_session_on_found(&peer->session, c->now_ns);
    cplane_discovery_on_wanted(c, peer);
    cplane_discovery_on_peer(c, peer);
    cplane_peer_timer(c, peer);
    cplane_gateways_wake(c, c->now_ns + CONNECT_NS);
    cplane_trace(c, "gateway.wanted", peer, gateway->why, 0);
}

// Connects to what is preferred, and where others cannot dial this node to enough to choose from.
static void explore(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    const struct qe_gateway *order[QE_GATEWAYS_MAX];
    size_t count = qe_gateways_order(&g->known, NULL, 0, c->now_ns, order), explored = 0;
    for (size_t i = 0; i < count; i++) {
        if (order[i]->why == QE_GATEWAY_EMERGENCY) continue;
        bool wanted = order[i]->why & QE_GATEWAY_PREFERRED || (g->behind_nat && explored < EXPLORED_MAX);
        if (wanted) cplane_gateway_connect(c, qe_gateways_find(&g->known, &order[i]->id));
        explored++;
    }
    if (g->behind_nat && g->kept_count < CPLANE_GATEWAYS_KEPT) cplane_gateways_read(c, false);
}

// Those that were wanted and did not come.
static void give_up(struct qe_cplane *c)
{
    struct qe_gateways *known = &c->gateways.known;
    bool failed = false;
    for (size_t i = 0; i < known->count; i++) {
        struct qe_gateway *gateway = &known->list[i];
        if (!gateway->asked_ns) continue;
        if (c->now_ns - gateway->asked_ns < CONNECT_NS) {
            cplane_gateways_wake(c, gateway->asked_ns + CONNECT_NS);
            continue;
        }
        qe_gateway_on_failed(gateway, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
        cplane_trace(c, "gateway.unwell", cplane_peer_find(c, &gateway->id), gateway->failures, 0);
        failed = true;
    }
    if (failed) cplane_detours_stir(c);
}

static void take_given(struct qe_cplane *c, const struct qe_config_nodes *nodes, struct cplane_gateway_given *given,
    enum qe_gateway_why why)
{
    struct qe_ip addresses[QE_HELLO_ADDRESSES_MAX];
    struct qe_node_id owner;
    size_t count;
    for (size_t i = 0; i < nodes->count; i++) {
        if (given[i].found) continue;
        if (given[i].at_ns > c->now_ns) {
            cplane_gateways_wake(c, given[i].at_ns);
            continue;
        }
        given[i].found = qe_node_id_parse(nodes->list[i].text, &owner) ||
                         cplane_name_find(c, nodes->list[i].text, &owner, addresses, &count) == CPLANE_NAME_FOUND;
        given[i].at_ns = c->now_ns + (c->discovery->bootstrap.joined ? GIVEN_NS : QE_NS_PER_S);
        if (!given[i].found) {
            cplane_gateways_wake(c, given[i].at_ns);
            continue;
        }
        given[i].id = owner;
        struct qe_gateway *gateway =
            qe_node_id_equal(&owner, &c->self) ? NULL : qe_gateways_add(&c->gateways.known, &owner, why);
        if (!gateway) continue;
        if (why == QE_GATEWAY_PREFERRED) gateway->place = (unsigned)i;
        const struct cplane_peer *peer = cplane_peer_find(c, &owner);
        if (peer && cplane_is_direct(peer)) qe_gateway_on_present(gateway, peer->rtt_us);
    }
}

// A gateway that is no more than that need not be a peer any longer when nobody names it.
static void drop(struct qe_cplane *c, const struct qe_node_id *id, enum qe_gateway_why why)
{
    struct qe_node_id gone = *id;
    struct cplane_peer *peer = cplane_peer_find(c, &gone);
    qe_gateways_drop(&c->gateways.known, &gone, why);
    const struct qe_gateway *left = qe_gateways_find(&c->gateways.known, &gone);
    bool named = left && left->why & (QE_GATEWAY_PREFERRED | QE_GATEWAY_ALLOWED | QE_GATEWAY_NAMED);
    if (peer && !named) cplane_peer_disallow(c, peer, CPLANE_WHY_GATEWAY);
}

void cplane_gateways_on_config(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    for (size_t i = 0; i < QE_CONFIG_GATEWAYS_MAX; i++) {
        if (g->preferred[i].found) drop(c, &g->preferred[i].id, QE_GATEWAY_PREFERRED);
        if (g->allowed[i].found) drop(c, &g->allowed[i].id, QE_GATEWAY_ALLOWED);
        g->preferred[i] = g->allowed[i] = (struct cplane_gateway_given){.found = false};
    }
    cplane_gateways_wake(c, c->now_ns);
    cplane_detours_stir(c);
    announce_wake(c, 0);
}

static void take_entry(struct qe_cplane *c, const struct qe_index_place *place, const struct qe_dht_record *found)
{
    uint8_t room[QE_DHT_RECORD_MAX];
    struct qe_index_entry entry;
    struct qe_node_record record;
    if (!qe_index_read(c->host, place, found, room, &entry) || qe_node_id_equal(&entry.id, &c->self)) return;
    if (qe_node_record_read(entry.value, &entry.owner, &record) != QE_NODE_RECORD_FINE ||
        record.issued_ms != entry.seq || qe_node_record_expired(&record, c->wall_ms)) {
        cplane_trace(c, "gateway.refused", NULL, 0, 0);
        return;
    }
    struct cplane_peer *peer = cplane_peer_find(c, &entry.id);
    // In the open anybody can say that he is a gateway: those count whom the user knows.
    if (!peer && !place->network) return;
    if (!peer || (place->network && !(peer->why & CPLANE_WHY_MEMBER))) {
        peer = cplane_peer_add(c, &entry.id, NULL, CPLANE_WHY_MEMBER);
        if (!peer) return;
        if (peer->why == CPLANE_WHY_MEMBER) qe_session_limit(&peer->session, c->peer_count > DISCOVERY_EAGER_MAX);
    }
    discovery_learn(c, peer, &record);
    cplane_gateways_on_record(c, peer, &record);
    cplane_peer_timer(c, peer);
}

static void on_read(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct cplane_gateways *g = &c->gateways;
    struct qe_index_place place;
    (void)user;
    bool located = qe_index_locate(c->host, discovery_in_network(c), QE_INDEX_GATEWAY, qe_span("", 0), &place) &&
                   qe_node_id_equal(&place.target, &answer->target);
    size_t before = g->known.count;
    for (size_t i = 0; located && i < answer->record_count; i++)
        take_entry(c, &place, &answer->records[i]);
    g->found = g->found || g->known.count > before;
    if (g->known.count > before) cplane_detours_stir(c);
    if (!answer->final) {
        cplane_gateways_wake(c, c->now_ns);
        return;
    }
    g->reading = false;
    g->reads++;
    g->vain = g->found ? 0 : g->vain + 1;
    g->read_ns = c->now_ns;
    g->read_at_ns = c->now_ns + discovery_back_off(c, g->vain, READ_FIRST_NS, READ_LAST_NS);
    cplane_trace(c, "gateway.read", NULL, answer->record_count, g->known.count);
    cplane_detours_stir(c);
    cplane_gateways_wake(c, c->now_ns);
}

// When the index may be read: not before there is somebody to ask.
static uint64_t readable_at(const struct qe_cplane *c)
{
    uint64_t at_ns = discovery_joined(c) ? c->now_ns : c->now_ns + READ_FIRST_NS;
    return c->gateways.read_at_ns > at_ns ? c->gateways.read_at_ns : at_ns;
}

void cplane_gateways_read(struct qe_cplane *c, bool urgent)
{
    c->gateways.read_wanted = true;
    if (urgent) c->gateways.read_at_ns = qe_time_min(c->gateways.read_at_ns, c->gateways.read_ns + READ_URGENT_NS);
    if (!c->gateways.reading) cplane_gateways_wake(c, readable_at(c));
}

void cplane_gateways_on_lost(struct qe_cplane *c)
{
    c->gateways.vain = 0;
    c->gateways.read_at_ns = c->now_ns;
}

static void read_index(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    struct qe_index_place place;
    if (!g->read_wanted || g->reading) return;
    if (readable_at(c) > c->now_ns) {
        cplane_gateways_wake(c, readable_at(c));
        return;
    }
    bool located = qe_index_locate(c->host, discovery_in_network(c), QE_INDEX_GATEWAY, qe_span("", 0), &place);
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_GET, .target = place.target};
    g->reading = located && discovery_ask(c, &request, on_read, 0) != 0;
    g->read_wanted = !g->reading;
    g->found = false;
    if (g->reading) return;
    g->read_at_ns = c->now_ns + discovery_spread(c, READ_FIRST_NS);
    cplane_gateways_wake(c, g->read_at_ns);
}

void cplane_gateways_on_record(struct qe_cplane *c, struct cplane_peer *peer, const struct qe_node_record *record)
{
    struct qe_gateways *known = &c->gateways.known;
    bool gateway = record->role == QE_ROLE_GATEWAY;
    bool emergency = record->capabilities & CPLANE_CAPABILITY_EMERGENCY;
    peer->role = record->role;
    peer->capabilities = record->capabilities;
    peer->gateway_count = 0;
    for (size_t i = 0; i < record->gateway_count; i++)
        if (!qe_node_id_equal(&record->gateways[i], &peer->id))
            peer->gateways[peer->gateway_count++] = record->gateways[i];
    size_t before = known->count;
    struct qe_gateway *place = NULL;
    if (gateway) place = qe_gateways_add(known, &peer->id, QE_GATEWAY_LISTED);
    if (emergency) place = qe_gateways_add(known, &peer->id, QE_GATEWAY_EMERGENCY);
    if (!gateway) drop(c, &peer->id, QE_GATEWAY_LISTED);
    if (!emergency) drop(c, &peer->id, QE_GATEWAY_EMERGENCY);
    if (place && !place->present && cplane_is_direct(peer)) qe_gateway_on_present(place, peer->rtt_us);
    if (known->count > before) cplane_detours_stir(c);
    cplane_gateways_wake(c, c->now_ns);
    cplane_detour_on_found(c, peer);
}

void cplane_gateways_on_session(struct qe_cplane *c, struct cplane_peer *peer)
{
    struct qe_gateway *gateway = qe_gateways_find(&c->gateways.known, &peer->id);
    bool direct = cplane_is_direct(peer) && !peer->leaving;
    if (gateway && direct != gateway->present) {
        if (direct)
            qe_gateway_on_present(gateway, peer->rtt_us);
        else
            qe_gateway_on_failed(gateway, cplane_random32(c, QE_RANDOM_JITTER), c->now_ns);
        cplane_trace(c, direct ? "gateway.present" : "gateway.unwell", peer, gateway->rtt_us, gateway->failures);
        cplane_gateways_wake(c, c->now_ns);
        cplane_detours_stir(c);
    }
    cplane_detour_on_session(c, peer);
}

// Members of the network; where there is none, those whom the user allows to connect.
static bool may_use(const struct qe_cplane *c, const struct cplane_peer *peer)
{
    unsigned known = CPLANE_WHY_MEMBER | CPLANE_WHY_PROVEN;
    if (peer->leaving || c->config->relay.allow == QE_RELAY_NOBODY) return false;
    if (!c->member || c->config->relay.allow == QE_RELAY_ALLOWED) known |= CPLANE_WHY_CONFIG;
    return peer->why & known;
}

bool cplane_gateways_may_relay(
    struct qe_cplane *c, const struct cplane_peer *from, const struct cplane_peer *to, enum qe_relay_end *why)
{
    bool allowed = cplane_is_relay(c) && may_use(c, from) && may_use(c, to);
    if (!allowed) *why = QE_RELAY_END_REFUSED;
    return allowed;
}

void cplane_gateways_forget(struct qe_cplane *c, struct cplane_peer *peer)
{
    qe_free(c->mem, peer->detour);
    peer->detour = NULL;
    qe_gateways_drop(&c->gateways.known, &peer->id, QE_GATEWAY_LISTED);
    qe_gateways_drop(&c->gateways.known, &peer->id, QE_GATEWAY_EMERGENCY);
    struct qe_gateway *gateway = qe_gateways_find(&c->gateways.known, &peer->id);
    if (gateway) gateway->present = false;
}

void cplane_gateways_compose(struct qe_cplane *c, struct qe_node_record *record)
{
    const struct cplane_gateways *g = &c->gateways;
    bool relays = c->config->relay.allow != QE_RELAY_NOBODY;
    if (c->config->gateway && relays) record->role = QE_ROLE_GATEWAY;
    if (c->config->relay.emergency && relays) record->capabilities |= CPLANE_CAPABILITY_EMERGENCY;
    for (size_t i = 0; i < g->kept_count && record->gateway_count < QE_NODE_RECORD_GATEWAYS_MAX; i++)
        record->gateways[record->gateway_count++] = g->kept[i];
}

// Gateways that only other peers' records name go when no peer is being reached by them.
static void drop_named(struct qe_cplane *c)
{
    struct qe_gateways *known = &c->gateways.known;
    for (size_t i = known->count; i-- > 0;) {
        bool needed = false;
        if (!(known->list[i].why & QE_GATEWAY_NAMED)) continue;
        for (size_t j = 0; j < c->peer_count && !needed; j++)
            for (size_t k = 0; c->by_id[j]->detour && k < c->by_id[j]->gateway_count; k++)
                needed = needed || qe_node_id_equal(&c->by_id[j]->gateways[k], &known->list[i].id);
        if (!needed) drop(c, &known->list[i].id, QE_GATEWAY_NAMED);
    }
}

void cplane_gateways_on_up(struct qe_cplane *c)
{
    if (c->config->gateway_prefer.count || c->config->gateway_allow.count) cplane_gateways_wake(c, c->now_ns);
}

void cplane_gateways_expire(struct qe_cplane *c)
{
    struct cplane_gateways *g = &c->gateways;
    if (!c->up || c->stopping || g->at_ns > c->now_ns) return;
    g->at_ns = QE_TIME_NEVER; // each says when it wants to be called again
    take_given(c, &c->config->gateway_prefer, g->preferred, QE_GATEWAY_PREFERRED);
    take_given(c, &c->config->gateway_allow, g->allowed, QE_GATEWAY_ALLOWED);
    give_up(c);
    drop_named(c);
    keep(c);
    explore(c);
    read_index(c);
    cplane_detours_expire(c);
    cplane_gateways_wake(c, qe_gateways_deadline(&g->known, c->now_ns));
}
