// Two nodes that cannot reach each other, and a third one that both can: whole nodes in virtual time.
#include "base/time.h"
#include "node/relay.h"
#include "node/relay_internal.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

static struct world world;
static struct world_host *a, *b, *g, *g2;
static bool apart; // nothing passes between a and b

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static bool is_pair(
    const struct qe_ip *from, const struct qe_ip *to, const struct world_host *x, const struct world_host *y)
{
    return (qe_ip_equal(from, &x->ip) && qe_ip_equal(to, &y->ip)) ||
           (qe_ip_equal(from, &y->ip) && qe_ip_equal(to, &x->ip));
}

static bool loses(const struct world *w, const struct qe_ip *from, const struct qe_ip *to)
{
    (void)w;
    return apart && is_pair(from, to, a, b);
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

static const struct qe_path *active(struct world_host *h, const struct world_host *of)
{
    struct cplane_peer *peer = peer_of(h, of);
    return peer ? qe_session_active(&peer->session) : NULL;
}

static bool is_relayed(struct world_host *h, const struct world_host *of, const struct world_host *by)
{
    const struct qe_path *path = active(h, of);
    const struct cplane_peer *gateway = path ? cplane_path_gateway(qe_node_cplane(h->node), path) : NULL;
    return gateway && path->state == QE_PATH_OPEN && qe_node_id_equal(&gateway->id, &by->id);
}

static bool both_relayed(struct world *w)
{
    (void)w;
    return is_relayed(a, b, g) && is_relayed(b, a, g);
}

static bool both_direct(struct world *w)
{
    (void)w;
    const struct qe_path *there = active(a, b), *back = active(b, a);
    return there && back && !there->relayed && !back->relayed;
}

static bool open_by(struct world_host *h, struct world_host *to, struct world_host *by)
{
    step(h);
    bool opened = cplane_relay_open(qe_node_cplane(h->node), peer_of(h, to), peer_of(h, by));
    step(h);
    return opened;
}

static struct world_host *add_gateway(void)
{
    struct world_host *h = world_add(&world);
    h->config.gateway = true;
    h->config.relay.allow = QE_RELAY_ALLOWED;
    return h;
}

static void meet(struct world_host *h, struct world_host *gateway)
{
    world_allow(h, gateway, true);
    world_allow(gateway, h, false);
}

static void begin_lanes(uint64_t seed, uint8_t lanes)
{
    world_init(&world, seed);
    world.loses = loses;
    apart = true;
    a = world_add(&world);
    b = world_add(&world);
    g = add_gateway();
    g2 = add_gateway();
    struct world_host *const all[] = {a, b, g, g2};
    for (size_t i = 0; i < 4; i++)
        all[i]->config.lanes = lanes;
    world_allow(a, b, false);
    world_allow(b, a, false);
    meet(a, g);
    meet(b, g);
    meet(a, g2);
    meet(b, g2);
}

static void start(void)
{
    world_start(g);
    world_start(a);
    world_start(b);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE_FATAL(cplane_is_direct(peer_of(a, g)) && cplane_is_direct(peer_of(b, g)));
}

static void begin(uint64_t seed)
{
    begin_lanes(seed, 1);
    start();
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void connect(void)
{
    CU_ASSERT_TRUE_FATAL(open_by(a, b, g));
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_relayed, 2 * QE_NS_PER_S));
}

static bool passes(struct world_host *from, struct world_host *to, uint8_t family, uint32_t number, size_t size)
{
    uint8_t packet[2048];
    size_t before = to->delivered_count;
    world_packet(from, to, family, number, size, packet);
    world_tun(from, packet, size, NULL);
    run_for(400 * QE_NS_PER_MS);
    for (size_t i = before; i < to->delivered_count; i++)
        if (qe_span_equal(to->delivered[i], qe_span(packet, size))) return true;
    return false;
}

