#include "world.h"

#include "base/time.h"
#include "flow/packet.h"
#include "route/overlay.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static void *counted_alloc(void *user, size_t size)
{
    struct world *w = ((struct world_host *)user)->world;
    w->allocations++;
    if (w->allocations >= w->fail_at && w->allocations - w->fail_at < w->fail_count) return NULL;
    size_t *block = malloc(sizeof(size_t) * 2 + size);
    if (!block) return NULL;
    block[0] = size;
    w->memory += size;
    ((struct world_host *)user)->memory += size;
    if (w->memory > w->memory_max) w->memory_max = w->memory;
    w->blocks++;
    return block + 2;
}

static void look_for_marker(struct world_host *h, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; h->marker.size && at + h->marker.size <= size; at++)
        if (bytes[at] == h->marker.data[0] && memcmp(bytes + at, h->marker.data, h->marker.size) == 0) h->marked++;
}

static void counted_free(void *user, void *ptr)
{
    struct world *w = ((struct world_host *)user)->world;
    if (!ptr) return;
    size_t *block = (size_t *)ptr - 2;
    look_for_marker(user, ptr, block[0]);
    w->memory -= block[0];
    ((struct world_host *)user)->memory -= block[0];
    w->blocks--;
    free(block);
}

static void *counted_realloc(void *user, void *old, size_t size)
{
    void *fresh = counted_alloc(user, size);
    if (!fresh || !old) return fresh;
    size_t before = ((size_t *)old)[-2];
    memcpy(fresh, old, before < size ? before : size);
    counted_free(user, old);
    return fresh;
}

// Random bytes that depend on (seed, host, purpose, count) alone.
static void keyed_random(void *user, enum qe_random purpose, uint8_t *out, size_t size)
{
    struct world_host *h = user;
    uint8_t key[32] = {0}, nonce[8];
    uint64_t parts[3] = {h->world->seed, h->index, (uint64_t)purpose};
    memcpy(key, parts, sizeof parts);
    memcpy(nonce, &h->draws[purpose], sizeof nonce);
    h->draws[purpose]++;
    crypto_stream_chacha20(out, size, nonce, key);
}

static int keep_secret(void *user, enum qe_secret_key key, enum qe_secret_operation operation, struct qe_span input,
    uint8_t *out, size_t size)
{
    struct world_host *h = user;
    if (key == QE_SECRET_IDENTITY) return qe_secret_do(&h->secret, operation, input, out, size);
    if (operation == QE_SECRET_TAKE_OVER) {
        uint8_t seed[QE_SECRET_SIZE];
        if (h->member || qe_secret_open_handed(&h->secret, input, seed) != 0) return -1;
        world_join(h, seed);
        return 0;
    }
    return h->member ? qe_secret_do(&h->network, operation, input, out, size) : -1;
}

void world_join(struct world_host *h, const uint8_t seed[QE_SECRET_SIZE])
{
    qe_secret_init(&h->network, seed);
    h->member = true;
}

static struct qe_buf *buf_make(size_t capacity)
{
    struct qe_buf *buf = calloc(1, sizeof *buf);
    buf->data = malloc(capacity);
    buf->capacity = (uint32_t)capacity;
    buf->offset = QE_BUF_HEADROOM;
    return buf;
}

static void buf_destroy(struct qe_buf *buf)
{
    free(buf->data);
    free(buf);
}

static struct qe_buf *lend(void *user)
{
    struct world_host *h = user;
    assert(h->lent < WORLD_BUFFERS);
    h->lent++;
    return buf_make(QE_BUF_SIZE);
}

static void take_back(void *user, struct qe_buf *buf)
{
    struct world_host *h = user;
    if (buf->capacity == QE_BUF_SIZE) h->lent--;
    buf_destroy(buf);
}

void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->now_ns = QE_NS_PER_S;
    w->delay_ns = 10 * QE_NS_PER_MS;
    w->link_ns = 100 * QE_NS_PER_MS;
    if (sodium_init() < 0) abort();
    // One for the whole program, as in the simulator: it holds nothing of a node.
    static struct qe_tls_library *shared;
    if (!shared) shared = qe_tls_library_new();
    assert(shared);
    w->tls = shared;
}

