// What a node says where its underlay lies in the overlay's own range.
#include "base/time.h"
#include "node/node.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

static struct world world;
static struct world_host *h;

static void begin(void)
{
    world_init(&world, 1);
    h = world_add(&world);
    CU_ASSERT_TRUE_FATAL(world_start(h));
    world_run(&world, QE_NS_PER_S);
}

static void end(void)
{
    world_fini(&world);
}

static bool warned(const char *text)
{
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_STATUS, NULL), 200);
    const char *warnings = strstr((const char *)h->reply.data, "\"warnings\":[");
    CU_ASSERT_PTR_NOT_NULL_FATAL(warnings);
    return strstr(warnings, text) != NULL;
}

static unsigned logged(const char *text)
{
    unsigned count = 0;
    for (const char *at = h->log; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void links(const char *first, const char *second)
{
    const char *list[] = {first, second, NULL};
    world_link(h, 2, list);
}

static void an_underlay_elsewhere_is_nothing_to_tell(void)
{
    begin();
    links("192.0.2.7/24", "100.65.0.1/16");
    CU_ASSERT_TRUE(warned("\"warnings\":[]"));
    CU_ASSERT_EQUAL(logged("shares addresses"), 0);
    end();
}

static void one_in_the_overlays_range_is_told_once_and_while_it_lasts(void)
{
    begin();
    links("192.0.2.7/24", "100.64.7.1/24");
    links("192.0.2.8/24", "100.64.7.1/24");
    static const char text[] = "the underlay network 100.64.7.0/24 of eth0 shares addresses with the overlay "
                               "(100.64.0.0/16): peers with an overlay address in it are reached from here only by "
                               "their other address";
    CU_ASSERT_EQUAL(logged(text), 1);
    CU_ASSERT_TRUE(warned(text));
    links("192.0.2.8/24", NULL);
    CU_ASSERT_TRUE(warned("\"warnings\":[]"));
    links("192.0.2.8/24", "100.64.7.1/24");
    CU_ASSERT_EQUAL(logged(text), 2);
    end();
}

static void one_that_holds_the_overlay_is_told_otherwise(void)
{
    begin();
    links("100.64.7.1/10", NULL);
    CU_ASSERT_TRUE(warned("the underlay network 100.64.0.0/10 of eth0 shares addresses with the overlay "
                          "(100.64.0.0/16): hosts of the underlay in that range are not reached from here"));
    end();
}

static void an_own_address_in_an_underlay_network_is_given_up(void)
{
    char network[QE_ADDR_TEXT_SIZE], text[QE_ADDR_TEXT_SIZE];
    begin();
    // Its own /24.
    struct qe_cidr mine = {.bits = 24};
    CU_ASSERT_EQUAL(world_command(h, QE_COMMAND_STATUS, NULL), 200);
    const char *first = strstr((const char *)h->reply.data, "\"addresses\":[\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    sscanf(first + 14, "%79[^/]", text);
    CU_ASSERT_TRUE_FATAL(qe_ip_parse(text, &mine.ip));
    links(qe_cidr_format(&mine, network), NULL);
    world_run(&world, world.now_ns + QE_NS_PER_S);
    CU_ASSERT_EQUAL_FATAL(h->address_count, 2);
    struct qe_cidr now = h->addresses[0];
    CU_ASSERT_FALSE(qe_cidr_contains(&mine, &now.ip));
    CU_ASSERT_EQUAL(logged("lies in a network of this host's underlay"), 1);
    // And keeps the new one.
    links("192.0.2.7/24", NULL);
    links(qe_cidr_format(&mine, network), NULL);
    world_run(&world, world.now_ns + QE_NS_PER_S);
    CU_ASSERT_TRUE(qe_ip_equal(&h->addresses[0].ip, &now.ip));
    end();
}

static const struct unit_case cases[] = {
    {"an own address in an underlay network is given up", an_own_address_in_an_underlay_network_is_given_up},
    {"an underlay elsewhere is nothing to tell", an_underlay_elsewhere_is_nothing_to_tell},
    {"one in the overlay's range is told once and while it lasts",
        one_in_the_overlays_range_is_told_once_and_while_it_lasts},
    {"one that holds the overlay is told otherwise", one_that_holds_the_overlay_is_told_otherwise},
};
UNIT_MAIN("underlay", cases)
