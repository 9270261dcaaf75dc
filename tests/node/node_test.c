#include "base/time.h"
#include "flow/packet.h"
#include "route/overlay.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

static struct world world;
static struct world_host *a, *b;

static void begin(uint64_t seed)
{
    world_init(&world, seed);
    a = world_add(&world);
    b = world_add(&world);
}

// Two hosts that allow each other; a dials.
static void begin_pair(uint64_t seed)
{
    begin(seed);
    world_allow(a, b, true);
    world_allow(b, a, false);
    world_start(b);
    world_start(a);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static bool both_connected(struct world *w)
{
    (void)w;
    return world_connected(a, b) && world_connected(b, a);
}

static void connect(void)
{
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_connected, 5 * QE_NS_PER_S));
}

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

// Sends a packet and says whether it came out at the other end byte for byte.
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

static void packets_pass_both_ways_in_both_families(void)
{
    begin_pair(1);
    connect();
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(passes(a, b, i % 2 ? 4 : 6, i, 100 + i * 300));
        CU_ASSERT_TRUE(passes(b, a, i % 2 ? 6 : 4, i, 100 + i * 300));
    }
    CU_ASSERT_EQUAL(world_metric(a, "packets_sent"), 4);
    CU_ASSERT_EQUAL(world_metric(b, "packets_recv"), 4);
    end();
}

static void the_first_packets_wait_for_the_connection(void)
{
    uint8_t packet[256];
    begin_pair(2);
    for (uint32_t i = 0; i < 80; i++) {
        world_packet(a, b, 4, i, sizeof packet, packet);
        world_tun(a, packet, sizeof packet, NULL);
    }
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(b->delivered_count, 64);
    CU_ASSERT_EQUAL(world_metric(a, "drop_no_path"), 16);
    end();
}

static void who_is_not_allowed_does_not_connect(void)
{
    begin(3);
    world_allow(a, b, true); // b does not know a
    world_start(b);
    world_start(a);
    run_for(3 * QE_NS_PER_S);
    CU_ASSERT_FALSE(world_connected(a, b));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "refused"));
    CU_ASSERT_TRUE(world_metric(b, "quic_handshakes_refused") >= 1);
    CU_ASSERT_FALSE(passes(a, b, 4, 1, 100));
    end();
}

static void another_key_at_the_address_is_refused(void)
{
    begin(4);
    struct world_host *c = world_add(&world);
    world_allow(a, b, true);
    world_allow(b, a, false);
    world_allow(c, a, false);
    c->ip = b->ip; // c sits where b is expected
    world_start(c);
    world_start(a);
    run_for(3 * QE_NS_PER_S);
    CU_ASSERT_FALSE(world_connected(a, b));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "refused"));
    end();
}

static void full_packets_pass_small_paths_from_the_start(void)
{
    begin_pair(5);
    world.mtu = 1280;
    connect();
    CU_ASSERT_TRUE(passes(a, b, 6, 1, 1420));
    CU_ASSERT_TRUE(passes(b, a, 4, 2, 1420));
    CU_ASSERT_TRUE(world_metric(a, "fragmented_packets") >= 1);
    run_for(20 * QE_NS_PER_S);
    CU_ASSERT_TRUE(passes(a, b, 6, 3, 1420));
    end();
}

static void larger_packets_are_answered_with_too_big(void)
{
    uint8_t packet[1600];
    begin_pair(6);
    connect();
    world_packet(a, b, 6, 1, 1421, packet);
    world_tun(a, packet, 1421, NULL);
    CU_ASSERT_EQUAL_FATAL(a->delivered_count, 1);
    const uint8_t *icmp = a->delivered[0].data;
    CU_ASSERT_EQUAL(icmp[0] >> 4, 6);
    // Not from the receiver itself: its kernel would drop a martian.
    CU_ASSERT_EQUAL(memcmp(icmp + 8, packet + 24, 16), 0);
    CU_ASSERT_EQUAL(memcmp(icmp + 24, packet + 8, 16), 0);
    CU_ASSERT_EQUAL(icmp[40], 2); // ICMPv6 packet too big
    CU_ASSERT_EQUAL(qe_load32(icmp + 44), 1420);
    CU_ASSERT_EQUAL(memcmp(icmp + 8, packet + 24, 16), 0); // not from our own address: a kernel drops that
    world_packet(a, b, 4, 1, 1500, packet);
    world_tun(a, packet, 1500, NULL);
    CU_ASSERT_EQUAL_FATAL(a->delivered_count, 2);
    CU_ASSERT_EQUAL(memcmp(a->delivered[1].data + 12, packet + 16, 4), 0);
    CU_ASSERT_EQUAL(a->delivered[1].data[20], 3); // ICMP fragmentation needed
    CU_ASSERT_EQUAL(memcmp(a->delivered[1].data + 12, packet + 16, 4), 0);
    CU_ASSERT_EQUAL(a->delivered[1].data[21], 4);
    CU_ASSERT_EQUAL(qe_load16(a->delivered[1].data + 26), 1420);
    CU_ASSERT_EQUAL(world_metric(a, "drop_too_big"), 2);
    end();
}

