// The exit node and settings of a running node: who carries what no other route takes, that nothing leaves without it,
// what the user hears, and that a setting is taken whole or not at all.
#include "base/time.h"
#include "node/node.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define S QE_NS_PER_S

static struct world world;
static struct world_host *a, *b, *c;

// a knows b and c, which both offer a default route.
static void begin(void)
{
    world_init(&world, 1);
    a = world_add(&world);
    b = world_add(&world);
    c = world_add(&world);
    world_allow(a, b, true);
    world_allow(b, a, false);
    world_allow(a, c, true);
    world_allow(c, a, false);
    world_advertise(b, "0.0.0.0/0");
    world_advertise(c, "0.0.0.0/0");
}

static void choose(const struct world_host *exit, bool leak)
{
    qe_node_id_format(&exit->id, a->config.exit_node.text);
    a->config.exit_leak = leak;
}

static void start_all(void)
{
    CU_ASSERT_TRUE_FATAL(world_start(a));
    CU_ASSERT_TRUE_FATAL(world_start(b));
    CU_ASSERT_TRUE_FATAL(world_start(c));
}

static bool routed(uint8_t family)
{
    for (size_t i = 0; i < a->route_count; i++)
        if (a->routes[i].bits == 0 && a->routes[i].ip.family == family) return true;
    return false;
}

static bool status_has(const char *text)
{
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_STATUS, NULL), 200);
    return strstr((const char *)a->reply.data, text) != NULL;
}

static unsigned told(const char *text)
{
    unsigned count = 0;
    for (const char *at = a->log; (at = strstr(at, text)); at++)
        count++;
    return count;
}

// A packet of a's to somewhere beyond the overlay.
static void send_beyond(void)
{
    uint8_t packet[256];
    size_t size = world_packet(a, b, 4, 1, 100, packet);
    const struct qe_ip beyond = {4, {198, 51, 100, 7}};
    // The header's checksum is left as it was: nobody on the way looks at it.
    memcpy(packet + 16, beyond.bytes, 4);
    world_tun(a, packet, size, NULL);
    world_run(&world, world.now_ns + S);
}

static size_t delivered(const struct world_host *h)
{
    size_t count = 0;
    for (size_t i = 0; i < h->delivered_count; i++)
        count += h->delivered[i].size >= 20 && memcmp(h->delivered[i].data + 16, "\xc6\x33\x64\x07", 4) == 0;
    return count;
}

static void only_the_chosen_one_carries_it(void)
{
    begin();
    start_all();
    world_run(&world, 5 * S);
    CU_ASSERT(!routed(4) && !routed(6));
    send_beyond();
    CU_ASSERT_EQUAL(delivered(b) + delivered(c), 0);
    CU_ASSERT(status_has("\"exit\":{\"state\":\"off\""));
    world_fini(&world);
    begin();
    choose(c, false);
    start_all();
    world_run(&world, 5 * S);
    // What it does not offer comes here, too, and ends.
    CU_ASSERT(routed(4) && routed(6));
    send_beyond();
    CU_ASSERT_EQUAL(delivered(b), 0);
    CU_ASSERT_EQUAL(delivered(c), 1);
    CU_ASSERT(status_has("\"exit\":{\"state\":\"active\""));
    CU_ASSERT_EQUAL(told("the exit node"), 0);
    world_fini(&world);
}

static void nothing_leaves_while_it_is_away(void)
{
    begin();
    choose(c, false);
    CU_ASSERT_TRUE_FATAL(world_start(a));
    CU_ASSERT_TRUE_FATAL(world_start(b));
    world_run(&world, S / 10);
    CU_ASSERT(routed(4) && routed(6));
    world_run(&world, 10 * S);
    send_beyond();
    CU_ASSERT_EQUAL(delivered(b), 0);
    CU_ASSERT(status_has("\"exit\":{\"state\":\"away\""));
    CU_ASSERT(status_has("\"notifications\":[]"));
    world_run(&world, 20 * S);
    CU_ASSERT_EQUAL(told("is not connected: what goes beyond the overlay goes nowhere"), 1);
    CU_ASSERT(status_has("\"notifications\":[{\"text\":\"the exit node "));
    CU_ASSERT_TRUE_FATAL(world_start(c));
    world_run(&world, 400 * S);
    CU_ASSERT(status_has("\"exit\":{\"state\":\"active\""));
    CU_ASSERT_EQUAL(told("is there again"), 1);
    // The same again is counted, and told once an hour.
    world_kill(c);
    world_run(&world, 500 * S);
    CU_ASSERT(routed(4) && routed(6));
    CU_ASSERT_EQUAL(told("is not connected: what goes"), 1);
    CU_ASSERT(status_has("\"count\":2}"));
    world_fini(&world);
}

