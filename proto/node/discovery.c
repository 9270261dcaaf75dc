// The DHT put to work: its datagrams in and out, its questions and who hears of the answers, and when each part of
// discovery is to do something.
#include "node/discovery_internal.h"

#include "base/mutants.h"
#include "dht/signal.h"

static void on_answer(void *user, const struct qe_dht_answer *answer)
{
    struct qe_cplane *c = user;
    struct cplane_discovery *d = c->discovery;
    for (struct qe_list *at = d->questions.next; at != &d->questions; at = at->next) {
        struct cplane_question *question = qe_container(at, struct cplane_question, link);
        if (question->operation != answer->operation) continue;
        if (answer->final) qe_list_remove(&question->link);
        if (!d->closing) question->heard(c, answer, question->user);
        if (answer->final) qe_free(c->mem, question);
        return;
    }
}

static void draw(void *user, uint8_t *out, size_t size)
{
    const struct qe_cplane *c = user;
    c->host->random(c->host->user, QE_RANDOM_DHT, out, size);
}

int cplane_discovery_new(struct qe_cplane *c)
{
    struct cplane_discovery *d = qe_zalloc(c->mem, 1, sizeof *d);
    if (!d) return -1;
    qe_list_init(&d->questions);
    qe_list_init(&d->inquiries);
    d->at_ns = d->announce.at_ns = d->announce.refresh_at_ns = QE_TIME_NEVER;
    d->bootstrap.check_at_ns = d->bootstrap.retry_at_ns = d->bootstrap.store_at_ns = QE_TIME_NEVER;
    c->discovery = d;
    natcheck_init(c);
    size_t names = c->config->allowed_name_count;
    if (names && !(d->allowed = qe_zalloc(c->mem, names, sizeof *d->allowed))) return -1;
    struct qe_dht_options options = {.mem = c->mem,
        .id = c->self,
        .user = c,
        .random = draw,
        .answer = on_answer,
        .bootstrap = c->config->bootstrap_mode,
        .exempt_private = true};
    signals_options(c, &options);
    if (qe_dht_new(&d->dht, &options, c->now_ns) != 0) return -1;
    return mainline_new(c);
}

void cplane_discovery_free(struct qe_cplane *c)
{
    struct cplane_discovery *d = c->discovery;
    if (!d) return;
    d->closing = true;
    mainline_free(c);
    if (d->dht) qe_dht_free(d->dht);
    while (!qe_list_empty(&d->questions)) {
        struct cplane_question *question = qe_container(d->questions.next, struct cplane_question, link);
        qe_list_remove(&question->link);
        qe_free(c->mem, question);
    }
    discovery_inquiries_free(c);
    qe_free(c->mem, d->allowed);
    qe_free(c->mem, d);
    c->discovery = NULL;
}

void discovery_wake(struct qe_cplane *c, uint64_t at_ns)
{
    c->discovery->at_ns = qe_time_min(c->discovery->at_ns, at_ns);
}

uint64_t discovery_spread(struct qe_cplane *c, uint64_t wait_ns)
{
    return wait_ns - wait_ns / 4 + wait_ns / 2 * (cplane_random32(c, QE_RANDOM_DHT) >> 8) / (UINT32_MAX >> 8);
}

uint64_t discovery_back_off(struct qe_cplane *c, unsigned failures, uint64_t first_ns, uint64_t last_ns)
{
    uint64_t wait = first_ns;
    for (unsigned i = 0; i < failures && wait < last_ns; i++)
        wait *= 2;
    return discovery_spread(c, wait < last_ns ? wait : last_ns);
}

uint64_t discovery_ask(struct qe_cplane *c, const struct qe_dht_request *request, cplane_heard *heard, uint64_t user)
{
    struct cplane_discovery *d = c->discovery;
    struct cplane_question *question = qe_zalloc(c->mem, 1, sizeof *question);
    if (!question) return 0;
    *question = (struct cplane_question){.operation = qe_dht_start(d->dht, request, c->now_ns)};
    if (question->operation == 0) {
        qe_free(c->mem, question);
        return 0;
    }
    question->heard = heard;
    question->user = user;
    qe_list_append(&d->questions, &question->link);
    d->stirred = true;
    return question->operation;
}

