// One node among strangers that say what this file makes them say: what is wrong is dropped and counted, what is a lie
// costs a bounded number of datagrams, and nothing of it reaches the table or the user.
#include "dht/krpc.h"
#include "dht_net.h"

#include <string.h>

#define STRANGERS 40
#define SENT_MAX  4096

// How strangers answer. Whatever is not set here is as BEP 5 has it.
struct script {
    bool silent, wrong_transaction, wrong_source, wrong_id, twice, error, own_id;
    unsigned liar_nodes;    // nodes closer to the target than anybody, that do not exist
    struct qe_span nodes;   // as they are
    size_t token_size;      // 0: 8 bytes
    bool forged_value;      // an item with a signature that is none
    bool endless_pages;     // of an index
    struct qe_addr says_ip; // what it says that it sees us at
};

struct act {
    struct dht_net *net;
    struct dht_net_node *node;
    struct script script;
    struct qe_addr sent_to[SENT_MAX];
    size_t sent_count;
    size_t queries[QE_KRPC_INDEX_PUT + 1];
    struct unit_random random;
    struct qe_addr also_from;
};

static struct qe_addr stranger_addr(unsigned index)
{
    return (struct qe_addr){.ip = qe_ip4(10, 200, (uint8_t)index, 1), .port = 7000};
}

static struct qe_node_id stranger_id(const struct qe_addr *addr)
{
    struct qe_node_id id = {{0}};
    id.bytes[0] = (uint8_t)(addr->ip.bytes[2] * 37);
    id.bytes[1] = addr->ip.bytes[2];
    id.bytes[19] = 1;
    return id;
}

static size_t liar_nodes(struct act *act, const struct qe_krpc *query, uint8_t *out, size_t size)
{
    struct qe_dht_contact contacts[64];
    unsigned count = act->script.liar_nodes;
    for (unsigned i = 0; i < count; i++) {
        contacts[i].id = query->target;
        unit_random_fill(&act->random, contacts[i].id.bytes + 12, 8);
        contacts[i].addr = (struct qe_addr){.ip = qe_ip4(10, (uint8_t)unit_random_below(&act->random, 100),
                                                (uint8_t)unit_random_below(&act->random, 256), 9),
            .port = 9};
    }
    return qe_krpc_nodes_write(contacts, count, 4, out, size);
}

static void reply_to(struct act *act, const struct qe_krpc *query, const struct qe_addr *at, const struct qe_addr *to)
{
    const struct script *script = &act->script;
    uint8_t nodes[2048], token[80] = {7}, transaction[8], bytes[QE_DHT_DATAGRAM_MAX], next[33] = {1};
    memcpy(transaction, query->transaction.data, query->transaction.size);
    if (script->wrong_transaction) transaction[0] ^= 1;
    struct qe_krpc reply = {.type = script->error ? QE_KRPC_ERROR : QE_KRPC_REPLY,
        .transaction = qe_span(transaction, query->transaction.size),
        .version = qe_span(QE_KRPC_VERSION, 4),
        .has_id = true,
        .id = script->own_id ? act->node->id : stranger_id(at)};
    if (script->wrong_id) reply.id.bytes[5] ^= 1;
    if (script->error) {
        reply.has_id = false;
        reply.error_code = 202;
        reply.error_text = qe_span("no", 2);
    }
    if (query->method != QE_KRPC_PING && !script->error) {
        reply.nodes = script->nodes;
        if (script->liar_nodes) reply.nodes = qe_span(nodes, liar_nodes(act, query, nodes, sizeof nodes));
        reply.token = qe_span(token, script->token_size ? script->token_size : 8);
    }
    if (query->method == QE_KRPC_GET && script->forged_value) {
        reply.key = qe_span(act->node->key.bytes, 32);
        reply.signature = qe_span(bytes, 64);
        memset(bytes, 5, 64);
        reply.has_seq = true;
        reply.seq = 99;
        reply.value = qe_span("6:forged", 8);
    }
    if (query->method == QE_KRPC_INDEX_GET && script->endless_pages) {
        reply.has_records = true;
        reply.next = qe_span(next, sizeof next);
    }
    if (script->says_ip.port) {
        reply.has_ip = true;
        reply.ip = script->says_ip;
    }
    uint8_t out[4096];
    size_t size = qe_krpc_write(&reply, out, sizeof out);
    CU_ASSERT_FATAL(size > 0 && size <= QE_DHT_DATAGRAM_MAX);
    struct qe_addr from = *at;
    if (script->wrong_source) from.port++;
    dht_net_send(act->net, &from, to, qe_span(out, size));
    if (script->twice) dht_net_send(act->net, &from, to, qe_span(out, size));
}

