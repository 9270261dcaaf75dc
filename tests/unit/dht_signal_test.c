// Registrations and signals in a swarm of nodes in virtual time: who is registered can be signalled and answers; who is
// not, or whose holders are gone, cannot; and nobody gets more than the limits say.
#include "dht/holder.h"
#include "dht/limit.h"
#include "dht/signal.h"
#include "dht_net.h"

#include <string.h>

#define NODES 30
#define KEEP  (25 * QE_NS_PER_S)

struct heard {
    unsigned count[QE_DHT_SIGNAL_LOST + 1];
    struct qe_dht_signal last[QE_DHT_SIGNAL_LOST + 1];
    char text[QE_DHT_SIGNAL_MAX + 1]; // of the last payload
    struct qe_addr holders[64];       // of those that passed something on
    bool answers;
};

static struct dht_net *net;
static struct heard heard[NODES + 8];

static void on_signal(void *user, const struct qe_dht_signal *signal)
{
    struct dht_net_node *node = user;
    struct heard *h = &heard[node - net->nodes];
    h->last[signal->kind] = *signal;
    if (signal->kind == QE_DHT_SIGNAL_PASSED) h->holders[h->count[signal->kind] % 64] = signal->holder.addr;
    h->count[signal->kind]++;
    if (signal->payload.size) {
        memcpy(h->text, signal->payload.data, signal->payload.size);
        h->text[signal->payload.size] = 0;
    }
    if (signal->kind == QE_DHT_SIGNAL_RECEIVED && h->answers)
        CU_ASSERT_TRUE(qe_dht_signal_answer(node->dht, &signal->way, qe_span("yes", 3), net->now_ns));
}

static const struct qe_dht_options options = {.exempt_private = true, .signal = on_signal};

static void begin(void)
{
    memset(heard, 0, sizeof heard);
    net = dht_net_new();
    for (size_t i = 0; i < NODES; i++) {
        struct dht_net_node *node = dht_net_add(net, &options);
        if (i > 0) qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
        qe_dht_set_open(node->dht, true);
        dht_net_flush(net, node);
        dht_net_run_for(net, 20 * QE_NS_PER_MS);
    }
    dht_net_run_for(net, 60 * QE_NS_PER_S);
}

static void end(void)
{
    dht_net_free(net);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// The node is registered, and its record is there.
static void register_node(struct dht_net_node *node)
{
    struct qe_dht_item item = dht_net_item(node, "6:record", "", 1);
    struct qe_dht_request put = {.kind = QE_DHT_PUT, .item = &item};
    qe_dht_register(node->dht, KEEP, net->now_ns);
    dht_net_flush(net, node);
    dht_net_do(net, node, &put);
    dht_net_run_for(net, 10 * QE_NS_PER_S);
}

static unsigned call(struct dht_net_node *from, const struct dht_net_node *to, const char *text)
{
    unsigned ways = qe_dht_signal_send(from->dht, &to->id, qe_span(text, strlen(text)), net->now_ns);
    dht_net_flush(net, from);
    dht_net_run_for(net, QE_NS_PER_S);
    return ways;
}

static void look_up(struct dht_net_node *from, const struct dht_net_node *to)
{
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = to->id};
    CU_ASSERT_TRUE(dht_net_do(net, from, &get)->has_item);
}

static void a_node_registers_at_three_of_the_closest(void)
{
    begin();
    struct dht_net_node *b = &net->nodes[7];
    register_node(b);
    struct qe_dht_registration list[QE_DHT_HOLDERS_MAX];
    CU_ASSERT_EQUAL(qe_dht_registrations(b->dht, list, QE_DHT_HOLDERS_MAX), QE_DHT_HOLDERS);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_REGISTERED], QE_DHT_HOLDERS);
    for (size_t i = 0; i < QE_DHT_HOLDERS; i++) {
        CU_ASSERT_TRUE(qe_addr_equal(&list[i].seen, &b->addr) && list[i].open);
        unsigned closer = 0;
        for (size_t n = 0; n < net->count; n++)
            for (size_t byte = 0; byte < 20 && n != 7; byte++) {
                int mine = net->nodes[n].id.bytes[byte] ^ b->id.bytes[byte];
                int theirs = list[i].holder.id.bytes[byte] ^ b->id.bytes[byte];
                if (mine == theirs) continue;
                closer += mine < theirs;
                break;
            }
        CU_ASSERT_TRUE(closer < QE_DHT_HOLDERS);
    }
    // They are renewed, and hold for as long as that goes on.
    dht_net_run_for(net, 900 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(qe_dht_registrations(b->dht, list, QE_DHT_HOLDERS_MAX), QE_DHT_HOLDERS);
    for (size_t i = 0; i < QE_DHT_HOLDERS; i++)
        CU_ASSERT_TRUE(net->now_ns - list[i].renewed_ns <= KEEP + QE_NS_PER_S && list[i].since_ns + 900 < net->now_ns);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_LOST], 0);
    end();
}

