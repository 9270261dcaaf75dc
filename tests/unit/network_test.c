// The underlay: routes against a naive model, switches, routers, and why datagrams do not arrive.
#include "engine/memory.h"
#include "net/network.h"
#include "net/topology.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct sim_engine engine;
static struct sim_trace trace;
static struct sim_network network;
static uint8_t hash[SIM_TRACE_HASH_SIZE];

static struct {
    char box[16];
    uint64_t at_ns;
    uint32_t interface;
    uint8_t hops_left;
} last;

static void deliver(struct sim_box *box, struct sim_packet *packet)
{
    snprintf(last.box, sizeof(last.box), "%s", box->name);
    last.at_ns = engine.now_ns;
    last.interface = packet->interface;
    last.hops_left = packet->hops_left;
    network.received++;
    sim_packet_free(&network.pool, packet);
}

static void begin(void)
{
    sim_engine_init(&engine);
    sim_trace_init(&trace, &engine.now_ns, NULL);
    sim_network_init(&network, &engine, &trace, 1, deliver);
}

static void end(void)
{
    CU_ASSERT_TRUE(sim_network_conserves(&network, 0));
    CU_ASSERT_EQUAL(network.pool.out, 0);
    sim_network_fini(&network);
    sim_trace_fini(&trace, hash);
    sim_engine_fini(&engine);
}

static struct qe_ip ip(const char *text)
{
    struct qe_ip out;
    CU_ASSERT_TRUE_FATAL(qe_ip_parse(text, &out));
    return out;
}

// Sends one datagram and lets everything happen; returns the name of the box that got it, "" for none.
static const char *send(struct sim_box *from, const char *to)
{
    struct sim_packet *packet = sim_packet_new(&network.pool, (const uint8_t *)"hello", 5);
    packet->destination = (struct qe_addr){.ip = ip(to), .port = 9};
    packet->source = (struct qe_addr){.ip = sim_box_source(from, &packet->destination.ip, 0), .port = 9};
    memset(&last, 0, sizeof(last));
    sim_box_send(from, packet, 0);
    while (sim_engine_step(&engine, UINT64_MAX))
        ;
    return last.box;
}

static void the_longest_prefix_is_the_naive_longest(void)
{
    enum { ROUTES = 200 };
    struct unit_random random = unit_random();
    struct sim_interface interfaces[3] = {{.index = 2}, {.index = 3}, {.index = 4}};
    struct sim_box box;
    begin();
    sim_box_init(&box, &network, "box", 0, true);
    static struct sim_route routes[ROUTES];
    size_t count = 0, found = 0;
    for (int round = 0; round < 2000; round++) {
        // Few bits differ, so that prefixes nest and overlap.
        bool six = unit_random_below(&random, 2);
        struct qe_ip at = six ? ip("2001:db8::") : ip("10.0.0.0");
        at.bytes[2] = (uint8_t)unit_random_below(&random, 4);
        at.bytes[3] = (uint8_t)unit_random_below(&random, 256);
        if (count < ROUTES && unit_random_below(&random, 4) == 0) {
            struct sim_route *route = &routes[count];
            *route = (struct sim_route){.to = {at, (uint8_t)unit_random_below(&random, 33)},
                .interface = &interfaces[unit_random_below(&random, 3)]};
            route->to = qe_cidr_network(route->to);
            bool again = false;
            for (size_t i = 0; i < count; i++)
                again |= routes[i].to.bits == route->to.bits && qe_ip_equal(&routes[i].to.ip, &route->to.ip) &&
                         routes[i].interface == route->interface;
            if (again) continue;
            sim_box_add_route(&box, *route);
            count++;
            continue;
        }
        uint32_t by = (uint32_t)(unit_random_below(&random, 2) ? 0 : 2 + unit_random_below(&random, 3));
        const struct sim_route *best = NULL;
        for (size_t i = 0; i < count; i++) {
            if (!qe_cidr_contains(&routes[i].to, &at) || (by && routes[i].interface->index != by)) continue;
            if (!best || routes[i].to.bits > best->to.bits ||
                (routes[i].to.bits == best->to.bits && routes[i].interface->index < best->interface->index))
                best = &routes[i];
        }
        const struct sim_route *got = sim_box_route(&box, &at, by);
        CU_ASSERT_EQUAL_FATAL(got != NULL, best != NULL);
        if (!best) continue;
        found++;
        CU_ASSERT_EQUAL(got->to.bits, best->to.bits);
        CU_ASSERT_PTR_EQUAL(got->interface, best->interface);
    }
    CU_ASSERT(found > 300);
    sim_box_fini(&box);
    end();
}

