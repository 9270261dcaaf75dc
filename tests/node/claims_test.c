// Networks behind nodes, and who gets which packets: gateways, a client, and somebody who claims what is not his.
#include "base/time.h"
#include "flow/checksum.h"
#include "flow/packet.h"
#include "route/overlay.h"
#include "unit.h"
#include "wire/claims.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

static struct world world;
static struct world_host *client, *gate, *other;

static void begin(uint64_t seed)
{
    world_init(&world, seed);
    client = world_add(&world);
    gate = world_add(&world);
    other = world_add(&world);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            if (i != j) world_allow(&world.hosts[i], &world.hosts[j], i < j);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static bool all_connected(struct world *w)
{
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            if (i != j && w->hosts[i].node && w->hosts[j].node && !world_connected(&w->hosts[i], &w->hosts[j]))
                return false;
    return true;
}

static void start_all(void)
{
    for (size_t i = 3; i-- > 0;)
        world_start(&world.hosts[i]);
    CU_ASSERT_TRUE_FATAL(world_until(&world, all_connected, 5 * QE_NS_PER_S));
    run_for(QE_NS_PER_S);
}

static bool routes_are(const struct world_host *h, const char *const *expected)
{
    size_t count = 0;
    for (; expected[count]; count++) {
        struct qe_cidr cidr;
        if (count >= h->route_count || !qe_cidr_parse(expected[count], &cidr)) return false;
        if (cidr.bits != h->routes[count].bits || !qe_ip_equal(&cidr.ip, &h->routes[count].ip)) return false;
    }
    return count == h->route_count;
}
#define ROUTES(h, ...) routes_are(h, (const char *const[]){__VA_ARGS__, NULL})

// A UDP packet between any two addresses.
static size_t packet(const char *from, const char *to, uint32_t number, uint8_t *out)
{
    struct qe_ip source, destination;
    size_t size = world_packet(client, gate, 4, number, 100, out);
    CU_ASSERT_TRUE_FATAL(qe_ip_parse(from, &source) && qe_ip_parse(to, &destination));
    memcpy(out + 12, source.bytes, 4);
    memcpy(out + 16, destination.bytes, 4);
    qe_store16(out + 10, 0);
    qe_store16(out + 10, qe_checksum_fold(qe_checksum_add(0, out, 20)));
    return size;
}

static const char *overlay(const struct world_host *h)
{
    static char text[WORLD_HOSTS_MAX][QE_ADDR_TEXT_SIZE];
    struct qe_cidr four = qe_overlay_ip4(&h->id, 0);
    return qe_ip_format(&four.ip, text[h->index]);
}

// Whether it comes out at `to` as it went in at `from`.
static bool passes(struct world_host *from, const struct world_host *to, const char *source, const char *destination)
{
    static uint32_t number;
    uint8_t bytes[128];
    size_t size = packet(source, destination, ++number, bytes), before[3];
    bool came = false;
    for (size_t i = 0; i < 3; i++)
        before[i] = world.hosts[i].delivered_count;
    world_tun(from, bytes, size, NULL);
    run_for(500 * QE_NS_PER_MS);
    for (size_t h = 0; h < 3; h++)
        for (size_t i = before[h]; i < world.hosts[h].delivered_count; i++)
            if (qe_span_equal(world.hosts[h].delivered[i], qe_span(bytes, size))) {
                CU_ASSERT_PTR_EQUAL(&world.hosts[h], to); // never anywhere else
                came = true;
            }
    return came;
}

static bool says(struct world_host *h, const char *text)
{
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_ROUTES, NULL), 200);
    return strstr((const char *)h->reply.data, text) != NULL;
}

static void a_network_behind_a_peer_is_reached_through_it(void)
{
    begin(1);
    world_advertise(gate, "10.20.0.0/16");
    start_all();
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    CU_ASSERT_TRUE(ROUTES(gate, NULL));
    CU_ASSERT_EQUAL(gate->forwarded_count, 1);
    CU_ASSERT_TRUE(gate->masquerade);
    CU_ASSERT_TRUE(passes(client, gate, overlay(client), "10.20.3.4"));
    CU_ASSERT_TRUE(passes(gate, client, "10.20.3.4", overlay(client)));
    CU_ASSERT_TRUE(says(client, "\"destination\":\"10.20.0.0/16\""));
    end();
}

static void only_its_owner_speaks_for_a_network(void)
{
    begin(2);
    world_advertise(gate, "10.20.0.0/16");
    start_all();
    // Not the sender's: neither end lets it pass, whichever looks.
    CU_ASSERT_FALSE(passes(other, client, "10.20.3.4", overlay(client)));
    CU_ASSERT_FALSE(passes(gate, client, "10.21.3.4", overlay(client)));
    CU_ASSERT_EQUAL(world_metric(other, "drop_tun_source"), 1);
    CU_ASSERT_FALSE(passes(client, gate, overlay(client), "10.21.0.1"));
    CU_ASSERT_EQUAL(world_metric(client, "drop_no_route"), 1);
    end();
}

static void a_network_goes_when_its_owner_stops_advertising_it(void)
{
    begin(3);
    world_advertise(gate, "10.20.0.0/16");
    start_all();
    world_kill(gate);
    gate->config.advertise.count = 0;
    world_start(gate);
    CU_ASSERT_TRUE_FATAL(world_until(&world, all_connected, 20 * QE_NS_PER_S));
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT_TRUE(ROUTES(client, NULL));
    CU_ASSERT_FALSE(passes(client, gate, overlay(client), "10.20.3.4"));
    end();
}