struct world_host *world_add(struct world *w)
{
    struct world_host *h = &w->hosts[w->host_count];
    h->world = w;
    h->index = w->host_count++;
    uint8_t seed[32] = {0};
    seed[0] = (uint8_t)(h->index + 1);
    memcpy(seed + 1, &w->seed, sizeof w->seed);
    qe_secret_init(&h->secret, seed);
    h->host.identity = qe_secret_public(&h->secret);
    h->delivered = calloc(WORLD_TUN_MAX, sizeof h->delivered[0]);
    h->delivered_offload = calloc(WORLD_TUN_MAX, sizeof h->delivered_offload[0]);
    h->id = qe_node_id_from_key(&h->host.identity);
    h->ip = qe_ip4(10, 0, 0, (uint8_t)(h->index + 1));
    h->host.user = h;
    h->host.mem = (struct qe_mem){h, counted_alloc, counted_realloc, counted_free};
    h->host.tls = w->tls;
    h->host.random = keyed_random;
    h->host.secret = keep_secret;
    h->host.buf_new = lend;
    h->host.buf_free = take_back;
    h->config.mtu = QE_DEFAULT_MTU;
    h->config.lanes = 1;
    h->config.log_level = QE_LOG_DEBUG;
    snprintf(h->config.tun_name, sizeof h->config.tun_name, "quicether0");
    h->config.listen[0] = (struct qe_addr){qe_ip4(0, 0, 0, 0), QE_DEFAULT_PORT, 0};
    h->config.listen_count = 1;
    return h;
}

static int by_id(const void *a, const void *b)
{
    const struct qe_config_peer *pa = a, *pb = b;
    return qe_node_id_compare(&pa->id, &pb->id);
}

void world_allow(struct world_host *a, const struct world_host *b, bool dial)
{
    struct qe_config *c = &a->config;
    c->peers = realloc(c->peers, (c->peer_count + 1) * sizeof *c->peers);
    struct qe_config_peer *peer = &c->peers[c->peer_count++];
    memset(peer, 0, sizeof *peer);
    peer->id = b->id;
    snprintf(peer->name, sizeof peer->name, "host%zu", b->index);
    if (dial) peer->addr = (struct qe_addr){b->ip, QE_DEFAULT_PORT, 0};
    qsort(c->peers, c->peer_count, sizeof *c->peers, by_id);
}

static uint64_t wall_ms(const struct world_host *h)
{
    uint64_t wall = UINT64_C(1700000000000) + h->world->now_ns / QE_NS_PER_MS + h->wall_ahead_ms;
    if (h->wall_jumps) wall += h->steps % 2 ? UINT64_C(3600000) : -UINT64_C(3600000);
    return wall;
}

static void step(struct world_host *h, struct qe_event *event);

static void hash_bytes(struct world *w, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++)
        w->hash = (w->hash ^ p[i]) * UINT64_C(1099511628211);
}

// When what comes to a link at that time has passed it; 0: it is lost.
static uint64_t pass_link(const struct world *w, uint64_t at_ns, uint64_t rate_bps, uint64_t *busy_ns, size_t size)
{
    if (rate_bps == 0) return at_ns;
    if (*busy_ns < at_ns) *busy_ns = at_ns;
    if (*busy_ns - at_ns > w->link_ns) return 0;
    *busy_ns += (size + 28) * 8 * QE_NS_PER_S / rate_bps;
    return *busy_ns;
}

