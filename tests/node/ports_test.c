// What a node does with ports that NATs give out: when it asks, what it publishes, and when it stops.
#include "base/time.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct world_host *h;
static unsigned long long endpoints; // of what was published last

static void watch(void *user, const struct qe_trace *trace)
{
    (void)user;
    if (strcmp(trace->name, "dht.announced") == 0) endpoints = trace->b;
}

// A node behind a NAT, and another one, with which it makes a DHT.
static void begin(const char *outside, uint32_t lifetime_s)
{
    world_init(&world, 11);
    world.delay_ns = 10 * QE_NS_PER_MS;
    for (size_t i = 0; i < 2; i++) {
        struct world_host *host = world_add(&world);
        host->tells_link = i == 0;
        if (i == 0) continue;
        host->config.bootstrap = calloc(1, sizeof *host->config.bootstrap);
        snprintf(host->config.bootstrap[0].text, sizeof host->config.bootstrap[0].text, "10.0.0.1:9000");
        host->config.bootstrap_count = 1;
    }
    h = &world.hosts[0];
    h->host.trace = watch;
    h->config.port_mapping = true;
    endpoints = 0;
    if (outside) CU_ASSERT_FATAL(qe_addr_parse(outside, &h->maps_at));
    h->maps_for_s = lifetime_s;
}

static void run_for(uint64_t seconds)
{
    world_run(&world, world.now_ns + seconds * QE_NS_PER_S);
}

static void start(void)
{
    world_start(&world.hosts[0]);
    world_start(&world.hosts[1]);
    run_for(30);
}

static bool says(const char *text)
{
    return strstr(h->log, text) != NULL;
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void a_granted_port_is_published(void)
{
    begin("203.0.113.5:4242", 7200);
    start();
    CU_ASSERT_EQUAL(h->mapped, 1);
    CU_ASSERT_EQUAL(h->map.port, 9000);
    CU_ASSERT(says("10.0.0.1 port 9000 is mapped at 203.0.113.5:4242 (PCP)"));
    CU_ASSERT_EQUAL(endpoints, 2);
    end();
}

static void no_port_is_asked_for_where_that_is_not_wanted(void)
{
    begin("203.0.113.5:4242", 7200);
    h->config.port_mapping = false;
    start();
    CU_ASSERT_EQUAL(h->mapped, 0);
    CU_ASSERT_EQUAL(endpoints, 1);
    end();
    begin("203.0.113.5:4242", 7200);
    h->config.public_ip = qe_ip4(203, 0, 113, 5);
    start();
    CU_ASSERT_EQUAL(h->mapped, 0);
    end();
}

static void a_public_address_needs_no_port(void)
{
    static const char *const addresses[] = {"10.0.0.1/24", "198.51.100.9/24", NULL};
    begin("203.0.113.5:4242", 7200);
    h->tells_link = false;
    world_start(h);
    world_link(h, 2, addresses);
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 0);
    end();
}

static void a_port_at_a_private_address_is_not_published(void)
{
    begin("100.64.7.7:4242", 7200);
    start();
    CU_ASSERT(
        says("mapped at 100.64.7.7:4242 (PCP), which is no public address: there is another NAT beyond that one"));
    CU_ASSERT_EQUAL(endpoints, 1);
    end();
}

static void it_is_renewed_at_half_of_its_life(void)
{
    begin("203.0.113.5:4242", 600);
    start();
    CU_ASSERT_EQUAL(h->mapped, 1);
    run_for(265); // 295 s since the start
    CU_ASSERT_EQUAL(h->mapped, 1);
    run_for(85);
    CU_ASSERT_EQUAL(h->mapped, 2);
    run_for(3600);
    CU_ASSERT(h->mapped >= 2 + 3600 / 375 && h->mapped <= 3 + 3600 / 300);
    CU_ASSERT_EQUAL(endpoints, 2);
    end();
}

static void a_long_life_is_looked_after_all_the_same(void)
{
    begin("203.0.113.5:4242", UINT32_MAX);
    start();
    run_for(3600);
    CU_ASSERT(h->mapped >= 1 + 3600 / 750 && h->mapped <= 2 + 3600 / 600);
    end();
}