static void packets_of_all_sizes_pass_by_a_gateway(void)
{
    for (uint8_t lanes = 1; lanes <= 3; lanes++) {
        begin_lanes(lanes, lanes);
        start();
        connect();
        CU_ASSERT_TRUE(
            cplane_relay_state(qe_node_cplane(a->node), peer_of(a, b), peer_of(a, g)) == CPLANE_CIRCUIT_OPEN);
        for (uint32_t i = 0; i < 8; i++) {
            size_t size = i % 2 ? 100 + i * 100 : 1420 - i;
            CU_ASSERT_TRUE(passes(a, b, i % 2 ? 4 : 6, i, size));
            CU_ASSERT_TRUE(passes(b, a, i % 2 ? 6 : 4, i, size));
        }
        CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 1);
        CU_ASSERT_TRUE(world_metric(g, "relayed_packets") >= 16);
        CU_ASSERT_EQUAL(world_metric(g, "packets_recv"), 0);
        CU_ASSERT_EQUAL(world_metric(g, "drop_circuit"), 0);
        end();
    }
}

// A packet every 2 ms each way; how many have come through.
static size_t stream(uint32_t count)
{
    uint8_t packet[1420];
    size_t before = a->delivered_count + b->delivered_count;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 200 + i % 3 * 600;
        world_packet(a, b, 6, i, size, packet);
        world_tun(a, packet, size, NULL);
        world_packet(b, a, 6, i, size, packet);
        world_tun(b, packet, size, NULL);
        run_for(2 * QE_NS_PER_MS);
    }
    run_for(500 * QE_NS_PER_MS);
    return a->delivered_count + b->delivered_count - before;
}

static void a_direct_path_takes_over_and_loses_nothing(void)
{
    begin(4);
    connect();
    apart = false;
    // It is found now and then, by itself.
    const struct qe_addr at = {b->ip, 9000, 0};
    qe_session_on_address(&peer_of(a, b)->session, &at, false);
    CU_ASSERT_FALSE(both_direct(&world));
    size_t passed = 0, sent = 0;
    for (int i = 0; i < 20; i++) {
        passed += stream(100);
        sent += 200;
    }
    CU_ASSERT_EQUAL(passed, sent);
    CU_ASSERT_TRUE(both_direct(&world));
    CU_ASSERT_PTR_NOT_NULL(strstr(a->log, " is connected directly from now on\n"));
    run_for(3 * QE_NS_PER_S);
    // The circuit is not needed any more.
    CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 0);
    CU_ASSERT_TRUE(qe_list_empty(&peer_of(a, b)->circuit_ends) && qe_list_empty(&peer_of(b, a)->circuit_ends));
    uint64_t relayed = world_metric(g, "relayed_packets");
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 500));
    CU_ASSERT_EQUAL(world_metric(g, "relayed_packets"), relayed);
    end();
}

static void a_gateway_refuses_whom_it_does_not_relay_for(void)
{
    static const struct {
        enum qe_config_relay allow;
        bool gateway, known;
    } table[] = {{QE_RELAY_NOBODY, true, true}, {QE_RELAY_ALLOWED, false, true}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        begin_lanes(5, 1);
        g->config.relay.allow = table[i].allow;
        g->config.gateway = table[i].gateway;
        start();
        CU_ASSERT_TRUE(open_by(a, b, g));
        CU_ASSERT_EQUAL(
            cplane_relay_state(qe_node_cplane(a->node), peer_of(a, b), peer_of(a, g)), CPLANE_CIRCUIT_ASKED);
        run_for(QE_NS_PER_S);
        CU_ASSERT_EQUAL(cplane_relay_state(qe_node_cplane(a->node), peer_of(a, b), peer_of(a, g)), CPLANE_CIRCUIT_NONE);
        CU_ASSERT_PTR_NULL(active(a, b));
        CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 0);
        end();
    }
}