static void launch(struct world *w, const struct qe_addr *from, const struct qe_addr *to, uint8_t ecn,
    const uint8_t *bytes, size_t size)
{
    uint64_t at_ns = w->now_ns;
    for (size_t i = 0; i < w->host_count && at_ns != 0; i++)
        if (qe_ip_equal(&w->hosts[i].ip, &from->ip))
            at_ns = pass_link(w, at_ns, w->hosts[i].rate_bps, &w->hosts[i].out_busy_ns, size);
    if (at_ns != 0) at_ns += w->delay_ns;
    for (size_t i = 0; i < w->host_count && at_ns != 0; i++)
        if (qe_ip_equal(&w->hosts[i].ip, &to->ip))
            at_ns = pass_link(w, at_ns, w->hosts[i].rate_bps, &w->hosts[i].in_busy_ns, size);
    if (at_ns == 0) return;
    struct world_datagram *d = malloc(sizeof *d + size);
    *d = (struct world_datagram){.at_ns = at_ns, .from = *from, .to = *to, .ecn = ecn, .size = (uint32_t)size};
    memcpy(d->bytes, bytes, size);
    struct world_datagram **at = &w->flight;
    while (*at && (*at)->at_ns <= d->at_ns)
        at = &(*at)->next;
    d->next = *at;
    *at = d;
}

void world_inject(
    struct world *w, const struct world_host *to, const struct qe_addr *from, const uint8_t *bytes, size_t size)
{
    const struct qe_addr addr = {to->ip, QE_DEFAULT_PORT, 0};
    launch(w, from, &addr, 0, bytes, size);
}

static void send_batch(struct world_host *h, const struct qe_send *send)
{
    struct world *w = h->world;
    const struct qe_addr from = {h->ip, QE_DEFAULT_PORT, 0};
    const uint8_t *bytes = qe_buf_bytes(send->buf);
    bool refused = h->refuse_every && ++h->sends % h->refuse_every == 0;
    for (uint32_t at = 0; at < send->buf->size; at += send->segment_size) {
        uint32_t left = send->buf->size - at, size = left < send->segment_size ? left : send->segment_size;
        w->sent_datagrams++;
        hash_bytes(w, &w->now_ns, sizeof w->now_ns);
        hash_bytes(w, &h->index, sizeof h->index);
        hash_bytes(w, bytes + at, size);
        h->sent_bytes += size;
        if (w->loses && w->loses(w, &h->ip, &send->remote.ip)) continue;
        if (refused || w->cut || size + 28 > (w->mtu ? w->mtu : 1500)) continue;
        launch(w, &from, &send->remote, send->ecn, bytes + at, size);
    }
}

// The host is done with a buffer: gives the room back now, or, hostile, later.
static void buffer_done(struct world_host *h, struct qe_buf *buf)
{
    if (h->return_every) {
        h->late[h->late_count++] = buf;
        return;
    }
    buf_destroy(buf);
    h->lent--;
    h->done++;
}

static void return_buffers(struct world_host *h)
{
    if (h->return_every && h->steps % h->return_every == 0) {
        for (; h->late_count > 0; h->done++, h->lent--)
            buf_destroy(h->late[--h->late_count]);
    }
    if (h->done == 0 || !h->node) return;
    struct qe_event event = {.kind = QE_EVENT_BUFFERS, .buffers = h->done};
    h->done = 0;
    step(h, &event);
}

static void deliver(struct world_host *h, const struct qe_deliver *deliver)
{
    assert(h->delivered_count < WORLD_TUN_MAX);
    uint8_t *copy = malloc(deliver->buf->size);
    memcpy(copy, qe_buf_bytes(deliver->buf), deliver->buf->size);
    h->delivered_offload[h->delivered_count] = deliver->offload;
    h->delivered[h->delivered_count++] = qe_span(copy, deliver->buf->size);
    buffer_done(h, deliver->buf);
}

static void store(struct world_host *h, const char *key, struct qe_span value)
{
    struct world_stored *place = NULL;
    for (size_t i = 0; i < WORLD_STORED_MAX; i++) {
        if (h->stored[i].value && strcmp(h->stored[i].key, key) == 0) place = &h->stored[i];
        if (!h->stored[i].value && !place) place = &h->stored[i];
    }
    assert(place);
    free(place->value);
    place->value = malloc(value.size + 1);
    memcpy(place->value, value.data, value.size);
    place->size = value.size;
    snprintf(place->key, sizeof place->key, "%s", key);
}

