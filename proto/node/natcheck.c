// What stands between this node and others (nat/checker.h): found out once the DHT is joined, again after each change
// of networks and now and then, and when somebody wants to know. The sockets for it are opened when they are needed.
// What was found says how often registrations and connections must be kept alive, and whether others may count on this
// node as one that anybody can reach.
#include "node/discovery_internal.h"

#include "dht/signal.h"

#define FIRST_NS          (5 * QE_NS_PER_S)
#define AGAIN_NS          (3600 * QE_NS_PER_S)
#define RETRY_NS          (60 * QE_NS_PER_S)
#define LOOK_NS           (10 * QE_NS_PER_S) // for nodes to ask, while there are too few
#define OPEN_KEEP_S       110                // what nobody's NAT asks for: so that holders do not forget
#define CONNECTION_KEEP_S 5                  // as in lane.c
#define KEEP_S            20 // before it is known: many home routers forget a mapping after 30 s (RFC 4787 §4.3)

static void random_bytes(void *user, uint8_t *out, size_t size)
{
    const struct qe_cplane *c = user;
    c->host->random(c->host->user, QE_RANDOM_NAT, out, size);
}

void natcheck_init(struct qe_cplane *c)
{
    const struct qe_nat_checker_options options = {.id = c->self, .user = c, .random = random_bytes};
    qe_nat_checker_init(&c->discovery->nat.checker, &options);
}

const struct qe_nat_behaviour *cplane_nat(const struct qe_cplane *c)
{
    return &c->discovery->nat.known;
}

bool cplane_nat_checking(const struct qe_cplane *c)
{
    const struct discovery_nat *n = &c->discovery->nat;
    return n->spare.state == DISCOVERY_SOCKET_OPENING || qe_nat_checker_busy(&n->checker);
}

void cplane_nat_check(struct qe_cplane *c)
{
    if (cplane_nat_checking(c)) return;
    c->discovery->nat.at_ns = c->now_ns;
    discovery_wake(c, c->now_ns);
}

void natcheck_on_addresses(struct qe_cplane *c)
{
    struct discovery_nat *n = &c->discovery->nat;
    // How long mappings last is another NAT's affair now.
    n->checker.result.lives_s = n->checker.result.dies_s = 0;
    n->at_ns = c->now_ns + discovery_spread(c, FIRST_NS);
    discovery_wake(c, n->at_ns);
}

// The main socket of IPv4; NULL: none.
static const struct qe_addr *main_socket(const struct qe_cplane *c)
{
    for (size_t i = 0; i < c->config->listen_count; i++)
        if (c->sockets[i].bound.ip.family == 4) return &c->sockets[i].bound;
    return NULL;
}

static void open_socket(struct qe_cplane *c, struct discovery_socket *socket, uint32_t number, uint64_t request)
{
    const struct qe_addr *bound = main_socket(c);
    struct cplane_action *a = bound ? cplane_act(c, QE_ACTION_SOCKET_OPEN, 0) : NULL;
    if (!a) return;
    a->action.socket_open.request = request;
    a->action.socket_open.socket = number;
    a->action.socket_open.bind = (struct qe_addr){.ip = bound->ip};
    socket->state = DISCOVERY_SOCKET_OPENING;
}

static void close_socket(struct qe_cplane *c, struct discovery_socket *socket, uint32_t number)
{
    struct cplane_action *a = socket->state == DISCOVERY_SOCKET_OPEN ? cplane_act(c, QE_ACTION_SOCKET_CLOSE, 0) : NULL;
    if (!a) return;
    a->action.socket_close = number;
    socket->state = DISCOVERY_SOCKET_SHUT;
}

// On a network of this host's own: no NAT is in between.
static bool is_beside(const struct qe_cplane *c, const struct qe_ip *ip)
{
    for (size_t i = 0; i < c->link_count; i++)
        for (size_t j = 0; c->links[i].up && j < c->links[i].address_count; j++)
            if (qe_cidr_contains(&c->links[i].addresses[j], ip)) return true;
    return false;
}

static void add_server(struct qe_nat_round *round, struct qe_addr *servers, const struct qe_addr *addr)
{
    for (size_t i = 0; i < round->server_count; i++)
        if (qe_ip_equal(&servers[i].ip, &addr->ip)) return;
    if (addr->ip.family == 4 && round->server_count < QE_NAT_SERVERS_MAX) servers[round->server_count++] = *addr;
}

