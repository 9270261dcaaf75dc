// What this node says of itself: its node record, and the same as an entry among the members of a private network, and
// among the gateways. It is said again before it expires, and at once when it would say something else.
#include "node/discovery_internal.h"
#include "node/portmap.h"

#define LIFETIME_S 3600
// For what nobody tells: what others see this node as. At first sooner, as their answers come in.
#define LOOK_FIRST_NS   (1 * QE_NS_PER_S)
#define LOOK_NS         (15 * QE_NS_PER_S)
#define SETTLE_NS       (2 * QE_NS_PER_S) // between two publications
#define RETRY_FIRST_NS  (5 * QE_NS_PER_S)
#define RETRY_LAST_NS   (300 * QE_NS_PER_S)
#define ERROR_SEQ_LOWER 302 // BEP 44

_Static_assert(QE_NODE_RECORD_INNER_MAX <= QE_INDEX_VALUE_MAX, "an entry of the index holds a record");

static void add_endpoint(struct qe_node_record *r, enum qe_endpoint_kind kind, const struct qe_addr *addr)
{
    if (r->endpoint_count == QE_NODE_RECORD_ENDPOINTS_MAX || addr->port == 0) return;
    for (size_t i = 0; i < r->endpoint_count; i++)
        if (qe_addr_equal(&r->endpoints[i].addr, addr)) return;
    r->endpoints[r->endpoint_count++] = (struct qe_endpoint){kind, *addr};
}

// Bridges and ends of containers and virtual machines: mostly nobody else is there. By what their programs call them.
static bool is_inner(const char *name)
{
    static const char *const beginnings[] = {"docker", "br-", "veth", "virbr", "vnet", "lxc", "lxd", "incus", "cni",
        "flannel", "cali", "podman", "vmnet", "vboxnet"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0) return true;
    return false;
}

// The interfaces' addresses that a socket for all of them can be reached at, of inner interfaces or of the others.
static void add_links(const struct qe_cplane *c, const struct qe_addr *bound, bool inner, struct qe_node_record *r)
{
    for (size_t i = 0; i < c->link_count; i++) {
        const struct cplane_link *link = &c->links[i];
        if (is_inner(link->name) != inner) continue;
        for (size_t j = 0; link->up && j < link->address_count; j++) {
            const struct qe_ip *ip = &link->addresses[j].ip;
            if (ip->family != bound->ip.family || qe_ip_is_loopback(ip) || qe_ip_is_link_local(ip)) continue;
            // The overlay is no way to reach the overlay.
            if (strcmp(link->name, c->config->tun_name) == 0) continue;
            if (qe_ip_equal(ip, &c->own[0].ip) || qe_ip_equal(ip, &c->own[1].ip)) continue;
            add_endpoint(r, QE_ENDPOINT_HOST, &(struct qe_addr){*ip, bound->port, 0});
        }
    }
}

static void add_mapped(const struct qe_cplane *c, bool confirmed, struct qe_node_record *r)
{
    struct qe_addr mapped[QE_NODE_RECORD_ENDPOINTS_MAX];
    size_t count = cplane_portmap_list(c, confirmed, mapped, QE_NODE_RECORD_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++)
        add_endpoint(r, QE_ENDPOINT_MAPPED, &mapped[i]);
}

static void add_endpoints(const struct qe_cplane *c, struct qe_node_record *r)
{
    struct qe_addr seen;
    for (size_t i = 0; i < c->config->listen_count; i++)
        if (c->config->public_ip.family != 0 && c->sockets[i].bound.ip.family == c->config->public_ip.family)
            add_endpoint(
                r, QE_ENDPOINT_REFLEXIVE, &(struct qe_addr){c->config->public_ip, c->sockets[i].bound.port, 0});
    add_mapped(c, true, r);
    for (uint8_t family = 4; family <= 6; family += 2)
        if (qe_dht_external(c->discovery->dht, family, &seen) || mainline_external(c, family, &seen))
            add_endpoint(r, QE_ENDPOINT_REFLEXIVE, &seen);
    add_mapped(c, false, r);
    for (size_t i = 0; i < c->config->listen_count; i++) {
        const struct qe_addr *bound = &c->sockets[i].bound;
        if (bound->ip.family == 0) continue;
        if (qe_ip_is_unspecified(&bound->ip))
            add_links(c, bound, false, r);
        else
            add_endpoint(r, QE_ENDPOINT_HOST, bound);
    }
    for (size_t i = 0; i < c->config->listen_count; i++)
        if (c->sockets[i].bound.ip.family != 0 && qe_ip_is_unspecified(&c->sockets[i].bound.ip))
            add_links(c, &c->sockets[i].bound, true, r);
}