static void holders_that_may_not_be_reached_are_not_counted_on(void)
{
    begin();
    for (size_t i = 0; i < net->count; i++)
        qe_dht_set_open(net->nodes[i].dht, i % 4 == 0);
    struct dht_net_node *b = &net->nodes[7];
    register_node(b);
    struct qe_dht_registration list[QE_DHT_HOLDERS_MAX];
    size_t count = qe_dht_registrations(b->dht, list, QE_DHT_HOLDERS_MAX), open = 0;
    for (size_t i = 0; i < count; i++)
        open += list[i].open;
    CU_ASSERT_TRUE(open == QE_DHT_HOLDERS || count == QE_DHT_HOLDERS_MAX);
    CU_ASSERT_TRUE(count > QE_DHT_HOLDERS);
    end();
}

static void a_signal_finds_who_is_registered_and_is_answered(void)
{
    begin();
    struct dht_net_node *a = &net->nodes[19], *b = &net->nodes[7];
    register_node(b);
    heard[7].answers = true;
    CU_ASSERT_EQUAL(call(a, b, "too soon"), 0);
    dht_net_run_for(net, 2 * QE_DHT_SIGNAL_LIFE_NS);
    look_up(a, b);
    CU_ASSERT_EQUAL(call(a, b, "may I?"), QE_DHT_HOLDERS);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_RECEIVED], QE_DHT_HOLDERS);
    CU_ASSERT_STRING_EQUAL(heard[7].text, "may I?");
    CU_ASSERT_TRUE(qe_addr_equal(&heard[7].last[QE_DHT_SIGNAL_RECEIVED].seen, &a->addr));
    // Each that passed it on says where it sees the other one; they are different ones.
    CU_ASSERT_EQUAL(heard[19].count[QE_DHT_SIGNAL_PASSED], QE_DHT_HOLDERS);
    CU_ASSERT_TRUE(qe_addr_equal(&heard[19].last[QE_DHT_SIGNAL_PASSED].seen, &b->addr));
    CU_ASSERT_FALSE(qe_addr_equal(&heard[19].holders[0], &heard[19].holders[1]));
    CU_ASSERT_EQUAL(heard[19].count[QE_DHT_SIGNAL_ANSWERED], QE_DHT_HOLDERS);
    CU_ASSERT_STRING_EQUAL(heard[19].text, "yes");
    CU_ASSERT_TRUE(qe_addr_equal(&heard[19].last[QE_DHT_SIGNAL_ANSWERED].seen, &b->addr));
    // A quarter of an hour later the tokens have run out: new ones come, and the same signal goes out with those. That
    // takes a lookup again, since nobody says for so long who is registered where.
    dht_net_run_for(net, 500 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(call(a, b, "again?"), QE_DHT_HOLDERS);
    dht_net_run_for(net, QE_NS_PER_S);
    CU_ASSERT_STRING_EQUAL(heard[7].text, "again?");
    dht_net_run_for(net, 200 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(call(a, b, "long after"), 0);
    end();
}

static void a_signal_goes_out_while_the_lookup_is_under_way(void)
{
    begin();
    struct dht_net_node *a = &net->nodes[19], *b = &net->nodes[7];
    register_node(b);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = b->id};
    a->last = (struct dht_net_answer){0};
    CU_ASSERT_TRUE(qe_dht_start(a->dht, &get, net->now_ns) != 0);
    dht_net_flush(net, a);
    uint64_t begun_ns = net->now_ns;
    while (!a->last.has_item && net->now_ns < begun_ns + 5 * QE_NS_PER_S)
        dht_net_run_for(net, QE_NS_PER_MS);
    CU_ASSERT_FALSE(a->last.final);
    qe_dht_signal_send(a->dht, &b->id, qe_span("now", 3), net->now_ns);
    dht_net_flush(net, a);
    dht_net_run_for(net, 2 * QE_NS_PER_S);
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] >= 2);
    end();
}