// Nodes of the DHT, another one first each time; those of this host's own networks last.
static void choose_servers(struct qe_cplane *c, struct qe_nat_round *round, struct qe_addr *servers)
{
    struct qe_dht_contact contacts[32];
    size_t count = qe_dht_contacts(c->discovery->dht, contacts, 32);
    size_t first = count ? cplane_random32(c, QE_RANDOM_NAT) % count : 0;
    for (int beside = 0; beside < 2; beside++)
        for (size_t i = 0; i < count; i++) {
            const struct qe_addr *addr = &contacts[(first + i) % count].addr;
            if (is_beside(c, &addr->ip) == (beside == 1)) add_server(round, servers, addr);
        }
}

static size_t own_addresses(const struct qe_cplane *c, struct qe_ip own[QE_NAT_OWN_MAX])
{
    const struct qe_addr *bound = main_socket(c);
    size_t count = 0;
    if (bound && !qe_ip_is_unspecified(&bound->ip)) own[count++] = bound->ip;
    for (size_t i = 0; i < c->link_count; i++)
        for (size_t j = 0; c->links[i].up && j < c->links[i].address_count && count < QE_NAT_OWN_MAX; j++)
            if (c->links[i].addresses[j].ip.family == 4) own[count++] = c->links[i].addresses[j].ip;
    return count;
}

static struct qe_addr main_seen(const struct qe_cplane *c)
{
    struct qe_dht_registration list[QE_DHT_HOLDERS_MAX];
    struct qe_addr seen = {0};
    size_t count = qe_dht_registrations(c->discovery->dht, list, QE_DHT_HOLDERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (list[i].seen.ip.family == 4) return list[i].seen;
    qe_dht_external(c->discovery->dht, 4, &seen);
    return seen;
}

static void begin_round(struct qe_cplane *c)
{
    struct discovery_nat *n = &c->discovery->nat;
    struct qe_addr servers[QE_NAT_SERVERS_MAX];
    struct qe_ip own[QE_NAT_OWN_MAX];
    struct qe_nat_round round = {
        .port = n->spare.port, .servers = servers, .own = own, .main_seen = main_seen(c), .lifetime = true};
    choose_servers(c, &round, servers);
    round.own_count = own_addresses(c, own);
    qe_nat_checker_start(&n->checker, &round, c->now_ns);
    c->discovery->stirred = true;
}

bool natcheck_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    struct discovery_nat *n = &c->discovery->nat;
    bool is_spare = result->request == CPLANE_REQUEST_SPARE;
    if (!is_spare && result->request != CPLANE_REQUEST_OTHER) return false;
    struct discovery_socket *socket = is_spare ? &n->spare : &n->other;
    bool open = result->code == QE_RESULT_OK && result->local.port != 0;
    socket->state = open ? DISCOVERY_SOCKET_OPEN : DISCOVERY_SOCKET_REFUSED;
    socket->port = open ? result->local.port : 0;
    if (is_spare && open)
        begin_round(c);
    else if (!is_spare && open)
        qe_dht_set_other_port(c->discovery->dht, 4, socket->port);
    return true;
}

void natcheck_on_port_wanted(struct qe_cplane *c)
{
    struct discovery_socket *other = &c->discovery->nat.other;
    if (other->state == DISCOVERY_SOCKET_SHUT) open_socket(c, other, CPLANE_OTHER_SOCKET, CPLANE_REQUEST_OTHER);
}

bool natcheck_receive(struct qe_cplane *c, const struct qe_datagrams *in)
{
    struct discovery_nat *n = &c->discovery->nat;
    bool spare = in->socket == CPLANE_SPARE_SOCKET;
    return qe_nat_checker_receive(&n->checker, spare, &in->remote, qe_span(in->bytes, in->size), c->now_ns) || spare;
}

bool natcheck_next(struct qe_cplane *c, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send)
{
    struct qe_nat_checker_send checked;
    if (!qe_nat_checker_next(&c->discovery->nat.checker, out, &checked, c->now_ns)) return false;
    *send = (struct qe_dht_send){
        .socket = checked.spare ? DISCOVERY_SPARE_PLACE : 0, .to = checked.to, .size = checked.size};
    return true;
}

