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

static bool gets(struct dht_net *net, struct dht_net_node *node, const struct dht_net_node *owner)
{
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = owner->id};
    const struct dht_net_answer *answer = dht_net_do(net, node, &get);
    return answer->final && answer->has_item;
}

static unsigned put(struct dht_net *net, struct dht_net_node *node)
{
    struct qe_dht_item item = dht_net_item(node, "5:hello", "", 1);
    struct qe_dht_request request = {.kind = QE_DHT_PUT, .item = &item};
    return dht_net_do(net, node, &request)->stored;
}

static bool finds(struct dht_net *net, struct dht_net_node *node, const struct dht_net_node *wanted)
{
    struct qe_dht_request request = {.kind = QE_DHT_FIND_NODE, .target = wanted->id};
    const struct dht_net_answer *answer = dht_net_do(net, node, &request);
    return answer->closest_count > 0 && qe_node_id_equal(&answer->closest[0].id, &wanted->id);
}

static void immutable_items_and_salted_ones(void)
{
    struct dht_net *net = swarm(20);
    struct qe_dht_item item = {.value = qe_span("4:cold", 6)};
    struct qe_dht_request request = {.kind = QE_DHT_PUT, .item = &item};
    CU_ASSERT(dht_net_do(net, &net->nodes[3], &request)->stored >= 8);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = qe_dht_item_target(&item)};
    const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[9], &get);
    CU_ASSERT(answer->has_item && answer->value_size == 6);

    item = dht_net_item(&net->nodes[4], "5:salty", "sea", 3);
    CU_ASSERT(dht_net_do(net, &net->nodes[4], &request)->stored >= 8);
    get = (struct qe_dht_request){.kind = QE_DHT_GET, .target = qe_dht_item_target(&item), .salt = qe_span("sea", 3)};
    CU_ASSERT(dht_net_do(net, &net->nodes[9], &get)->has_item);
    get.salt = qe_span("lake", 4);
    answer = dht_net_do(net, &net->nodes[9], &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NOT_FOUND);

    // Only over the version that the writer has seen (BEP 44, "cas").
    item = dht_net_item(&net->nodes[4], "5:fresh", "sea", 5);
    request.has_cas = true;
    request.cas = 2;
    CU_ASSERT_EQUAL(dht_net_do(net, &net->nodes[4], &request)->error_code, 301);
    request.cas = 3;
    CU_ASSERT(dht_net_do(net, &net->nodes[4], &request)->stored >= 8);
    dht_net_free(net);
}

static void peers_are_announced(void)
{
    struct dht_net *net = swarm(20);
    struct qe_node_id target = {{1, 2, 3}};
    struct qe_dht_request announce = {.kind = QE_DHT_ANNOUNCE, .target = target, .port = 7000};
    CU_ASSERT(dht_net_do(net, &net->nodes[5], &announce)->stored >= 8);
    announce.port = 0;
    CU_ASSERT(dht_net_do(net, &net->nodes[6], &announce)->stored >= 8);
    struct qe_dht_request get = {.kind = QE_DHT_GET_PEERS, .target = target};
    const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[7], &get);
    CU_ASSERT_EQUAL(answer->peer_count, 2);
    for (size_t i = 0; i < answer->peer_count; i++)
        CU_ASSERT_EQUAL(answer->peers[i].port, qe_ip_equal(&answer->peers[i].ip, &net->nodes[5].addr.ip) ? 7000 : 9000);
    dht_net_free(net);
}

