// Names for this host's programs: a socket at the node's own overlay address, at which NAME.qe and the overlay's
// addresses are answered (dns/answer.h), and the request to the host that its resolver asks there for that domain. Only
// the host itself is answered. A query about what is not known yet waits a moment for the index.
#include "dns/answer.h"

#include "node/cplane_internal.h"
#include "node/pool.h"

#include <stdio.h>

static void close_socket(struct qe_cplane *c)
{
    struct cplane_action *a = cplane_act(c, QE_ACTION_SOCKET_CLOSE, 0);
    if (a) a->action.socket_close = CPLANE_DNS_SOCKET;
}

void cplane_dns_open(struct qe_cplane *c)
{
    struct cplane_dns *d = &c->claims.dns;
    if (!c->config->dns || !c->tun_up || c->stopping || d->state == CPLANE_DNS_OPENING) return;
    if (d->state != CPLANE_DNS_OFF) close_socket(c);
    d->state = CPLANE_DNS_OFF;
    d->server = (struct qe_addr){c->own[0].ip, CPLANE_DNS_PORT, 0};
    struct cplane_action *a = cplane_act(c, QE_ACTION_SOCKET_OPEN, 0);
    if (!a) return;
    a->action.socket_open.request = CPLANE_REQUEST_DNS_OPEN;
    a->action.socket_open.socket = CPLANE_DNS_SOCKET;
    a->action.socket_open.bind = d->server;
    d->state = CPLANE_DNS_OPENING;
}

void cplane_dns_fini(struct qe_cplane *c)
{
    qe_free(c->mem, c->claims.dns.waiting);
    qe_free(c->mem, c->claims.dns.answers);
}

static void set_error(struct qe_cplane *c, const struct qe_result *result, const char *what)
{
    struct cplane_dns *d = &c->claims.dns;
    snprintf(d->error, sizeof d->error, "%s", result->text ? result->text : "refused");
    cplane_log(c, QE_LOG_INFO, "%s: %s", what, d->error);
}

static void on_opened(struct qe_cplane *c, const struct qe_result *result)
{
    struct cplane_dns *d = &c->claims.dns;
    if (d->state != CPLANE_DNS_OPENING) return;
    d->state = CPLANE_DNS_OFF;
    if (result->code != QE_RESULT_OK) {
        set_error(c, result, "names are not answered, for want of a socket at the overlay address");
        return;
    }
    d->state = CPLANE_DNS_SERVED;
    d->error[0] = '\0';
    // The address may have changed while the socket was being opened.
    if (!qe_ip_equal(&d->server.ip, &c->own[0].ip)) {
        cplane_dns_open(c);
        return;
    }
    struct cplane_action *a = cplane_act(c, QE_ACTION_DNS, sizeof CPLANE_DNS_DOMAIN);
    if (!a) return;
    memcpy(a->bytes, CPLANE_DNS_DOMAIN, sizeof CPLANE_DNS_DOMAIN);
    a->action.dns.request = CPLANE_REQUEST_DNS;
    a->action.dns.domain = a->bytes;
    a->action.dns.server = d->server;
}

bool cplane_dns_on_result(struct qe_cplane *c, const struct qe_result *result)
{
    struct cplane_dns *d = &c->claims.dns;
    if (result->request == CPLANE_REQUEST_DNS_OPEN) {
        on_opened(c, result);
        return true;
    }
    if (result->request != CPLANE_REQUEST_DNS) return false;
    if (d->state != CPLANE_DNS_SERVED) return true;
    if (result->code == QE_RESULT_OK)
        d->state = CPLANE_DNS_ON;
    else
        set_error(c, result, "the system's resolver does not ask this node for names in ." CPLANE_DNS_DOMAIN);
    return true;
}

static enum qe_dns_found find_addresses(void *user, const char *name, struct qe_ip *out, size_t *count)
{
    struct qe_node_id owner;
    _Static_assert(QE_HELLO_ADDRESSES_MAX <= QE_DNS_ADDRESSES_MAX, "an answer holds a node's addresses");
    switch (cplane_name_find(user, name, &owner, out, count)) {
    case CPLANE_NAME_FOUND:
        return QE_DNS_FOUND;
    case CPLANE_NAME_LATER:
        return QE_DNS_LATER;
    default:
        return QE_DNS_ABSENT;
    }
}

static enum qe_dns_found find_name(void *user, const struct qe_ip *ip, char out[QE_NAME_SIZE])
{
    return cplane_name_of(user, ip, out) ? QE_DNS_FOUND : QE_DNS_ABSENT;
}

static void drop(struct qe_cplane *c)
{
    qe_count(&c->counters, QE_COUNT_DROP_DNS);
}

static bool make_room(struct qe_cplane *c, struct cplane_dns_message **list, size_t count)
{
    if (!*list) *list = qe_zalloc(c->mem, count, sizeof **list);
    return *list != NULL;
}

