// Members of a private network, and those who are none: who gets in, and what strangers learn.
#include "bare.h"
#include "base/time.h"
#include "unit.h"
#include "wire/member.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t network[QE_SECRET_SIZE] = {1, 2, 3}, other_network[QE_SECRET_SIZE] = {4};

static struct world world;
static struct world_host *a, *b, *c;
static struct bare bare;

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

static bool both_connected(struct world *w)
{
    (void)w;
    return world_connected(a, b) && world_connected(b, a);
}

static bool passes(struct world_host *from, struct world_host *to, uint8_t family, uint32_t number)
{
    uint8_t packet[300];
    size_t before = to->delivered_count;
    world_packet(from, to, family, number, sizeof packet, packet);
    world_tun(from, packet, sizeof packet, NULL);
    run_for(400 * QE_NS_PER_MS);
    for (size_t i = before; i < to->delivered_count; i++)
        if (qe_span_equal(to->delivered[i], qe_span(packet, sizeof packet))) return true;
    return false;
}

// a knows b and dials it; b knows nobody.
static void begin(uint64_t seed)
{
    world_init(&world, seed);
    a = world_add(&world);
    b = world_add(&world);
    world_allow(a, b, true);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void an_unknown_member_gets_in_by_its_proof(void)
{
    begin(1);
    world_join(a, network);
    world_join(b, network);
    world_start(b);
    world_start(a);
    CU_ASSERT_TRUE(world_until(&world, both_connected, 2 * QE_NS_PER_S));
    CU_ASSERT_TRUE(passes(a, b, 4, 1) && passes(b, a, 4, 2) && passes(a, b, 6, 3) && passes(b, a, 6, 4));
    CU_ASSERT_EQUAL(world_metric(b, "strangers"), 1);
    CU_ASSERT_EQUAL(world_metric(b, "members_proven"), 1);
    CU_ASSERT_EQUAL(world_metric(b, "drop_early"), 0);
    end();
}

static void a_member_once_proven_is_known_after_both_restart(void)
{
    begin(2);
    world_join(a, network);
    world_join(b, network);
    world_start(b);
    world_start(a);
    CU_ASSERT_TRUE(world_until(&world, both_connected, 2 * QE_NS_PER_S));
    run_for(QE_NS_PER_S); // tickets
    world_kill(a);
    world_start(a);
    CU_ASSERT_TRUE(world_until(&world, both_connected, 2 * QE_NS_PER_S));
    CU_ASSERT_PTR_NOT_NULL(strstr(a->log, "(0-RTT)"));
    CU_ASSERT_TRUE(passes(a, b, 4, 1));
    world_kill(b);
    world_start(b);
    // It is b now that knows a, and dials it where it was.
    CU_ASSERT_TRUE(world_until(&world, both_connected, 2 * QE_NS_PER_S));
    CU_ASSERT_TRUE(passes(b, a, 4, 2));
    CU_ASSERT_EQUAL(world_metric(b, "strangers"), 0);
    // Of another network's members nothing is remembered.
    world_kill(b);
    world_join(b, other_network);
    world_start(b);
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT_FALSE(world_connected(a, b));
    CU_ASSERT_TRUE(world_metric(b, "drop_proof") > 0);
    end();
}

static void without_the_secret_nobody_gets_in(void)
{
    // No network at b: TLS refuses. None at a, or another: no proof, or a wrong one.
    for (int round = 0; round < 3; round++) {
        begin(3);
        if (round == 0) world_join(a, network);
        if (round > 0) world_join(b, network);
        if (round == 2) world_join(a, other_network);
        world_start(b);
        world_start(a);
        uint8_t packet[300];
        for (uint32_t i = 0; i < 30; i++) {
            world_packet(a, b, 4, i, sizeof packet, packet);
            world_tun(a, packet, sizeof packet, NULL);
            run_for(500 * QE_NS_PER_MS);
        }
        CU_ASSERT_EQUAL(b->delivered_count, 0);
        CU_ASSERT_EQUAL(world_metric(b, "members_proven"), 0);
        CU_ASSERT_EQUAL(world_metric(b, "drop_proof") > 0, round == 2);
        CU_ASSERT_EQUAL(world_metric(b, "drop_stranger") > 0, round == 1);
        CU_ASSERT_EQUAL(world_metric(b, "strangers") > 0, round > 0);
        CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_PEERS, NULL), 200);
        CU_ASSERT_STRING_EQUAL((const char *)b->reply.data, "{\"peers\":[]}");
        end();
    }
}

// b runs, a member that knows nobody; a bare endpoint speaks in a's place.
static void begin_bare(uint64_t seed)
{
    world_init(&world, seed);
    a = world_add(&world);
    b = world_add(&world);
    world_join(b, network);
    world_start(b);
    bare_init(&bare, a);
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, b), 0);
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_TRUE_FATAL(bare.connected && bare.exported);
}

