// Gateways: who is found to be one, which are kept, and what a node that others cannot dial says of them.
#include "base/time.h"
#include "discovery/node_record.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTAGES 12

static const uint8_t network[QE_SECRET_SIZE] = {1, 2, 3};

static struct world world;
static struct world_host *first, *one, *two, *a, *b;

static struct world_host *add(bool gateway)
{
    struct world_host *h = world_add(&world);
    h->config.gateway = gateway;
    h->config.relay.allow = QE_RELAY_MEMBERS;
    h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
    snprintf(h->config.bootstrap[0].text, sizeof h->config.bootstrap[0].text, "10.0.0.1:9000");
    h->config.bootstrap_count = h->index > 0;
    return h;
}

// Nothing goes between a and b.
static bool between_the_two(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    (void)w;
    return (qe_ip_equal(from, &a->ip) && qe_ip_equal(to, &b->ip)) ||
           (qe_ip_equal(from, &b->ip) && qe_ip_equal(to, &a->ip));
}

// Two gateways that all can reach, and two hosts that cannot reach each other.
static void begin(uint64_t seed, bool member)
{
    world_init(&world, seed);
    world.delay_ns = 20 * QE_NS_PER_MS;
    first = add(false);
    first->config.bootstrap_mode = true;
    one = add(true);
    two = add(true);
    a = add(false);
    b = add(false);
    world.loses = between_the_two;
    first->tells_link = one->tells_link = two->tells_link = true;
    for (size_t i = 0; member && i < world.host_count; i++)
        world_join(&world.hosts[i], network);
}

// The host's own address is another than the one that others see.
static void start_behind_nat(struct world_host *h)
{
    char text[32];
    const char *const addresses[] = {text, NULL};
    snprintf(text, sizeof text, "192.168.%zu.2/24", h->index);
    world_start(h);
    if (h->node) world_link(h, 1, addresses);
}

static void start_all(void)
{
    world_start(first);
    world_start(one);
    world_start(two);
    start_behind_nat(a);
    start_behind_nat(b);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static const char *gateways(struct world_host *h)
{
    CU_ASSERT_EQUAL_FATAL(world_command(h, QE_COMMAND_GATEWAYS, NULL), 200);
    return (const char *)h->reply.data;
}

static bool says(struct world_host *h, const char *text)
{
    return strstr(gateways(h), text) != NULL;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what))) {
        n++;
        text++;
    }
    return n;
}

static bool kept_both(struct world *w)
{
    (void)w;
    return count(gateways(a), "\"published\":true") == 2 && count(gateways(b), "\"published\":true") == 2;
}

static void a_node_behind_a_nat_finds_gateways_and_keeps_two(void)
{
    begin(1, true);
    start_all();
    CU_ASSERT(world_until(&world, kept_both, 60 * QE_NS_PER_S));
    printf("kept after %llu ms\n", (unsigned long long)(world.now_ns / QE_NS_PER_MS) - 1000);
    CU_ASSERT(says(a, "\"behind_nat\":true"));
    CU_ASSERT(!says(one, "\"behind_nat\":true"));
    CU_ASSERT_EQUAL(count(gateways(one), "\"published\":true"), 0);
    end();
}

static void a_gateway_that_dies_is_left_alone_and_another_one_kept(void)
{
    begin(2, true);
    start_all();
    CU_ASSERT(world_until(&world, kept_both, 60 * QE_NS_PER_S));
    world_kill(one);
    run_for(20 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(count(gateways(a), "\"published\":true"), 1);
    CU_ASSERT(says(a, "unhealthy"));
    world_start(one);
    CU_ASSERT(world_until(&world, kept_both, 60 * QE_NS_PER_S));
    end();
}

static void prefer(struct world_host *h, struct qe_config_nodes *nodes, const struct world_host *gateway)
{
    (void)h;
    qe_node_id_format(&gateway->id, nodes->list[nodes->count].text);
    nodes->count++;
}

static bool one_is_there(struct world *w)
{
    (void)w;
    return says(a, "\"state\":\"connected\"");
}

static bool passes(struct world_host *from, struct world_host *to, uint32_t number)
{
    uint8_t packet[200];
    size_t before = to->delivered_count;
    world_packet(from, to, 6, number, sizeof packet, packet);
    world_tun(from, packet, sizeof packet, NULL);
    run_for(500 * QE_NS_PER_MS);
    for (size_t i = before; i < to->delivered_count; i++)
        if (qe_span_equal(to->delivered[i], qe_span(packet, sizeof packet))) return true;
    return false;
}

static void a_gateway_that_the_user_names_is_nothing_but_that(void)
{
    begin(3, false);
    prefer(a, &a->config.gateway_prefer, one);
    world_allow(one, a, false);
    world_start(first);
    world_start(one);
    start_behind_nat(a);
    CU_ASSERT(world_until(&world, one_is_there, 30 * QE_NS_PER_S));
    CU_ASSERT(says(a, "\"preferred\""));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PEERS, NULL), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "\"source\":\"gateway\""));
    // It may connect here; packets of it, or for it, go nowhere.
    CU_ASSERT(!passes(a, one, 1));
    CU_ASSERT(!passes(one, a, 2));
    end();
}

