// Invitations between whole nodes: who gets the network's secret, how often, and what a crash leaves.
#include "bare.h"
#include "base/time.h"
#include "identity/invitation.h"
#include "unit.h"
#include "wire/member.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t network[QE_SECRET_SIZE] = {1, 2, 3};

static struct world world;
static struct world_host *a, *b, *c;
static struct bare bare;
static char line[QE_INVITATION_TEXT_SIZE];

static void run_for(uint64_t ns)
{
    world_run(&world, world.now_ns + ns);
}

// a is a member that knows nobody; b and c are in no network.
static void begin(uint64_t seed)
{
    world_init(&world, seed);
    a = world_add(&world);
    b = world_add(&world);
    c = world_add(&world);
    // Where it is, an inviter learns from its interfaces; here it is told.
    a->config.public_ip = a->ip;
    world_join(a, network);
    world_start(a);
    world_start(b);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void invite(const char *argument)
{
    CU_ASSERT_EQUAL_FATAL(world_command(a, QE_COMMAND_INVITE, argument), 200);
    const char *at = strstr((const char *)a->reply.data, "qe1:");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    size_t size = strcspn(at, "\"");
    CU_ASSERT_TRUE_FATAL(size < sizeof line);
    memcpy(line, at, size);
    line[size] = '\0';
}

static bool says(const struct world_host *h, const char *text)
{
    return strstr((const char *)h->reply.data, text) != NULL;
}

static bool both_connected(struct world *w)
{
    (void)w;
    return world_connected(a, b) && world_connected(b, a);
}

static void whoever_has_the_line_joins_and_is_a_member_for_good(void)
{
    begin(1);
    invite(NULL);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 200);
    CU_ASSERT_TRUE(says(b, "\"joined\":true"));
    CU_ASSERT_TRUE(b->member);
    CU_ASSERT_EQUAL(memcmp(b->network.seed, network, sizeof network), 0);
    CU_ASSERT_TRUE(world_until(&world, both_connected, QE_NS_PER_S));
    CU_ASSERT_EQUAL(world_metric(a, "invitations_redeemed"), 1);
    CU_ASSERT_EQUAL(world_metric(a, "members_proven"), 1);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_STATUS, NULL), 200);
    CU_ASSERT_TRUE(says(b, "\"network\":{\"member\":true,"));
    CU_ASSERT_TRUE(says(b, "\"joining\":null,\"error\":null}"));
    for (size_t i = 0; i < WORLD_STORED_MAX; i++)
        CU_ASSERT_STRING_NOT_EQUAL(b->stored[i].value ? b->stored[i].key : "", "network/invitation");
    // A second invitation means nothing to a member.
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 409);
    world_kill(b);
    world_start(b);
    CU_ASSERT_TRUE(world_until(&world, both_connected, 5 * QE_NS_PER_S));
    end();
}

static void an_invitation_ends_with_its_uses_and_its_time(void)
{
    begin(2);
    invite("expires_s=60 uses=1");
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 200);
    world_start(c);
    CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
    CU_ASSERT_TRUE(says(c, "used up"));
    CU_ASSERT_FALSE(c->member);
    // The inviter's restart forgives nothing.
    run_for(QE_NS_PER_S);
    world_kill(a);
    world_start(a);
    run_for(QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
    invite("expires_s=1 uses=5");
    run_for(2 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
    CU_ASSERT_TRUE(says(c, "expired"));
    CU_ASSERT_EQUAL(world_metric(a, "drop_join"), 2);
    // What went wrong is told, and nothing is tried any more.
    CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_STATUS, NULL), 200);
    CU_ASSERT_TRUE(says(c, "\"joining\":null,\"error\":\"the invitation has expired\""));
    invite("uses=2");
    CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 200);
    end();
}

static void wrong_lines_and_wrong_arguments_are_refused(void)
{
    struct qe_invitation invitation;
    begin(3);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_INVITE, NULL), 409);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_INVITE, "uses=0"), 400);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_INVITE, "uses=1001"), 400);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_INVITE, "uses=x"), 400);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_INVITE, "expires_s=0"), 400);
    CU_ASSERT_EQUAL(world_command(a, QE_COMMAND_INVITE, "expires_s=99999999999999999999"), 400);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, NULL), 400);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, "qe1:AAAA"), 400);
    invite(NULL);
    // Forged: another token.
    CU_ASSERT_TRUE(qe_invitation_parse(line, &invitation));
    CU_ASSERT_EQUAL_FATAL(invitation.place_count, 1);
    invitation.token[3] ^= 1;
    CU_ASSERT_TRUE(qe_invitation_format(&invitation, line));
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 403);
    CU_ASSERT_FALSE(b->member);
    // Another inviter's key at that address.
    invitation.token[3] ^= 1;
    invitation.inviter = c->host.identity;
    CU_ASSERT_TRUE(qe_invitation_format(&invitation, line));
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 504);
    CU_ASSERT_FALSE(b->member);
    CU_ASSERT_EQUAL(world_metric(a, "invitations_redeemed"), 0);
    end();
}

static void joining_goes_on_after_a_restart_and_costs_one_use(void)
{
    // The joiner crashes at every moment of it, and tries again.
    for (uint64_t at = 0; at <= 120; at += 5) {
        begin(4);
        invite(NULL);
        world_ask(b, QE_COMMAND_JOIN, line);
        run_for(at * QE_NS_PER_MS);
        world_kill(b);
        world_start(b);
        run_for(6 * QE_NS_PER_S);
        CU_ASSERT_TRUE(b->member);
        CU_ASSERT_TRUE(world_until(&world, both_connected, 10 * QE_NS_PER_S));
        world_start(c);
        CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
        end();
    }
}