#define BOXES_MAX 8
static struct sim_scenario *scenario;
static struct sim_hosts hosts;
static struct sim_host *list[BOXES_MAX];
static struct sim_link links[BOXES_MAX];

// Builds the underlay of a scenario, whose hosts are boxes without nodes.
static void build(const char *text)
{
    char error[SIM_ERROR_SIZE] = "";
    scenario = sim_scenario_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_STRING_EQUAL_FATAL(error, "");
    CU_ASSERT_FATAL(scenario->host_count <= BOXES_MAX && scenario->link_count <= BOXES_MAX);
    begin();
    sim_hosts_init(&hosts, &engine, &network, &trace, NULL, 1, 0);
    for (size_t i = 0; i < scenario->host_count; i++) {
        list[i] = sim_obtain(1, sizeof(*list[i]));
        sim_host_init(list[i], &hosts, scenario->hosts[i].name, (uint32_t)i, scenario->hosts[i].router);
    }
    sim_topology_build(scenario, &network, list, links);
}

static void unbuild(void)
{
    for (size_t i = 0; i < scenario->link_count; i++) {
        CU_ASSERT_TRUE(sim_link_conserves(&links[i]));
        sim_link_fini(&links[i]);
    }
    for (size_t i = 0; i < scenario->host_count; i++) {
        sim_host_fini(list[i]);
        sim_release(list[i]);
    }
    sim_hosts_fini(&hosts);
    sim_scenario_free(scenario);
    end();
}

#define HEAD "[scenario]\nname = \"s\"\nduration = \"1s\"\n"

static void two_boxes_reach_each_other_and_nobody_else(void)
{
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"1ms\"\n");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.2"), "b");
    CU_ASSERT_EQUAL(last.at_ns, 1000000);
    CU_ASSERT_EQUAL(last.interface, 2);
    CU_ASSERT_STRING_EQUAL(send(&list[1]->box, "fd00::1"), "a");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.1"), "a"); // itself
    CU_ASSERT_EQUAL(last.interface, 1);
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.3"), "");
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_NOT_HERE], 1);
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "192.0.2.1"), "");
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_NO_ROUTE], 1);
    unbuild();
}

static void a_switch_delivers_to_the_one_with_the_address(void)
{
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"c\"\n"
               "[[link]]\nbetween = [\"a\", \"b\", \"c\"]\ndelay = \"1ms\"\n");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.3"), "c");
    CU_ASSERT_EQUAL(last.at_ns, 2000000); // to the switch, and from it
    CU_ASSERT_STRING_EQUAL(send(&list[2]->box, "fd00::2"), "b");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.9"), "");
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_NO_NEIGHBOUR], 1);
    unbuild();
}

// a - r1 - r2 - b, with a longer way r1 - r3 - r2.
#define ROUTERS                                                                                                        \
    HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"r1\"\nrouter = true\n"                    \
         "[[host]]\nname = \"r2\"\nrouter = true\n[[host]]\nname = \"r3\"\nrouter = true\n"                            \
         "[[link]]\nbetween = [\"r1\", \"r3\"]\ndelay = \"7ms\"\n[[link]]\nbetween = [\"r3\", \"r2\"]\ndelay = "       \
         "\"7ms\"\n"                                                                                                   \
         "[[link]]\nbetween = [\"a\", \"r1\"]\ndelay = \"1ms\"\n[[link]]\nbetween = [\"r1\", \"r2\"]\ndelay = "        \
         "\"2ms\"\n"                                                                                                   \
         "[[link]]\nbetween = [\"r2\", \"b\"]\ndelay = \"3ms\"\n"

static void routers_know_the_shortest_way(void)
{
    build(ROUTERS);
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.4.2"), "b");
    CU_ASSERT_EQUAL(last.at_ns, 6000000);
    CU_ASSERT_EQUAL(last.hops_left, SIM_HOPS_MAX - 2);
    CU_ASSERT_STRING_EQUAL(send(&list[1]->box, "fd00:0:0:2::1"), "a");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.1.1"), "r3");
    unbuild();
}

static void given_routes_count_and_loops_end(void)
{
    // r1 and r2 send the same prefix to each other.
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"r1\"\nrouter = true\n"
               "routes = [{to = \"192.0.2.0/24\", via = \"10.0.1.2\"}]\n[[host]]\nname = \"r2\"\nrouter = true\n"
               "routes = [{to = \"192.0.2.0/24\", via = \"10.0.1.1\"}, {to = \"10.0.0.0/24\", via = \"10.0.1.1\"}]\n"
               "[[link]]\nbetween = [\"a\", \"r1\"]\n[[link]]\nbetween = [\"r1\", \"r2\"]\ndelay = \"1us\"\n");
    CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "192.0.2.1"), "");
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_HOPS], 1);
    CU_ASSERT_EQUAL(engine.now_ns, (SIM_HOPS_MAX - 1) * 1000);
    CU_ASSERT_STRING_EQUAL(send(&list[2]->box, "10.0.0.1"), "a");
    unbuild();
}