static void a_peer_that_is_not_at_the_gateway_is_unreachable(void)
{
    begin_lanes(6, 1);
    world_start(g);
    world_start(a);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(open_by(a, b, g));
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(cplane_relay_state(qe_node_cplane(a->node), peer_of(a, b), peer_of(a, g)), CPLANE_CIRCUIT_NONE);
    CU_ASSERT_PTR_NULL(active(a, b));
    end();
}

static void who_does_not_know_the_other_does_not_want_it(void)
{
    begin_lanes(7, 1);
    free(b->config.peers);
    b->config.peers = NULL;
    b->config.peer_count = 0;
    meet(b, g);
    start();
    CU_ASSERT_TRUE(open_by(a, b, g));
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(cplane_relay_state(qe_node_cplane(a->node), peer_of(a, b), peer_of(a, g)), CPLANE_CIRCUIT_NONE);
    CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 0);
    end();
}

// Nobody relays over what is relayed.
static void no_circuit_goes_by_a_relayed_path(void)
{
    begin(8);
    connect();
    CU_ASSERT_FALSE(open_by(a, g, b));
    CU_ASSERT_FALSE(open_by(a, b, b));
    CU_ASSERT_FALSE(open_by(a, b, g2)); // it is not there
    end();
}

static bool first_is_used(struct world *w)
{
    (void)w;
    return is_relayed(a, b, g) && is_relayed(b, a, g);
}

static bool second_is_used(struct world *w)
{
    (void)w;
    return is_relayed(a, b, g2) && is_relayed(b, a, g2);
}

static void when_a_gateway_dies_the_standby_carries_on(void)
{
    begin_lanes(9, 1);
    world_start(g2);
    start();
    connect();
    CU_ASSERT_TRUE(open_by(a, b, g2));
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(first_is_used(&world));
    CU_ASSERT_EQUAL(cplane_relay_state(qe_node_cplane(b->node), peer_of(b, a), peer_of(b, g2)), CPLANE_CIRCUIT_OPEN);
    world_kill(g);
    // There is traffic on it, else nobody would notice.
    uint64_t began_ns = world.now_ns;
    uint8_t packet[500];
    while (!second_is_used(&world) && world.now_ns < began_ns + 10 * QE_NS_PER_S) {
        world_packet(a, b, 6, 1, sizeof packet, packet);
        world_tun(a, packet, sizeof packet, NULL);
        world_packet(b, a, 6, 1, sizeof packet, packet);
        world_tun(b, packet, sizeof packet, NULL);
        run_for(20 * QE_NS_PER_MS);
    }
    CU_ASSERT_TRUE(world.now_ns - began_ns <= QE_NS_PER_S);
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 1400) && passes(b, a, 4, 2, 1400));
    end();
}

// Whether the path through the gateway carries on as if nothing were wrong.
static bool is_silent(struct world *w)
{
    (void)w;
    const struct qe_path *path = active(a, b);
    return !path || path->state == QE_PATH_SILENT;
}

static void a_path_is_as_silent_as_what_it_goes_by(void)
{
    for (int far = 0; far < 2; far++) {
        begin(15);
        connect();
        world_kill(far ? b : g);
        // Whoever is next to it notices first, and it is the connection to it that it notices.
        uint8_t packet[500];
        uint64_t began_ns = world.now_ns;
        while (!is_silent(&world) && world.now_ns < began_ns + 10 * QE_NS_PER_S) {
            world_packet(a, b, 6, 1, sizeof packet, packet);
            world_tun(a, packet, sizeof packet, NULL);
            run_for(20 * QE_NS_PER_MS);
        }
        CU_ASSERT_TRUE(world.now_ns - began_ns <= QE_NS_PER_S);
        // Each connection's silence counts, whichever is noticed first.
        run_for(500 * QE_NS_PER_MS);
        const struct qe_path *path = active(a, b);
        CU_ASSERT_TRUE(!path || path->quiet);
        end();
    }
}