static void a_network_goes_some_time_after_its_owner_went(void)
{
    begin(4);
    world_advertise(gate, "10.20.0.0/16");
    start_all();
    world_kill(gate);
    run_for(600 * QE_NS_PER_S);
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    CU_ASSERT_TRUE(says(client, "\"state\":\"down\""));
    run_for(3100 * QE_NS_PER_S);
    CU_ASSERT_TRUE(ROUTES(client, NULL));
    end();
}

static void of_two_owners_the_other_takes_over_when_one_fails(void)
{
    begin(5);
    world_advertise(gate, "10.20.0.0/16");
    world_advertise(other, "10.20.0.0/16");
    start_all();
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    CU_ASSERT_TRUE(says(client, "\"state\":\"standby\""));
    bool first = passes(client, gate, overlay(client), "10.20.3.4");
    struct world_host *used = first ? gate : other, *spare = first ? other : gate;
    if (!first) CU_FAIL("the longer-standing one is used first");
    // Both may speak for it.
    CU_ASSERT_TRUE(passes(used, client, "10.20.3.4", overlay(client)));
    CU_ASSERT_TRUE(passes(spare, client, "10.20.3.4", overlay(client)));
    world_kill(used);
    passes(client, spare, overlay(client), "10.20.3.4"); // the silence is noticed by it
    run_for(5 * QE_NS_PER_S);
    CU_ASSERT_TRUE(passes(client, spare, overlay(client), "10.20.3.4"));
    end();
}

static void a_claim_that_is_refused_diverts_nothing(void)
{
    static const char *const mine[] = {"192.168.7.5/24", NULL};
    begin(6);
    world_advertise(gate, "10.20.0.0/16");
    world_advertise(other, "192.168.7.0/25"); // the client's own network
    world_advertise(other, "100.64.0.0/16");  // the overlay
    world_advertise(other, "0.0.0.0/0");
    world_start(client);
    world_link(client, 2, mine);
    world_start(gate);
    run_for(90 * QE_NS_PER_S); // it stands for longer, by more than a minute
    world_advertise(other, "10.20.3.0/24");
    world_start(other);
    CU_ASSERT_TRUE_FATAL(world_until(&world, all_connected, 20 * QE_NS_PER_S));
    run_for(15 * QE_NS_PER_S);
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    CU_ASSERT_TRUE(passes(client, gate, overlay(client), "10.20.3.4"));
    CU_ASSERT_FALSE(passes(client, other, overlay(client), "8.8.8.8"));
    CU_ASSERT_TRUE(says(client, "\"destination\":\"10.20.3.0/24\",\"owner\""));
    CU_ASSERT_TRUE(says(client, "this host's own"));
    CU_ASSERT_TRUE(says(client, "as good as a default route"));
    CU_ASSERT_TRUE(says(client, "overlaps the overlay's own addresses"));
    end();
}

static void a_network_that_this_host_comes_into_is_not_routed_away(void)
{
    static const char *const before[] = {"192.168.7.5/24", NULL}, *const after[] = {"10.20.9.9/24", NULL};
    begin(7);
    world_advertise(gate, "10.20.0.0/16");
    start_all();
    world_link(client, 2, before);
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    world_link(client, 2, after);
    CU_ASSERT_TRUE(ROUTES(client, NULL));
    world_link(client, 2, before);
    CU_ASSERT_TRUE(ROUTES(client, "10.20.0.0/16"));
    end();
}

static void what_the_user_accepts_narrows_and_widens(void)
{
    begin(8);
    world_advertise(gate, "10.20.0.0/16");
    world_advertise(gate, "172.16.0.0/12");
    world_advertise(gate, "0.0.0.0/0");
    struct qe_config_subnets *accept = &client->config.accept;
    accept->list = calloc(2, sizeof *accept->list);
    CU_ASSERT_TRUE_FATAL(qe_cidr_parse("0.0.0.0/0", &accept->list[0]));
    accept->count = 1;
    accept->origin = QE_CONFIG_FILE;
    start_all();
    CU_ASSERT_TRUE(ROUTES(client, "0.0.0.0/0", "10.20.0.0/16", "172.16.0.0/12"));
    CU_ASSERT_TRUE(passes(client, gate, overlay(client), "8.8.8.8"));
    CU_ASSERT_TRUE(passes(gate, client, "8.8.8.8", overlay(client)));
    // A default route is of nobody's overlay address.
    CU_ASSERT_FALSE(passes(client, gate, overlay(client), "100.64.200.201"));
    CU_ASSERT_FALSE(passes(gate, client, "100.64.200.201", overlay(client)));
    CU_ASSERT_FALSE(passes(gate, client, overlay(other), overlay(client)));
    end();
}

static const struct unit_case cases[] = {
    {"a network behind a peer is reached through it", a_network_behind_a_peer_is_reached_through_it},
    {"only its owner speaks for a network", only_its_owner_speaks_for_a_network},
    {"a network goes when its owner stops advertising it", a_network_goes_when_its_owner_stops_advertising_it},
    {"a network goes some time after its owner went", a_network_goes_some_time_after_its_owner_went},
    {"of two owners the other takes over when one fails", of_two_owners_the_other_takes_over_when_one_fails},
    {"a claim that is refused diverts nothing", a_claim_that_is_refused_diverts_nothing},
    {"a network that this host comes into is not routed away", a_network_that_this_host_comes_into_is_not_routed_away},
    {"what the user accepts narrows and widens", what_the_user_accepts_narrows_and_widens},
};
UNIT_MAIN("claims", cases)