static void a_port_that_is_refused_later_is_taken_back(void)
{
    begin("203.0.113.5:4242", 600);
    start();
    h->maps_not = "not authorized";
    run_for(400);
    CU_ASSERT(says("port 9000 is no longer mapped at 203.0.113.5:4242: not authorized"));
    CU_ASSERT_EQUAL(endpoints, 1);
    uint64_t asked = h->mapped;
    run_for(4 * 3600);
    // 2, 4, 8, … minutes and then hours, ± a quarter.
    CU_ASSERT(h->mapped - asked >= 5 && h->mapped - asked <= 10);
    h->maps_not = NULL;
    run_for(2 * 3600);
    CU_ASSERT_EQUAL(endpoints, 2);
    end();
}

static void a_nat_that_says_it_lost_the_port_is_asked_again(void)
{
    begin("203.0.113.5:4242", 7200);
    start();
    struct qe_event lost = {.kind = QE_EVENT_RESULT,
        .result = {.request = h->map.request, .code = QE_RESULT_UNAVAILABLE, .text = "the NAT began anew"}};
    world_step(h, &lost);
    h->maps_at.port = 4343;
    run_for(1);
    CU_ASSERT_EQUAL(h->mapped, 2);
    CU_ASSERT(says("no longer mapped at 203.0.113.5:4242: the NAT began anew"));
    CU_ASSERT(says("mapped at 203.0.113.5:4343"));
    // A result of a request that is past means nothing.
    world_step(h, &lost);
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 2);
    CU_ASSERT_EQUAL(endpoints, 2);
    end();
}

// One that grants ports for a second, or loses each as soon as it is granted, does not keep the node busy.
static void a_nat_that_is_never_content_is_asked_seldom(void)
{
    begin("203.0.113.5:4242", 1);
    start();
    uint64_t asked = h->mapped;
    run_for(100);
    CU_ASSERT(h->mapped > asked && h->mapped - asked <= 21);
    asked = h->mapped;
    for (unsigned i = 0; i < 100; i++) {
        struct qe_event lost = {.kind = QE_EVENT_RESULT,
            .result = {.request = h->map.request, .code = QE_RESULT_UNAVAILABLE, .text = "the NAT began anew"}};
        world_step(h, &lost);
        run_for(1);
    }
    CU_ASSERT(h->mapped > asked && h->mapped - asked <= 21);
    end();
}

static void another_network_means_another_port(void)
{
    static const char *const home[] = {"10.0.0.1/24", NULL}, *const away[] = {"192.168.7.7/24", NULL},
                             *const none[] = {NULL};
    begin("203.0.113.5:4242", 7200);
    h->tells_link = false;
    start();
    world_link(h, 2, home);
    run_for(1);
    CU_ASSERT_EQUAL(h->mapped, 1);
    h->maps_at.ip = qe_ip4(198, 51, 100, 1);
    world_link(h, 2, away);
    CU_ASSERT(says("no longer mapped at 203.0.113.5:4242: the interface is gone, or has another address"));
    run_for(1);
    CU_ASSERT_EQUAL(h->mapped, 2);
    CU_ASSERT(says("192.168.7.7 port 9000 is mapped at 198.51.100.1:4242"));
    // The same address may be that of another place; but nobody is asked twice within 5 s.
    world_link(h, 2, away);
    world_link(h, 2, away);
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 3);
    world_link(h, 2, none);
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 3);
    CU_ASSERT_EQUAL(endpoints, 0);
    end();
}

static void each_interface_has_its_own(void)
{
    static const char *const wired[] = {"192.168.1.2/24", NULL}, *const wireless[] = {"192.168.2.2/24", NULL};
    begin("203.0.113.5:4242", 7200);
    h->tells_link = false;
    start();
    world_link(h, 2, wired);
    run_for(1);
    CU_ASSERT_EQUAL(h->map.interface, 2);
    h->maps_at.ip = qe_ip4(198, 51, 100, 1);
    world_link(h, 3, wireless);
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 2);
    CU_ASSERT_EQUAL(h->map.interface, 3);
    CU_ASSERT_EQUAL(endpoints, 4);
    end();
}