void discovery_unask(struct qe_cplane *c, uint64_t operation)
{
    struct cplane_discovery *d = c->discovery;
    for (struct qe_list *at = d->questions.next; at != &d->questions; at = at->next) {
        struct cplane_question *question = qe_container(at, struct cplane_question, link);
        if (question->operation != operation) continue;
        qe_list_remove(&question->link);
        qe_free(c->mem, question);
        qe_dht_cancel(d->dht, operation);
        return;
    }
}

bool discovery_joined(const struct qe_cplane *c)
{
    return c->discovery->bootstrap.joined && !c->discovery->bootstrap.partitioned;
}

bool discovery_in_network(struct qe_cplane *c)
{
    struct qe_index_place place;
    return qe_index_locate(c->host, true, QE_INDEX_MEMBER, qe_span("", 0), &place);
}

uint32_t discovery_socket(const struct qe_cplane *c, const struct qe_ip *to)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < c->config->listen_count; i++) {
        const struct qe_ip *bound = &c->sockets[i].bound.ip;
        if (bound->family != to->family) continue;
        if (qe_ip_is_loopback(bound) == qe_ip_is_loopback(to)) return i + 1;
        best = i + 1;
    }
    return best;
}

// The DHT's number for where a datagram came in: from 1, so that 0 is nowhere.
static uint32_t place_of(struct cplane_discovery *d, const struct qe_datagrams *in)
{
    for (uint32_t i = 0; i < DISCOVERY_PLACES; i++)
        if (d->places[i].socket == in->socket && qe_addr_equal(&d->places[i].local, &in->local)) return i + 1;
    size_t at = d->next_place++ % DISCOVERY_PLACES;
    d->places[at] = (struct discovery_place){in->socket, in->local};
    return (uint32_t)at + 1;
}

void qe_cplane_datagram(struct qe_cplane *c, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms)
{
    struct cplane_discovery *d = c->discovery;
    c->now_ns = now_ns;
    c->wall_ms = wall_ms;
    qe_count(&c->counters, QE_COUNT_DHT_DATAGRAMS_RECEIVED);
    if (!c->up || c->stopping) return;
    if (in->socket != CPLANE_OTHER_SOCKET && natcheck_receive(c, in)) {
        d->stirred = true;
        natcheck_run(c);
        return;
    }
    uint32_t place = place_of(d, in);
    if (!mainline_receive(c, place, in))
        qe_dht_receive(d->dht, place, &in->remote, qe_span(in->bytes, in->size), now_ns);
    d->stirred = true;
}

// Where a datagram of the DHT leaves. False where there is no socket of its family.
static bool route(const struct qe_cplane *c, struct qe_send *send)
{
    const struct cplane_discovery *d = c->discovery;
    *send = (struct qe_send){.remote = d->staged.to};
    if (d->staged.socket == DISCOVERY_SPARE_PLACE || d->staged.socket == QE_DHT_SOCKET_OTHER) {
        bool spare = d->staged.socket == DISCOVERY_SPARE_PLACE;
        const struct discovery_socket *socket = spare ? &d->nat.spare : &d->nat.other;
        if (socket->state == DISCOVERY_SOCKET_OPEN) send->socket = spare ? CPLANE_SPARE_SOCKET : CPLANE_OTHER_SOCKET;
    } else if (d->staged.socket >= 1 && d->staged.socket <= DISCOVERY_PLACES) {
        const struct discovery_place *place = &d->places[d->staged.socket - 1];
        send->socket = place->socket;
        if (!qe_ip_is_unspecified(&place->local.ip)) send->local = place->local;
    } else {
        send->socket = discovery_socket(c, &d->staged.to.ip);
        if (send->socket) send->local = c->sockets[send->socket - 1].bound;
        if (qe_ip_is_unspecified(&send->local.ip)) send->local = (struct qe_addr){.port = 0};
    }
    return send->socket != 0;
}