static void a_gateway_is_named_and_taken_back_while_the_node_runs(void)
{
    char argument[64], id[QE_NODE_ID_TEXT_SIZE];
    begin(13, false);
    world_allow(one, a, false);
    world_start(first);
    world_start(one);
    start_behind_nat(a);
    run_for(3 * QE_NS_PER_S);
    CU_ASSERT(!says(a, "\"preferred\""));
    snprintf(argument, sizeof argument, "gateway.prefer value=%s", qe_node_id_format(&one->id, id));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, argument), 200);
    CU_ASSERT(world_until(&world, one_is_there, 30 * QE_NS_PER_S));
    CU_ASSERT(says(a, "\"preferred\""));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, "gateway.prefer"), 200);
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT(!says(a, "\"preferred\""));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PEERS, NULL), 200);
    CU_ASSERT_PTR_NULL(strstr((const char *)a->reply.data, "\"source\":\"gateway\""));
    end();
}

static bool a_and_one_connected(struct world *w)
{
    (void)w;
    return world_connected(a, one) && world_connected(one, a);
}

static void a_gateway_that_is_a_member_too_is_a_peer_like_any_other(void)
{
    begin(4, true);
    prefer(a, &a->config.gateway_prefer, one);
    start_all();
    CU_ASSERT(world_until(&world, a_and_one_connected, 30 * QE_NS_PER_S));
    run_for(5 * QE_NS_PER_S);
    CU_ASSERT(passes(a, one, 1));
    CU_ASSERT(passes(one, a, 2));
    end();
}

static bool a_and_b_connected(struct world *w)
{
    (void)w;
    return world_connected(a, b) && world_connected(b, a);
}

static bool by_two_gateways(struct world *w)
{
    // Each gateway relays for the two.
    for (size_t i = 1; i <= 2; i++) {
        CU_ASSERT_EQUAL_FATAL(world_command(&w->hosts[i], QE_COMMAND_RELAY, NULL), 200);
        if (!strstr((const char *)w->hosts[i].reply.data, "\"circuits\":1,\"nodes\":[{")) return false;
    }
    return true;
}

static uint64_t begun_ns;

static unsigned long took_ms(void)
{
    return (unsigned long)((world.now_ns - begun_ns) / QE_NS_PER_MS);
}

static void two_that_cannot_reach_each_other_meet_at_a_gateway(void)
{
    begin(6, true);
    begun_ns = world.now_ns;
    start_all();
    CU_ASSERT(world_until(&world, a_and_b_connected, 30 * QE_NS_PER_S));
    printf("by a gateway after %lu ms\n", took_ms());
    CU_ASSERT(took_ms() < 8000);
    CU_ASSERT(passes(a, b, 1));
    CU_ASSERT(passes(b, a, 2));
    CU_ASSERT(world_until(&world, by_two_gateways, 10 * QE_NS_PER_S));
    printf("with a second one standing by after %lu ms\n", took_ms());
    end();
}

// The gateway through which a reaches b now, and the other one.
static struct world_host *used(bool other)
{
    char text[QE_NODE_ID_TEXT_SIZE + 16], id[QE_NODE_ID_TEXT_SIZE];
    const char *all = gateways(a), *at = strstr(all, "\"relayed\":[\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(text, sizeof text, "\"node_id\":\"%s", qe_node_id_format(&one->id, id));
    const char *first_one = strstr(all, text);
    snprintf(text, sizeof text, "\"node_id\":\"%s", qe_node_id_format(&two->id, id));
    const char *second = strstr(all, text);
    // The entry that `at` is in: the last one that begins before it.
    bool is_one = first_one < at && (second > at || second < first_one);
    return is_one != other ? one : two;
}