static void erase(struct world_host *h, const char *key)
{
    for (size_t i = 0; i < WORLD_STORED_MAX; i++) {
        if (!h->stored[i].value || strcmp(h->stored[i].key, key) != 0) continue;
        free(h->stored[i].value);
        h->stored[i].value = NULL;
    }
}

static void answer(struct world_host *h, uint64_t request, const char *refuse, const struct qe_addr *local)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT,
        .result = {.request = request, .code = refuse ? QE_RESULT_REFUSED : QE_RESULT_OK, .text = refuse}};
    if (local) event.result.local = *local;
    step(h, &event);
}

static void keep(struct qe_cidr *list, size_t *count, const struct qe_prefixes *prefixes)
{
    *count = prefixes->count < WORLD_PREFIXES ? prefixes->count : WORLD_PREFIXES;
    if (*count) memcpy(list, prefixes->list, *count * sizeof *list);
}

static void resolve(struct world_host *h, uint64_t request, const char *name)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT,
        .result = {.request = request, .code = QE_RESULT_UNAVAILABLE, .text = "Name or service not known"}};
    h->world->resolved++;
    if (h->refuse_dns) event.result.text = h->refuse_dns;
    for (size_t i = 0; i < WORLD_NAMES_MAX && !h->refuse_dns; i++) {
        const struct world_name *known = &h->world->names[i];
        if (known->count == 0 || known->hidden || strcmp(known->name, name) != 0) continue;
        event.result.code = QE_RESULT_OK;
        event.result.text = NULL;
        event.result.addresses = known->ips;
        event.result.address_count = known->count;
    }
    step(h, &event);
}

static void map_port(struct world_host *h, const struct qe_map_port *wanted)
{
    struct qe_event event = {.kind = QE_EVENT_RESULT,
        .result = {.request = wanted->request, .code = QE_RESULT_UNAVAILABLE, .text = "no NAT"}};
    h->mapped++;
    h->map = *wanted;
    if (h->maps_not) {
        event.result.code = QE_RESULT_REFUSED;
        event.result.text = h->maps_not;
    } else if (h->maps_at.ip.family) {
        event.result.code = QE_RESULT_OK;
        event.result.text = "PCP";
        event.result.local = h->maps_at;
        event.result.lifetime_s = h->maps_for_s < wanted->lifetime_s ? h->maps_for_s : wanted->lifetime_s;
    }
    step(h, &event);
}

static void act(struct world_host *h, const struct qe_action *a)
{
    size_t used = strlen(h->log);
    switch (a->kind) {
    case QE_ACTION_SEND:
        send_batch(h, &a->send);
        buffer_done(h, a->send.buf);
        break;
    case QE_ACTION_DELIVER:
        deliver(h, &a->deliver);
        break;
    case QE_ACTION_SOCKET_OPEN:
        answer(h, a->socket_open.request, h->refuse_socket, &a->socket_open.bind);
        break;
    case QE_ACTION_SOCKET_CLOSE:
        break;
    case QE_ACTION_TUN_OPEN:
        answer(h, a->tun_open.request, h->refuse_tun, NULL);
        break;
    case QE_ACTION_STORE:
        store(h, a->store.key, a->store.value);
        break;
    case QE_ACTION_ERASE:
        erase(h, a->erase_key);
        break;
    case QE_ACTION_LOG:
        snprintf(h->log + used, sizeof h->log - used, "%s\n", a->log.text);
        break;
    case QE_ACTION_REPLY: {
        free((void *)(uintptr_t)h->reply.data);
        uint8_t *copy = calloc(1, a->reply.body.size + 1);
        memcpy(copy, a->reply.body.data, a->reply.body.size);
        h->reply = qe_span(copy, a->reply.body.size);
        h->reply_status = a->reply.status;
        break;
    }
    case QE_ACTION_ADDRESSES:
        keep(h->addresses, &h->address_count, &a->addresses);
        answer(h, a->addresses.request, NULL, NULL);
        break;
    case QE_ACTION_ROUTES:
        keep(h->routes, &h->route_count, &a->routes);
        answer(h, a->routes.request, NULL, NULL);
        break;
    case QE_ACTION_FORWARD:
        keep(h->forwarded, &h->forwarded_count, &a->forward.prefixes);
        h->masquerade = a->forward.masquerade;
        answer(h, a->forward.prefixes.request, NULL, NULL);
        break;
    case QE_ACTION_RESOLVE:
        resolve(h, a->resolve.request, a->resolve.name);
        break;
    case QE_ACTION_DNS:
        answer(h, a->dns.request, NULL, NULL);
        break;
    case QE_ACTION_MAP_PORT:
        map_port(h, &a->map_port);
        break;
    case QE_ACTION_NOTIFY:
        snprintf(h->log + used, sizeof h->log - used, "%s\n", a->notify);
        break;
    case QE_ACTION_STOPPED:
        h->stopped = true;
        snprintf(h->failure, sizeof h->failure, "%s", a->stopped ? a->stopped : "");
        break;
    }
}