static void an_inviter_that_crashes_neither_loses_nor_doubles_a_use(void)
{
    for (uint64_t at = 0; at <= 120; at += 5) {
        begin(5);
        invite(NULL);
        world_ask(b, QE_COMMAND_JOIN, line);
        run_for(at * QE_NS_PER_MS);
        world_kill(a);
        run_for(QE_NS_PER_S);
        world_start(a);
        run_for(15 * QE_NS_PER_S);
        CU_ASSERT_TRUE(b->member);
        world_start(c);
        CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
        CU_ASSERT_FALSE(c->member);
        end();
    }
}

// A bare endpoint in b's place that guesses.
static void guesses_are_one_a_connection(void)
{
    uint8_t token[QE_TOKEN_SIZE] = {0}, message[64];
    begin(6);
    invite(NULL);
    world_kill(b);
    bare_init(&bare, b);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, a), 0);
        run_for(100 * QE_NS_PER_MS);
        token[0] = (uint8_t)i;
        size_t size = qe_join_encode(token, message, sizeof message);
        bare_control(&bare, message, size);
        run_for(100 * QE_NS_PER_MS);
        if (i < 8) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(bare.conn);
            CU_ASSERT_EQUAL(bare.heard[3 + QE_PROOF_SIZE + 2], QE_MESSAGE_DECLINE);
        }
        bare_control(&bare, message, size);
        run_for(6 * QE_NS_PER_S);
        CU_ASSERT_PTR_NULL(bare.conn);
    }
    CU_ASSERT_EQUAL(world_metric(a, "drop_join"), 20);
    CU_ASSERT_EQUAL(world_metric(a, "invitations_redeemed"), 0);
    // What is not asked for is not believed either.
    CU_ASSERT_EQUAL_FATAL(bare_dial(&bare, a), 0);
    run_for(100 * QE_NS_PER_MS);
    uint8_t handed[QE_SECRET_HANDED_SIZE] = {1}, welcome[128];
    bare_control(&bare, welcome, qe_welcome_encode(handed, welcome, sizeof welcome));
    run_for(100 * QE_NS_PER_MS);
    CU_ASSERT_EQUAL(memcmp(a->network.seed, network, sizeof network), 0);
    bare_fini(&bare);
    end();
}

// Who leaves a network for another one invited nobody to that.
static void an_invitation_is_to_one_network(void)
{
    static const uint8_t other[QE_SECRET_SIZE] = {4, 5, 6};
    begin(8);
    invite("uses=5");
    run_for(QE_NS_PER_S);
    world_kill(a);
    world_join(a, other);
    world_start(a);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 403);
    CU_ASSERT_FALSE(b->member);
    // Back in the first one, it counts.
    world_kill(a);
    world_join(a, network);
    world_start(a);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 200);
    CU_ASSERT_EQUAL(memcmp(b->network.seed, network, sizeof network), 0);
    end();
}

// A peer may be connected before it invites, and may be a peer for longer than its invitation counts.
static void an_inviter_who_is_connected_already_is_asked_at_once(void)
{
    world_init(&world, 7);
    a = world_add(&world);
    b = world_add(&world);
    a->config.public_ip = a->ip;
    world_allow(a, b, false);
    world_allow(b, a, true);
    world_join(a, network);
    world_start(a);
    world_start(b);
    CU_ASSERT_TRUE_FATAL(world_until(&world, both_connected, 5 * QE_NS_PER_S));
    run_for(QE_NS_PER_S);
    invite("expires_s=1");
    run_for(2 * QE_NS_PER_S);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 410);
    // One invitation a connection: for the next one there is another.
    invite(NULL);
    CU_ASSERT_EQUAL(world_command(b, QE_COMMAND_JOIN, line), 200);
    CU_ASSERT_TRUE(b->member);
    end();
}

static void no_allocation_that_fails_spends_an_invitation_twice(void)
{
    uint64_t during = 0;
    for (uint64_t nth = 0; nth == 0 || nth <= during; nth += 1 + nth / 30) {
        begin(7);
        invite(NULL);
        uint64_t before = world.allocations;
        if (nth) {
            world.fail_at = before + nth;
            world.fail_count = 2;
        }
        int status = world_command(b, QE_COMMAND_JOIN, line);
        world.fail_count = 0;
        if (!nth) during = world.allocations - before;
        for (int i = 0; i < 3 && !b->member; i++) {
            run_for(10 * QE_NS_PER_S);
            if (!b->member) status = world_command(b, QE_COMMAND_JOIN, line);
        }
        (void)status;
        CU_ASSERT_TRUE(b->member);
        world_start(c);
        CU_ASSERT_EQUAL(world_command(c, QE_COMMAND_JOIN, line), 410);
        end();
    }
}

static const struct unit_case cases[] = {
    {"whoever has the line joins, and is a member for good", whoever_has_the_line_joins_and_is_a_member_for_good},
    {"an invitation ends with its uses and its time", an_invitation_ends_with_its_uses_and_its_time},
    {"wrong lines and wrong arguments are refused", wrong_lines_and_wrong_arguments_are_refused},
    {"joining goes on after a restart, and costs one use", joining_goes_on_after_a_restart_and_costs_one_use},
    {"an inviter that crashes neither loses nor doubles a use",
        an_inviter_that_crashes_neither_loses_nor_doubles_a_use},
    {"guesses are one a connection", guesses_are_one_a_connection},
    {"an invitation is to one network", an_invitation_is_to_one_network},
    {"an inviter who is connected already is asked at once", an_inviter_who_is_connected_already_is_asked_at_once},
    {"no allocation that fails spends an invitation twice", no_allocation_that_fails_spends_an_invitation_twice},
};
UNIT_MAIN("join", cases)