static void packets_grow_to_one_datagram_each(void)
{
    begin_pair(7);
    connect();
    run_for(20 * QE_NS_PER_S);
    uint64_t before = world_metric(a, "fragmented_packets");
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 1420));
    CU_ASSERT_EQUAL(world_metric(a, "fragmented_packets"), before);
    end();
}

static void a_peer_speaks_for_its_own_addresses_only(void)
{
    begin(8);
    struct world_host *c = world_add(&world);
    world_allow(a, c, true);
    world_allow(b, c, true);
    world_allow(c, a, false);
    world_allow(c, b, false);
    world_start(c);
    world_start(b);
    run_for(QE_NS_PER_S);
    // a takes b's address as its own, and sends with it.
    a->config.tun_addr = qe_overlay_ip4(&b->id, 0);
    world_start(a);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(c, "drop_claim"), 1);
    uint8_t packet[100];
    world_packet(b, c, 4, 1, sizeof packet, packet);
    world_tun(a, packet, sizeof packet, NULL);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(c->delivered_count, 0);
    CU_ASSERT_EQUAL(world_metric(c, "drop_source"), 1);
    // b itself is heard.
    CU_ASSERT_TRUE(passes(b, c, 4, 2, 100));
    end();
}

static void the_address_of_a_peer_not_yet_heard_is_kept_for_it(void)
{
    begin(21);
    struct world_host *c = world_add(&world);
    world_allow(a, c, true);
    world_allow(b, c, true);
    world_allow(c, a, false);
    world_allow(c, b, false);
    world_start(c);
    // a claims b's address while b is away.
    a->config.tun_addr = qe_overlay_ip4(&b->id, 0);
    world_start(a);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(c, "drop_claim"), 1);
    world_start(b);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_metric(c, "drop_claim"), 1);
    CU_ASSERT_TRUE(passes(b, c, 4, 2, 100));
    end();
}

static void what_is_not_for_anybody_is_counted(void)
{
    static const uint8_t noise[64] = {0x12, 0x34};
    uint8_t packet[100];
    begin_pair(9);
    connect();
    world_tun(a, noise, sizeof noise, NULL);
    world_tun(a, noise, 0, NULL);
    CU_ASSERT_EQUAL(world_metric(a, "drop_not_ip"), 2);
    world_packet(a, b, 4, 1, sizeof packet, packet);
    memcpy(packet + 16, (const uint8_t[]){8, 8, 8, 8}, 4);
    world_tun(a, packet, sizeof packet, NULL);
    CU_ASSERT_EQUAL(world_metric(a, "drop_no_route"), 1);
    memcpy(packet + 16, (const uint8_t[]){224, 0, 0, 1}, 4);
    world_tun(a, packet, sizeof packet, NULL);
    memcpy(packet + 16, (const uint8_t[]){100, 64, 255, 255}, 4);
    world_tun(a, packet, sizeof packet, NULL);
    CU_ASSERT_EQUAL(world_metric(a, "drop_multicast"), 2);
    world_packet(b, a, 4, 1, sizeof packet, packet);
    world_tun(a, packet, sizeof packet, NULL);
    CU_ASSERT_EQUAL(world_metric(a, "drop_tun_source"), 1);
    end();
}

