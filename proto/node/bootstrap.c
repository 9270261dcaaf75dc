// Whom to ask first. The nodes of the last session and the configured addresses are asked at once, host names as soon
// as the DNS has told their addresses; a host without DNS goes on with the rest, and asks again and again.
//
// Once there were nodes and none is left, the node is cut off: peers are then looked for where they were last, and
// everybody who was ever good is asked again every minute. Nodes that went missing while others stayed are asked too, a
// few a minute, because half of a network that fell apart hears of the other half in no other way.
#include "node/discovery_internal.h"

#include "base/cursor.h"

#define CACHE_VERSION 1
#define CONTACT_SIZE  (20 + 1 + 16 + 2)

#define CHECK_SOON_NS    (100 * QE_NS_PER_MS) // while joining
#define CHECK_NS         (5 * QE_NS_PER_S)
#define RETRY_NS         (60 * QE_NS_PER_S)
#define JOIN_PATIENCE_NS (10 * QE_NS_PER_S)
#define STORE_FIRST_NS   (60 * QE_NS_PER_S)
#define STORE_NS         (3600 * QE_NS_PER_S)
#define NAME_FIRST_NS    QE_NS_PER_S
#define NAME_LAST_NS     (300 * QE_NS_PER_S)

static void add_address(struct qe_cplane *c, const struct qe_addr *addr)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    if (addr->port == 0 || qe_ip_is_unspecified(&addr->ip) || qe_ip_is_multicast(&addr->ip)) return;
    bool known = false;
    for (size_t i = 0; i < b->address_count; i++)
        known |= qe_addr_equal(&b->addresses[i], addr);
    // Beyond the room for them the oldest gives way.
    if (!known) b->addresses[b->next_address++ % BOOTSTRAP_ADDRESSES_MAX] = *addr;
    if (!known && b->address_count < BOOTSTRAP_ADDRESSES_MAX) b->address_count++;
    qe_dht_add_bootstrap(c->discovery->dht, addr, c->now_ns);
    c->discovery->stirred = true;
}

static void resolve(struct qe_cplane *c, size_t index, const char *host)
{
    struct bootstrap_name *name = &c->discovery->bootstrap.names[index];
    size_t size = strlen(host) + 1;
    struct cplane_action *a = cplane_act(c, QE_ACTION_RESOLVE, size);
    name->at_ns = a ? QE_TIME_NEVER : c->now_ns + discovery_spread(c, NAME_FIRST_NS);
    if (!a) return;
    memcpy(a->bytes, host, size);
    a->action.resolve.request = CPLANE_REQUEST_RESOLVE + index;
    a->action.resolve.name = a->bytes;
}

// Asks for a name's addresses, or takes the address that it is.
static void begin_with(struct qe_cplane *c, size_t index)
{
    struct bootstrap_name *name = &c->discovery->bootstrap.names[index];
    char host[QE_HOST_SIZE];
    struct qe_addr addr;
    qe_host_port_split(c->config->bootstrap[index].text, host, &addr);
    if (addr.ip.family == 0) {
        resolve(c, index, host);
        return;
    }
    name->at_ns = QE_TIME_NEVER;
    name->resolved = 1;
    add_address(c, &addr);
}

void bootstrap_on_resolved(struct qe_cplane *c, size_t index, const struct qe_result *result)
{
    struct bootstrap_name *name = &c->discovery->bootstrap.names[index];
    char host[QE_HOST_SIZE];
    struct qe_addr addr;
    if (index >= c->config->bootstrap_count) return;
    qe_host_port_split(c->config->bootstrap[index].text, host, &addr);
    if (result->code == QE_RESULT_OK && result->address_count > 0) {
        name->failures = 0;
        name->resolved = (unsigned)result->address_count;
        for (size_t i = 0; i < result->address_count; i++)
            add_address(c, &(struct qe_addr){result->addresses[i], addr.port, 0});
        return;
    }
    cplane_log(c, name->failures == 0 ? QE_LOG_INFO : QE_LOG_DEBUG, "the bootstrap name %s has no address yet: %s",
        host, result->text ? result->text : "none known");
    name->at_ns = c->now_ns + discovery_back_off(c, name->failures++, NAME_FIRST_NS, NAME_LAST_NS);
    discovery_wake(c, name->at_ns);
}

