// Two nodes behind NATs that let in only what answers: they find each other's records, tell each other through nodes
// that both can reach, and connect, directly. And what nobody may make a node do with that.
#include "base/time.h"
#include "dht/dht.h"
#include "nat/budget.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct world_host *first, *a, *b;
static bool is_behind[WORLD_HOSTS_MAX + 1];
static uint64_t sent_ns[256][256]; // when the one last sent to the other
static uint64_t victim_ns[64];     // when a datagram left for the third party
static size_t victim_count;
static bool is_apart; // nothing passes between the two
static uint64_t found_ns, direct_ns;

static const uint8_t victim[4] = {10, 0, 0, 200};

// A NAT that keeps ports, maps independently of the destination and filters by address (port and address are one here).
static bool loses(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    uint8_t source = from->bytes[3], target = to->bytes[3];
    if (memcmp(to->bytes, victim, sizeof victim) == 0 && victim_count < 64) victim_ns[victim_count++] = w->now_ns;
    if (is_apart && is_behind[source] && target <= WORLD_HOSTS_MAX && is_behind[target]) return true;
    sent_ns[source][target] = w->now_ns;
    if (target > WORLD_HOSTS_MAX || !is_behind[target]) return false;
    uint64_t opened_ns = sent_ns[target][source];
    return opened_ns == 0 || w->now_ns - opened_ns > 30 * QE_NS_PER_S;
}

static struct world_host *add(bool behind)
{
    struct world_host *h = world_add(&world);
    h->tells_link = true;
    is_behind[h->ip.bytes[3]] = behind;
    if (h->index == 0) return h;
    h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
    snprintf(h->config.bootstrap[0].text, sizeof h->config.bootstrap[0].text, "10.0.0.1:9000");
    h->config.bootstrap_count = 1;
    return h;
}

static void note(void *user, const struct qe_trace *event)
{
    struct world_host *h = user;
    const struct world_host *other = h == a ? b : a;
    if (!qe_node_id_equal(&event->peer, &other->id)) return;
    if (strcmp(event->name, "record.found") == 0 && found_ns == 0) found_ns = event->now_ns;
    if (strcmp(event->name, "session.connected") == 0 && direct_ns == 0) direct_ns = event->now_ns;
}

static void begin(uint64_t seed)
{
    world_init(&world, seed);
    memset(is_behind, 0, sizeof is_behind);
    memset(sent_ns, 0, sizeof sent_ns);
    victim_count = 0;
    is_apart = false;
    found_ns = direct_ns = 0;
    world.delay_ns = 50 * QE_NS_PER_MS;
    world.loses = loses;
    first = add(false);
    first->config.bootstrap_mode = true;
    for (int i = 0; i < 6; i++)
        add(false);
    a = add(true);
    b = add(true);
    a->host.trace = b->host.trace = note;
}

static void start_all_but(const struct world_host *absent)
{
    for (size_t i = 0; i < world.host_count; i++)
        if (&world.hosts[i] != absent) world_start(&world.hosts[i]);
}

static void run_for(uint64_t s)
{
    world_run(&world, world.now_ns + s * QE_NS_PER_S);
}

static bool both(struct world *w)
{
    (void)w;
    return direct_ns != 0;
}

// One has been there for a while; the other one comes and looks for it.
static void nodes_behind_nats_connect(void)
{
    uint64_t worst = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin(seed);
        world_allow(a, b, false);
        world_allow(b, a, false);
        start_all_but(a);
        run_for(60);
        world_start(a);
        CU_ASSERT_TRUE(world_until(&world, both, 60 * QE_NS_PER_S));
        CU_ASSERT(found_ns != 0 && direct_ns >= found_ns);
        if (direct_ns - found_ns > worst) worst = direct_ns - found_ns;
        CU_ASSERT_TRUE(world_connected(a, b));
        CU_ASSERT_EQUAL(world_fini(&world), 0);
    }
    printf("direct %llu ms after the record was found, at worst\n", (unsigned long long)(worst / QE_NS_PER_MS));
    // A round trip has 100 ms here.
    CU_ASSERT_TRUE(worst <= 1000 * QE_NS_PER_MS);
}

// The mapping of one is gone, and with it what let the other one in.
static void they_find_each_other_again(void)
{
    begin(3);
    world_allow(a, b, false);
    world_allow(b, a, false);
    start_all_but(NULL);
    CU_ASSERT_TRUE(world_until(&world, both, 120 * QE_NS_PER_S));
    run_for(30);
    world_link(a, 1, (const char *[]){NULL});
    a->ip = qe_ip4(10, 0, 0, 60);
    is_behind[60] = true;
    world_link(a, 1, (const char *[]){"10.0.0.60/24", NULL});
    run_for(45);
    CU_ASSERT_TRUE(world_connected(a, b) && world_connected(b, a));
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

// A peer says that it is where a third party is. Whatever becomes of it, that one gets three probes in 30 s, and ever
// fewer.
static void a_third_party_gets_three_packets(void)
{
    begin(4);
    is_apart = true;
    world_allow(a, b, false);
    start_all_but(a);
    world_link(b, 2, (const char *[]){"10.0.0.200/24", NULL});
    run_for(30);
    world_start(a);
    run_for(600);
    CU_ASSERT(victim_count >= 6 && victim_count <= 20);
    for (size_t i = QE_BUDGET_PACKETS; i < victim_count; i++)
        CU_ASSERT(victim_ns[i] - victim_ns[i - QE_BUDGET_PACKETS] >= QE_BUDGET_WINDOW_NS);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"nodes behind NATs connect", nodes_behind_nats_connect},
    {"they find each other again", they_find_each_other_again},
    {"a third party gets three packets", a_third_party_gets_three_packets},
};
UNIT_MAIN("punch", cases)