static void a_node_that_restarts_is_back_within_a_second(void)
{
    begin_pair(10);
    connect();
    run_for(2 * QE_NS_PER_S);
    // The side that dialled has a ticket, and the other one still honours it: 0-RTT.
    world_kill(a);
    run_for(300 * QE_NS_PER_MS);
    world_start(a);
    CU_ASSERT_TRUE(world_until(&world, both_connected, QE_NS_PER_S));
    CU_ASSERT_PTR_NOT_NULL(strstr(a->log, "host1 connected at 10.0.0.2:9000 (0-RTT)"));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 200));
    CU_ASSERT_TRUE(passes(b, a, 4, 2, 200));
    // The side that was dialled knows where its peer was.
    run_for(5 * QE_NS_PER_S);
    world_kill(b);
    run_for(300 * QE_NS_PER_MS);
    world_start(b);
    CU_ASSERT_TRUE(world_until(&world, both_connected, QE_NS_PER_S));
    run_for(200 * QE_NS_PER_MS); // what a sends before it hears of the restart is lost
    CU_ASSERT_TRUE(passes(a, b, 4, 3, 200));
    CU_ASSERT_TRUE(passes(b, a, 4, 4, 200));
    end();
}

static void a_peer_that_disappears_is_noticed_and_redialled(void)
{
    begin_pair(11);
    connect();
    run_for(QE_NS_PER_S);
    world_kill(b);
    run_for(12 * QE_NS_PER_S); // keep-alive, then three probe timeouts
    CU_ASSERT_FALSE(world_connected(a, b));
    run_for(60 * QE_NS_PER_S);
    world_command(a, QE_COMMAND_PEERS, NULL);
    const char *dials = strstr((const char *)a->reply.data, "\"dials\":");
    CU_ASSERT_PTR_NOT_NULL_FATAL(dials);
    unsigned long count = strtoul(dials + 8, NULL, 10);
    CU_ASSERT_TRUE(count >= 4 && count <= 20);
    world_start(b);
    CU_ASSERT_TRUE(world_until(&world, both_connected, QE_NS_PER_S));
    end();
}

static void a_cut_network_heals(void)
{
    begin_pair(12);
    connect();
    run_for(QE_NS_PER_S);
    world.cut = true;
    run_for(20 * QE_NS_PER_S);
    CU_ASSERT_FALSE(world_connected(a, b));
    world.cut = false;
    run_for(12 * QE_NS_PER_S);
    CU_ASSERT_TRUE(both_connected(&world));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 1000));
    end();
}

static void both_dialling_ends_with_one_path(void)
{
    begin(13);
    world_allow(a, b, true);
    world_allow(b, a, true);
    world_start(a);
    world_start(b);
    run_for(5 * QE_NS_PER_S);
    CU_ASSERT_TRUE(both_connected(&world));
    world_command(a, QE_COMMAND_STATUS, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "\"paths\":{\"active\":1}"));
    world_command(b, QE_COMMAND_STATUS, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)b->reply.data, "\"paths\":{\"active\":1}"));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 1000));
    CU_ASSERT_TRUE(passes(b, a, 4, 1, 1000));
    end();
}

static void a_node_that_stops_says_goodbye(void)
{
    begin_pair(14);
    connect();
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_STOP, NULL), 202);
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_TRUE(b->stopped);
    CU_ASSERT_STRING_EQUAL(b->failure, "");
    CU_ASSERT_FALSE(world_connected(a, b));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "the peer stopped"));
    end();
}

static void a_node_without_its_tun_or_socket_says_why_it_ends(void)
{
    begin(15);
    a->refuse_tun = "no such device";
    b->refuse_socket = "address in use";
    world_start(a);
    world_start(b);
    CU_ASSERT_TRUE(a->stopped && b->stopped);
    CU_ASSERT_STRING_EQUAL(a->failure, "cannot open the TUN interface quicether0: no such device");
    CU_ASSERT_STRING_EQUAL(b->failure, "cannot listen on 0.0.0.0:9000: address in use");
    end();
}

