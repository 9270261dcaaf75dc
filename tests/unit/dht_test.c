// A swarm of nodes in virtual time: they find each other from one address, and what one puts all can get.
#include "dht_net.h"

#include <string.h>

static struct dht_net *swarm(size_t count)
{
    struct dht_net *net = dht_net_new();
    dht_net_grow(net, count);
    return net;
}

static void every_node_joins(void)
{
    struct dht_net *net = swarm(50);
    for (size_t i = 0; i < net->count; i++) {
        CU_ASSERT(qe_dht_joined(net->nodes[i].dht));
        struct qe_dht_stats stats;
        qe_dht_stats(net->nodes[i].dht, &stats);
        CU_ASSERT(stats.good_nodes >= 8);
        CU_ASSERT(stats.dropped_malformed == 0 && stats.dropped_unasked == 0);
    }
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void find_node_finds_the_closest(void)
{
    struct dht_net *net = swarm(50);
    for (size_t i = 1; i < net->count; i++) {
        struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE, .target = net->nodes[i].id};
        const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[(i + 7) % net->count], &request);
        CU_ASSERT(answer->final && answer->outcome == QE_DHT_DONE);
        bool self = (i + 7) % net->count == i;
        CU_ASSERT(answer->closest_count == 8);
        if (!self) CU_ASSERT(qe_node_id_equal(&answer->closest[0].id, &net->nodes[i].id));
    }
    dht_net_free(net);
}

static void what_is_put_is_got_by_all(void)
{
    struct dht_net *net = swarm(50);
    struct qe_dht_item item = dht_net_item(&net->nodes[3], "5:hello", "", 7);
    struct qe_dht_request put = {.kind = QE_DHT_PUT, .item = &item};
    const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[3], &put);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_DONE);
    CU_ASSERT_EQUAL(answer->stored, 16);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = net->nodes[3].id};
    for (size_t i = 0; i < net->count; i++) {
        answer = dht_net_do(net, &net->nodes[i], &get);
        CU_ASSERT(answer->final && answer->outcome == QE_DHT_DONE && answer->has_item);
        CU_ASSERT_EQUAL(answer->seq, 7);
        CU_ASSERT(answer->value_size == 7 && memcmp(answer->value, "5:hello", 7) == 0);
        CU_ASSERT(answer->elapsed_us < 2000000);
    }
    // A newer one takes its place, an older one does not.
    item = dht_net_item(&net->nodes[3], "5:newer", "", 9);
    CU_ASSERT_EQUAL(dht_net_do(net, &net->nodes[3], &put)->stored, 16);
    item = dht_net_item(&net->nodes[3], "5:older", "", 8);
    answer = dht_net_do(net, &net->nodes[5], &put);
    // (The asker itself is one of the closest, so another node was asked in its place.)
    CU_ASSERT(answer->error_code == 302 && answer->stored <= 2);
    answer = dht_net_do(net, &net->nodes[20], &get);
    CU_ASSERT(answer->seq == 9 && memcmp(answer->value, "5:newer", 7) == 0);
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void ping_says_who_is_there(void)
{
    struct dht_net *net = swarm(3);
    struct qe_dht_request ping = {.kind = QE_DHT_PING, .addr = net->nodes[2].addr};
    const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[1], &ping);
    CU_ASSERT(answer->outcome == QE_DHT_DONE && answer->closest_count == 1);
    CU_ASSERT(qe_node_id_equal(&answer->closest[0].id, &net->nodes[2].id));
    net->nodes[2].off = true;
    answer = dht_net_do(net, &net->nodes[1], &ping);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NO_NODES);
    dht_net_free(net);
}

static const struct unit_case cases[] = {
    {"every node joins", every_node_joins},
    {"a lookup finds the node that has the ID", find_node_finds_the_closest},
    {"what is put is got by all", what_is_put_is_got_by_all},
    {"a ping says who is there", ping_says_who_is_there},
};

UNIT_MAIN("dht", cases)