static void the_index_holds_many_owners(void)
{
    struct dht_net *net = swarm(40);
    struct qe_node_id target = {{9, 9, 9}};
    for (size_t i = 0; i < 30; i++) {
        struct qe_dht_record record = dht_net_record(&net->nodes[i], &target, "something of a record's size", 1 + i);
        struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .target = target, .record = &record};
        CU_ASSERT_EQUAL(dht_net_do(net, &net->nodes[i], &request)->stored, 16);
    }
    dht_net_run_for(net, 100 * QE_NS_PER_S);
    struct qe_dht_record record = dht_net_record(&net->nodes[3], &target, "newer", 77);
    struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .target = target, .record = &record};
    // Some miss it, and go on telling of the older one.
    for (size_t i = 10; i < 40; i += 2)
        net->nodes[i].off = true;
    dht_net_do(net, &net->nodes[3], &request);
    for (size_t i = 10; i < 40; i += 2)
        net->nodes[i].off = false;
    struct qe_dht_request get = {.kind = QE_DHT_INDEX_GET, .target = target};
    for (size_t asker = 0; asker < net->count; asker++) {
        const struct dht_net_answer *answer = dht_net_do(net, &net->nodes[asker], &get);
        CU_ASSERT_EQUAL(answer->record_count, 30);
        for (size_t i = 0; i < answer->record_count; i++) {
            const struct qe_dht_record *found = &answer->records[i];
            bool third = qe_key_equal(&found->owner, &net->nodes[3].key);
            if (third) CU_ASSERT_EQUAL(found->seq, 77);
            CU_ASSERT_EQUAL(found->value.size, third ? 5 : 28);
            CU_ASSERT(found->age_s >= 95 && found->age_s < 250);
        }
    }
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void dead_nodes_are_passed(void)
{
    struct dht_net *net = swarm(100);
    for (size_t i = 10; i < 20; i++)
        CU_ASSERT_EQUAL(put(net, &net->nodes[i]), 16);
    for (size_t i = 30; i < 60; i++)
        net->nodes[i].off = true;
    uint64_t longest_us = 0;
    for (size_t i = 60; i < 100; i++) {
        CU_ASSERT(gets(net, &net->nodes[i], &net->nodes[10 + i % 10]));
        uint64_t us = net->nodes[i].last.elapsed_us;
        if (us > longest_us) longest_us = us;
    }
    CU_ASSERT(longest_us < 2500000);
    // After a while nobody tells of them any more. What goes away so fast has to be put again sooner.
    uint32_t calm_s = qe_dht_republish_s(net->nodes[60].dht);
    dht_net_run_for(net, 900 * QE_NS_PER_S);
    CU_ASSERT(calm_s >= 600 && qe_dht_republish_s(net->nodes[60].dht) < calm_s);
    for (size_t i = 60; i < 100; i++) {
        CU_ASSERT(gets(net, &net->nodes[i], &net->nodes[10 + i % 10]));
        CU_ASSERT_EQUAL(net->nodes[i].last.timeouts, 0);
    }
    dht_net_free(net);
}

static void halves_find_together_again(void)
{
    struct dht_net *net = swarm(240);
    for (size_t i = 0; i < net->count; i++) {
        net->nodes[i].half = (int)(i & 1);
        if (i < 8) CU_ASSERT_EQUAL(put(net, &net->nodes[i]), 16);
    }
    net->cut = true;
    dht_net_run_for(net, 3600 * QE_NS_PER_S);
    for (size_t i = 8; i < 16; i++) {
        CU_ASSERT(put(net, &net->nodes[i]) >= 8);
        CU_ASSERT(gets(net, &net->nodes[i + 30], &net->nodes[i]));
        CU_ASSERT(!gets(net, &net->nodes[i + 31], &net->nodes[i]));
    }
    net->cut = false;
    dht_net_run_for(net, 110 * QE_NS_PER_S);
    unsigned found = 0, got = 0;
    for (size_t i = 0; i < net->count; i++) {
        found += finds(net, &net->nodes[i], &net->nodes[(i + 33) % net->count]);
        got += gets(net, &net->nodes[i], &net->nodes[i % 16]);
    }
    CU_ASSERT_EQUAL(found, net->count);
    CU_ASSERT_EQUAL(got, net->count);
    dht_net_free(net);
}