static void commands_are_answered(void)
{
    char id[QE_NODE_ID_TEXT_SIZE];
    begin_pair(16);
    connect();
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_STATUS, NULL), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, qe_node_id_format(&a->id, id)));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "\"listen\":[\"0.0.0.0:9000\"]"));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_ROUTES, NULL), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, qe_node_id_format(&b->id, id)));
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "host1"), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)a->reply.data, "\"rtt_us\":20000"));
    id[8] = 0;
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, id), 200);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "nobody"), 404);
    world.cut = true;
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_PING, "host1"), 504);
    end();
}

// A TCP super-packet of `payload` bytes from a to b.
static size_t tcp_packet(uint8_t *out, size_t payload)
{
    size_t size = 40 + payload;
    uint8_t udp[2048];
    world_packet(a, b, 4, 0, 40, udp);
    memcpy(out, udp, 20);
    memset(out + 20, 0, 20);
    qe_store16(out + 2, (uint16_t)size);
    out[9] = QE_IPPROTO_TCP;
    memset(out + 10, 0, 2);
    qe_store16(out + 10, qe_checksum_fold(qe_checksum_add(0, out, 20)));
    qe_store16(out + 20, 40000);
    qe_store16(out + 22, 80);
    qe_store32(out + 24, 1000);
    out[32] = 5 << 4;
    out[33] = 0x18;
    for (size_t i = 0; i < payload; i++)
        out[40 + i] = (uint8_t)(i * 31 + i / 256);
    // The pseudo-header's sum, as the kernel leaves it.
    uint8_t pseudo[12];
    memcpy(pseudo, out + 12, 8);
    pseudo[8] = 0;
    pseudo[9] = QE_IPPROTO_TCP;
    qe_store16(pseudo + 10, (uint16_t)(20 + payload));
    qe_store16(out + 36, (uint16_t)~qe_checksum_fold(qe_checksum_add(0, pseudo, 12)));
    return size;
}

static void super_packets_arrive_whole(void)
{
    static uint8_t packet[65535], got[65535];
    begin_pair(17);
    connect();
    run_for(20 * QE_NS_PER_S);
    size_t payload = 60000, size = tcp_packet(packet, payload), seen = 0;
    const struct qe_offload tso = {.kind = QE_OFFLOAD_TCP4,
        .needs_checksum = true,
        .header_size = 40,
        .segment_size = 1380,
        .checksum_start = 20,
        .checksum_offset = 16};
    world_tun(a, packet, size, &tso);
    run_for(2 * QE_NS_PER_S);
    for (size_t i = 0; i < b->delivered_count; i++) {
        struct qe_span p = b->delivered[i];
        uint32_t at = qe_load32(p.data + 24) - 1000;
        CU_ASSERT_TRUE_FATAL(p.size >= 40 && at + p.size - 40 <= payload);
        memcpy(got + at, p.data + 40, p.size - 40);
        seen += p.size - 40;
    }
    CU_ASSERT_EQUAL(seen, payload);
    CU_ASSERT_EQUAL(memcmp(got, packet + 40, payload), 0);
    end();
}

static void strangers_bytes_harm_nothing(void)
{
    struct unit_random random = unit_random();
    uint8_t bytes[1500];
    begin_pair(18);
    connect();
    for (int i = 0; i < 3000; i++) {
        const struct qe_addr from = {qe_ip4(192, 0, 2, (uint8_t)i), (uint16_t)(1000 + i), 0};
        size_t size = unit_random_below(&random, sizeof bytes);
        unit_random_fill(&random, bytes, size);
        if (size > 1 && i % 2) bytes[0] |= 0xc0;
        if (size > 6 && i % 4 == 1) memcpy(bytes + 1, (const uint8_t[]){0, 0, 0, 1}, 4);
        world_inject(&world, i % 2 ? a : b, &from, bytes, size);
        if (i % 50 == 0) run_for(QE_NS_PER_MS);
    }
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT_TRUE(both_connected(&world));
    CU_ASSERT_TRUE(passes(a, b, 4, 1, 500));
    CU_ASSERT_TRUE(world_metric(a, "quic_dropped_malformed") + world_metric(a, "quic_dropped_unknown") +
                       world_metric(a, "quic_dropped_version") >
                   500);
    end();
}

