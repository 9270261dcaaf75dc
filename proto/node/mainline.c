// The public BitTorrent DHT as one more place to be found in (discovery.mainline): a second DHT node behind the same
// sockets, under an ID drawn anew at each start. This node's record is put there, sealed where it is in a private
// network, and peers that are not connected are looked for there. Whoever is met so is a node of the own DHT from then
// on, so two nodes that know nobody else find each other.
#include "node/discovery_internal.h"

#define NAMES         3
#define FIRST_REQUEST (CPLANE_REQUEST_RESOLVE + QE_CONFIG_BOOTSTRAP_MAX)
#define NAME_FIRST_NS (2 * QE_NS_PER_S)
#define NAME_LAST_NS  (600 * QE_NS_PER_S)
#define LOOK_NS       (5 * QE_NS_PER_S)
#define PUT_RETRY_NS  (60 * QE_NS_PER_S)
#define PUT_SETTLE_NS (30 * QE_NS_PER_S) // between two, however often it would say something else
#define SEEK_FIRST_NS (30 * QE_NS_PER_S)
#define SEEK_LAST_NS  (900 * QE_NS_PER_S)
#define SEEKS_MAX     2 // at a time

// Well-known nodes of the public network.
static const struct {
    const char *host;
    uint16_t port;
} names[NAMES] = {{"router.bittorrent.com", 6881}, {"dht.transmissionbt.com", 6881}, {"dht.libtorrent.org", 25401}};

struct discovery_mainline {
    struct qe_dht *dht;
    struct qe_node_id id;
    struct bootstrap_name names[NAMES];
    uint64_t at_ns;             // when to look after things
    struct qe_node_record said; // what was put last; issued_ms 0: nothing
    uint64_t put_at_ns;         // when to put it again in any case
    uint64_t put_ns;            // the last time
    bool putting;
    unsigned seeking;
};

static void draw(void *user, uint8_t *out, size_t size)
{
    const struct qe_cplane *c = user;
    c->host->random(c->host->user, QE_RANDOM_DHT, out, size);
}

static void on_sought(struct qe_cplane *c, const struct qe_dht_answer *answer)
{
    struct discovery_mainline *m = c->discovery->mainline;
    struct cplane_peer *peer = cplane_peer_find(c, &answer->target);
    struct qe_node_record record;
    if (answer->final) m->seeking--;
    if (!peer || !answer->item || !answer->item->mutable) return;
    struct qe_node_id id = qe_node_id_from_key(&answer->item->key);
    if (qe_node_id_equal(&id, &peer->id) &&
        qe_node_record_decode(answer->item->value, &answer->item->key, c->host, &record) == QE_NODE_RECORD_FINE)
        discovery_learn(c, peer, &record);
}

static void on_put(struct qe_cplane *c, const struct qe_dht_answer *answer)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!answer->final) return;
    m->putting = false;
    if (answer->stored == 0) m->put_at_ns = c->now_ns + discovery_spread(c, PUT_RETRY_NS);
    cplane_trace(c, "mainline.announced", NULL, m->said.issued_ms, answer->stored);
}

static void on_answer(void *user, const struct qe_dht_answer *answer)
{
    struct qe_cplane *c = user;
    if (c->discovery->closing) return;
    if (answer->kind == QE_DHT_GET) on_sought(c, answer);
    if (answer->kind == QE_DHT_PUT) on_put(c, answer);
}

int mainline_new(struct qe_cplane *c)
{
    if (!c->config->mainline) return 0;
    struct discovery_mainline *m = qe_zalloc(c->mem, 1, sizeof *m);
    if (!m) return -1;
    m->at_ns = QE_TIME_NEVER;
    c->discovery->mainline = m;
    draw(c, m->id.bytes, sizeof m->id.bytes);
    const struct qe_dht_options options = {
        .mem = c->mem, .id = m->id, .user = c, .random = draw, .answer = on_answer, .mainline = true};
    return qe_dht_new(&m->dht, &options, c->now_ns);
}

void mainline_free(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!m) return;
    if (m->dht) qe_dht_free(m->dht);
    qe_free(c->mem, m);
    c->discovery->mainline = NULL;
}

struct qe_dht *mainline_dht(const struct qe_cplane *c, struct qe_node_id *id)
{
    const struct discovery_mainline *m = c->discovery->mainline;
    if (m) *id = m->id;
    return m ? m->dht : NULL;
}

static void resolve(struct qe_cplane *c, size_t index)
{
    struct bootstrap_name *name = &c->discovery->mainline->names[index];
    size_t size = strlen(names[index].host) + 1;
    struct cplane_action *a = cplane_act(c, QE_ACTION_RESOLVE, size);
    name->at_ns = a ? QE_TIME_NEVER : c->now_ns + discovery_spread(c, NAME_FIRST_NS);
    if (!a) return;
    memcpy(a->bytes, names[index].host, size);
    a->action.resolve.request = FIRST_REQUEST + index;
    a->action.resolve.name = a->bytes;
}

void mainline_begin(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!m) return;
    for (size_t i = 0; i < NAMES; i++)
        resolve(c, i);
    m->at_ns = c->now_ns + QE_NS_PER_S;
}

