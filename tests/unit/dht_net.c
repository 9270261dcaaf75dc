#include "dht_net.h"

#include "dht/signal.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void node_random(void *user, uint8_t *out, size_t size)
{
    struct dht_net_node *node = user;
    unit_random_fill(&node->random, out, size);
}

static size_t copy_records(struct dht_net_answer *to, const struct qe_dht_answer *from)
{
    size_t count = from->record_count < 64 ? from->record_count : 64;
    for (size_t i = 0; i < count; i++) {
        to->records[i] = from->records[i];
        memcpy(to->record_values[i], from->records[i].value.data, from->records[i].value.size);
        to->records[i].value.data = to->record_values[i];
    }
    return count;
}

static void node_answer(void *user, const struct qe_dht_answer *answer)
{
    struct dht_net_node *node = user;
    struct dht_net_answer *last = &node->last;
    unsigned partial = last->partial + !answer->final;
    *last = (struct dht_net_answer){.final = answer->final,
        .outcome = answer->outcome,
        .has_item = answer->item != NULL,
        .peer_count = answer->peer_count < 64 ? answer->peer_count : 64,
        .closest_count = answer->closest_count,
        .stored = answer->stored,
        .hops = answer->hops,
        .queries = answer->queries,
        .timeouts = answer->timeouts,
        .partial = partial,
        .error_code = answer->error_code,
        .elapsed_us = answer->elapsed_us};
    memcpy(last->error_text, answer->error_text, sizeof last->error_text);
    if (answer->item) {
        last->seq = answer->item->seq;
        last->value_size = answer->item->value.size;
        memcpy(last->value, answer->item->value.data, last->value_size);
    }
    last->record_count = copy_records(last, answer);
    if (last->peer_count) memcpy(last->peers, answer->peers, last->peer_count * sizeof last->peers[0]);
    assert(answer->closest_count <= 32);
    if (answer->closest_count) memcpy(last->closest, answer->closest, answer->closest_count * sizeof last->closest[0]);
}

static bool node_sign(void *user, struct qe_span text, uint8_t signature[64])
{
    const struct dht_net_node *node = user;
    return crypto_sign_detached(signature, NULL, text.data, text.size, node->secret_key) == 0;
}

struct dht_net *dht_net_new(void)
{
    struct dht_net *net = calloc(1, sizeof *net);
    net->now_ns = 1000 * QE_NS_PER_S;
    net->random = unit_random();
    net->nodes = calloc(DHT_NET_NODES_MAX, sizeof *net->nodes);
    net->deadlines = malloc(2 * DHT_NET_NODES_MAX * sizeof *net->deadlines);
    for (size_t i = 0; i < 2 * DHT_NET_NODES_MAX; i++)
        net->deadlines[i] = QE_TIME_NEVER;
    return net;
}

void dht_net_free(struct dht_net *net)
{
    for (size_t i = 0; i < net->count; i++)
        qe_dht_free(net->nodes[i].dht);
    for (size_t i = 0; i < net->flying_count; i++)
        free(net->flying[i]);
    free(net->flying);
    free(net->deadlines);
    free(net->nodes);
    free(net);
}

static struct dht_net_node *add(struct dht_net *net, const struct qe_dht_options *wanted, struct qe_ip ip)
{
    assert(net->count < DHT_NET_NODES_MAX);
    struct dht_net_node *node = &net->nodes[net->count++];
    uint8_t seed[32];
    unit_random_fill(&net->random, seed, sizeof seed);
    crypto_sign_seed_keypair(node->key.bytes, node->secret_key, seed);
    node->id = qe_node_id_from_key(&node->key);
    node->addr = (struct qe_addr){.ip = ip, .port = 9000};
    node->random = (struct unit_random){unit_random_next(&net->random)};
    struct qe_dht_options options = wanted ? *wanted : (struct qe_dht_options){.exempt_private = true};
    options.mem = unit_mem();
    options.id = node->id;
    options.user = node;
    options.random = node_random;
    options.answer = node_answer;
    options.key = node->key;
    options.sign = node_sign;
    if (qe_dht_new(&node->dht, &options, net->now_ns) != 0) abort();
    return node;
}