static void step(struct world_host *h, struct qe_event *event)
{
    struct qe_action action;
    event->now_ns = h->world->now_ns;
    event->wall_ms = wall_ms(h);
    h->steps++;
    qe_node_step(h->node, event);
    // An action that asks for an answer steps again from inside; the outer loop then finds nothing left.
    while (qe_node_next(h->node, &action))
        act(h, &action);
    return_buffers(h);
}

void world_bare_flush(struct world_host *h)
{
    struct qe_buf *buf = buf_make(QE_BUF_SIZE);
    struct qe_send out;
    while (h->bare && qe_quic_next(h->bare, buf, &out, h->world->now_ns, wall_ms(h))) {
        send_batch(h, &out);
        buf->size = 0;
    }
    buf_destroy(buf);
}

bool world_start(struct world_host *h)
{
    h->stopped = false;
    h->done = h->lent = 0;
    int rc = qe_node_new(&h->node, &h->config, &h->host, h->world->now_ns, wall_ms(h));
    assert(rc == 0 || h->world->fail_count > 0);
    if (rc != 0) return false;
    for (size_t i = 0; i < WORLD_STORED_MAX; i++) {
        if (!h->stored[i].value) continue;
        // The value may be erased while it is being read.
        uint8_t *copy = malloc(h->stored[i].size + 1);
        memcpy(copy, h->stored[i].value, h->stored[i].size);
        struct qe_event event = {.kind = QE_EVENT_STORED, .stored = {h->stored[i].key, {copy, h->stored[i].size}}};
        step(h, &event);
        free(copy);
    }
    struct qe_event buffers = {.kind = QE_EVENT_BUFFERS, .buffers = WORLD_BUFFERS};
    step(h, &buffers);
    const struct qe_cidr own = {h->ip, 24};
    struct qe_event link = {.kind = QE_EVENT_LINK,
        .link = {.interface = 1, .name = "eth0", .up = true, .addresses = &own, .address_count = 1}};
    if (h->tells_link) step(h, &link);
    struct qe_event start = {.kind = QE_EVENT_START};
    step(h, &start);
    return true;
}

void world_kill(struct world_host *h)
{
    qe_node_free(h->node);
    h->node = NULL;
    while (h->late_count > 0) {
        buf_destroy(h->late[--h->late_count]);
        h->lent--;
    }
    assert(h->lent == 0);
}

void world_advertise(struct world_host *h, const char *subnet)
{
    struct qe_config_subnets *s = &h->config.advertise;
    s->list = realloc(s->list, (s->count + 1) * sizeof *s->list);
    if (!s->list || !qe_cidr_parse(subnet, &s->list[s->count++])) abort();
    s->origin = QE_CONFIG_FILE;
    h->config.forward = h->config.masquerade = true;
}