void announce_compose(struct qe_cplane *c, struct qe_node_record *r)
{
    *r = (struct qe_node_record){
        .lifetime_s = LIFETIME_S, .role = c->config->bootstrap_mode ? QE_ROLE_BOOTSTRAP : QE_ROLE_NODE};
    add_endpoints(c, r);
    for (size_t i = 0; i < 2; i++)
        r->addresses[r->address_count++] = c->own[i].ip;
    cplane_gateways_compose(c, r);
    for (size_t i = 0; i < c->config->advertise.count && i < QE_NODE_RECORD_SUBNETS_MAX; i++)
        r->subnets[r->subnet_count++] = c->config->advertise.list[i];
}

void announce_wake(struct qe_cplane *c, uint64_t within_ns)
{
    struct discovery_announce *a = &c->discovery->announce;
    a->at_ns = qe_time_min(a->at_ns, c->now_ns + within_ns);
    discovery_wake(c, a->at_ns);
}

static uint64_t look_wait(const struct discovery_announce *a)
{
    uint64_t wait = LOOK_FIRST_NS << (a->looks < 4 ? a->looks : 4);
    return wait < LOOK_NS ? wait : LOOK_NS;
}

// A put is over; with the last one it shows how they went.
static void on_put_end(struct qe_cplane *c, bool stored)
{
    struct discovery_announce *a = &c->discovery->announce;
    a->failed |= !stored;
    if (--a->under_way > 0) return;
    if (!a->failed) {
        a->failures = 0;
        a->refresh_at_ns = c->now_ns + discovery_spread(c, qe_dht_republish_s(c->discovery->dht) * QE_NS_PER_S);
        cplane_trace(c, "dht.announced", NULL, a->seq, a->said.endpoint_count);
    } else {
        a->refresh_at_ns = c->now_ns + discovery_back_off(c, a->failures++, RETRY_FIRST_NS, RETRY_LAST_NS);
    }
    announce_wake(c, qe_time_min(a->refresh_at_ns - c->now_ns, look_wait(a)));
}

static void on_own_found(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    struct discovery_announce *a = &c->discovery->announce;
    (void)user;
    if (!answer->final) return;
    if (answer->item && answer->item->mutable && answer->item->seq > 0 && (uint64_t)answer->item->seq > a->seq)
        a->seq = (uint64_t)answer->item->seq;
    on_put_end(c, false);
}

static void on_item_put(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    (void)user;
    if (!answer->final) return;
    if (answer->error_code == ERROR_SEQ_LOWER) {
        // An earlier life of this node had a clock that was ahead: what it wrote is found, and written over.
        const struct qe_dht_request request = {.kind = QE_DHT_GET, .target = c->self};
        if (discovery_ask(c, &request, on_own_found, 0) != 0) return;
    }
    on_put_end(c, answer->stored > 0);
}

static void on_entry_put(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    (void)user;
    if (answer->final) on_put_end(c, answer->stored > 0);
}

static bool put_item(struct qe_cplane *c, bool sealed)
{
    uint8_t value[QE_NODE_RECORD_SIZE_MAX], text[QE_DHT_SIGNED_MAX];
    struct discovery_announce *a = &c->discovery->announce;
    size_t size = qe_node_record_encode(&a->said, sealed, c->host, value);
    if (size == 0) return false;
    struct qe_dht_item item = {
        .mutable = true, .key = c->host->identity, .seq = (int64_t)a->said.issued_ms, .value = qe_span(value, size)};
    size = qe_dht_item_signed(&item, text);
    if (c->host->secret(c->host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(text, size), item.signature,
            sizeof item.signature) != 0)
        return false;
    const struct qe_dht_request request = {.kind = QE_DHT_PUT, .target = c->self, .item = &item};
    return discovery_ask(c, &request, on_item_put, 0) != 0;
}