bool qe_cplane_send(struct qe_cplane *c, struct qe_pool *pool, struct qe_action *action)
{
    static const uint64_t carried = QE_CARRIED_BIT(KRPC);
    struct cplane_discovery *d = c->discovery;
    struct qe_send send;
    if (cplane_dns_send(c, pool, action) || cplane_probe_send(c, pool, action)) return true;
    if (!d->stirred && d->staged.size == 0) return false;
    for (;;) {
        if (d->staged.size == 0 && !qe_dht_next(d->dht, d->staged_bytes, &d->staged, c->now_ns) &&
            !mainline_next(c, d->staged_bytes, &d->staged) && !natcheck_next(c, d->staged_bytes, &d->staged)) {
            d->staged.size = 0;
            d->stirred = false;
            return false;
        }
        if (route(c, &send)) break;
        qe_count(&c->counters, QE_COUNT_DROP_DHT_SOCKET);
        d->staged.size = 0;
    }
    struct qe_buf *buf = qe_pool_take(pool, QE_NODE_DELIVERIES);
    if (!buf) return false;
    memcpy(qe_buf_bytes(buf), d->staged_bytes, d->staged.size);
    buf->size = (uint32_t)d->staged.size;
    send.buf = buf;
    send.segment_size = (uint16_t)d->staged.size;
    send.carried = c->host->tell_carried ? &carried : NULL;
    d->staged.size = 0;
    qe_count(&c->counters, QE_COUNT_DHT_DATAGRAMS_SENT);
    action->kind = QE_ACTION_SEND;
    action->send = send;
    return true;
}

void cplane_discovery_on_up(struct qe_cplane *c)
{
    bootstrap_begin(c);
    mainline_begin(c);
    signals_begin(c);
}

bool cplane_discovery_load(struct qe_cplane *c, const char *key, struct qe_span value)
{
    if (strcmp(key, CPLANE_DHT_KEY) != 0) return false;
    bootstrap_load(c, value);
    return true;
}

bool cplane_discovery_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    if (mainline_on_result(c, result) || natcheck_on_result(c, result)) return true;
    if (result->request < CPLANE_REQUEST_RESOLVE || result->request - CPLANE_REQUEST_RESOLVE >= QE_CONFIG_BOOTSTRAP_MAX)
        return false;
    bootstrap_on_resolved(c, (size_t)(result->request - CPLANE_REQUEST_RESOLVE), result);
    return true;
}

void cplane_discovery_on_addresses(struct qe_cplane *c)
{
    if (!c->up) return;
    qe_dht_on_network_change(c->discovery->dht, c->now_ns);
    mainline_on_addresses(c);
    natcheck_on_addresses(c);
    c->discovery->stirred = true;
    announce_wake(c, QE_NS_PER_S);
    rendezvous_on_addresses(c);
    seek_all(c);
}

void cplane_discovery_on_connected(struct qe_cplane *c, const struct qe_node_id *id, const struct qe_addr *at)
{
    const struct qe_dht_contact contact = {*id, *at};
    qe_dht_add_contact(c->discovery->dht, &contact, c->now_ns);
    c->discovery->stirred = true;
}

void cplane_discovery_on_stop(struct qe_cplane *c)
{
    bootstrap_store(c);
}

void cplane_discovery_expire(struct qe_cplane *c)
{
    struct cplane_discovery *d = c->discovery;
    if (!c->up || c->stopping) return;
    if (qe_dht_deadline(d->dht) <= c->now_ns) {
        qe_dht_expire(d->dht, c->now_ns);
        d->stirred = true;
    }
    mainline_expire(c);
    natcheck_run(c);
    if (d->at_ns > c->now_ns) return;
    d->at_ns = QE_TIME_NEVER; // each says when it wants to be called again
    bootstrap_expire(c);
    announce_expire(c);
    members_expire(c);
    allowed_expire(c);
    rendezvous_expire(c);
    seek_expire(c);
    natcheck_expire(c);
}

uint64_t cplane_discovery_deadline(const struct qe_cplane *c)
{
    const struct cplane_discovery *d = c->discovery;
    if (!c->up || c->stopping) return QE_TIME_NEVER;
    uint64_t at_ns = qe_time_min(d->at_ns, qe_nat_checker_deadline(&d->nat.checker));
    return qe_time_min(qe_time_min(at_ns, qe_dht_deadline(d->dht)), mainline_deadline(c));
}
