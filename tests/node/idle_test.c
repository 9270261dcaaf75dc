// What a private network of some size costs its members while nothing happens: whole nodes, each with claims to a name
// and two addresses, all connected. Counted is what the DHT sends and receives; what keeps connections open is not.
#include "base/time.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS   50
#define SETTLED_S 960 // claims are looked at less and less often until then
#define IDLE_S    1200

static struct world world;

static uint64_t dht_bytes(struct world_host *h)
{
    return world_metric(h, "dht_bytes_sent") + world_metric(h, "dht_bytes_recv");
}

static void begin(void)
{
    static const uint8_t secret[QE_SECRET_SIZE] = {1, 2, 3};
    world_init(&world, 7);
    world.delay_ns = 50 * QE_NS_PER_MS;
    for (size_t i = 0; i < MEMBERS; i++) {
        struct world_host *h = world_add(&world);
        struct qe_config *c = &h->config;
        h->tells_link = true;
        snprintf(c->name, sizeof c->name, "host%zu", i);
        c->bootstrap_mode = i == 0;
        world_join(h, secret);
        if (i == 0) continue;
        c->bootstrap = calloc(1, sizeof *c->bootstrap);
        snprintf(c->bootstrap[c->bootstrap_count++].text, sizeof c->bootstrap[0].text, "10.0.0.1:9000");
    }
    for (size_t i = 0; i < MEMBERS; i++)
        world_start(&world.hosts[i]);
}

static void fifty_members_at_rest(void)
{
    uint64_t before[MEMBERS], worst = 0, sum = 0;
    begin();
    world_run(&world, world.now_ns + SETTLED_S * QE_NS_PER_S);
    for (size_t i = 0; i < MEMBERS; i++)
        before[i] = dht_bytes(&world.hosts[i]);
    world_run(&world, world.now_ns + IDLE_S * QE_NS_PER_S);
    for (size_t i = 0; i < MEMBERS; i++) {
        uint64_t bytes = (dht_bytes(&world.hosts[i]) - before[i]) / IDLE_S;
        sum += bytes;
        if (bytes > worst) worst = bytes;
    }
    printf("idle: %llu bytes/s at most, %llu on average, both ways\n", (unsigned long long)worst,
        (unsigned long long)(sum / MEMBERS));
    CU_ASSERT(worst < 1024);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"fifty members at rest", fifty_members_at_rest},
};
UNIT_MAIN("idle", cases)