void cplane_discovery_begin_with(struct qe_cplane *c, const struct qe_addr *addr)
{
    add_address(c, addr);
    discovery_wake(c, c->now_ns);
}

void bootstrap_begin(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    b->begun_ns = c->now_ns;
    for (size_t i = 0; i < b->cached_count; i++)
        qe_dht_add_contact(c->discovery->dht, &b->cached[i], c->now_ns);
    for (size_t i = 0; i < c->config->bootstrap_count; i++)
        begin_with(c, i);
    b->check_at_ns = c->now_ns + CHECK_SOON_NS;
    discovery_wake(c, b->check_at_ns);
    c->discovery->stirred = true;
}

static bool read_contact(struct qe_reader *r, struct qe_dht_contact *contact)
{
    *contact = (struct qe_dht_contact){.addr.port = 0};
    qe_read_copy(r, contact->id.bytes, sizeof contact->id.bytes);
    contact->addr.ip.family = qe_read8(r);
    qe_read_copy(r, contact->addr.ip.bytes, sizeof contact->addr.ip.bytes);
    contact->addr.port = qe_read16(r);
    if (contact->addr.ip.family == 4) memset(contact->addr.ip.bytes + 4, 0, 12);
    return !r->failed && contact->addr.port != 0 && (contact->addr.ip.family == 4 || contact->addr.ip.family == 6);
}

void bootstrap_load(struct qe_cplane *c, struct qe_span value)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    struct qe_reader r = qe_reader(value);
    bool fine = qe_read8(&r) == CACHE_VERSION;
    size_t count = 0;
    while (fine && qe_reader_left(&r) > 0 && count < BOOTSTRAP_CACHED_MAX)
        fine = read_contact(&r, &b->cached[count++]);
    b->cached_count = fine ? count : 0;
    if (!fine) cplane_log(c, QE_LOG_WARN, "stored item %s is damaged; ignored", CPLANE_DHT_KEY);
}

// Merges the nodes that are good now into those that are remembered, which stay in the order of their age.
static void remember(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    struct qe_dht_contact good[BOOTSTRAP_CACHED_MAX];
    size_t count = qe_dht_contacts(c->discovery->dht, good, BOOTSTRAP_CACHED_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < b->cached_count && !qe_node_id_equal(&b->cached[at].id, &good[i].id))
            at++;
        if (at == b->cached_count && b->cached_count < BOOTSTRAP_CACHED_MAX) b->cached_count++;
        if (at == b->cached_count) {
            // The oldest gives way.
            memmove(&b->cached[0], &b->cached[1], (BOOTSTRAP_CACHED_MAX - 1) * sizeof b->cached[0]);
            at = BOOTSTRAP_CACHED_MAX - 1;
        }
        b->cached[at] = good[i];
    }
}

void bootstrap_store(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    uint8_t bytes[1 + BOOTSTRAP_CACHED_MAX * CONTACT_SIZE];
    struct qe_writer w = qe_writer(bytes, sizeof bytes);
    if (!b->joined) return;
    remember(c);
    if (b->cached_count == 0) return;
    qe_write8(&w, CACHE_VERSION);
    for (size_t i = 0; i < b->cached_count; i++) {
        qe_write_bytes(&w, b->cached[i].id.bytes, sizeof b->cached[i].id.bytes);
        qe_write8(&w, b->cached[i].addr.ip.family);
        qe_write_bytes(&w, b->cached[i].addr.ip.bytes, sizeof b->cached[i].addr.ip.bytes);
        qe_write16(&w, b->cached[i].addr.port);
    }
    cplane_store(c, CPLANE_DHT_KEY, bytes, qe_writer_size(&w));
}

static void on_probed(struct qe_cplane *c, const struct qe_dht_answer *answer, uint64_t user)
{
    (void)user;
    if (!answer->final || answer->closest_count == 0) return;
    // Somebody who was away is back: the own neighbourhood may be another one.
    qe_dht_add_contact(c->discovery->dht, &answer->closest[0], c->now_ns);
    c->discovery->stirred = true;
}