static void more_interfaces_than_there_is_room_for_do_without(void)
{
    char text[32];
    const char *const addresses[] = {text, NULL};
    begin(NULL, 0);
    h->tells_link = false;
    start();
    for (unsigned i = 2; i < 60; i++) {
        snprintf(text, sizeof text, "172.17.%u.1/24", i);
        world_link(h, i, addresses);
    }
    run_for(30);
    CU_ASSERT_EQUAL(h->mapped, 32);
    end();
}

static void it_is_given_back_at_the_end(void)
{
    begin("203.0.113.5:4242", 7200);
    start();
    world_ask(h, QE_COMMAND_STOP, NULL);
    run_for(1);
    CU_ASSERT_EQUAL(h->mapped, 2);
    CU_ASSERT_EQUAL(h->map.lifetime_s, 0);
    CU_ASSERT_EQUAL(h->map.port, 9000);
    end();
}

static void grants_of_nothing_are_refusals(void)
{
    begin("203.0.113.5:4242", 0);
    start();
    CU_ASSERT_EQUAL(h->mapped, 1);
    CU_ASSERT(!says("mapped at"));
    CU_ASSERT_EQUAL(endpoints, 1);
    end();
    begin("0.0.0.0:0", 7200);
    start();
    CU_ASSERT_EQUAL(endpoints, 1);
    end();
}

static bool replies(const char *text)
{
    return strstr((const char *)h->reply.data, text) != NULL;
}

static void netcheck_tells_of_ports(void)
{
    begin("203.0.113.5:4242", 7200);
    start();
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_NETCHECK, NULL), 200);
    CU_ASSERT(replies("\"port_mappings\":[{\"port\":9000,\"state\":\"granted\",\"protocol\":\"PCP\","
                      "\"external\":\"203.0.113.5:4242\",\"public\":true,"));
    CU_ASSERT(replies("\"connecting\":{\"with\":\"anybody\""));
    end();
    begin("10.64.0.5:4242", 7200);
    start();
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_NETCHECK, NULL), 200);
    CU_ASSERT(replies("\"external\":\"10.64.0.5:4242\",\"public\":false,"));
    CU_ASSERT(!replies("\"with\":\"anybody\""));
    end();
}

static void netcheck_tells_of_blocked_udp(void)
{
    begin(NULL, 0);
    h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
    snprintf(h->config.bootstrap[0].text, sizeof h->config.bootstrap[0].text, "10.0.0.2:9000");
    h->config.bootstrap_count = 1;
    world.cut = true;
    start();
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_NETCHECK, NULL), 200);
    CU_ASSERT(replies("\"udp_blocked\":true"));
    CU_ASSERT(replies("\"state\":\"no-gateway\""));
    world.cut = false;
    run_for(120);
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_NETCHECK, NULL), 200);
    CU_ASSERT(replies("\"udp_blocked\":false"));
    end();
}

static const struct unit_case cases[] = {
    {"a granted port is published", a_granted_port_is_published},
    {"no port is asked for where that is not wanted", no_port_is_asked_for_where_that_is_not_wanted},
    {"a public address needs no port", a_public_address_needs_no_port},
    {"a port at a private address is not published", a_port_at_a_private_address_is_not_published},
    {"a port is renewed at half of its life", it_is_renewed_at_half_of_its_life},
    {"a port for ever is looked after all the same", a_long_life_is_looked_after_all_the_same},
    {"a port that is refused later is taken back", a_port_that_is_refused_later_is_taken_back},
    {"a NAT that lost the port is asked again", a_nat_that_says_it_lost_the_port_is_asked_again},
    {"a NAT that is never content is asked seldom", a_nat_that_is_never_content_is_asked_seldom},
    {"another network means another port", another_network_means_another_port},
    {"each interface has its own port", each_interface_has_its_own},
    {"more interfaces than there is room for do without", more_interfaces_than_there_is_room_for_do_without},
    {"ports are given back at the end", it_is_given_back_at_the_end},
    {"grants of nothing are refusals", grants_of_nothing_are_refusals},
    {"netcheck tells of ports", netcheck_tells_of_ports},
    {"netcheck tells of blocked UDP", netcheck_tells_of_blocked_udp},
};

UNIT_MAIN("ports", cases)
