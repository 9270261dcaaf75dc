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

static const struct unit_case cases[] = {
    {"two hosts that know a third find each other", two_hosts_that_know_a_third_find_each_other},
};
UNIT_MAIN("discovery", cases)