// Whether the remembered node is among the good ones.
static bool is_good(const struct qe_dht_contact *node, const struct qe_dht_contact *good, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (qe_node_id_equal(&node->id, &good[i].id)) return true;
    return false;
}

// Asks some of those that went missing whether they are back.
static void probe(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    struct qe_dht_contact good[64];
    size_t count = qe_dht_contacts(c->discovery->dht, good, sizeof good / sizeof good[0]), asked = 0;
    for (size_t i = 0; i < b->cached_count && asked < BOOTSTRAP_PROBES_MAX; i++) {
        const struct qe_dht_contact *node = &b->cached[b->next_cached++ % b->cached_count];
        if (is_good(node, good, count)) continue;
        const struct qe_dht_request request = {.kind = QE_DHT_PING, .addr = node->addr};
        asked += discovery_ask(c, &request, on_probed, 0) != 0;
    }
    for (size_t i = 0; i < c->config->bootstrap_count; i++)
        if (b->partitioned && b->names[i].at_ns == QE_TIME_NEVER && b->names[i].failures == 0) begin_with(c, i);
    if (!b->partitioned) return;
    for (size_t i = 0; i < b->cached_count; i++)
        qe_dht_add_contact(c->discovery->dht, &b->cached[i], c->now_ns);
    for (size_t i = 0; i < b->address_count; i++)
        qe_dht_add_bootstrap(c->discovery->dht, &b->addresses[i], c->now_ns);
    c->discovery->stirred = true;
}

static void on_joined(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    if (!b->joined) {
        b->joined = true;
        b->joined_ns = c->now_ns - b->begun_ns;
        b->store_at_ns = c->now_ns + STORE_FIRST_NS;
        b->retry_at_ns = c->now_ns + discovery_spread(c, RETRY_NS);
        cplane_log(c, QE_LOG_INFO, "joined the DHT after %llu ms", (unsigned long long)(b->joined_ns / QE_NS_PER_MS));
    } else {
        cplane_log(c, QE_LOG_INFO, "the DHT is back");
    }
    b->partitioned = false;
    cplane_trace(c, "dht.joined", NULL, b->joined_ns, 0);
    announce_wake(c, 0);
    rendezvous_wake(c, 0);
    members_wake(c);
    seek_all(c);
}

// How things are: joining, joined, or cut off.
static void check(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    struct qe_dht_stats stats;
    qe_dht_stats(c->discovery->dht, &stats);
    bool there = qe_dht_joined(c->discovery->dht) && stats.good_nodes > 0;
    if (there && (!b->joined || b->partitioned)) on_joined(c);
    bool patient = !b->joined && c->now_ns - b->begun_ns < JOIN_PATIENCE_NS;
    bool remembers = b->joined || b->cached_count > 0;
    if (!there && !patient && remembers && !b->partitioned) {
        b->partitioned = true;
        b->retry_at_ns = c->now_ns + discovery_spread(c, RETRY_NS);
        cplane_log(c, QE_LOG_WARN, "DHT partitioned, using cached peer info");
        cplane_trace(c, "dht.partitioned", NULL, 0, 0);
    }
    b->check_at_ns = c->now_ns + (there || !patient ? CHECK_NS : CHECK_SOON_NS);
}

void bootstrap_expire(struct qe_cplane *c)
{
    struct discovery_bootstrap *b = &c->discovery->bootstrap;
    for (size_t i = 0; i < c->config->bootstrap_count; i++)
        if (b->names[i].at_ns != QE_TIME_NEVER && b->names[i].at_ns <= c->now_ns) begin_with(c, i);
    if (b->check_at_ns <= c->now_ns) check(c);
    if (b->retry_at_ns <= c->now_ns) {
        probe(c);
        b->retry_at_ns = c->now_ns + discovery_spread(c, RETRY_NS);
    }
    if (b->store_at_ns <= c->now_ns) {
        bootstrap_store(c);
        b->store_at_ns = c->now_ns + discovery_spread(c, STORE_NS);
    }
    for (size_t i = 0; i < c->config->bootstrap_count; i++)
        discovery_wake(c, b->names[i].at_ns);
    discovery_wake(c, b->check_at_ns);
    discovery_wake(c, b->retry_at_ns);
    discovery_wake(c, b->store_at_ns);
}
