// Pings of whoever is not known yet: members of a network who know nothing but one address to begin with.
#include "base/time.h"
#include "route/overlay.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static const uint8_t network_secret[QE_SECRET_SIZE] = {1, 2, 3};

static void begin(size_t count)
{
    world_init(&world, 7);
    world.delay_ns = 20 * QE_NS_PER_MS;
    for (size_t i = 0; i < count; i++) {
        struct world_host *h = world_add(&world);
        h->tells_link = true;
        h->config.bootstrap_mode = i == 0;
        snprintf(h->config.name, sizeof h->config.name, "node%zu", i);
        world_join(h, network_secret);
        if (i == 0) continue;
        h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
        h->config.bootstrap_count = 1;
        snprintf(h->config.bootstrap[0].text, sizeof h->config.bootstrap[0].text, "10.0.0.1:9000");
    }
    for (size_t i = 0; i < count; i++)
        CU_ASSERT(world_start(&world.hosts[i]));
}

static bool reply_has(const struct world_host *h, const char *text)
{
    bool has = h->reply.data && strstr((const char *)h->reply.data, text);
    if (!has) fprintf(stderr, "'%s' is not in: %s\n", text, h->reply.data ? (const char *)h->reply.data : "-");
    return has;
}

static void members_are_pinged_by_name_and_by_address(void)
{
    char id[QE_NODE_ID_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    begin(4);
    world_run(&world, world.now_ns + 8 * QE_NS_PER_S);
    struct world_host *a = &world.hosts[1], *b = &world.hosts[2];
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "node2"), 200);
    CU_ASSERT(reply_has(a, qe_node_id_format(&b->id, id)));
    struct qe_cidr address = qe_overlay_ip4(&world.hosts[3].id, 0);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, qe_ip_format(&address.ip, text)), 200);
    CU_ASSERT(reply_has(a, qe_node_id_format(&world.hosts[3].id, id)));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "node1"), 404);
    CU_ASSERT(reply_has(a, "this node itself"));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "nobody"), 404);
    // An address of the overlay that nobody has, and one that is not of the overlay at all.
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "100.64.255.77"), 404);
    uint64_t before = world.now_ns;
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "192.0.2.1"), 404);
    CU_ASSERT_EQUAL(world.now_ns, before);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void who_cannot_be_reached_is_waited_for_a_while(void)
{
    begin(3);
    world_run(&world, world.now_ns + 8 * QE_NS_PER_S);
    struct world_host *a = &world.hosts[1];
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "node2"), 200);
    world_kill(&world.hosts[2]);
    // The connection is thought to live for a while, and then it is not.
    int status = world_command(a, QE_COMMAND_PING, "node2");
    CU_ASSERT(status == 504 || status == 409);
    world_run(&world, world.now_ns + 60 * QE_NS_PER_S);
    uint64_t before = world.now_ns;
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "node2"), 409);
    CU_ASSERT(world.now_ns - before < 4 * QE_NS_PER_S);
    // It is there again before the patience ends.
    CU_ASSERT(world_start(&world.hosts[2]));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "node2"), 200);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

// Whoever stops in the middle of it leaves nothing behind.
static void a_ping_that_waits_goes_with_its_node(void)
{
    begin(2);
    struct qe_event event = {.kind = QE_EVENT_COMMAND,
        .now_ns = world.now_ns,
        .command = {.id = 9, .verb = QE_COMMAND_PING, .argument = "node0"}};
    world_run(&world, world.now_ns + QE_NS_PER_MS);
    event.now_ns = world.now_ns;
    world_step(&world.hosts[1], &event);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"members are pinged by name and by address", members_are_pinged_by_name_and_by_address},
    {"who cannot be reached is waited for, for a while", who_cannot_be_reached_is_waited_for_a_while},
    {"a ping that waits goes with its node", a_ping_that_waits_goes_with_its_node},
};
UNIT_MAIN("ping", cases)