// Connections say something every few seconds in any case, so that a peer that is gone is noticed; a NAT may ask for
// more.
static void keep_connections(struct qe_cplane *c, uint32_t keep_s)
{
    struct discovery_nat *n = &c->discovery->nat;
    if (keep_s == n->connection_keep_s || (n->connection_keep_s == 0 && keep_s == CONNECTION_KEEP_S)) return;
    n->connection_keep_s = keep_s;
    for (uint8_t lane = 0; lane < c->options.lane_count; lane++) {
        struct qe_mail *mail = cplane_post(c, lane, QE_MAIL_KEEP, NULL, 0);
        if (mail) mail->cookie = keep_s * QE_NS_PER_S;
        if (!mail) n->connection_keep_s = 0;
    }
}

static void apply(struct qe_cplane *c)
{
    static const char *const kinds[] = {
        "unknown", "endpoint-independent", "address-dependent", "address- and port-dependent"};
    struct discovery_nat *n = &c->discovery->nat;
    struct qe_nat_behaviour before = n->known;
    if (!qe_nat_checker_take(&n->checker, &n->known)) return;
    const struct qe_nat_behaviour *b = &n->known;
    bool open = qe_nat_is_open(b);
    qe_dht_set_open(c->discovery->dht, open);
    uint32_t keep_s = open && b->translated == QE_NAT_NO ? OPEN_KEEP_S : qe_nat_keep_s(b, KEEP_S, OPEN_KEEP_S);
    qe_dht_register(c->discovery->dht, keep_s * QE_NS_PER_S, c->now_ns);
    keep_connections(c, qe_nat_keep_s(b, CONNECTION_KEEP_S, CONNECTION_KEEP_S));
    cplane_trace(c, "nat.known", NULL, (uint64_t)b->mapping * 10 + b->filtering, keep_s);
    if (before.known_ns && before.mapping == b->mapping && before.filtering == b->filtering &&
        before.translated == b->translated)
        return;
    if (b->translated == QE_NAT_YES)
        cplane_log(c, QE_LOG_INFO, "behind a NAT: mapping %s, filtering %s", kinds[b->mapping], kinds[b->filtering]);
    else
        cplane_log(c, QE_LOG_INFO, "no NAT in front of this host; filtering %s", kinds[b->filtering]);
}

void natcheck_expire(struct qe_cplane *c)
{
    struct discovery_nat *n = &c->discovery->nat;
    apply(c);
    if (!discovery_joined(c)) return;
    if (n->at_ns == 0) n->at_ns = c->now_ns + discovery_spread(c, FIRST_NS);
    if (n->at_ns > c->now_ns) {
        // What was opened for a round is shut after it.
        if (n->checker.step == QE_NAT_IDLE) close_socket(c, &n->spare, CPLANE_SPARE_SOCKET);
        discovery_wake(c, n->checker.step == QE_NAT_IDLE ? n->at_ns : qe_time_min(n->at_ns, c->now_ns + LOOK_NS));
        return;
    }
    struct qe_addr servers[QE_NAT_SERVERS_MAX];
    struct qe_nat_round round = {0};
    choose_servers(c, &round, servers);
    n->at_ns = c->now_ns + discovery_spread(c, n->spare.state == DISCOVERY_SOCKET_REFUSED ? RETRY_NS : AGAIN_NS);
    if (round.server_count < 2 || n->spare.state == DISCOVERY_SOCKET_OPENING) {
        n->at_ns = c->now_ns + discovery_spread(c, LOOK_NS);
    } else {
        qe_nat_checker_stop(&n->checker);
        close_socket(c, &n->spare, CPLANE_SPARE_SOCKET);
        open_socket(c, &n->spare, CPLANE_SPARE_SOCKET, CPLANE_REQUEST_SPARE);
    }
    discovery_wake(c, n->at_ns);
}

void natcheck_run(struct qe_cplane *c)
{
    struct discovery_nat *n = &c->discovery->nat;
    if (qe_nat_checker_deadline(&n->checker) <= c->now_ns) {
        qe_nat_checker_expire(&n->checker, c->now_ns);
        c->discovery->stirred = true;
    }
    if (n->checker.news) apply(c);
}