static void a_peer_that_restarts_is_reached_again(void)
{
    begin(10);
    connect();
    world_kill(b);
    world_start(b);
    run_for(3 * QE_NS_PER_S);
    // The gateway has told that the circuit is gone; there is another one, by now or when asked for.
    CU_ASSERT_TRUE(open_by(a, b, g));
    CU_ASSERT_TRUE(world_until(&world, both_relayed, 2 * QE_NS_PER_S));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 500));
    CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 1);
    end();
}

static void both_may_open_at_once(void)
{
    begin(11);
    CU_ASSERT_TRUE(open_by(a, b, g) && open_by(b, a, g));
    CU_ASSERT_TRUE(world_until(&world, both_relayed, 2 * QE_NS_PER_S));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 500) && passes(b, a, 4, 2, 500));
    run_for(5 * QE_NS_PER_S);
    CU_ASSERT_TRUE(both_relayed(&world));
    CU_ASSERT_EQUAL(cplane_relay_count(qe_node_cplane(g->node), NULL), 1);
    end();
}

// Lines of the key logs: a label, a client's random, a secret.
#define LINES_MAX 256
static struct {
    size_t count;
    char lines[LINES_MAX][256];
} logs[WORLD_HOSTS_MAX];

static void note_key(void *user, const char *line)
{
    size_t host = ((struct world_host *)user)->index;
    CU_ASSERT_TRUE_FATAL(logs[host].count < LINES_MAX);
    snprintf(logs[host].lines[logs[host].count++], sizeof logs[0].lines[0], "%s", line);
}

static bool knows_key(const struct world_host *h, const char *line)
{
    for (size_t i = 0; i < logs[h->index].count; i++)
        if (strcmp(logs[h->index].lines[i], line) == 0) return true;
    return false;
}

static void the_gateway_has_no_key_and_sees_no_payload(void)
{
    static const uint8_t marker[] = "nobody but the two ends sees this";
    struct world_host *hosts[4];
    uint8_t packet[1400];
    size_t inner = 0, outer = 0;
    begin_lanes(12, 1);
    hosts[0] = a, hosts[1] = b, hosts[2] = g, hosts[3] = g2;
    memset(logs, 0, sizeof logs);
    for (size_t i = 0; i < 4; i++) {
        hosts[i]->host.keylog = note_key;
        hosts[i]->marker = qe_span(marker, sizeof marker);
    }
    start();
    connect();
    for (uint32_t i = 0; i < 50; i++) {
        world_packet(a, b, 6, i, sizeof packet, packet);
        for (size_t at = 60; at + sizeof marker <= sizeof packet; at += 100)
            memcpy(packet + at, marker, sizeof marker);
        world_tun(a, packet, sizeof packet, NULL);
        run_for(5 * QE_NS_PER_MS);
    }
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(b->delivered_count, 50);
    CU_ASSERT_TRUE(world_metric(g, "relayed_bytes") > 50 * sizeof packet);
    for (size_t i = 0; i < logs[a->index].count; i++) {
        const char *line = logs[a->index].lines[i];
        if (knows_key(b, line)) {
            inner++;
            CU_ASSERT_FALSE(knows_key(g, line));
        }
        outer += knows_key(g, line);
    }
    // Four secrets and an exporter's at least of each, or else nothing was looked at.
    CU_ASSERT_TRUE(inner >= 4 && outer >= 4);
    world_kill(a);
    world_kill(b);
    world_kill(g);
    CU_ASSERT_TRUE(a->marked + b->marked > 0);
    CU_ASSERT_EQUAL(g->marked, 0);
    end();
}