void world_link(struct world_host *h, uint32_t interface, const char *const *addresses)
{
    struct qe_cidr list[8];
    struct qe_event event = {.kind = QE_EVENT_LINK, .link = {interface, "eth0", true, list, 0}};
    for (; *addresses && event.link.address_count < 8; addresses++)
        if (!qe_cidr_parse(*addresses, &list[event.link.address_count++])) abort();
    step(h, &event);
}

void world_step(struct world_host *h, struct qe_event *event)
{
    step(h, event);
}

size_t world_fini(struct world *w)
{
    for (size_t i = 0; i < w->host_count; i++) {
        struct world_host *h = &w->hosts[i];
        if (h->node) world_kill(h);
        for (size_t j = 0; j < h->delivered_count; j++)
            free((void *)(uintptr_t)h->delivered[j].data);
        free(h->delivered);
        free(h->delivered_offload);
        for (size_t j = 0; j < WORLD_STORED_MAX; j++)
            free(h->stored[j].value);
        free((void *)(uintptr_t)h->reply.data);
        free(h->config.peers);
        free(h->config.bootstrap);
        free(h->config.advertise.list);
        free(h->config.accept.list);
    }
    while (w->flight) {
        struct world_datagram *d = w->flight;
        w->flight = d->next;
        free(d);
    }
    return w->blocks;
}

static void arrive(struct world *w, struct world_datagram *d)
{
    for (size_t i = 0; i < w->host_count; i++) {
        struct world_host *h = &w->hosts[i];
        if ((!h->node && !h->bare && !h->receives) || !qe_ip_equal(&h->ip, &d->to.ip)) continue;
        const struct qe_datagrams in = {.socket = 1,
            .local = d->to,
            .remote = d->from,
            .bytes = d->bytes,
            .size = d->size,
            .segment_size = (uint16_t)d->size,
            .ecn = d->ecn};
        if (h->receives) {
            h->receives(h, &d->from, qe_span(d->bytes, d->size));
            continue;
        }
        if (h->bare) {
            qe_quic_receive(h->bare, &in, w->now_ns, wall_ms(h));
            world_bare_flush(h);
            continue;
        }
        struct qe_event event = {.kind = QE_EVENT_DATAGRAMS, .datagrams = {&in, 1}};
        step(h, &event);
    }
}

// The next instant at which something happens.
static uint64_t next_time(const struct world *w)
{
    uint64_t at = w->flight ? w->flight->at_ns : QE_TIME_NEVER;
    for (size_t i = 0; i < w->host_count; i++) {
        if (w->hosts[i].node) at = qe_time_min(at, qe_node_deadline(w->hosts[i].node));
        if (w->hosts[i].bare) at = qe_time_min(at, qe_quic_deadline(w->hosts[i].bare));
    }
    return at;
}

static void advance(struct world *w)
{
    uint64_t at = next_time(w);
    if (at > w->now_ns) w->now_ns = at;
    if (w->flight && w->flight->at_ns <= w->now_ns) {
        struct world_datagram *d = w->flight;
        w->flight = d->next;
        arrive(w, d);
        free(d);
        return;
    }
    for (size_t i = 0; i < w->host_count; i++) {
        struct world_host *h = &w->hosts[i];
        if (h->bare && qe_quic_deadline(h->bare) <= w->now_ns) {
            qe_quic_expire(h->bare, w->now_ns, wall_ms(h));
            world_bare_flush(h);
        }
        if (!h->node || qe_node_deadline(h->node) > w->now_ns) continue;
        struct qe_event event = {.kind = QE_EVENT_TIMEOUT};
        step(h, &event);
    }
}

bool world_until(struct world *w, bool (*condition)(struct world *w), uint64_t for_ns)
{
    uint64_t until = w->now_ns + for_ns, last = w->now_ns;
    unsigned same = 0;
    while (!condition || !condition(w)) {
        if (next_time(w) > until) {
            w->now_ns = until;
            return condition && condition(w);
        }
        advance(w);
        same = w->now_ns == last ? same + 1 : 0;
        last = w->now_ns;
        assert(same < 100000); // a timer storm
    }
    return true;
}