static void through_a_node_of_ones_choice(void)
{
    begin();
    struct dht_net_node *a = &net->nodes[19], *b = &net->nodes[7], *gateway = &net->nodes[23];
    qe_dht_register_at(b->dht, &gateway->addr, true, net->now_ns);
    register_node(b);
    CU_ASSERT_TRUE(qe_dht_signal_send_by(a->dht, &gateway->addr, &b->id, qe_span("hello", 5), net->now_ns));
    dht_net_flush(net, a);
    dht_net_run_for(net, 2 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_RECEIVED], 1);
    CU_ASSERT_EQUAL(heard[19].count[QE_DHT_SIGNAL_PASSED], 1);
    // Not registered there any more: it says so once the registration has run out.
    qe_dht_register_at(b->dht, &gateway->addr, false, net->now_ns);
    dht_net_run_for(net, 320 * QE_NS_PER_S);
    qe_dht_signal_send_by(a->dht, &gateway->addr, &b->id, qe_span("hello", 5), net->now_ns);
    dht_net_flush(net, a);
    dht_net_run_for(net, 2 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_RECEIVED], 1);
    CU_ASSERT_EQUAL(heard[19].count[QE_DHT_SIGNAL_UNKNOWN], 1);
    end();
}

static void lost_holders_are_replaced_and_loss_is_survived(void)
{
    begin();
    net->loss_percent = 20;
    struct dht_net_node *a = &net->nodes[19], *b = &net->nodes[7];
    register_node(b);
    struct qe_dht_registration list[QE_DHT_HOLDERS_MAX];
    dht_net_run_for(net, 30 * QE_NS_PER_S);
    CU_ASSERT_TRUE(qe_dht_registrations(b->dht, list, QE_DHT_HOLDERS_MAX) >= 2);
    for (size_t n = 0; n < net->count; n++)
        for (size_t i = 0; i < 2; i++)
            if (qe_addr_equal(&net->nodes[n].addr, &list[i].holder.addr)) net->nodes[n].off = true;
    dht_net_run_for(net, 120 * QE_NS_PER_S);
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_LOST] >= 2);
    CU_ASSERT_TRUE(qe_dht_registrations(b->dht, list, QE_DHT_HOLDERS_MAX) >= 2);
    if (a->off) a = &net->nodes[20];
    look_up(a, b);
    for (int i = 0; i < 3; i++)
        call(a, b, "still there?");
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] >= 1);
    end();
}

static void nobody_is_flooded(void)
{
    begin();
    struct dht_net_node *a = &net->nodes[19], *b = &net->nodes[7];
    register_node(b);
    look_up(a, b);
    uint64_t sent_before = net->sent;
    for (unsigned i = 0; i < 400; i++) {
        qe_dht_signal_send(a->dht, &b->id, qe_span("again and again", 15), net->now_ns);
        dht_net_flush(net, a);
        dht_net_run_for(net, 50 * QE_NS_PER_MS);
    }
    // 20 s at 4 a second and holder, and the burst.
    unsigned burst = QE_DHT_LIMIT_QUERIES_MAX / QE_DHT_LIMIT_SIGNAL;
    unsigned a_second = QE_DHT_LIMIT_QUERIES_S / QE_DHT_LIMIT_SIGNAL;
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] <= QE_DHT_HOLDERS * (burst + 22 * a_second));
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] >= QE_DHT_HOLDERS * (burst + 5 * a_second));
    CU_ASSERT_TRUE(net->sent > sent_before);
    end();
}