static void it_may_be_allowed_to_leave(void)
{
    begin();
    choose(c, true);
    CU_ASSERT_TRUE_FATAL(world_start(a));
    world_run(&world, 5 * S);
    CU_ASSERT(!routed(4) && !routed(6));
    CU_ASSERT_TRUE_FATAL(world_start(c));
    world_run(&world, 400 * S);
    CU_ASSERT(routed(4) && !routed(6));
    world_kill(c);
    send_beyond();
    world_run(&world, 500 * S);
    CU_ASSERT(!routed(4) && !routed(6));
    CU_ASSERT_EQUAL(told("goes without it"), 1);
    world_fini(&world);
}

static void settings_change_while_it_runs(void)
{
    char line[128], id[QE_NODE_ID_TEXT_SIZE];
    begin();
    start_all();
    world_run(&world, 5 * S);
    snprintf(line, sizeof line, "network.exit_node value=%s", qe_node_id_format(&b->id, id));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, line), 200);
    CU_ASSERT(routed(4) && routed(6));
    send_beyond();
    CU_ASSERT_EQUAL(delivered(b), 1);
    snprintf(line, sizeof line, "network.exit_node value=%s", qe_node_id_format(&c->id, id));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, line), 200);
    send_beyond();
    CU_ASSERT_EQUAL(delivered(b), 1);
    CU_ASSERT_EQUAL(delivered(c), 1);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, "network.exit_leak value=true"), 200);
    CU_ASSERT(routed(4) && !routed(6));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, "network.exit_node value=none"), 200);
    CU_ASSERT(!routed(4) && !routed(6));
    world_fini(&world);
}

static void a_setting_is_taken_whole_or_not_at_all(void)
{
    static const struct {
        const char *argument;
        int status;
        const char *says;
    } rows[] = {
        {NULL, 400, "no key"},
        {"network.mtu value=1300", 404, "cannot be changed while the node runs"},
        {"", 404, "cannot be changed"},
        {"network.exit_leak value=perhaps", 400, "neither true nor false"},
        {"network.exit_leak", 400, "neither true nor false"},
        {"network.exit_node value=A_B", 400, "expected a node ID or a name"},
        {"gateway.prefer value=x,Y", 400, "gateway.prefer is \\\"Y\\\""},
        {"gateway.prefer value=x,x", 400, "each node only once"},
        {"gateway.prefer value=a,b,c,d,e,f,g,h,i", 400, "at most 8 gateways"},
        {"gateway.prefer value=x,y", 200, "\"value\":\"x,y\""},
        {"gateway.prefer", 200, "\"value\":\"\""},
        {"gateway.allow value=none", 200, "\"key\":\"gateway.allow\""},
        {"relay.allow value=all", 400, "expected"},
        {"relay.allow value=nobody", 200, "nobody"},
        {"relay.rate value=fast", 400, "a rate such as"},
        {"relay.rate value=20Mbit/s", 200, "20Mbit/s"},
        {"relay.volume value=1TB", 200, "1TB"},
        {"relay.emergency value=true", 200, "true"},
        {"nat.birthday value=false", 200, "false"},
    };
    begin();
    start_all();
    world_run(&world, 2 * S);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, rows[i].argument), rows[i].status);
        const char *said = (const char *)a->reply.data;
        CU_ASSERT_PTR_NOT_NULL(strstr(said, rows[i].says));
        if (!strstr(said, rows[i].says)) fprintf(stderr, "%s: %s\n", rows[i].argument, said);
    }
    // An exit for others has none itself, and stays as it is.
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_SET, "network.exit_node value=x"), 400);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_STATUS, NULL), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b->reply.data, "\"exit\":{\"state\":\"off\""));
    char longer[1400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memcpy(longer, "gateway.prefer value=", 21);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_SET, longer), 400);
    world_fini(&world);
}

static const struct unit_case cases[] = {
    {"only the chosen one carries it", only_the_chosen_one_carries_it},
    {"nothing leaves while it is away", nothing_leaves_while_it_is_away},
    {"it may be allowed to leave", it_may_be_allowed_to_leave},
    {"settings change while it runs", settings_change_while_it_runs},
    {"a setting is taken whole or not at all", a_setting_is_taken_whole_or_not_at_all},
};
UNIT_MAIN("exit", cases)