static void what_goes_down_takes_its_datagrams_along(void)
{
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"1ms\"\n");
    struct sim_packet *packet = sim_packet_new(&network.pool, NULL, 0);
    packet->destination = (struct qe_addr){.ip = ip("10.0.0.2"), .port = 9};
    sim_box_send(&list[0]->box, packet, 0);
    CU_ASSERT_TRUE(sim_network_conserves(&network, 0));
    sim_pipe_set_down(&links[0].ports[0].out, true);
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_DOWN], 1);
    CU_ASSERT_STRING_EQUAL(send(&list[1]->box, "10.0.0.1"), "a"); // the other direction is up
    unbuild();
}

// Sends a datagram with so much payload from port 7 to port 9, and lets everything happen.
static void send_size(struct sim_box *from, const char *to, size_t size)
{
    static const uint8_t zeros[3000];
    struct sim_packet *packet = sim_packet_new(&network.pool, zeros, size);
    packet->destination = (struct qe_addr){.ip = ip(to), .port = 9};
    packet->source = (struct qe_addr){.ip = sim_box_source(from, &packet->destination.ip, 0), .port = 7};
    sim_box_send(from, packet, 0);
    while (sim_engine_step(&engine, UINT64_MAX))
        ;
}

static void who_sends_too_much_is_told(void)
{
    // a - r - b; the second link takes 1280 bytes and says so, the way back of it takes less and does not.
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"r\"\nrouter = true\n"
               "[[link]]\nbetween = [\"a\", \"r\"]\ndelay = \"1ms\"\n"
               "[[link]]\nbetween = [\"r\", \"b\"]\nmtu = 1280\nicmp = true\nfrom.b = {mtu = 600, icmp = false}\n");
    struct sim_box *a = &list[0]->box, *b = &list[1]->box;
    send_size(a, "10.0.1.2", 1280 - 28);
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_MTU], 0);
    send_size(a, "10.0.1.2", 1280 - 27);
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_MTU], 1);
    CU_ASSERT_EQUAL(a->too_big_received, 1);
    CU_ASSERT_EQUAL(network.sent, 3);
    send_size(a, "fd00:0:0:1::2", 1280 - 47);
    CU_ASSERT_EQUAL(a->too_big_received, 2);
    send_size(b, "10.0.0.1", 600);
    CU_ASSERT_EQUAL(network.dropped[SIM_DROP_MTU], 3);
    CU_ASSERT_EQUAL(b->too_big_received, 0);
    unbuild();
    // The machine itself is in front of the link.
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nicmp = true\n");
    send_size(&list[0]->box, "10.0.0.2", 1500);
    CU_ASSERT_EQUAL(list[0]->box.too_big_received, 1);
    unbuild();
}

static void copies_add_up(void)
{
    build(HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"c\"\n"
               "[[link]]\nbetween = [\"a\", \"b\", \"c\"]\nduplicate = \"100%\"\nqueue = \"2packets\"\nrate = "
               "\"1Mbit/s\"\n");
    for (int i = 0; i < 5; i++)
        CU_ASSERT_STRING_EQUAL(send(&list[0]->box, "10.0.0.2"), "b");
    CU_ASSERT_EQUAL(network.sent, 5);
    CU_ASSERT_EQUAL(network.duplicated, 15); // one on the way to the switch, two on the way from it
    CU_ASSERT_EQUAL(network.received, 20);
    unbuild();
}

static const struct unit_case cases[] = {
    {"the longest prefix is the naive longest", the_longest_prefix_is_the_naive_longest},
    {"two boxes reach each other and nobody else", two_boxes_reach_each_other_and_nobody_else},
    {"a switch delivers to the one with the address", a_switch_delivers_to_the_one_with_the_address},
    {"routers know the shortest way", routers_know_the_shortest_way},
    {"given routes count, and loops end", given_routes_count_and_loops_end},
    {"what goes down takes its datagrams along", what_goes_down_takes_its_datagrams_along},
    {"who sends too much is told", who_sends_too_much_is_told},
    {"copies add up", copies_add_up},
};
UNIT_MAIN("network", cases)