static void a_hostile_host_is_survived(void)
{
    uint8_t packet[1400];
    for (uint8_t lanes = 1; lanes <= 2; lanes++) {
        begin(19 + lanes);
        struct world_host *c = world_add(&world);
        struct world_host *hosts[] = {a, b, c};
        for (size_t i = 0; i < 3; i++) {
            for (size_t j = 0; j < 3; j++)
                if (i != j) world_allow(hosts[i], hosts[j], true);
            hosts[i]->config.lanes = lanes;
            hosts[i]->return_every = 3;
            hosts[i]->refuse_every = 3;
            hosts[i]->wall_jumps = true;
        }
        for (size_t i = 0; i < 3; i++)
            world_start(hosts[i]);
        run_for(20 * QE_NS_PER_S);
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < 3; j++)
                CU_ASSERT_TRUE(i == j || world_connected(hosts[i], hosts[j]));
        for (uint32_t n = 0; n < 300; n++) {
            for (size_t i = 0; i < 3; i++) {
                struct world_host *to = hosts[(i + 1 + n % 2) % 3];
                world_packet(hosts[i], to, n % 3 ? 4 : 6, n, sizeof packet, packet);
                world_tun(hosts[i], packet, sizeof packet, NULL);
            }
            run_for(20 * QE_NS_PER_MS);
        }
        run_for(5 * QE_NS_PER_S);
        // A third of all sends is lost; most of the rest must arrive, on every host.
        for (size_t i = 0; i < 3; i++)
            CU_ASSERT_TRUE(hosts[i]->delivered_count > 120 && hosts[i]->delivered_count <= 300);
        end();
    }
}

static uint64_t hash_of_a_run(uint64_t seed, uint8_t lanes)
{
    begin(seed);
    world_allow(a, b, true);
    world_allow(b, a, true);
    a->config.lanes = b->config.lanes = lanes;
    world_start(a);
    world_start(b);
    for (uint32_t i = 0; i < 20; i++)
        passes(i % 2 ? a : b, i % 2 ? b : a, 4, i, 100 + i * 60);
    world_kill(a);
    world_start(a);
    run_for(2 * QE_NS_PER_S);
    uint64_t hash = world.hash;
    end();
    return hash;
}

static void the_same_seed_gives_the_same_bytes(void)
{
    for (uint8_t lanes = 1; lanes <= 2; lanes++) {
        uint64_t first = hash_of_a_run(77, lanes);
        CU_ASSERT_EQUAL(hash_of_a_run(77, lanes), first);
        CU_ASSERT_NOT_EQUAL(hash_of_a_run(78, lanes), first);
    }
}

static const struct unit_case cases[] = {
    {"packets pass both ways in both families", packets_pass_both_ways_in_both_families},
    {"the first packets wait for the connection", the_first_packets_wait_for_the_connection},
    {"who is not allowed does not connect", who_is_not_allowed_does_not_connect},
    {"another key at the address is refused", another_key_at_the_address_is_refused},
    {"full packets pass small paths from the start", full_packets_pass_small_paths_from_the_start},
    {"larger packets are answered with too big", larger_packets_are_answered_with_too_big},
    {"packets grow to one datagram each", packets_grow_to_one_datagram_each},
    {"a peer speaks for its own addresses only", a_peer_speaks_for_its_own_addresses_only},
    {"the address of a peer not yet heard is kept for it", the_address_of_a_peer_not_yet_heard_is_kept_for_it},
    {"what is not for anybody is counted", what_is_not_for_anybody_is_counted},
    {"a node that restarts is back within a second", a_node_that_restarts_is_back_within_a_second},
    {"a peer that disappears is noticed and redialled", a_peer_that_disappears_is_noticed_and_redialled},
    {"a cut network heals", a_cut_network_heals},
    {"both dialling ends with one path", both_dialling_ends_with_one_path},
    {"a node that stops says goodbye", a_node_that_stops_says_goodbye},
    {"a node without its TUN or socket says why it ends", a_node_without_its_tun_or_socket_says_why_it_ends},
    {"commands are answered", commands_are_answered},
    {"super-packets arrive whole", super_packets_arrive_whole},
    {"strangers' bytes harm nothing", strangers_bytes_harm_nothing},
    {"a hostile host is survived", a_hostile_host_is_survived},
    {"the same seed gives the same bytes", the_same_seed_gives_the_same_bytes},
};
UNIT_MAIN("node", cases)
