// Nodes of a private network that claim the same: a name, an overlay address, networks. Nobody decides for them but the
// ages that third nodes have witnessed.
#include "base/time.h"
#include "dht/dht.h"
#include "route/overlay.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static const uint8_t network_secret[QE_SECRET_SIZE] = {4, 5, 6};

// Members, that all begin with the first one.
static void begin_many(uint64_t seed, size_t count)
{
    world_init(&world, seed);
    for (size_t i = 0; i < count; i++) {
        struct world_host *h = world_add(&world);
        struct qe_config *c = &h->config;
        h->tells_link = true;
        world_join(h, network_secret);
        c->bootstrap_mode = i == 0;
        if (i == 0) continue;
        c->bootstrap = calloc(1, sizeof *c->bootstrap);
        snprintf(c->bootstrap[c->bootstrap_count++].text, sizeof c->bootstrap[0].text, "10.0.0.1:9000");
    }
}

static void begin(uint64_t seed)
{
    begin_many(seed, 4);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void run_for(uint64_t seconds)
{
    world_run(&world, world.now_ns + seconds * QE_NS_PER_S);
}

static bool status_has(struct world_host *h, const char *text)
{
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_STATUS, NULL), 200);
    return strstr((const char *)h->reply.data, text) != NULL;
}

static void set_key(struct world_host *h, uint32_t number)
{
    uint8_t seed[32] = {0x77};
    memcpy(seed + 1, &number, sizeof number);
    qe_secret_init(&h->secret, seed);
    h->host.identity = qe_secret_public(&h->secret);
    h->id = qe_node_id_from_key(&h->host.identity);
}

// Gives two hosts keys whose IDs give the same IPv4 address: among some hundreds there are always two.
static void make_collide(struct world_host *a, struct world_host *b)
{
    enum { KEYS = 2000 };
    static uint32_t first[65536]; // by the address's last 16 bits: the number of a key, from 1
    memset(first, 0, sizeof first);
    for (uint32_t i = 1; i <= KEYS; i++) {
        set_key(b, i);
        struct qe_cidr four = qe_overlay_ip4(&b->id, 0);
        uint16_t last = qe_load16(four.ip.bytes + 2);
        if (first[last] == 0) {
            first[last] = i;
            continue;
        }
        set_key(a, first[last]);
        return;
    }
    CU_FAIL_FATAL("no two keys give the same address");
}

static const char *id_text(const struct world_host *h)
{
    static char text[WORLD_HOSTS_MAX][QE_NODE_ID_TEXT_SIZE];
    return qe_node_id_format(&h->id, text[h->index]);
}

static const char *address_text(const struct world_host *h, uint32_t counter)
{
    static char text[8][QE_ADDR_TEXT_SIZE];
    static unsigned turn;
    struct qe_cidr four = qe_overlay_ip4(&h->id, counter);
    return qe_ip_format(&four.ip, text[turn++ % 8]);
}

static bool has(struct world_host *h, const char *format, const char *a, const char *b)
{
    char text[256];
    snprintf(text, sizeof text, format, a, b);
    return status_has(h, text);
}

static void of_two_with_one_address_the_later_takes_another(void)
{
    for (int later_has_lower_id = 0; later_has_lower_id < 2; later_has_lower_id++) {
        begin(1);
        struct world_host *old = &world.hosts[2], *young = &world.hosts[3];
        make_collide(old, young);
        if ((qe_node_id_compare(&young->id, &old->id) < 0) != (later_has_lower_id == 1)) {
            struct world_host *swap = old;
            old = young;
            young = swap;
        }
        world_start(&world.hosts[0]);
        world_start(&world.hosts[1]);
        world_start(old);
        run_for(180);
        CU_ASSERT_TRUE(has(old, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":null", address_text(old, 0), ""));
        world_start(young);
        run_for(60);
        CU_ASSERT_TRUE(has(old, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":null", address_text(old, 0), ""));
        CU_ASSERT_TRUE(has(young, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":\"%s\"", address_text(young, 1),
            address_text(old, 0)));
        CU_ASSERT_TRUE(has(young, "\"lost_to\":\"%s\"%s", id_text(old), ""));
        CU_ASSERT_EQUAL(young->address_count, 2);
        struct qe_cidr moved = qe_overlay_ip4(&young->id, 1);
        CU_ASSERT_TRUE(qe_ip_equal(&young->addresses[0].ip, &moved.ip));
        // It stays so across a restart, and the other keeps its own.
        world_kill(young);
        world_start(young);
        run_for(30);
        CU_ASSERT_TRUE(has(young, "\"addresses\":[\"%s/16\"%s", address_text(young, 1), ""));
        world_kill(old);
        world_start(old);
        run_for(30);
        CU_ASSERT_TRUE(has(old, "\"addresses\":[\"%s/16\"%s", address_text(old, 0), ""));
        CU_ASSERT_TRUE(has(old, "\"kept_from\":\"%s\"%s", id_text(young), ""));
        end();
    }
}