// Writes a query as a node of ours would, but with what is given.
static void query(
    struct dht_net_node *as, const struct qe_addr *from, const struct dht_net_node *to, struct qe_krpc message)
{
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    message.type = QE_KRPC_QUERY;
    message.transaction = qe_span("xxxx", 4);
    message.version = qe_span(QE_KRPC_VERSION, 4);
    message.has_id = true;
    if (as) message.id = as->id;
    size_t size = qe_krpc_write(&message, bytes, sizeof bytes);
    CU_ASSERT_TRUE(size > 0);
    dht_net_send(net, from, &to->addr, qe_span(bytes, size));
    dht_net_run_for(net, QE_NS_PER_S);
}

static struct qe_krpc caught; // what came for a stranger
static struct dht_net_datagram caught_datagram;
static unsigned caught_count;

static void on_stranger(void *user, const struct dht_net_datagram *datagram)
{
    struct qe_krpc message;
    (void)user;
    CU_ASSERT_TRUE(qe_krpc_read(qe_span(datagram->bytes, datagram->size), &message));
    if (message.method == QE_KRPC_PING) return; // whether the stranger is there
    caught_datagram = *datagram;
    caught_count++;
    CU_ASSERT_TRUE(qe_krpc_read(qe_span(caught_datagram.bytes, caught_datagram.size), &caught));
}