struct dht_net_node *dht_net_add(struct dht_net *net, const struct qe_dht_options *options)
{
    uint8_t first = options && !options->exempt_private ? 1 : 10;
    return add(net, options, qe_ip4((uint8_t)(first + net->count / 256), (uint8_t)(net->count % 256), 1, 1));
}

static struct qe_ip ip6(size_t index)
{
    uint8_t bytes[16] = {0x20, 0x01, (uint8_t)(index >> 8), (uint8_t)index, [15] = 1};
    return qe_ip6(bytes);
}

struct dht_net_node *dht_net_add6(struct dht_net *net, const struct qe_dht_options *options)
{
    return add(net, options, ip6(net->count));
}

void dht_net_also6(struct dht_net *net, struct dht_net_node *node)
{
    node->also = (struct qe_addr){.ip = ip6((size_t)(node - net->nodes)), .port = 9000};
}

// The node's number is in its address.
static struct dht_net_node *at(struct dht_net *net, const struct qe_addr *addr)
{
    const uint8_t *b = addr->ip.bytes;
    size_t first = b[0] >= 10 ? 10 : 1;
    size_t index = addr->ip.family == 6 ? (size_t)b[2] << 8 | b[3] : (size_t)(b[0] - first) << 8 | b[1];
    if (index >= net->count) return NULL;
    struct dht_net_node *node = &net->nodes[index];
    bool other = node->other_port && addr->port == node->other_port && qe_ip_equal(&addr->ip, &node->addr.ip);
    return other || qe_addr_equal(&node->addr, addr) || qe_addr_equal(&node->also, addr) ? node : NULL;
}

static void note_deadline(struct dht_net *net, const struct dht_net_node *node)
{
    size_t i = DHT_NET_NODES_MAX + (size_t)(node - net->nodes);
    net->deadlines[i] = qe_dht_deadline(node->dht);
    for (i /= 2; i > 0; i /= 2)
        net->deadlines[i] = qe_time_min(net->deadlines[2 * i], net->deadlines[2 * i + 1]);
}

static struct dht_net_node *first_due(struct dht_net *net)
{
    size_t i = 1;
    while (i < DHT_NET_NODES_MAX)
        i = net->deadlines[2 * i] == net->deadlines[i] ? 2 * i : 2 * i + 1;
    return &net->nodes[i - DHT_NET_NODES_MAX];
}

static bool before(const struct dht_net_datagram *a, const struct dht_net_datagram *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct dht_net *net, struct dht_net_datagram *datagram)
{
    if (net->flying_count == net->flying_capacity) {
        net->flying_capacity = net->flying_capacity ? net->flying_capacity * 2 : 64;
        net->flying = realloc(net->flying, net->flying_capacity * sizeof *net->flying);
    }
    size_t i = net->flying_count++;
    for (; i > 0 && before(datagram, net->flying[(i - 1) / 2]); i = (i - 1) / 2)
        net->flying[i] = net->flying[(i - 1) / 2];
    net->flying[i] = datagram;
}

static struct dht_net_datagram *pop(struct dht_net *net)
{
    struct dht_net_datagram *top = net->flying[0], *last = net->flying[--net->flying_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < net->flying_count) {
        if (child + 1 < net->flying_count && before(net->flying[child + 1], net->flying[child])) child++;
        if (before(last, net->flying[child])) break;
        net->flying[i] = net->flying[child];
        i = child;
    }
    net->flying[i] = last;
    return top;
}

// 25 to 100 ms one way, the same for a pair every time.
static uint64_t delay_ns(const struct qe_addr *a, const struct qe_addr *b)
{
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += (uint32_t)(a->ip.bytes[i] + b->ip.bytes[i]) * (uint32_t)(i * 7 + 3);
    return (25 + sum * 2654435761u % 76) * QE_NS_PER_MS;
}

void dht_net_send(struct dht_net *net, const struct qe_addr *from, const struct qe_addr *to, struct qe_span bytes)
{
    net->sent++;
    net->sent_bytes += bytes.size;
    if (net->loss_percent && unit_random_below(&net->random, 100) < net->loss_percent) return;
    struct dht_net_datagram *datagram = malloc(sizeof *datagram);
    *datagram = (struct dht_net_datagram){.at_ns = net->now_ns + delay_ns(from, to),
        .order = net->order++,
        .from = *from,
        .to = *to,
        .size = (uint16_t)bytes.size};
    memcpy(datagram->bytes, bytes.data, bytes.size);
    push(net, datagram);
}