static void stranger(void *user, const struct dht_net_datagram *datagram)
{
    struct act *act = user;
    struct qe_krpc query;
    if (act->sent_count < SENT_MAX) act->sent_to[act->sent_count++] = datagram->to;
    if (!qe_krpc_read(qe_span(datagram->bytes, datagram->size), &query) || query.type != QE_KRPC_QUERY) return;
    act->queries[query.method]++;
    bool known = datagram->to.ip.bytes[1] == 200 && datagram->to.ip.bytes[2] < STRANGERS;
    if (known && !act->script.silent) reply_to(act, &query, &datagram->to, &datagram->from);
}

static struct act *act_new(const struct script *script)
{
    static struct act act;
    act = (struct act){.net = dht_net_new(), .script = *script, .random = unit_random()};
    act.net->stranger = stranger;
    act.net->user = &act;
    act.node = dht_net_add(act.net, NULL);
    return &act;
}

static void act_meet(struct act *act, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct qe_dht_contact contact = {.addr = stranger_addr(i)};
        contact.id = stranger_id(&contact.addr);
        qe_dht_add_contact(act->node->dht, &contact, act->net->now_ns);
    }
    dht_net_flush(act->net, act->node);
    dht_net_run_for(act->net, 5 * QE_NS_PER_S);
}

static struct qe_dht_stats act_end(struct act *act)
{
    struct qe_dht_stats stats;
    qe_dht_stats(act->node->dht, &stats);
    dht_net_free(act->net);
    CU_ASSERT(unit_mem_outstanding() == 0);
    return stats;
}

static void honest_strangers_are_met(void)
{
    struct act *act = act_new(&(struct script){0});
    act_meet(act, 12);
    CU_ASSERT(qe_dht_joined(act->node->dht));
    struct qe_dht_stats stats = act_end(act);
    CU_ASSERT(stats.good_nodes >= 8 && stats.dropped_unasked == 0);
}

static void answers_that_were_not_asked_for_are_dropped(void)
{
    static const struct script scripts[] = {
        {.wrong_transaction = true}, {.wrong_source = true}, {.wrong_id = true}, {.own_id = true}};
    for (int i = 0; i < 4; i++) {
        struct act *act = act_new(&scripts[i]);
        act_meet(act, 12);
        CU_ASSERT(!qe_dht_joined(act->node->dht));
        struct qe_dht_stats stats = act_end(act);
        CU_ASSERT_EQUAL(stats.nodes, 0);
        if (i < 2) CU_ASSERT(stats.dropped_unasked >= 12);
    }
}

static void a_second_answer_is_dropped(void)
{
    struct act *act = act_new(&(struct script){.twice = true});
    act_meet(act, 12);
    struct qe_dht_stats stats = act_end(act);
    CU_ASSERT(stats.good_nodes >= 8);
    CU_ASSERT_EQUAL(stats.dropped_unasked, stats.replies_received);
}

static void lies_about_closeness_end(void)
{
    struct act *act = act_new(&(struct script){0});
    act_meet(act, 16);
    act->script.liar_nodes = 40; // in each answer
    memset(act->queries, 0, sizeof act->queries);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = {{0x55, 1}}};
    const struct dht_net_answer *answer = dht_net_do(act->net, act->node, &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NOT_FOUND);
    CU_ASSERT(answer->queries <= 160 && answer->elapsed_us < 25000000);
    struct qe_dht_node_info nodes[200];
    size_t count = qe_dht_nodes(act->node->dht, nodes, 200);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(nodes[i].contact.addr.ip.bytes[1], 200);
    act_end(act);
}