static void end_bare(void)
{
    bare_fini(&bare);
    end();
}

// The proof that a client of this network would say.
static size_t proof(const uint8_t seed[QE_SECRET_SIZE], bool client, const uint8_t *exporter, uint8_t out[64])
{
    struct qe_secret secret;
    uint8_t input[QE_PROOF_INPUT_SIZE], mac[QE_PROOF_SIZE];
    qe_secret_init(&secret, seed);
    qe_proof_input(client, exporter, &a->host.identity, &b->host.identity, input);
    qe_secret_do(&secret, QE_SECRET_MAC, qe_span(input, sizeof input), mac, sizeof mac);
    return qe_proof_encode(mac, out, 64);
}

static void expect_refused(const char *counter)
{
    run_for(QE_NS_PER_S);
    CU_ASSERT_PTR_NULL(bare.conn);
    CU_ASSERT_EQUAL(bare.why.end, QE_CONN_END_REMOTE);
    CU_ASSERT_EQUAL(bare.why.code, QE_CLOSE_STRANGER);
    CU_ASSERT_EQUAL(world_metric(b, counter), 1);
    CU_ASSERT_EQUAL(world_metric(b, "members_proven"), 0);
}

static bool heard(uint8_t type)
{
    for (size_t at = 0; at + 3 <= bare.heard_size; at += 2 + (size_t)qe_load16(bare.heard + at))
        if (bare.heard[at + 2] == type) return true;
    return false;
}

static void a_stranger_that_says_nothing_learns_nothing_and_has_to_go(void)
{
    begin_bare(4);
    uint8_t packet[300];
    world_packet(a, b, 4, 1, sizeof packet, packet);
    bare_datagram(&bare, packet, sizeof packet);
    run_for(4 * QE_NS_PER_S);
    CU_ASSERT_PTR_NOT_NULL(bare.conn);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_PROOF));
    CU_ASSERT_FALSE(heard(QE_MESSAGE_HELLO));
    CU_ASSERT_EQUAL(bare.heard_size, 3 + QE_PROOF_SIZE);
    CU_ASSERT_EQUAL(b->delivered_count, 0);
    CU_ASSERT_EQUAL(bare.received, 0);
    expect_refused("drop_stranger");
    CU_ASSERT_EQUAL(world_metric(b, "drop_early"), 1);
    end_bare();
}

static void a_right_proof_is_answered_by_the_hello(void)
{
    uint8_t message[64];
    begin_bare(5);
    bare_control(&bare, message, proof(network, true, bare.exporter, message));
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_TRUE(heard(QE_MESSAGE_HELLO));
    CU_ASSERT_EQUAL(world_metric(b, "members_proven"), 1);
    // And packets pass, both ways.
    uint8_t packet[300];
    world_packet(a, b, 4, 1, sizeof packet, packet);
    bare_datagram(&bare, packet, sizeof packet);
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(b->delivered_count, 1);
    world_packet(b, a, 4, 2, sizeof packet, packet);
    world_tun(b, packet, sizeof packet, NULL);
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(bare.received, 1);
    run_for(10 * QE_NS_PER_S);
    CU_ASSERT_PTR_NOT_NULL(bare.conn);
    end_bare();
}

static void wrong_proofs_end_the_connection(void)
{
    uint8_t message[64], exporter[QE_EXPORT_SIZE];
    // Of another network; in the server's role; for another connection; of no length.
    for (int round = 0; round < 4; round++) {
        begin_bare(6);
        memcpy(exporter, bare.exporter, sizeof exporter);
        if (round == 2) exporter[0] ^= 1;
        size_t size = proof(round == 0 ? other_network : network, round != 1, exporter, message);
        if (round == 3) {
            static const uint8_t empty[] = {0, 1, QE_MESSAGE_PROOF};
            memcpy(message, empty, size = sizeof empty);
        }
        bare_control(&bare, message, size);
        expect_refused("drop_proof");
        end_bare();
    }
}

static void a_proof_said_back_or_said_again_proves_nothing(void)
{
    uint8_t first[64], mine[64];
    begin_bare(7);
    // The node's own, back to it.
    memcpy(mine, bare.heard, 3 + QE_PROOF_SIZE);
    bare_control(&bare, mine, 3 + QE_PROOF_SIZE);
    expect_refused("drop_proof");
    // One that was right on the connection before.
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, b), 0);
    run_for(100 * QE_NS_PER_MS);
    size_t size = proof(network, true, bare.exporter, first);
    qe_conn_close(bare.conn, 0);
    world_bare_flush(a);
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, b), 0);
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_TRUE_FATAL(bare.connected);
    bare_control(&bare, first, size);
    run_for(QE_NS_PER_S);
    CU_ASSERT_PTR_NULL(bare.conn);
    CU_ASSERT_EQUAL(world_metric(b, "drop_proof"), 2);
    end_bare();
}

