// A gateway under load: who gets how much, how long packets take, and what each member costs.
#include "base/time.h"
#include "node/relay.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define SOURCES 4
#define SECONDS 8
#define SAMPLES 1024

static struct world world;
static struct world_host *g, *sink, *sources[SOURCES];
static bool apart; // only what comes from or goes to the gateway passes

static bool loses(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    (void)w;
    return apart && !qe_ip_equal(from, &g->ip) && !qe_ip_equal(to, &g->ip);
}

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static void step(struct world_host *h)
{
    struct qe_event event = {.kind = QE_EVENT_TIMEOUT};
    world_step(h, &event);
}

static struct cplane_peer *peer_of(struct world_host *h, const struct world_host *of)
{
    return cplane_peer_find(qe_node_cplane(h->node), &of->id);
}

static struct world_host *add_member(void)
{
    struct world_host *h = world_add(&world);
    world_allow(h, g, true);
    world_allow(g, h, false);
    return h;
}

static void begin(uint64_t seed)
{
    world_init(&world, seed);
    world.loses = loses;
    apart = true;
    g = world_add(&world);
    g->config.gateway = true;
    g->config.relay.allow = QE_RELAY_ALLOWED;
}

static void open_by_gateway(struct world_host *h, struct world_host *to)
{
    step(h);
    CU_ASSERT_TRUE_FATAL(cplane_relay_open(qe_node_cplane(h->node), peer_of(h, to), peer_of(h, g)));
    step(h);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

// Four sources and a sink, which are connected by the gateway, or directly.
static void begin_load(uint64_t seed, bool relayed)
{
    begin(seed);
    apart = relayed;
    sink = add_member();
    for (size_t i = 0; i < SOURCES; i++) {
        sources[i] = add_member();
        world_allow(sources[i], sink, !relayed);
        world_allow(sink, sources[i], false);
    }
    world_start(g);
    world_start(sink);
    for (size_t i = 0; i < SOURCES; i++)
        world_start(sources[i]);
    run_for(QE_NS_PER_S);
    for (size_t i = 0; i < SOURCES && relayed; i++)
        open_by_gateway(sources[i], sink);
    run_for(2 * QE_NS_PER_S);
    for (size_t i = 0; i < SOURCES; i++) {
        const struct qe_path *path = qe_session_active(&peer_of(sink, sources[i])->session);
        CU_ASSERT_TRUE_FATAL(path && path->relayed == relayed);
    }
    sink->rate_bps = 20000000;
}

struct figures {
    uint64_t bytes[SOURCES]; // that came from each
    uint64_t delays_us[SAMPLES];
    size_t count;
};

// Takes what came to the sink. The last source's packets, of 100 bytes, carry when they were sent.
static void take(struct figures *f, bool counts)
{
    for (size_t i = 0; i < sink->delivered_count; i++) {
        struct qe_span packet = sink->delivered[i];
        for (size_t s = 0; counts && s < SOURCES; s++) {
            uint8_t like[100];
            world_packet(sources[s], sink, 6, 0, sizeof like, like);
            if (memcmp(packet.data + 8, like + 8, 16) == 0) f->bytes[s] += packet.size;
        }
        if (counts && packet.size == 100 && f->count < SAMPLES)
            f->delays_us[f->count++] = world.now_ns / 1000 - qe_load32(packet.data + 48);
        free((void *)(uintptr_t)packet.data);
    }
    sink->delivered_count = 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Three sources send more than there is room for, one of them four times as much as the others; the fourth a little.
static void load(struct figures *f)
{
    uint8_t packet[1200];
    memset(f, 0, sizeof *f);
    for (uint32_t ms = 0; ms < SECONDS * 1000; ms++) {
        for (size_t s = 0; s < SOURCES - 1; s++)
            for (size_t i = 0; i < (s == 0 ? 8 : 2); i++) {
                world_packet(sources[s], sink, 6, ms, sizeof packet, packet);
                world_tun(sources[s], packet, sizeof packet, NULL);
            }
        if (ms % 10 == 0) {
            world_packet(sources[SOURCES - 1], sink, 6, (uint32_t)(world.now_ns / 1000), 100, packet);
            world_tun(sources[SOURCES - 1], packet, 100, NULL);
        }
        run_for(QE_NS_PER_MS);
        take(f, ms >= 2000);
    }
    CU_ASSERT_TRUE_FATAL(f->count > 100);
    qsort(f->delays_us, f->count, sizeof f->delays_us[0], compare);
}

static void tell(const char *what, const struct figures *f)
{
    printf("%s: %llu, %llu, %llu kbit/s; the fourth's packets %zu of %d, delay p50 %llu us, p99 %llu us\n", what,
        (unsigned long long)f->bytes[0] * 8 / 1000 / (SECONDS - 2),
        (unsigned long long)f->bytes[1] * 8 / 1000 / (SECONDS - 2),
        (unsigned long long)f->bytes[2] * 8 / 1000 / (SECONDS - 2), f->count, (SECONDS - 2) * 100,
        (unsigned long long)f->delays_us[f->count / 2], (unsigned long long)f->delays_us[f->count * 99 / 100]);
}

static bool even(const struct figures *f)
{
    uint64_t least = f->bytes[0], most = 0;
    for (size_t i = 0; i < SOURCES - 1; i++) {
        least = f->bytes[i] < least ? f->bytes[i] : least;
        most = f->bytes[i] > most ? f->bytes[i] : most;
    }
    return least * 3 >= most * 2;
}

// The bottleneck is behind the gateway. With relayed packets congestion control is nested: of the inner connection in
// that of the outer one.
static void sources_share_a_connection_evenly_and_without_much_delay(void)
{
    static struct figures relayed, direct;
    static const uint64_t links_ms[] = {20, 100};
    for (size_t i = 0; i < 2; i++) {
        begin_load(1, true);
        world.link_ns = links_ms[i] * QE_NS_PER_MS;
        load(&relayed);
        end();
        begin_load(1, false);
        world.link_ns = links_ms[i] * QE_NS_PER_MS;
        load(&direct);
        end();
        printf("a link that holds %llu ms\n", (unsigned long long)links_ms[i]);
        tell("relayed", &relayed);
        tell("direct", &direct);
        CU_ASSERT_TRUE(even(&relayed));
        CU_ASSERT_TRUE(relayed.bytes[0] + relayed.bytes[1] + relayed.bytes[2] >
                       (direct.bytes[0] + direct.bytes[1] + direct.bytes[2]) / 10 * 8);
        CU_ASSERT_TRUE(relayed.count >= 560);
        CU_ASSERT_TRUE(relayed.delays_us[relayed.count * 99 / 100] < 30000 + direct.delays_us[direct.count * 99 / 100]);
    }
}

// What the gateway has allocated with so many members, each connected to the next one by it.
static size_t memory_with(size_t members, bool circuits)
{
    static struct world_host *list[WORLD_HOSTS_MAX];
    begin(2);
    for (size_t i = 0; i < members; i++) {
        list[i] = add_member();
        if (i == 0) continue;
        world_allow(list[i - 1], list[i], false);
        world_allow(list[i], list[i - 1], false);
    }
    world_start(g);
    for (size_t i = 0; i < members; i++)
        world_start(list[i]);
    run_for(2 * QE_NS_PER_S);
    for (size_t i = 1; i < members && circuits; i++)
        open_by_gateway(list[i - 1], list[i]);
    run_for(2 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), circuits ? members - 1 : 0);
    size_t memory = g->memory;
    end();
    return memory;
}

static void a_member_costs_little_more_than_its_connection(void)
{
    size_t few = memory_with(20, true), many = memory_with(60, true), without = memory_with(60, false);
    size_t member = (many - few) / 40, circuit = (many - without) / 59;
    printf("a gateway's memory: %zu bytes a member, of these %zu for a circuit\n", member, circuit);
    CU_ASSERT_TRUE(member < 200000);
    CU_ASSERT_TRUE(circuit < 20000);
}

static const struct unit_case cases[] = {
    {"sources share a connection evenly and without much delay",
        sources_share_a_connection_evenly_and_without_much_delay},
    {"a member costs little more than its connection", a_member_costs_little_more_than_its_connection},
};
UNIT_MAIN("relay load", cases)