static void bogus_addresses_are_never_sent_to(void)
{
    static const struct qe_addr bogus[] = {{.ip = {4, {0, 1, 2, 3}}, .port = 1}, {.ip = {4, {224, 0, 0, 1}}, .port = 1},
        {.ip = {4, {255, 255, 255, 255}}, .port = 1}, {.ip = {4, {240, 1, 1, 1}}, .port = 1},
        {.ip = {4, {10, 77, 1, 1}}, .port = 0}};
    struct qe_dht_contact contacts[6];
    for (int i = 0; i < 5; i++)
        contacts[i] = (struct qe_dht_contact){.id = {{(uint8_t)i, 1, 2}}, .addr = bogus[i]};
    uint8_t nodes[256];
    struct act *act = act_new(&(struct script){0});
    contacts[5] = (struct qe_dht_contact){.id = act->node->id, .addr = {.ip = qe_ip4(10, 77, 2, 2), .port = 9}};
    act->script.nodes = qe_span(nodes, qe_krpc_nodes_write(contacts, 6, 4, nodes, sizeof nodes));
    act_meet(act, 12);
    for (size_t i = 0; i < act->sent_count; i++)
        CU_ASSERT_EQUAL(act->sent_to[i].ip.bytes[1], 200);
    // A list that is no whole number of nodes is none.
    act->script.nodes.size--;
    struct qe_dht_request find = {.kind = QE_DHT_FIND_NODE, .target = {{1}}};
    CU_ASSERT_EQUAL(dht_net_do(act->net, act->node, &find)->outcome, QE_DHT_DONE);
    act_end(act);
}

static void the_public_network_has_no_private_addresses(void)
{
    struct dht_net *net = dht_net_new();
    struct act *act = act_new(&(struct script){0});
    dht_net_free(act->net);
    act->net = net;
    net->stranger = stranger;
    net->user = act;
    act->node = dht_net_add(net, &(struct qe_dht_options){.mainline = true});
    act_meet(act, 12);
    struct qe_dht_stats stats = act_end(act);
    CU_ASSERT_EQUAL(stats.nodes, 0);
}

static void forged_items_are_not_found(void)
{
    struct act *act = act_new(&(struct script){.forged_value = true});
    act_meet(act, 12);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = act->node->id};
    const struct dht_net_answer *answer = dht_net_do(act->net, act->node, &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NOT_FOUND && answer->partial == 0);
    act_end(act);
}

static void an_index_without_an_end_has_one(void)
{
    struct act *act = act_new(&(struct script){.endless_pages = true});
    act_meet(act, 12);
    struct qe_dht_request get = {.kind = QE_DHT_INDEX_GET, .target = {{1, 2}}};
    const struct dht_net_answer *answer = dht_net_do(act->net, act->node, &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NOT_FOUND && answer->queries <= 160);
    act_end(act);
}

static void nothing_is_stored_where_no_good_token_came_from(void)
{
    struct act *act = act_new(&(struct script){.token_size = 65});
    act_meet(act, 12);
    struct qe_dht_item item = dht_net_item(act->node, "5:hello", "", 1);
    struct qe_dht_request put = {.kind = QE_DHT_PUT, .item = &item};
    const struct dht_net_answer *answer = dht_net_do(act->net, act->node, &put);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NOT_FOUND && answer->stored == 0);
    CU_ASSERT_EQUAL(act->queries[QE_KRPC_PUT], 0);
    act_end(act);
}

static void errors_end_an_operation(void)
{
    struct act *act = act_new(&(struct script){0});
    act_meet(act, 12);
    act->script.error = true;
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = {{1, 2}}};
    const struct dht_net_answer *answer = dht_net_do(act->net, act->node, &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NO_NODES);
    struct qe_dht_stats stats = act_end(act);
    CU_ASSERT(stats.good_nodes >= 8); // who answers with an error is there
}

static void nodes_without_bep_44_stay_in_the_table(void)
{
    struct act *act = act_new(&(struct script){0});
    act_meet(act, 12);
    act->script.silent = true;
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = {{1, 2}}};
    act->node->last = (struct dht_net_answer){0};
    qe_dht_start(act->node->dht, &get, act->net->now_ns);
    dht_net_flush(act->net, act->node);
    dht_net_run_for(act->net, 2500 * QE_NS_PER_MS);
    CU_ASSERT(act->node->last.final); // each is passed after a second
    act->script.silent = false;       // for the pings that follow
    dht_net_run_for(act->net, 30 * QE_NS_PER_S);
    struct qe_dht_stats stats = act_end(act);
    CU_ASSERT(stats.good_nodes >= 8);
}