static void a_stranger_that_says_something_else_is_closed_at_once(void)
{
    static const uint8_t unknown[] = {0, 2, 0x7f, 0}, huge[] = {0xff, 0xff, 1};
    begin_bare(8);
    bare_control(&bare, unknown, sizeof unknown);
    expect_refused("drop_stranger");
    end_bare();
    begin_bare(9);
    bare_control(&bare, huge, sizeof huge);
    run_for(QE_NS_PER_S);
    CU_ASSERT_PTR_NULL(bare.conn);
    end_bare();
}

// Whatever a stranger's bytes are, it gets no farther, and the node goes on.
static void noise_before_a_proof_is_harmless(void)
{
    struct unit_random random = unit_random();
    begin_bare(10);
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[200];
        size_t size = 1 + (size_t)unit_random_below(&random, sizeof bytes);
        unit_random_fill(&random, bytes, size);
        if (round % 2) {
            // Whole messages of a known type.
            qe_store16(bytes, (uint16_t)(size > 3 ? size - 2 : 1));
            bytes[2] = (uint8_t)(1 + unit_random_below(&random, 5));
        }
        bare_control(&bare, bytes, size < 3 ? 3 : size);
        bare_datagram(&bare, bytes, size);
        run_for(300 * QE_NS_PER_MS);
        if (!bare.conn) {
            CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, b), 0);
            run_for(100 * QE_NS_PER_MS);
        }
    }
    CU_ASSERT_EQUAL(b->delivered_count, 0);
    CU_ASSERT_EQUAL(world_metric(b, "members_proven"), 0);
    CU_ASSERT_TRUE(world_metric(b, "drop_stranger") > 0);
    end_bare();
}

static void strangers_are_few_at_a_time_and_members_get_in_beside_them(void)
{
    begin_bare(11);
    c = world_add(&world);
    for (int i = 0; i < 40; i++) {
        CU_ASSERT_EQUAL(bare_dial(&bare, b), 0);
        run_for(50 * QE_NS_PER_MS);
    }
    // Eight of one source; the others found no place.
    CU_ASSERT_TRUE(world_metric(b, "strangers") <= 16);
    CU_ASSERT_TRUE(world_metric(b, "drop_stranger") >= 25);
    CU_ASSERT_TRUE(world.memory_max < 3000000);
    world_join(c, network);
    world_allow(c, b, true);
    world_start(c);
    run_for(QE_NS_PER_S);
    CU_ASSERT_TRUE(world_connected(c, b) && world_connected(b, c));
    // They have to go all the same.
    run_for(8 * QE_NS_PER_S);
    CU_ASSERT_TRUE(passes(c, b, 4, 1));
    end_bare();
}

static void no_allocation_that_fails_leaves_a_half_member(void)
{
    uint64_t before = 0, during = 0;
    for (uint64_t nth = 0; nth == 0 || nth <= during; nth += 1 + nth / 40) {
        begin(12);
        world_join(a, network);
        world_join(b, network);
        world_start(b);
        before = world.allocations;
        if (nth) {
            world.fail_at = before + nth;
            world.fail_count = 2;
        }
        bool started = world_start(a);
        if (started) world_until(&world, both_connected, 2 * QE_NS_PER_S);
        world.fail_count = 0;
        if (!nth) during = world.allocations - before;
        if (a->stopped) world_kill(a); // it could not say what it needs
        if (!a->node) CU_ASSERT_TRUE(world_start(a));
        CU_ASSERT_TRUE(world_until(&world, both_connected, 30 * QE_NS_PER_S));
        run_for(5 * QE_NS_PER_S); // what was said twice, or not at all, is settled
        CU_ASSERT_TRUE(passes(a, b, 4, 1) && passes(b, a, 4, 2));
        end();
    }
}

static const struct unit_case cases[] = {
    {"an unknown member gets in by its proof", an_unknown_member_gets_in_by_its_proof},
    {"a member once proven is known after both restart", a_member_once_proven_is_known_after_both_restart},
    {"without the secret nobody gets in", without_the_secret_nobody_gets_in},
    {"a stranger that says nothing learns nothing and has to go",
        a_stranger_that_says_nothing_learns_nothing_and_has_to_go},
    {"a right proof is answered by the hello", a_right_proof_is_answered_by_the_hello},
    {"wrong proofs end the connection", wrong_proofs_end_the_connection},
    {"a proof said back or said again proves nothing", a_proof_said_back_or_said_again_proves_nothing},
    {"a stranger that says something else is closed at once", a_stranger_that_says_something_else_is_closed_at_once},
    {"noise before a proof is harmless", noise_before_a_proof_is_harmless},
    {"strangers are few at a time, and members get in beside them",
        strangers_are_few_at_a_time_and_members_get_in_beside_them},
    {"no allocation that fails leaves a half member", no_allocation_that_fails_leaves_a_half_member},
};
UNIT_MAIN("members", cases)
