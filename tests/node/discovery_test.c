// Whole nodes that know nothing but one address to begin with: they find each other in virtual time.
#include "base/time.h"
#include "dht/dht.h"
#include "node/cplane.h"
#include "route/overlay.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;

static struct world_host *add(void)
{
    struct world_host *h = world_add(&world);
    h->tells_link = true;
    return h;
}

// `h` begins with that address or name.
static void begin_with(struct world_host *h, const char *text)
{
    struct qe_config *c = &h->config;
    c->bootstrap = realloc(c->bootstrap, (c->bootstrap_count + 1) * sizeof *c->bootstrap);
    snprintf(c->bootstrap[c->bootstrap_count++].text, sizeof c->bootstrap[0].text, "%s", text);
}

static const uint8_t network_secret[QE_SECRET_SIZE] = {1, 2, 3};

// The first host is the one that all others know, with `count` hosts in all and 50 ms between any two.
static void begin(size_t count, bool network)
{
    world_init(&world, 7);
    world.delay_ns = 50 * QE_NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        struct world_host *h = add();
        if (i == 0) h->config.bootstrap_mode = true;
        if (i > 0) begin_with(h, "10.0.0.1:9000");
        if (network) world_join(h, network_secret);
    }
}

static void start_all(void)
{
    for (size_t i = 0; i < world.host_count; i++)
        world_start(&world.hosts[i]);
}

static bool pair_connected(struct world *w)
{
    return world_connected(&w->hosts[1], &w->hosts[2]) && world_connected(&w->hosts[2], &w->hosts[1]);
}

static bool says(struct world_host *h, const char *text)
{
    return strstr(h->log, text) != NULL;
}

static void two_hosts_that_know_a_third_find_each_other(void)
{
    begin(3, false);
    world_allow(&world.hosts[1], &world.hosts[2], false);
    world_allow(&world.hosts[2], &world.hosts[1], false);
    uint64_t begun = world.now_ns;
    start_all();
    CU_ASSERT(world_until(&world, pair_connected, 10 * QE_NS_PER_S));
    printf("connected after %llu ms\n", (unsigned long long)((world.now_ns - begun) / QE_NS_PER_MS));
    CU_ASSERT(world.now_ns - begun < 4 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[1], "joined the DHT"));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static bool all_connected(struct world *w)
{
    for (size_t i = 1; i < w->host_count; i++)
        for (size_t j = 1; j < w->host_count; j++)
            if (i != j && w->hosts[i].node && w->hosts[j].node && !world_connected(&w->hosts[i], &w->hosts[j]))
                return false;
    return true;
}

static void members_of_a_network_find_each_other(void)
{
    begin(7, true);
    start_all();
    CU_ASSERT(world_until(&world, all_connected, 60 * QE_NS_PER_S));
    printf("all members connected after %llu ms\n", (unsigned long long)(world.now_ns / QE_NS_PER_MS) - 1000);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void joining_takes_less_than_two_seconds(void)
{
    begin(30, false);
    start_all();
    world_run(&world, world.now_ns + 10 * QE_NS_PER_S);
    unsigned long worst = 0;
    for (size_t i = 1; i < world.host_count; i++) {
        const char *at = strstr(world.hosts[i].log, "joined the DHT after ");
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        unsigned long ms = strtoul(at + strlen("joined the DHT after "), NULL, 10);
        if (ms > worst) worst = ms;
    }
    printf("joined after %lu ms at most\n", worst);
    CU_ASSERT(worst < 2000);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void names_are_asked_for_until_they_have_an_address(void)
{
    begin(3, false);
    world.hosts[2].config.bootstrap_count = 0;
    begin_with(&world.hosts[2], "boot.example:9000");
    world.names[0] = (struct world_name){"boot.example", {qe_ip4(10, 0, 0, 99), world.hosts[0].ip}, 2, true};
    start_all();
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[2], "the bootstrap name boot.example has no address yet: Name or service not known"));
    CU_ASSERT(!says(&world.hosts[2], "joined"));
    CU_ASSERT(world.resolved >= 4 && world.resolved <= 8);
    world.names[0].hidden = false;
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[2], "joined the DHT"));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void a_host_without_dns_goes_on_with_addresses(void)
{
    begin(3, false);
    world.hosts[1].refuse_dns = "Temporary failure in name resolution";
    begin_with(&world.hosts[1], "boot.example:9000");
    start_all();
    world_run(&world, world.now_ns + 5 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[1], "joined the DHT"));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void remembered_nodes_do_where_the_first_one_is_gone(void)
{
    begin(6, false);
    start_all();
    world_run(&world, world.now_ns + 120 * QE_NS_PER_S);
    world_kill(&world.hosts[0]);
    world_kill(&world.hosts[2]);
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    world_allow(&world.hosts[2], &world.hosts[3], false);
    memset(world.hosts[2].log, 0, sizeof world.hosts[2].log);
    world_start(&world.hosts[2]);
    world_run(&world, world.now_ns + 10 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[2], "joined the DHT"));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static bool between_halves(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    (void)w;
    return (from->bytes[3] % 2) != (to->bytes[3] % 2);
}