static void strangers_are_not_heard_and_cannot_register_for_others(void)
{
    begin();
    struct dht_net_node *b = &net->nodes[7], *holder = &net->nodes[3];
    const struct qe_addr stranger = {.ip = qe_ip4(9, 9, 9, 9), .port = 77};
    net->stranger = on_stranger;
    register_node(b);
    // A signal that no holder of ours passed on.
    uint8_t token[8] = {0};
    query(NULL, &stranger, b,
        (struct qe_krpc){.method = QE_KRPC_SIGNAL,
            .has_target = true,
            .target = b->id,
            .has_peer = true,
            .peer = stranger,
            .token = qe_span(token, 8),
            .payload = qe_span("boo", 3)});
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_RECEIVED], 0);
    // An answer that was not asked for.
    query(NULL, &stranger, b,
        (struct qe_krpc){.method = QE_KRPC_SIGNAL,
            .has_target = true,
            .target = b->id,
            .has_peer = true,
            .peer = stranger,
            .answers = true,
            .payload = qe_span("boo", 3)});
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_ANSWERED], 0);
    // A token is had by asking; b's ID with another's signature, or with none, gets nobody registered.
    query(b, &stranger, holder, (struct qe_krpc){.method = QE_KRPC_REGISTER});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_REPLY && caught.token.size == 8 && !caught.registered);
    uint8_t kept[8], signature[64] = {1};
    memcpy(kept, caught.token.data, 8);
    query(b, &stranger, holder, (struct qe_krpc){.method = QE_KRPC_REGISTER, .token = qe_span(kept, 8)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_REPLY && !caught.registered);
    query(b, &stranger, holder,
        (struct qe_krpc){.method = QE_KRPC_REGISTER,
            .token = qe_span(kept, 8),
            .key = qe_span(b->key.bytes, 32),
            .signature = qe_span(signature, 64)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_ERROR && caught.error_code == QE_KRPC_ERROR_SIGNATURE);
    // What a port was given is not another port's.
    const struct qe_addr beside = {.ip = stranger.ip, .port = 78};
    query(b, &beside, holder,
        (struct qe_krpc){.method = QE_KRPC_REGISTER,
            .token = qe_span(kept, 8),
            .key = qe_span(b->key.bytes, 32),
            .signature = qe_span(signature, 64)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_REPLY && !caught.registered);
    // Without a token nothing is passed on, and without a way back nothing is answered.
    struct qe_dht_registration list[1];
    CU_ASSERT_EQUAL(qe_dht_registrations(b->dht, list, 1), 1);
    for (size_t i = 0; i < net->count; i++)
        if (qe_addr_equal(&net->nodes[i].addr, &list[0].holder.addr)) holder = &net->nodes[i];
    query(NULL, &stranger, holder,
        (struct qe_krpc){.method = QE_KRPC_PUNCH, .has_target = true, .target = b->id, .payload = qe_span("hi", 2)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_REPLY && !caught.registered && caught.token.size == 8 && !caught.has_peer);
    CU_ASSERT_EQUAL(heard[7].count[QE_DHT_SIGNAL_RECEIVED], 0);
    query(b, &stranger, holder,
        (struct qe_krpc){.method = QE_KRPC_PUNCH,
            .has_target = true,
            .target = b->id,
            .has_peer = true,
            .peer = net->nodes[9].addr,
            .token = qe_span(kept, 8),
            .payload = qe_span("hi", 2)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_ERROR);
    // Too large.
    uint8_t large[QE_DHT_SIGNAL_MAX + 1] = {0};
    query(NULL, &stranger, holder,
        (struct qe_krpc){
            .method = QE_KRPC_PUNCH, .has_target = true, .target = b->id, .payload = qe_span(large, sizeof large)});
    CU_ASSERT_TRUE(caught.type == QE_KRPC_ERROR);
    CU_ASSERT_FALSE(qe_dht_signal_send_by(b->dht, &holder->addr, &b->id, qe_span(large, sizeof large), net->now_ns));
    end();
}

// A holder that makes signals up costs no more than one that asks.
static void a_holder_is_heard_so_often(void)
{
    begin();
    struct dht_net_node *b = &net->nodes[7];
    struct qe_dht_registration list[1];
    const uint8_t token[8] = {0};
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    register_node(b);
    CU_ASSERT_EQUAL_FATAL(qe_dht_registrations(b->dht, list, 1), 1);
    const struct qe_krpc message = {.type = QE_KRPC_QUERY,
        .method = QE_KRPC_SIGNAL,
        .transaction = qe_span("xxxx", 4),
        .version = qe_span(QE_KRPC_VERSION, 4),
        .has_id = true,
        .id = list[0].holder.id,
        .has_target = true,
        .target = b->id,
        .has_peer = true,
        .peer = list[0].holder.addr,
        .token = qe_span(token, sizeof token),
        .payload = qe_span("boo", 3)};
    size_t size = qe_krpc_write(&message, bytes, sizeof bytes);
    for (unsigned i = 0; i < 1000; i++)
        qe_dht_receive(b->dht, 0, &list[0].holder.addr, qe_span(bytes, size), net->now_ns);
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] >= QE_DHT_LIMIT_QUERIES_MAX / 2);
    CU_ASSERT_TRUE(heard[7].count[QE_DHT_SIGNAL_RECEIVED] <= QE_DHT_LIMIT_QUERIES_MAX);
    end();
}

static void probes_go_to_who_asked_and_seldom_to_others(void)
{
    begin();
    struct dht_net_node *holder = &net->nodes[3], *asker = &net->nodes[5];
    const struct qe_addr stranger = {.ip = qe_ip4(9, 9, 9, 9), .port = 77}, victim = {qe_ip4(9, 9, 8, 8), 99, 0};
    net->stranger = on_stranger;
    struct qe_krpc check = {.method = QE_KRPC_CHECK, .how = QE_DHT_HOW_SAME_PORT, .nonce = qe_span("12345678", 8)};
    uint8_t token[8];
    query(asker, &stranger, holder, check);
    CU_ASSERT_TRUE(caught.type == QE_KRPC_REPLY && !caught.registered && caught.token.size == 8 && caught.has_ip);
    CU_ASSERT_TRUE(qe_addr_equal(&caught.ip, &stranger));
    memcpy(token, caught.token.data, 8);
    check.token = qe_span(token, 8);
    caught_count = 0;
    query(asker, &stranger, holder, check);
    CU_ASSERT_EQUAL(caught_count, 2); // the probe and the reply, in either order
    check.how = QE_DHT_HOW_OTHER_NODE;
    query(asker, &stranger, holder, check);
    CU_ASSERT_EQUAL(caught_count, 4);
    CU_ASSERT_TRUE(caught.type == QE_KRPC_QUERY && caught.method == QE_KRPC_PROBE);
    CU_ASSERT_FALSE(qe_addr_equal(&caught_datagram.from, &holder->addr));
    // There is no other port until the owner has one, which is asked for it.
    check.how = QE_DHT_HOW_OTHER_PORT;
    query(asker, &stranger, holder, check);
    CU_ASSERT_TRUE(caught.type == QE_KRPC_ERROR && heard[3].count[QE_DHT_SIGNAL_PORT] == 1);
    // A victim's address, without a token for it.
    caught_count = 0;
    check.how = QE_DHT_HOW_SAME_PORT;
    check.has_peer = true;
    check.peer = victim;
    query(asker, &stranger, holder, check);
    CU_ASSERT_EQUAL(caught_count, 1);
    CU_ASSERT_TRUE(qe_addr_equal(&caught_datagram.to, &stranger));
    // A node that lies about whom it asks for: one probe in half a minute from each, and none for who is not known.
    caught_count = 0;
    check.how = QE_DHT_HOW_FOR_OTHER;
    for (int i = 0; i < 20; i++)
        query(asker, &stranger, holder, check);
    CU_ASSERT_EQUAL(caught_count, 0);
    for (int i = 0; i < 20; i++)
        query(&net->nodes[0], &net->nodes[0].addr, holder, check);
    CU_ASSERT_EQUAL(caught_count, 1);
    end();
}

static void one_address_has_so_many_registrations(void)
{
    static const uint8_t secret[16] = {3};
    struct qe_dht_registry *registry = qe_dht_registry_new(unit_mem(), secret);
    struct qe_addr addr = {qe_ip4(1, 2, 3, 4), 5, 0}, out;
    struct qe_node_id id = {{0}};
    unsigned taken = 0;
    for (unsigned i = 0; i < 400; i++) {
        id.bytes[0] = (uint8_t)(i >> 8), id.bytes[1] = (uint8_t)i;
        taken += qe_dht_registry_put(registry, &id, &addr, QE_NS_PER_S);
    }
    CU_ASSERT_EQUAL(taken, QE_DHT_REGISTRATIONS_ADDRESS_MAX);
    CU_ASSERT_EQUAL(qe_dht_registry_count(registry), QE_DHT_REGISTRATIONS_ADDRESS_MAX);
    id.bytes[0] = 0, id.bytes[1] = 7;
    CU_ASSERT_TRUE(qe_dht_registry_find(registry, &id, 4, &out) && qe_addr_equal(&out, &addr));
    CU_ASSERT_FALSE(qe_dht_registry_find(registry, &id, 6, &out));
    // It is called so often, and no more.
    unsigned calls = 0;
    for (unsigned ms = 0; ms < 10000; ms++)
        calls += qe_dht_registry_call(registry, &id, 4, QE_NS_PER_S + ms * QE_NS_PER_MS);
    CU_ASSERT_TRUE(calls >= QE_DHT_CALLS_MAX && calls <= QE_DHT_CALLS_MAX + 10 * QE_DHT_CALLS_S);
    // A renewed one outlives the others.
    CU_ASSERT_EQUAL(qe_dht_registry_deadline(registry), QE_NS_PER_S + QE_DHT_REGISTRATION_NS);
    addr.port = 6;
    CU_ASSERT_TRUE(qe_dht_registry_put(registry, &id, &addr, 100 * QE_NS_PER_S));
    qe_dht_registry_expire(registry, QE_NS_PER_S + QE_DHT_REGISTRATION_NS);
    CU_ASSERT_EQUAL(qe_dht_registry_count(registry), 1);
    CU_ASSERT_TRUE(qe_dht_registry_find(registry, &id, 4, &out) && out.port == 6);
    qe_dht_registry_free(registry);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static const struct unit_case cases[] = {
    {"a node registers at three of the closest", a_node_registers_at_three_of_the_closest},
    {"holders that may not be reached are not counted on", holders_that_may_not_be_reached_are_not_counted_on},
    {"a signal finds who is registered and is answered", a_signal_finds_who_is_registered_and_is_answered},
    {"a signal goes out while the lookup is under way", a_signal_goes_out_while_the_lookup_is_under_way},
    {"through a node of one's choice", through_a_node_of_ones_choice},
    {"lost holders are replaced, and loss is survived", lost_holders_are_replaced_and_loss_is_survived},
    {"nobody is flooded", nobody_is_flooded},
    {"strangers are not heard and cannot register for others", strangers_are_not_heard_and_cannot_register_for_others},
    {"a holder is heard so often", a_holder_is_heard_so_often},
    {"probes go to who asked, and seldom to others", probes_go_to_who_asked_and_seldom_to_others},
    {"one address has so many registrations", one_address_has_so_many_registrations},
};

UNIT_MAIN("dht_signal", cases)