bool mainline_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!m || result->request < FIRST_REQUEST || result->request - FIRST_REQUEST >= NAMES) return false;
    size_t index = (size_t)(result->request - FIRST_REQUEST);
    struct bootstrap_name *name = &m->names[index];
    if (result->code == QE_RESULT_OK && result->address_count > 0) {
        name->failures = 0;
        for (size_t i = 0; i < result->address_count; i++)
            qe_dht_add_bootstrap(m->dht, &(struct qe_addr){result->addresses[i], names[index].port, 0}, c->now_ns);
        c->discovery->stirred = true;
        return true;
    }
    name->at_ns = c->now_ns + discovery_back_off(c, name->failures++, NAME_FIRST_NS, NAME_LAST_NS);
    return true;
}

bool mainline_receive(struct qe_cplane *c, uint32_t place, const struct qe_datagrams *in)
{
    struct discovery_mainline *m = c->discovery->mainline;
    struct qe_span bytes = qe_span(in->bytes, in->size);
    if (!m || !qe_dht_is_public(c->discovery->dht, m->dht, &in->remote, bytes)) return false;
    qe_dht_receive(m->dht, place, &in->remote, bytes, c->now_ns);
    return true;
}

bool mainline_next(struct qe_cplane *c, uint8_t out[QE_DHT_DATAGRAM_MAX], struct qe_dht_send *send)
{
    struct discovery_mainline *m = c->discovery->mainline;
    return m && qe_dht_next(m->dht, out, send, c->now_ns);
}

void mainline_on_addresses(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!m) return;
    qe_dht_on_network_change(m->dht, c->now_ns);
    m->at_ns = c->now_ns;
}

bool mainline_external(const struct qe_cplane *c, uint8_t family, struct qe_addr *out)
{
    const struct discovery_mainline *m = c->discovery->mainline;
    return m && qe_dht_external(m->dht, family, out);
}

static void put(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    struct qe_node_record record;
    uint8_t value[QE_NODE_RECORD_SIZE_MAX], text[QE_DHT_SIGNED_MAX];
    announce_compose(c, &record);
    bool changed = m->said.issued_ms == 0 || !qe_node_record_same(&record, &m->said);
    if (m->putting || (m->put_ns != 0 && c->now_ns - m->put_ns < PUT_SETTLE_NS)) return;
    if (!changed && c->now_ns < m->put_at_ns) return;
    record.issued_ms = c->wall_ms > m->said.issued_ms ? c->wall_ms : m->said.issued_ms + 1;
    size_t size = qe_node_record_encode(&record, discovery_in_network(c), c->host, value);
    if (size == 0) return;
    struct qe_dht_item item = {
        .mutable = true, .key = c->host->identity, .seq = (int64_t)record.issued_ms, .value = qe_span(value, size)};
    size = qe_dht_item_signed(&item, text);
    if (c->host->secret(c->host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(text, size), item.signature,
            sizeof item.signature) != 0)
        return;
    const struct qe_dht_request request = {.kind = QE_DHT_PUT, .target = c->self, .item = &item};
    m->putting = qe_dht_start(m->dht, &request, c->now_ns) != 0;
    m->said = record;
    m->put_ns = c->now_ns;
    m->put_at_ns = c->now_ns + discovery_spread(c, qe_dht_republish_s(m->dht) * QE_NS_PER_S);
}

static void seek(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    for (size_t i = 0; i < c->peer_count && m->seeking < SEEKS_MAX; i++) {
        struct cplane_peer *peer = c->by_id[i];
        if (qe_session_state(&peer->session) == QE_SESSION_CONNECTED) {
            peer->seek.public_lookups = 0;
            continue;
        }
        if (peer->leaving || peer->seek.public_at_ns > c->now_ns) continue;
        const struct qe_dht_request request = {.kind = QE_DHT_GET, .target = peer->id};
        m->seeking += qe_dht_start(m->dht, &request, c->now_ns) != 0;
        peer->seek.public_at_ns =
            c->now_ns + discovery_back_off(c, peer->seek.public_lookups++, SEEK_FIRST_NS, SEEK_LAST_NS);
    }
}

void mainline_expire(struct qe_cplane *c)
{
    struct discovery_mainline *m = c->discovery->mainline;
    if (!m) return;
    if (qe_dht_deadline(m->dht) <= c->now_ns) qe_dht_expire(m->dht, c->now_ns);
    if (m->at_ns <= c->now_ns) {
        m->at_ns = c->now_ns + LOOK_NS;
        for (size_t i = 0; i < NAMES; i++)
            if (m->names[i].at_ns <= c->now_ns) resolve(c, i);
        if (qe_dht_joined(m->dht)) {
            put(c);
            seek(c);
        } else {
            m->at_ns = c->now_ns + QE_NS_PER_S;
        }
    }
    c->discovery->stirred = true;
}

uint64_t mainline_deadline(const struct qe_cplane *c)
{
    const struct discovery_mainline *m = c->discovery->mainline;
    return m ? qe_time_min(m->at_ns, qe_dht_deadline(m->dht)) : QE_TIME_NEVER;
}
