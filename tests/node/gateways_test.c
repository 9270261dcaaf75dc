// Gateways: who is found to be one, which are kept, and what a node that others cannot dial says of them.
#include "base/time.h"
#include "discovery/node_record.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    puts(gateways(a));
    puts(a->log);
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
    {"a gateway that is a member, too, is a peer like any other",
        a_gateway_that_is_a_member_too_is_a_peer_like_any_other},
    {"without memory nothing worse happens", without_memory_nothing_worse_happens},
};
UNIT_MAIN("gateways", cases)