static bool put_entry(struct qe_cplane *c, bool network, enum qe_index_kind kind, struct qe_span key)
{
    uint8_t inner[QE_NODE_RECORD_INNER_MAX], room[QE_DHT_RECORD_MAX];
    struct discovery_announce *a = &c->discovery->announce;
    struct qe_index_place place;
    struct qe_dht_record record;
    size_t size = qe_node_record_write(&a->said, c->host, inner);
    if (size == 0 || !qe_index_locate(c->host, network, kind, key, &place)) return false;
    if (!qe_index_write(c->host, &place, a->said.issued_ms, qe_span(inner, size), room, &record)) return false;
    const struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .target = place.target, .record = &record};
    return discovery_ask(c, &request, on_entry_put, 0) != 0;
}

static void publish(struct qe_cplane *c, const struct qe_node_record *record)
{
    struct discovery_announce *a = &c->discovery->announce;
    bool sealed = discovery_in_network(c);
    a->said = *record;
    a->seq = c->wall_ms > a->seq ? c->wall_ms : a->seq + 1;
    a->said.issued_ms = a->seq;
    a->failed = false;
    a->sealed = sealed;
    a->under_way = 1; // until all have begun
    bool begun = put_item(c, sealed);
    a->under_way += begun;
    uint8_t shard = discovery_shard(&c->self);
    if (sealed) {
        bool listed = put_entry(c, true, QE_INDEX_MEMBER, qe_span(&shard, 1));
        a->under_way += listed;
        begun = begun && listed;
    }
    if (record->role == QE_ROLE_GATEWAY) {
        bool listed = put_entry(c, sealed, QE_INDEX_GATEWAY, qe_span(&shard, 0));
        a->under_way += listed;
        begun = begun && listed;
    }
    a->published_ns = c->now_ns;
    on_put_end(c, begun);
}

void announce_expire(struct qe_cplane *c)
{
    struct discovery_announce *a = &c->discovery->announce;
    struct qe_node_record record;
    struct qe_addr seen;
    if (a->at_ns > c->now_ns || a->under_way > 0 || !c->discovery->bootstrap.joined) {
        discovery_wake(c, a->under_way > 0 || !c->discovery->bootstrap.joined ? QE_TIME_NEVER : a->at_ns);
        return;
    }
    uint64_t pending_ns = a->said.issued_ms == 0 ? cplane_portmap_pending(c) : 0;
    if (pending_ns) {
        a->at_ns = pending_ns;
        discovery_wake(c, pending_ns);
        return;
    }
    if (a->looks < UINT8_MAX) a->looks++;
    cplane_gateways_look(c);
    if (qe_dht_external(c->discovery->dht, 4, &seen)) cplane_portmap_on_seen(c, &seen.ip);
    announce_compose(c, &record);
    bool changed =
        a->said.issued_ms == 0 || !qe_node_record_same(&record, &a->said) || a->sealed != discovery_in_network(c);
    a->at_ns = QE_TIME_NEVER;
    if (changed && a->published_ns != 0 && c->now_ns - a->published_ns < SETTLE_NS)
        announce_wake(c, a->published_ns + SETTLE_NS - c->now_ns);
    else if (changed || a->refresh_at_ns <= c->now_ns)
        publish(c, &record);
    else
        announce_wake(c, look_wait(a));
}

static bool add_place(struct qe_invitation *invitation, const struct qe_place *place)
{
    if (invitation->place_count == QE_INVITATION_PLACES_MAX) return false;
    invitation->places[invitation->place_count++] = *place;
    return true;
}

void cplane_invitation_places(struct qe_cplane *c, struct qe_invitation *invitation, size_t own_max)
{
    struct qe_node_record record;
    announce_compose(c, &record);
    for (size_t i = 0; i < record.endpoint_count && i < own_max; i++)
        add_place(invitation, &(struct qe_place){.kind = QE_PLACE_INVITER, .addr = record.endpoints[i].addr});
    for (size_t i = 0; i < c->config->bootstrap_count; i++) {
        struct qe_place place = {.kind = QE_PLACE_BOOTSTRAP};
        char host[QE_HOST_SIZE];
        // Whoever joins begins with that one by default.
        if (strcmp(c->config->bootstrap[i].text, QE_DEFAULT_BOOTSTRAP) == 0) continue;
        qe_host_port_split(c->config->bootstrap[i].text, host, &place.addr);
        if (place.addr.ip.family == 0 && strlen(host) >= sizeof place.host) continue;
        if (place.addr.ip.family == 0) memcpy(place.host, host, strlen(host) + 1);
        if (!add_place(invitation, &place)) return;
    }
}