static void queries_from_made_up_addresses_cost_little(void)
{
    struct act *act = act_new(&(struct script){0});
    uint64_t before = act->net->sent;
    for (unsigned i = 0; i < 20000; i++) {
        struct qe_krpc ping = {
            .type = QE_KRPC_QUERY, .method = QE_KRPC_PING, .transaction = qe_span("aa", 2), .has_id = true};
        unit_random_fill(&act->random, ping.id.bytes, 20);
        uint8_t bytes[200];
        size_t size = qe_krpc_write(&ping, bytes, sizeof bytes);
        struct qe_addr from = {.ip = qe_ip4(10, (uint8_t)(i % 100), (uint8_t)(i / 100), 3), .port = 5};
        qe_dht_receive(act->node->dht, 0, &from, qe_span(bytes, size), act->net->now_ns);
        dht_net_flush(act->net, act->node);
        if (i % 100 == 0) dht_net_run_for(act->net, 10 * QE_NS_PER_MS);
    }
    // A reply each at most, and a question back at few of them.
    uint64_t sent = act->net->sent - before;
    CU_ASSERT(sent <= 20000 + 200);
    struct qe_dht_stats stats;
    qe_dht_stats(act->node->dht, &stats);
    CU_ASSERT(stats.nodes == 0 && stats.memory_bytes < 300000);
    act_end(act);
}

static void noise_is_met_with_silence(void)
{
    struct act *act = act_new(&(struct script){0});
    act_meet(act, 12);
    struct qe_dht_stats before, after;
    qe_dht_stats(act->node->dht, &before);
    static const char *const texts[] = {"", "d", "de", "d1:ae", "d1:y1:qe", "d1:t2:aa1:y1:xe",
        "d1:q4:ping1:t2:aa1:y1:qe", "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:q", "i1e", "le",
        "d1:ad2:id19:aaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe", "d1:rd2:id2:aae1:t2:aa1:y1:re"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct qe_addr from = stranger_addr(1);
        qe_dht_receive(act->node->dht, 0, &from, qe_span(texts[i], strlen(texts[i])), act->net->now_ns);
        uint8_t out[QE_DHT_DATAGRAM_MAX];
        struct qe_dht_send send;
        CU_ASSERT(!qe_dht_next(act->node->dht, out, &send, act->net->now_ns));
    }
    qe_dht_stats(act->node->dht, &after);
    CU_ASSERT_EQUAL(after.dropped_malformed - before.dropped_malformed, sizeof texts / sizeof texts[0]);
    act_end(act);
}

static void one_network_has_one_voice_about_the_address(void)
{
    struct act *act = act_new(&(struct script){.says_ip = {.ip = qe_ip4(10, 9, 9, 9), .port = 99}});
    struct qe_addr seen;
    act_meet(act, 1);
    CU_ASSERT(!qe_dht_external(act->node->dht, 4, &seen));
    act_meet(act, 3);
    CU_ASSERT(qe_dht_external(act->node->dht, 4, &seen) && seen.port == 99);
    act_end(act);
}

static const struct unit_case cases[] = {
    {"honest strangers are met", honest_strangers_are_met},
    {"answers that were not asked for are dropped", answers_that_were_not_asked_for_are_dropped},
    {"a second answer is dropped", a_second_answer_is_dropped},
    {"lies about closeness end", lies_about_closeness_end},
    {"bogus addresses are never sent to", bogus_addresses_are_never_sent_to},
    {"the public network has no private addresses", the_public_network_has_no_private_addresses},
    {"forged items are not found", forged_items_are_not_found},
    {"an index without an end has one", an_index_without_an_end_has_one},
    {"nothing is stored where no good token came from", nothing_is_stored_where_no_good_token_came_from},
    {"errors end an operation", errors_end_an_operation},
    {"nodes without BEP 44 stay in the table", nodes_without_bep_44_stay_in_the_table},
    {"queries from made-up addresses cost little", queries_from_made_up_addresses_cost_little},
    {"noise is met with silence", noise_is_met_with_silence},
    {"one network has one voice about the address", one_network_has_one_voice_about_the_address},
};

UNIT_MAIN("dht_hostile", cases)