static void a_configured_address_is_kept_and_both_say_whose_else_it_is(void)
{
    begin(6);
    struct world_host *old = &world.hosts[2], *young = &world.hosts[3];
    young->config.tun_addr = qe_overlay_ip4(&old->id, 0);
    world_start(&world.hosts[0]);
    world_start(&world.hosts[1]);
    world_start(old);
    run_for(180);
    world_start(young);
    run_for(60);
    CU_ASSERT_TRUE(has(old, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":null", address_text(old, 0), ""));
    CU_ASSERT_TRUE(has(old, "\"kept_from\":\"%s\"%s", id_text(young), ""));
    CU_ASSERT_TRUE(has(young, "\"address\":\"%s\",\"state\":\"fixed\",\"replaces\":null", address_text(old, 0), ""));
    CU_ASSERT_TRUE(has(young, "\"kept_from\":\"%s\"%s", id_text(old), ""));
    CU_ASSERT_EQUAL(young->address_count, 0);
    end();
}

static bool both_differ(struct world *w)
{
    struct world_host *a = &w->hosts[2], *b = &w->hosts[3];
    return a->address_count + b->address_count > 0;
}

static void of_two_that_come_at_once_the_lower_id_keeps_the_address(void)
{
    begin(2);
    struct world_host *a = &world.hosts[2], *b = &world.hosts[3];
    make_collide(a, b);
    for (size_t i = 0; i < 4; i++)
        world_start(&world.hosts[i]);
    CU_ASSERT_TRUE(world_until(&world, both_differ, 60 * QE_NS_PER_S));
    run_for(20);
    struct world_host *low = qe_node_id_compare(&a->id, &b->id) < 0 ? a : b, *high = low == a ? b : a;
    CU_ASSERT_TRUE(has(low, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":null", address_text(low, 0), ""));
    CU_ASSERT_TRUE(has(high, "\"replaces\":\"%s\",\"lost_to\":\"%s\"", address_text(low, 0), id_text(low)));
    CU_ASSERT_EQUAL(low->address_count, 0);
    end();
}

static void a_name_is_the_older_ones(void)
{
    begin(3);
    struct world_host *old = &world.hosts[2], *young = &world.hosts[3];
    snprintf(old->config.name, sizeof old->config.name, "home-server");
    snprintf(young->config.name, sizeof young->config.name, "home-server");
    world_start(&world.hosts[0]);
    world_start(&world.hosts[1]);
    world_start(old);
    run_for(120);
    CU_ASSERT_TRUE(status_has(old, "\"name_claim\":{\"state\":\"held\",\"owner\":null"));
    world_start(young);
    run_for(60);
    CU_ASSERT_TRUE(status_has(old, "\"name_claim\":{\"state\":\"held\",\"owner\":null"));
    CU_ASSERT_TRUE(has(young, "\"name_claim\":{\"state\":\"lost\",\"owner\":\"%s\"%s", id_text(old), ""));
    // To itself, too, the name is the other's.
    CU_ASSERT_EQUAL(world_command(young, QE_COMMAND_PING, "home-server"), 200);
    // It calls itself so no more.
    CU_ASSERT_EQUAL(world_command(&world.hosts[1], QE_COMMAND_PEERS, NULL), 200);
    const char *peers = (const char *)world.hosts[1].reply.data, *first = strstr(peers, "\"home-server\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NULL(strstr(first + 1, "\"home-server\""));
    end();
}