// Answers a query; false where it has to wait for what is being looked for.
static bool answer(struct qe_cplane *c, const struct qe_addr *from, struct qe_span query, bool last)
{
    struct cplane_dns *d = &c->claims.dns;
    const struct qe_dns_zone zone = {CPLANE_DNS_DOMAIN, c->own, 2, c, find_addresses, find_name};
    bool later;
    if (!make_room(c, &d->answers, CPLANE_DNS_ANSWERS) || d->answer_count == CPLANE_DNS_ANSWERS) {
        drop(c);
        return true;
    }
    struct cplane_dns_message *out = &d->answers[(d->answer_first + d->answer_count) % CPLANE_DNS_ANSWERS];
    out->size = qe_dns_answer(&zone, query, last, out->bytes, sizeof out->bytes, &later);
    if (later) return false;
    if (out->size == 0) {
        drop(c);
        return true;
    }
    out->remote = *from;
    d->answer_count++;
    return true;
}

static void wait_for(struct qe_cplane *c, const struct qe_addr *from, struct qe_span query)
{
    struct cplane_dns *d = &c->claims.dns;
    struct cplane_dns_message *place = NULL;
    if (query.size > CPLANE_DNS_QUERY || !make_room(c, &d->waiting, CPLANE_DNS_WAITING)) {
        drop(c);
        return;
    }
    for (size_t i = 0; i < CPLANE_DNS_WAITING && !place; i++)
        if (d->waiting[i].until_ns == 0) place = &d->waiting[i];
    if (!place) {
        answer(c, from, query, true);
        return;
    }
    place->remote = *from;
    place->until_ns = c->now_ns + CPLANE_DNS_WAIT_NS;
    place->size = query.size;
    memcpy(place->bytes, query.data, query.size);
    d->waiting_count++;
}

void qe_cplane_dns_datagram(struct qe_cplane *c, const struct qe_datagrams *in, uint64_t now_ns, uint64_t wall_ms)
{
    c->now_ns = now_ns;
    c->wall_ms = wall_ms;
    size_t segment = in->segment_size ? in->segment_size : in->size;
    bool own = qe_ip_equal(&in->remote.ip, &c->own[0].ip) || qe_ip_is_loopback(&in->remote.ip);
    for (size_t at = 0; at < in->size; at += segment) {
        qe_count(&c->counters, QE_COUNT_DNS_QUERIES);
        struct qe_span query = qe_span(in->bytes + at, in->size - at < segment ? in->size - at : segment);
        if (!own || c->claims.dns.state < CPLANE_DNS_SERVED)
            drop(c);
        else if (!answer(c, &in->remote, query, false))
            wait_for(c, &in->remote, query);
    }
}

void cplane_dns_expire(struct qe_cplane *c)
{
    struct cplane_dns *d = &c->claims.dns;
    bool any = c->claims.names_answered;
    c->claims.names_answered = false;
    for (size_t i = 0; i < CPLANE_DNS_WAITING && d->waiting_count > 0; i++) {
        struct cplane_dns_message *q = &d->waiting[i];
        bool last = q->until_ns <= c->now_ns;
        if (q->until_ns == 0 || (!last && !any)) continue;
        if (!answer(c, &q->remote, qe_span(q->bytes, q->size), last)) continue;
        q->until_ns = 0;
        d->waiting_count--;
    }
}

uint64_t cplane_dns_deadline(const struct qe_cplane *c)
{
    const struct cplane_dns *d = &c->claims.dns;
    uint64_t deadline = c->claims.names_answered && d->waiting_count > 0 ? c->now_ns : QE_TIME_NEVER;
    for (size_t i = 0; i < CPLANE_DNS_WAITING && d->waiting_count > 0; i++)
        if (d->waiting[i].until_ns != 0) deadline = qe_time_min(deadline, d->waiting[i].until_ns);
    return deadline;
}

bool cplane_dns_send(struct qe_cplane *c, struct qe_pool *pool, struct qe_action *action)
{
    struct cplane_dns *d = &c->claims.dns;
    static const uint64_t carried = 0;
    if (d->answer_count == 0) return false;
    struct qe_buf *buf = qe_pool_take(pool, QE_NODE_DELIVERIES);
    if (!buf) return false;
    const struct cplane_dns_message *answer = &d->answers[d->answer_first];
    memcpy(qe_buf_bytes(buf), answer->bytes, answer->size);
    buf->size = (uint32_t)answer->size;
    action->kind = QE_ACTION_SEND;
    action->send = (struct qe_send){.socket = CPLANE_DNS_SOCKET,
        .local = d->server,
        .remote = answer->remote,
        .buf = buf,
        .segment_size = (uint16_t)answer->size,
        .carried = c->host->tell_carried ? &carried : NULL};
    d->answer_first = (d->answer_first + 1) % CPLANE_DNS_ANSWERS;
    d->answer_count--;
    qe_count(&c->counters, QE_COUNT_DNS_ANSWERS);
    return true;
}