void dht_net_flush(struct dht_net *net, struct dht_net_node *node)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    while (qe_dht_next(node->dht, bytes, &send, net->now_ns)) {
        const struct qe_addr *from = send.to.ip.family == node->addr.ip.family ? &node->addr : &node->also;
        struct qe_addr source = *from;
        if (send.socket == QE_DHT_SOCKET_OTHER) source.port = node->other_port;
        if (!node->off && from->ip.family != 0) dht_net_send(net, &source, &send.to, qe_span(bytes, send.size));
    }
    note_deadline(net, node);
}

static void deliver(struct dht_net *net, const struct dht_net_datagram *datagram)
{
    struct dht_net_node *to = at(net, &datagram->to), *from = at(net, &datagram->from);
    if (!to) {
        if (net->stranger) net->stranger(net->user, datagram);
        return;
    }
    if (to->off || (net->cut && from && from->half != to->half)) return;
    bool other = to->other_port && datagram->to.port == to->other_port;
    qe_dht_receive(to->dht, other ? QE_DHT_SOCKET_OTHER : 0, &datagram->from, qe_span(datagram->bytes, datagram->size),
        net->now_ns);
    dht_net_flush(net, to);
}

void dht_net_run(struct dht_net *net, uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = net->flying_count ? net->flying[0]->at_ns : QE_TIME_NEVER;
        struct dht_net_node *due = net->deadlines[1] < next_ns ? first_due(net) : NULL;
        if (due) next_ns = net->deadlines[1];
        if (next_ns > until_ns) break;
        if (next_ns > net->now_ns) net->now_ns = next_ns;
        if (due) {
            qe_dht_expire(due->dht, net->now_ns);
            dht_net_flush(net, due);
            continue;
        }
        struct dht_net_datagram *datagram = pop(net);
        deliver(net, datagram);
        free(datagram);
    }
    net->now_ns = until_ns;
}

void dht_net_run_for(struct dht_net *net, uint64_t ns)
{
    dht_net_run(net, net->now_ns + ns);
}

void dht_net_grow(struct dht_net *net, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct dht_net_node *node = dht_net_add(net, NULL);
        if (node != &net->nodes[0]) qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
        dht_net_flush(net, node);
        dht_net_run_for(net, 20 * QE_NS_PER_MS);
    }
    dht_net_run_for(net, 60 * QE_NS_PER_S);
}

const struct dht_net_answer *dht_net_do(
    struct dht_net *net, struct dht_net_node *node, const struct qe_dht_request *request)
{
    node->last = (struct dht_net_answer){0};
    uint64_t end_ns = net->now_ns + 30 * QE_NS_PER_S;
    if (qe_dht_start(node->dht, request, net->now_ns) == 0) return &node->last;
    dht_net_flush(net, node);
    while (!node->last.final && net->now_ns < end_ns)
        dht_net_run_for(net, QE_NS_PER_MS);
    return &node->last;
}

struct qe_dht_item dht_net_item(const struct dht_net_node *node, const char *bencoded, const char *salt, int64_t seq)
{
    struct qe_dht_item item = {.mutable = true,
        .key = node->key,
        .salt = qe_span(salt, strlen(salt)),
        .seq = seq,
        .value = qe_span(bencoded, strlen(bencoded))};
    uint8_t bytes[QE_DHT_SIGNED_MAX];
    size_t size = qe_dht_item_signed(&item, bytes);
    crypto_sign_detached(item.signature, NULL, bytes, size, node->secret_key);
    return item;
}

struct qe_dht_record dht_net_record(
    const struct dht_net_node *node, const struct qe_node_id *target, const char *value, uint64_t seq)
{
    struct qe_dht_record record = {.owner = node->key, .seq = seq, .value = qe_span(value, strlen(value))};
    uint8_t bytes[QE_DHT_SIGNED_MAX];
    size_t size = qe_dht_record_signed(&record, target, bytes);
    crypto_sign_detached(record.signature, NULL, bytes, size, node->secret_key);
    return record;
}