static void a_read_only_node_asks_and_is_asked_nothing(void)
{
    struct dht_net *net = swarm(20);
    CU_ASSERT(put(net, &net->nodes[2]) >= 8);
    struct qe_dht_options options = {.read_only = true, .exempt_private = true};
    struct dht_net_node *node = dht_net_add(net, &options);
    qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
    dht_net_flush(net, node);
    dht_net_run_for(net, 30 * QE_NS_PER_S);
    CU_ASSERT(qe_dht_joined(node->dht));
    CU_ASSERT(gets(net, node, &net->nodes[2]));
    struct qe_dht_stats stats;
    qe_dht_stats(node->dht, &stats);
    CU_ASSERT(stats.queries_received == 0 && stats.replies_sent == 0);
    struct qe_dht_request ping = {.kind = QE_DHT_PING, .addr = node->addr};
    CU_ASSERT_EQUAL(dht_net_do(net, &net->nodes[1], &ping)->outcome, QE_DHT_NO_NODES);
    dht_net_free(net);
}

static void ipv6_alone(void)
{
    struct dht_net *net = dht_net_new();
    for (size_t i = 0; i < 30; i++) {
        struct dht_net_node *node = dht_net_add6(net, NULL);
        if (i > 0) qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
        dht_net_flush(net, node);
        dht_net_run_for(net, 20 * QE_NS_PER_MS);
    }
    dht_net_run_for(net, 60 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(put(net, &net->nodes[5]), 16);
    for (size_t i = 0; i < net->count; i++)
        CU_ASSERT(gets(net, &net->nodes[i], &net->nodes[5]));
    dht_net_free(net);
}

static void both_families_are_two_tables(void)
{
    struct dht_net *net = dht_net_new();
    for (size_t i = 0; i < 30; i++) {
        struct dht_net_node *node = dht_net_add(net, NULL);
        dht_net_also6(net, node);
        // One of them is told of an IPv6 address; all others learn of that family from what they hear (BEP 32).
        if (i > 0) qe_dht_add_bootstrap(node->dht, &net->nodes[0].addr, net->now_ns);
        if (i == 1) qe_dht_add_bootstrap(node->dht, &net->nodes[0].also, net->now_ns);
        dht_net_flush(net, node);
        dht_net_run_for(net, 20 * QE_NS_PER_MS);
    }
    dht_net_run_for(net, 900 * QE_NS_PER_S);
    for (size_t i = 0; i < net->count; i++) {
        struct qe_dht_node_info nodes[400];
        size_t count = qe_dht_nodes(net->nodes[i].dht, nodes, 400), six = 0;
        for (size_t n = 0; n < count; n++)
            six += nodes[n].contact.addr.ip.family == 6 && nodes[n].good;
        CU_ASSERT(six >= 16 && count >= six + 16);
    }
    CU_ASSERT_EQUAL(put(net, &net->nodes[5]), 32);
    CU_ASSERT(gets(net, &net->nodes[9], &net->nodes[5]));
    dht_net_free(net);
}

static void others_say_what_the_own_address_is(void)
{
    struct dht_net *net = swarm(20);
    for (size_t i = 0; i < net->count; i++) {
        struct qe_addr seen;
        CU_ASSERT(qe_dht_external(net->nodes[i].dht, 4, &seen) && qe_addr_equal(&seen, &net->nodes[i].addr));
        CU_ASSERT(!qe_dht_external(net->nodes[i].dht, 6, &seen));
    }
    dht_net_free(net);
}

static void a_node_at_rest_is_quiet_and_small(void)
{
    struct dht_net *net = swarm(150);
    dht_net_run_for(net, 300 * QE_NS_PER_S);
    uint64_t before = net->sent_bytes;
    dht_net_run_for(net, 1200 * QE_NS_PER_S);
    uint64_t a_node_s = (net->sent_bytes - before) / 1200 / net->count;
    CU_ASSERT(a_node_s > 0 && a_node_s < 400);
    for (size_t i = 0; i < net->count; i++) {
        struct qe_dht_stats stats;
        qe_dht_stats(net->nodes[i].dht, &stats);
        CU_ASSERT(stats.memory_bytes < 16384 && stats.operations == 0);
        CU_ASSERT_EQUAL(stats.good_nodes, stats.nodes);
    }
    dht_net_free(net);
}

static void a_node_starts_again_from_what_it_knew(void)
{
    struct dht_net *net = swarm(40);
    struct qe_dht_contact contacts[20];
    CU_ASSERT_EQUAL(qe_dht_contacts(net->nodes[9].dht, contacts, 20), 20);
    struct dht_net_node *node = dht_net_add(net, NULL);
    for (size_t i = 0; i < 20; i++)
        qe_dht_add_contact(node->dht, &contacts[i], net->now_ns);
    for (size_t i = 0; i < 40; i++) // a third of them are gone
        net->nodes[i].off = i % 3 == 0;
    dht_net_flush(net, node);
    dht_net_run_for(net, 2 * QE_NS_PER_S);
    CU_ASSERT(qe_dht_joined(node->dht));
    dht_net_free(net);
}

static void without_anybody_an_operation_ends(void)
{
    struct dht_net *net = dht_net_new();
    struct dht_net_node *node = dht_net_add(net, NULL);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = {{1}}};
    const struct dht_net_answer *answer = dht_net_do(net, node, &get);
    CU_ASSERT(answer->final && answer->outcome == QE_DHT_NO_NODES);
    CU_ASSERT(qe_dht_deadline(node->dht) == QE_TIME_NEVER);

    // What was started and not ended is ended by the end of the DHT.
    struct qe_addr nobody = {.ip = qe_ip4(10, 200, 1, 1), .port = 9};
    qe_dht_add_bootstrap(node->dht, &nobody, net->now_ns);
    uint64_t first = qe_dht_start(node->dht, &get, net->now_ns), second = qe_dht_start(node->dht, &get, net->now_ns);
    CU_ASSERT(first != 0 && second > first);
    qe_dht_cancel(node->dht, first);
    CU_ASSERT(node->last.final && node->last.outcome == QE_DHT_CANCELLED);
    node->last = (struct dht_net_answer){0};
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void two_nodes_behind_one_socket_tell_their_datagrams_apart(void)
{
    struct dht_net *net = swarm(12);
    struct qe_dht_options options = {.mainline = true, .exempt_private = true};
    struct dht_net_node *own = dht_net_add(net, NULL), *public = dht_net_add(net, &options);
    qe_dht_add_bootstrap(own->dht, &net->nodes[0].addr, net->now_ns);
    dht_net_flush(net, own);
    dht_net_run_for(net, 30 * QE_NS_PER_S);

    // Queries: by what their sender is.
    static const char ping[] = "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe";
    static const char ours[] = "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:v4:QE011:y1:qe";
    struct qe_addr from = {.ip = qe_ip4(10, 99, 1, 1), .port = 5};
    CU_ASSERT(qe_dht_is_public(own->dht, public->dht, &from, qe_span(ping, strlen(ping))));
    CU_ASSERT(!qe_dht_is_public(own->dht, public->dht, &from, qe_span(ours, strlen(ours))));
    struct qe_dht_contact known;
    CU_ASSERT_EQUAL_FATAL(qe_dht_contacts(own->dht, &known, 1), 1);
    char text[sizeof ping];
    memcpy(text, ping, sizeof ping);
    memcpy(text + 12, known.id.bytes, 20);
    CU_ASSERT(!qe_dht_is_public(own->dht, public->dht, &known.addr, qe_span(text, strlen(ping))));
    CU_ASSERT(!qe_dht_is_public(own->dht, public->dht, &from, qe_span("d1:t", 4)));

    // Answers: by who asked.
    struct qe_dht_request request = {.kind = QE_DHT_PING, .addr = from};
    CU_ASSERT(qe_dht_start(public->dht, &request, net->now_ns) != 0);
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    CU_ASSERT_FATAL(qe_dht_next(public->dht, bytes, &send, net->now_ns));
    char reply[] = "d1:rd2:id20:aaaaaaaaaaaaaaaaaaaae1:t4:xxxx1:y1:re";
    char *asked = memchr(bytes, 't', send.size), *at = strstr(reply, "xxxx");
    while (asked && memcmp(asked, "t4:", 3) != 0)
        asked = memchr(asked + 1, 't', send.size - (size_t)((uint8_t *)asked + 1 - bytes));
    CU_ASSERT_FATAL(asked != NULL);
    memcpy(at, asked + 3, 4);
    CU_ASSERT(qe_dht_is_public(own->dht, public->dht, &from, qe_span(reply, sizeof reply - 1)));
    CU_ASSERT(!qe_dht_is_public(public->dht, own->dht, &from, qe_span(reply, sizeof reply - 1)));
    dht_net_free(net);
}

static void operations_are_bounded(void)
{
    struct dht_net *net = swarm(3);
    struct qe_dht_request get = {.kind = QE_DHT_GET, .target = {{1}}};
    for (int i = 0; i < QE_DHT_OPERATIONS_MAX; i++)
        CU_ASSERT(qe_dht_start(net->nodes[1].dht, &get, net->now_ns) != 0);
    CU_ASSERT_EQUAL(qe_dht_start(net->nodes[1].dht, &get, net->now_ns), 0);
    dht_net_flush(net, &net->nodes[1]);
    dht_net_run_for(net, 10 * QE_NS_PER_S);
    CU_ASSERT(qe_dht_start(net->nodes[1].dht, &get, net->now_ns) != 0);
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static void without_memory_nothing_breaks(void)
{
    struct dht_net *net = swarm(12);
    for (unsigned long nth = 1; nth < 400; nth += 3) {
        struct dht_net_node *node = &net->nodes[nth % 12];
        struct qe_dht_item item = dht_net_item(node, "5:hello", "", (int64_t)nth);
        struct qe_dht_request requests[] = {
            {.kind = QE_DHT_PUT, .item = &item}, {.kind = QE_DHT_GET, .target = node->id}};
        unit_mem_fail_at(nth);
        for (int i = 0; i < 2; i++)
            qe_dht_start(node->dht, &requests[i], net->now_ns);
        dht_net_flush(net, node);
        dht_net_run_for(net, 2 * QE_NS_PER_S);
        unit_mem_fail_at(0);
    }
    CU_ASSERT(gets(net, &net->nodes[2], &net->nodes[4]));
    dht_net_free(net);
    CU_ASSERT(unit_mem_outstanding() == 0);
}

static const struct unit_case cases[] = {
    {"every node joins", every_node_joins},
    {"a lookup finds the node that has the ID", find_node_finds_the_closest},
    {"what is put is got by all", what_is_put_is_got_by_all},
    {"a ping says who is there", ping_says_who_is_there},
    {"immutable items and salted ones are got, and cas holds", immutable_items_and_salted_ones},
    {"peers are announced, with their port or with that of their socket", peers_are_announced},
    {"a target of the index has many owners' records, each with its age", the_index_holds_many_owners},
    {"dead nodes are passed, and forgotten after a while", dead_nodes_are_passed},
    {"halves that were cut off find together again", halves_find_together_again},
    {"a read-only node asks, and is asked nothing", a_read_only_node_asks_and_is_asked_nothing},
    {"a swarm may be of IPv6 alone", ipv6_alone},
    {"IPv4 and IPv6 are two tables, and one tells of the other", both_families_are_two_tables},
    {"others say what the own address is", others_say_what_the_own_address_is},
    {"a node at rest is quiet and small", a_node_at_rest_is_quiet_and_small},
    {"a node starts again from what it knew", a_node_starts_again_from_what_it_knew},
    {"without anybody an operation ends", without_anybody_an_operation_ends},
    {"two nodes behind one socket tell their datagrams apart", two_nodes_behind_one_socket_tell_their_datagrams_apart},
    {"operations are bounded", operations_are_bounded},
    {"without memory nothing breaks", without_memory_nothing_breaks},
};

UNIT_MAIN("dht", cases)