void world_run(struct world *w, uint64_t until_ns)
{
    if (until_ns > w->now_ns) world_until(w, NULL, until_ns - w->now_ns);
}

void world_tun(struct world_host *h, const uint8_t *packet, size_t size, const struct qe_offload *offload)
{
    struct qe_packet_in in = {buf_make(QE_BUF_HEADROOM + size), {0}};
    if (offload) in.offload = *offload;
    memcpy(qe_buf_bytes(in.buf), packet, size);
    in.buf->size = (uint32_t)size;
    struct qe_event event = {.kind = QE_EVENT_PACKETS, .packets = {&in, 1}};
    step(h, &event);
}

size_t world_packet(
    const struct world_host *a, const struct world_host *b, uint8_t family, uint32_t number, size_t size, uint8_t *out)
{
    memset(out, 0, size);
    struct qe_cidr from = family == 4 ? qe_overlay_ip4(&a->id, 0) : qe_overlay_ip6(&a->id);
    struct qe_cidr to = family == 4 ? qe_overlay_ip4(&b->id, 0) : qe_overlay_ip6(&b->id);
    size_t header = family == 4 ? 20 : 40, width = qe_ip_size(&from.ip);
    uint8_t *udp = out + header;
    if (family == 4) {
        out[0] = 0x45;
        qe_store16(out + 2, (uint16_t)size);
        out[6] = 0x40;
        out[8] = 64;
        out[9] = QE_IPPROTO_UDP;
        memcpy(out + 12, from.ip.bytes, width);
        memcpy(out + 16, to.ip.bytes, width);
        qe_store16(out + 10, qe_checksum_fold(qe_checksum_add(0, out, 20)));
    } else {
        out[0] = 0x60;
        qe_store16(out + 4, (uint16_t)(size - 40));
        out[6] = QE_IPPROTO_UDP;
        out[7] = 64;
        memcpy(out + 8, from.ip.bytes, width);
        memcpy(out + 24, to.ip.bytes, width);
    }
    qe_store16(udp, 5000);
    qe_store16(udp + 2, 5001);
    qe_store16(udp + 4, (uint16_t)(size - header));
    if (size >= header + 12) qe_store32(udp + 8, number);
    for (size_t i = header + 12; i < size; i++)
        out[i] = (uint8_t)(i * 7 + number);
    return size;
}

int world_command(struct world_host *h, enum qe_command_verb verb, const char *argument)
{
    static uint64_t id;
    struct qe_event event = {.kind = QE_EVENT_COMMAND, .command = {++id, verb, argument}};
    uint64_t until = h->world->now_ns + 6 * QE_NS_PER_S;
    h->reply_status = 0;
    step(h, &event);
    while (h->reply_status == 0 && next_time(h->world) <= until)
        advance(h->world);
    return h->reply_status;
}

void world_ask(struct world_host *h, enum qe_command_verb verb, const char *argument)
{
    struct qe_event event = {.kind = QE_EVENT_COMMAND, .command = {UINT64_MAX, verb, argument}};
    step(h, &event);
}

uint64_t world_metric(struct world_host *h, const char *name)
{
    char pattern[128];
    if (world_command(h, QE_COMMAND_METRICS, NULL) != 200) return UINT64_MAX;
    snprintf(pattern, sizeof pattern, "\"quicether_%s\"", name);
    const char *at = strstr((const char *)h->reply.data, pattern);
    at = at ? strstr(at, "\"value\":") : NULL;
    return at ? strtoull(at + 8, NULL, 10) : UINT64_MAX;
}

bool world_connected(struct world_host *h, const struct world_host *peer)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    if (world_command(h, QE_COMMAND_PEERS, NULL) != 200) return false;
    const char *at = strstr((const char *)h->reply.data, qe_node_id_format(&peer->id, id));
    const char *state = at ? strstr(at, "\"state\":") : NULL;
    return state && strncmp(state + 8, "\"connected\"", 11) == 0;
}