static void networks_of_members_are_routed_and_their_ages_known(void)
{
    begin_many(4, 7);
    struct world_host *host = &world.hosts[1], *old = &world.hosts[2], *young = &world.hosts[3];
    world_advertise(old, "10.20.0.0/16");
    world_advertise(young, "10.20.3.0/24");
    for (size_t i = 0; i < 7; i++)
        if (&world.hosts[i] != young) world_start(&world.hosts[i]);
    run_for(600);
    CU_ASSERT_EQUAL(host->route_count, 1);
    world_start(young);
    run_for(600);
    // Who comes later, and has forgotten everything, learns who was first.
    world_kill(host);
    host->route_count = 0;
    world_start(host);
    run_for(60);
    CU_ASSERT_EQUAL_FATAL(host->route_count, 1);
    CU_ASSERT_EQUAL(host->routes[0].bits, 16);
    CU_ASSERT_EQUAL(world_command(host, QE_COMMAND_ROUTES, NULL), 200);
    const char *routes = (const char *)host->reply.data;
    CU_ASSERT_PTR_NOT_NULL(strstr(routes, "\"refused\":[{\"destination\":\"10.20.3.0/24\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(routes, "has had for longer"));
    CU_ASSERT_TRUE(status_has(old, "\"subnet\":\"10.20.0.0/16\",\"state\":\"held\""));
    CU_ASSERT_TRUE(status_has(young, "\"subnet\":\"10.20.3.0/24\",\"state\":\"refused\""));
    end();
}

// In the open anybody can write anything into the index. It counts for those who are allowed only.
static void an_outsiders_older_claim_counts_for_nothing(void)
{
    world_init(&world, 5);
    for (size_t i = 0; i < 4; i++) {
        struct world_host *h = world_add(&world);
        struct qe_config *c = &h->config;
        h->tells_link = true;
        c->bootstrap_mode = i == 0;
        if (i == 0) continue;
        c->bootstrap = calloc(1, sizeof *c->bootstrap);
        snprintf(c->bootstrap[c->bootstrap_count++].text, sizeof c->bootstrap[0].text, "10.0.0.1:9000");
    }
    struct world_host *friend = &world.hosts[1], *mine = &world.hosts[2], *outsider = &world.hosts[3];
    make_collide(mine, outsider);
    world_advertise(outsider, "10.20.0.0/16");
    world_advertise(mine, "10.20.3.0/24");
    world_allow(friend, mine, false);
    world_allow(mine, friend, false);
    world_allow(outsider, mine, false); // it would like to
    world_start(&world.hosts[0]);
    world_start(friend);
    world_start(outsider);
    run_for(300);
    world_start(mine);
    run_for(300);
    CU_ASSERT_TRUE(has(mine, "\"address\":\"%s\",\"state\":\"held\",\"replaces\":null", address_text(mine, 0), ""));
    CU_ASSERT_EQUAL(mine->address_count, 0);
    CU_ASSERT_TRUE(status_has(mine, "\"subnet\":\"10.20.3.0/24\",\"state\":\"held\""));
    CU_ASSERT_EQUAL_FATAL(friend->route_count, 1);
    CU_ASSERT_EQUAL(friend->routes[0].bits, 24);
    CU_ASSERT_EQUAL(mine->route_count, 0);
    end();
}

static const struct unit_case cases[] = {
    {"an outsider's older claim counts for nothing", an_outsiders_older_claim_counts_for_nothing},
    {"of two with one address the later takes another", of_two_with_one_address_the_later_takes_another},
    {"a configured address is kept, and both say whose else it is",
        a_configured_address_is_kept_and_both_say_whose_else_it_is},
    {"of two that come at once the lower ID keeps the address",
        of_two_that_come_at_once_the_lower_id_keeps_the_address},
    {"a name is the older one's", a_name_is_the_older_ones},
    {"networks of members are routed, and their ages known", networks_of_members_are_routed_and_their_ages_known},
};
UNIT_MAIN("contest", cases)