static bool pairs_reach(struct world *w)
{
    for (size_t i = 1; i + 1 < w->host_count; i++)
        if (!world_connected(&w->hosts[i], &w->hosts[i + 1])) return false;
    return true;
}

static void a_network_in_halves_heals(void)
{
    begin(12, false);
    for (size_t i = 1; i + 1 < world.host_count; i++) {
        world_allow(&world.hosts[i], &world.hosts[i + 1], false);
        world_allow(&world.hosts[i + 1], &world.hosts[i], false);
    }
    start_all();
    CU_ASSERT(world_until(&world, pairs_reach, 60 * QE_NS_PER_S));
    world_run(&world, world.now_ns + 120 * QE_NS_PER_S);
    world.loses = between_halves;
    world_run(&world, world.now_ns + 600 * QE_NS_PER_S);
    CU_ASSERT(!pairs_reach(&world));
    world.loses = NULL;
    uint64_t healed = world.now_ns;
    CU_ASSERT(world_until(&world, pairs_reach, 120 * QE_NS_PER_S));
    printf("healed after %llu ms\n", (unsigned long long)((world.now_ns - healed) / QE_NS_PER_MS));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static bool isolates(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    return qe_ip_equal(from, &w->hosts[1].ip) || qe_ip_equal(to, &w->hosts[1].ip);
}

static void a_node_that_is_cut_off_says_so_and_comes_back(void)
{
    begin(5, false);
    start_all();
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    world.loses = isolates;
    world_run(&world, world.now_ns + 1800 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[1], "DHT partitioned, using cached peer info"));
    world.loses = NULL;
    world_run(&world, world.now_ns + 120 * QE_NS_PER_S);
    CU_ASSERT(says(&world.hosts[1], "the DHT is back"));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static size_t delivered_before;

static bool host5_got_it(struct world *w)
{
    return w->hosts[5].delivered_count > 0;
}

static bool late_one_got_it(struct world *w)
{
    return w->hosts[w->host_count - 1].delivered_count > delivered_before;
}

// 50 ms one way. The late one knows nothing of any member but the address to send to.
static void an_address_alone_is_answered_within_a_second(void)
{
    uint8_t packet[200];
    begin(11, true);
    struct world_host *late = &world.hosts[10], *host5 = &world.hosts[5];
    for (size_t i = 0; i < 10; i++)
        world_start(&world.hosts[i]);
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    world_start(late);
    while (!says(late, "joined the DHT"))
        world_run(&world, world.now_ns + 10 * QE_NS_PER_MS);
    uint64_t asked = world.now_ns;
    world_tun(late, packet, world_packet(late, host5, 4, 1, 100, packet), NULL);
    CU_ASSERT_FATAL(world_until(&world, host5_got_it, 5 * QE_NS_PER_S));
    delivered_before = late->delivered_count;
    world_tun(host5, packet, world_packet(host5, late, 4, 2, 100, packet), NULL);
    CU_ASSERT(world_until(&world, late_one_got_it, 5 * QE_NS_PER_S));
    printf("answered after %llu ms\n", (unsigned long long)((world.now_ns - asked) / QE_NS_PER_MS));
    CU_ASSERT(world.now_ns - asked < QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

// A packet to each of many addresses that nobody has.
static void a_scan_of_the_overlay_costs_little(void)
{
    uint8_t packet[200];
    begin(12, true);
    start_all();
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    struct world_host *scanner = &world.hosts[3];
    uint64_t before = world_metric(scanner, "dht_bytes_sent"), dropped = world_metric(scanner, "drop_no_route");
    size_t size = world_packet(scanner, &world.hosts[4], 4, 1, 100, packet), sent = 0;
    for (unsigned i = 1; i < 4096; i++) {
        packet[18] = (uint8_t)(i >> 4);
        packet[19] = (uint8_t)(i << 4 | 3);
        world_tun(scanner, packet, size, NULL);
        sent++;
        if (i % 8 == 0) world_run(&world, world.now_ns + 10 * QE_NS_PER_MS);
    }
    world_run(&world, world.now_ns + 5 * QE_NS_PER_S);
    uint64_t bytes = world_metric(scanner, "dht_bytes_sent") - before;
    printf("a scan of %zu addresses sent %llu bytes\n", sent, (unsigned long long)bytes);
    CU_ASSERT(bytes < 256 * 1024);
    CU_ASSERT(world_metric(scanner, "drop_no_route") - dropped >= sent - 20); // some of the addresses are members'
    // Members are reached all the while.
    delivered_before = world.hosts[4].delivered_count;
    world_tun(scanner, packet, world_packet(scanner, &world.hosts[4], 4, 1, 100, packet), NULL);
    world_run(&world, world.now_ns + QE_NS_PER_S);
    CU_ASSERT(world.hosts[4].delivered_count > delivered_before);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void a_name_that_may_connect_is_looked_for(void)
{
    static struct qe_config_allowed_name names[1] = {{"home"}};
    char line[128], id[QE_NODE_ID_TEXT_SIZE];
    begin(5, true);
    snprintf(world.hosts[2].config.name, sizeof world.hosts[2].config.name, "home");
    world.hosts[1].config.allowed_names = names;
    world.hosts[1].config.allowed_name_count = 1;
    start_all();
    world_run(&world, world.now_ns + 120 * QE_NS_PER_S);
    snprintf(line, sizeof line, "home is %s, which may connect", qe_node_id_format(&world.hosts[2].id, id));
    CU_ASSERT(says(&world.hosts[1], line));
    world.hosts[1].config.allowed_names = NULL;
    world.hosts[1].config.allowed_name_count = 0;
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void an_idle_node_sends_little(void)
{
    begin(20, true);
    start_all();
    world_run(&world, world.now_ns + 300 * QE_NS_PER_S);
    uint64_t before[32];
    for (size_t i = 0; i < world.host_count; i++)
        before[i] = world_metric(&world.hosts[i], "dht_bytes_sent") + world_metric(&world.hosts[i], "dht_bytes_recv");
    world_run(&world, world.now_ns + 3600 * QE_NS_PER_S);
    uint64_t worst = 0, sum = 0;
    for (size_t i = 0; i < world.host_count; i++) {
        uint64_t now =
            world_metric(&world.hosts[i], "dht_bytes_sent") + world_metric(&world.hosts[i], "dht_bytes_recv");
        sum += now - before[i];
        if (now - before[i] > worst) worst = now - before[i];
    }
    printf("idle: %llu bytes/s at most, %llu on average, both ways\n", (unsigned long long)worst / 3600,
        (unsigned long long)(sum / world.host_count / 3600));
    CU_ASSERT(worst / 3600 < 1024);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"two hosts that know a third find each other", two_hosts_that_know_a_third_find_each_other},
    {"members of a network find each other", members_of_a_network_find_each_other},
    {"joining takes less than two seconds", joining_takes_less_than_two_seconds},
    {"names are asked for until they have an address", names_are_asked_for_until_they_have_an_address},
    {"a host without DNS goes on with addresses", a_host_without_dns_goes_on_with_addresses},
    {"remembered nodes do where the first one is gone", remembered_nodes_do_where_the_first_one_is_gone},
    {"a network in halves heals", a_network_in_halves_heals},
    {"a node that is cut off says so and comes back", a_node_that_is_cut_off_says_so_and_comes_back},
    {"an address alone is answered within a second", an_address_alone_is_answered_within_a_second},
    {"a scan of the overlay costs little", a_scan_of_the_overlay_costs_little},
    {"a name that may connect is looked for", a_name_that_may_connect_is_looked_for},
    {"an idle node sends little", an_idle_node_sends_little},
};
UNIT_MAIN("discovery", cases)