// For how long nothing comes at b while a sends every 20 ms, in ms, when the gateway in between dies. Where b answers,
// what counts is what comes at a, which asks every 60 ms: so b hears of each answer that it has come before the next.
static size_t outage_ms(uint64_t seed, bool answers)
{
    uint8_t packet[200];
    uint32_t number = 100;
    struct world_host *last = answers ? a : b;
    const unsigned each_ms = answers ? 60 : 20;
    size_t before, asked, lost_for = 0, worst = 0;
    begin(seed, true);
    world.delay_ns = answers ? (1 + seed % 4) * QE_NS_PER_MS : (5 + seed % 6 * 10) * QE_NS_PER_MS;
    start_all();
    CU_ASSERT(world_until(&world, a_and_b_connected, 30 * QE_NS_PER_S));
    CU_ASSERT(world_until(&world, by_two_gateways, 15 * QE_NS_PER_S));
    for (unsigned i = 0; i < 250; i++) {
        if (i == 50) world_kill(used(false));
        before = last->delivered_count;
        asked = b->delivered_count;
        world_packet(a, b, 6, number++, sizeof packet, packet);
        world_tun(a, packet, sizeof packet, NULL);
        run_for(10 * QE_NS_PER_MS);
        if (answers && b->delivered_count > asked) {
            world_packet(b, a, 6, number++, sizeof packet, packet);
            world_tun(b, packet, sizeof packet, NULL);
        }
        run_for((each_ms - 10) * QE_NS_PER_MS);
        lost_for = last->delivered_count > before ? 0 : lost_for + each_ms;
        if (i > 20 && lost_for > worst) worst = lost_for;
    }
    CU_ASSERT_EQUAL(lost_for, 0);
    end();
    return worst;
}

static size_t worst_outage_ms(bool answers)
{
    size_t worst = 0, sum = 0;
    for (uint64_t seed = 100; seed < 100 + OUTAGES; seed++) {
        size_t ms = outage_ms(seed, answers);
        sum += ms;
        if (ms > worst) worst = ms;
    }
    printf("nothing came for %zu ms, %zu at most\n", sum / OUTAGES, worst);
    return worst;
}

static void a_gateway_that_dies_with_traffic_on_it_is_replaced_by_the_one_that_stands_by(void)
{
    CU_ASSERT(worst_outage_ms(false) <= 1000);
}

// Whoever is asked by another way answers by that one; its own packets need not go unanswered as long again.
static void who_only_answers_follows_at_once(void)
{
    CU_ASSERT(worst_outage_ms(true) <= 750);
}

static bool is_direct(struct world *w)
{
    (void)w;
    for (int i = 0; i < 2; i++) {
        struct world_host *h = i == 0 ? a : b;
        CU_ASSERT_EQUAL_FATAL(world_command(h, QE_COMMAND_PEERS, NULL), 200);
        char id[QE_NODE_ID_TEXT_SIZE];
        const char *at = strstr((const char *)h->reply.data, qe_node_id_format(i == 0 ? &b->id : &a->id, id));
        const char *via = at ? strstr(at, "\"via\":") : NULL;
        if (!via || strncmp(via, "\"via\":\"direct\"", 14) != 0) return false;
    }
    return true;
}

static void when_the_gateway_dies_direct_is_tried_at_once(void)
{
    begin(14, true);
    start_all();
    CU_ASSERT(world_until(&world, a_and_b_connected, 30 * QE_NS_PER_S));
    run_for(200 * QE_NS_PER_S);
    CU_ASSERT(!is_direct(&world));
    // Nothing tells them.
    world.loses = NULL;
    world_kill(used(false));
    begun_ns = world.now_ns;
    for (uint32_t i = 0; i < 60 && !is_direct(&world); i++)
        (void)passes(a, b, 1000 + i);
    printf("direct %lu ms after the gateway's death\n", took_ms());
    CU_ASSERT(took_ms() <= 3000);
    end();
}

static void a_gateway_is_found_for_the_only_one_that_died(void)
{
    begin(8, true);
    world_start(first);
    world_start(one);
    start_behind_nat(a);
    start_behind_nat(b);
    CU_ASSERT(world_until(&world, a_and_b_connected, 30 * QE_NS_PER_S));
    world_kill(one);
    run_for(5 * QE_NS_PER_S);
    CU_ASSERT(!world_connected(a, b));
    // Another one is set up, and nobody tells them.
    world_start(two);
    begun_ns = world.now_ns;
    CU_ASSERT(world_until(&world, a_and_b_connected, 120 * QE_NS_PER_S));
    printf("by another gateway %lu ms after it began\n", took_ms());
    CU_ASSERT(took_ms() < 30000);
    end();
}