static void packets_pass_where_the_outer_links_are_small(void)
{
    for (uint32_t mtu = 1280; mtu <= 1500; mtu += 44) {
        begin_lanes(13, 1);
        world.mtu = mtu;
        start();
        connect();
        run_for(3 * QE_NS_PER_S);
        for (uint32_t i = 0; i < 4; i++) {
            CU_ASSERT_TRUE(passes(a, b, i % 2 ? 4 : 6, i, 1420 - i));
            CU_ASSERT_TRUE(passes(b, a, 6, i, 700));
        }
        // A probe that does not fit is dropped, and told from a loss.
        CU_ASSERT_EQUAL(world_metric(g, "drop_relay_queue"), 0);
        end();
    }
}

static void volume_and_rate_are_limited(void)
{
    uint8_t packet[1000];
    for (int which = 0; which < 3; which++) {
        begin_lanes(14, 1);
        if (which == 0) g->config.relay.volume_bytes = 100000;
        if (which == 1) g->config.relay.rate_bps = 400000;
        if (which == 2) g->config.relay.total_rate_bps = 400000;
        start();
        connect();
        for (uint32_t i = 0; i < 1000; i++) { // 2 Mbit/s, for four seconds
            world_packet(a, b, 6, i, sizeof packet, packet);
            world_tun(a, packet, sizeof packet, NULL);
            run_for(4 * QE_NS_PER_MS);
        }
        uint64_t relayed = world_metric(g, "relayed_bytes");
        CU_ASSERT_TRUE(world_metric(g, "drop_relay_limit") > 0);
        // A volume is each of two nodes'.
        CU_ASSERT_TRUE(relayed > 90000 && relayed < (which == 0 ? 200000 : 330000));
        end();
    }
}

static void no_allocation_that_fails_breaks_what_is_relayed(void)
{
    uint64_t before = 0, during = 0;
    for (uint64_t nth = 0; nth == 0 || nth <= during; nth += 1 + nth / 30) {
        begin(16);
        before = world.allocations;
        if (nth) {
            world.fail_at = before + nth;
            world.fail_count = 3;
        }
        open_by(a, b, g);
        world_until(&world, both_relayed, QE_NS_PER_S);
        passes(a, b, 6, 1, 1420);
        passes(b, a, 4, 2, 700);
        world.fail_count = 0;
        if (!nth) during = world.allocations - before;
        // Whoever chooses gateways asks again.
        for (int i = 0; i < 40 && !both_relayed(&world); i++) {
            open_by(a, b, g);
            run_for(QE_NS_PER_S);
        }
        CU_ASSERT_TRUE(both_relayed(&world));
        CU_ASSERT_TRUE(passes(a, b, 4, 1, 1000) && passes(b, a, 4, 2, 1000));
        end();
    }
}

static const struct unit_case cases[] = {
    {"packets of all sizes pass by a gateway", packets_of_all_sizes_pass_by_a_gateway},
    {"a direct path takes over and loses nothing", a_direct_path_takes_over_and_loses_nothing},
    {"a gateway refuses whom it does not relay for", a_gateway_refuses_whom_it_does_not_relay_for},
    {"a peer that is not at the gateway is unreachable", a_peer_that_is_not_at_the_gateway_is_unreachable},
    {"who does not know the other does not want it", who_does_not_know_the_other_does_not_want_it},
    {"no circuit goes by a relayed path", no_circuit_goes_by_a_relayed_path},
    {"when a gateway dies the standby carries on", when_a_gateway_dies_the_standby_carries_on},
    {"a path is as silent as what it goes by", a_path_is_as_silent_as_what_it_goes_by},
    {"a peer that restarts is reached again", a_peer_that_restarts_is_reached_again},
    {"both may open at once", both_may_open_at_once},
    {"the gateway has no key and sees no payload", the_gateway_has_no_key_and_sees_no_payload},
    {"packets pass where the outer links are small", packets_pass_where_the_outer_links_are_small},
    {"volume and rate are limited", volume_and_rate_are_limited},
    {"no allocation that fails breaks what is relayed", no_allocation_that_fails_breaks_what_is_relayed},
};
UNIT_MAIN("relay", cases)