static void without_a_gateway_the_user_hears_what_he_can_do(void)
{
    begin(9, true);
    one->config.gateway = two->config.gateway = false;
    start_all();
    run_for(30 * QE_NS_PER_S);
    CU_ASSERT(!world_connected(a, b));
    CU_ASSERT_PTR_NOT_NULL(strstr(a->log, ": both behind NAT that does not allow it, no gateway. Run one ("));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PEERS, NULL), 200);
    const char *why = "\"last_error\":\"both behind NAT that does not allow it, no gateway\"";
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, why));
    // What he can do, once.
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_STATUS, NULL), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "start --role gateway --public-ip IP"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "config set --gateway-allow ID"));
    CU_ASSERT_EQUAL(count(a->log, "cannot connect to "), 1);
    // He does one of them, on the host that both can reach.
    world_kill(one);
    one->config.gateway = true;
    world_start(one);
    CU_ASSERT(world_until(&world, a_and_b_connected, 120 * QE_NS_PER_S));
    printf("by the new gateway after %lu ms\n", (unsigned long)((world.now_ns - 30 * QE_NS_PER_S) / QE_NS_PER_MS));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PEERS, NULL), 200);
    CU_ASSERT_PTR_NULL(strstr((const char *)a->reply.data, why));
    end();
}

static void who_does_not_answer_is_not_said_to_be_behind_a_nat(void)
{
    begin(12, true);
    one->config.gateway = two->config.gateway = false;
    start_all();
    run_for(8 * QE_NS_PER_S);
    world_kill(b);
    world_kill(a);
    memset(a->log, 0, sizeof a->log);
    start_behind_nat(a);
    run_for(60 * QE_NS_PER_S);
    CU_ASSERT_PTR_NULL(strstr(a->log, "behind NAT"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a->log, "does not answer, and no gateway\n"));
    end();
}

static void a_gateway_relays_for_those_who_may(void)
{
    begin(10, true);
    one->config.relay.allow = two->config.relay.allow = QE_RELAY_NOBODY;
    start_all();
    run_for(20 * QE_NS_PER_S);
    CU_ASSERT(!world_connected(a, b));
    end();
}

static void a_member_helps_out_where_there_is_no_gateway(void)
{
    begin(11, true);
    one->config.gateway = two->config.gateway = false;
    one->config.relay.emergency = true;
    start_all();
    CU_ASSERT(world_until(&world, a_and_b_connected, 60 * QE_NS_PER_S));
    CU_ASSERT(passes(a, b, 1));
    end();
}

static void without_memory_nothing_worse_happens(void)
{
    for (uint64_t at = 1; at < 400; at += 7) {
        begin(5, true);
        world.fail_at = at * 10;
        world.fail_count = 5;
        start_all();
        run_for(3 * QE_NS_PER_S);
        end();
    }
}

static const struct unit_case cases[] = {
    {"a node behind a NAT finds gateways and keeps two", a_node_behind_a_nat_finds_gateways_and_keeps_two},
    {"a gateway that dies is left alone, and another one kept", a_gateway_that_dies_is_left_alone_and_another_one_kept},
    {"a gateway that the user names is nothing but that", a_gateway_that_the_user_names_is_nothing_but_that},
    {"a gateway is named and taken back while the node runs", a_gateway_is_named_and_taken_back_while_the_node_runs},
    {"a gateway that is a member, too, is a peer like any other",
        a_gateway_that_is_a_member_too_is_a_peer_like_any_other},
    {"two that cannot reach each other meet at a gateway", two_that_cannot_reach_each_other_meet_at_a_gateway},
    {"a gateway that dies with traffic on it is replaced by the one that stands by",
        a_gateway_that_dies_with_traffic_on_it_is_replaced_by_the_one_that_stands_by},
    {"who only answers follows at once", who_only_answers_follows_at_once},
    {"when the gateway dies direct is tried at once", when_the_gateway_dies_direct_is_tried_at_once},
    {"a gateway is found for the only one that died", a_gateway_is_found_for_the_only_one_that_died},
    {"without a gateway the user hears what he can do", without_a_gateway_the_user_hears_what_he_can_do},
    {"who does not answer is not said to be behind a NAT", who_does_not_answer_is_not_said_to_be_behind_a_nat},
    {"a gateway relays for those who may", a_gateway_relays_for_those_who_may},
    {"a member helps out where there is no gateway", a_member_helps_out_where_there_is_no_gateway},
    {"without memory nothing worse happens", without_memory_nothing_worse_happens},
};
UNIT_MAIN("gateways", cases)
