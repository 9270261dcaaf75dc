// An inviter that has moved since it invited, and those who have its line: they meet in the DHT, in virtual time.
#include "base/cursor.h"
#include "base/time.h"
#include "discovery/rendezvous.h"
#include "identity/invitation.h"
#include "unit.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t network[QE_SECRET_SIZE] = {1, 2, 3}, other_network[QE_SECRET_SIZE] = {4};

static struct world world;
// Everybody begins with `first`; `host` invites and `guest` is invited.
static struct world_host *first, *host, *guest, *forger;
static char line[QE_INVITATION_TEXT_SIZE];
static struct qe_invitation invitation;

static struct world_host *add(void)
{
    struct world_host *h = world_add(&world);
    h->tells_link = true;
    if (h->index == 0) return h;
    h->config.bootstrap = calloc(1, sizeof *h->config.bootstrap);
    snprintf(
        h->config.bootstrap[h->config.bootstrap_count++].text, sizeof h->config.bootstrap[0].text, "10.0.0.1:9000");
    return h;
}

static void run_for(uint64_t s)
{
    world_run(&world, world.now_ns + s * QE_NS_PER_S);
}

static void begin(uint64_t seed)
{
    world_init(&world, seed);
    world.delay_ns = 50 * QE_NS_PER_MS;
    first = add();
    first->config.bootstrap_mode = true;
    host = add();
    guest = add();
    forger = add();
    world_join(host, network);
    // The guest knows nothing but the line.
    guest->config.bootstrap_count = 0;
    world_start(first);
    world_start(host);
    run_for(5);
}

static void end(void)
{
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void invite(const char *argument)
{
    CU_ASSERT_EQUAL_FATAL(world_command(host, QE_COMMAND_INVITE, argument), 200);
    const char *at = strstr((const char *)host->reply.data, "qe1:");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    size_t size = strcspn(at, "\"");
    CU_ASSERT_TRUE_FATAL(size < sizeof line);
    memcpy(line, at, size);
    line[size] = '\0';
    CU_ASSERT_TRUE_FATAL(qe_invitation_parse(line, &invitation));
}

static void move(struct world_host *h, uint8_t to)
{
    h->ip = qe_ip4(10, 0, 0, to);
}

static bool joined(struct world *w)
{
    (void)w;
    return guest->member;
}

// Whether the DHT has what the inviter says for that invitation.
static bool is_published(const struct qe_invitation *which)
{
    uint8_t seed[QE_SECRET_SIZE];
    char hex[41];
    qe_invitation_rendezvous(which->token, seed);
    struct qe_key key;
    CU_ASSERT_TRUE_FATAL(qe_rendezvous_key(&first->host, seed, &key));
    struct qe_node_id target = qe_node_id_from_key(&key);
    for (size_t i = 0; i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02x", target.bytes[i]);
    CU_ASSERT_EQUAL_FATAL(world_command(first, QE_COMMAND_DHT_GET, hex), 200);
    return strstr((const char *)first->reply.data, "\"found\":true") != NULL;
}

static void an_inviter_that_comes_back_elsewhere_is_found(void)
{
    begin(1);
    invite(NULL);
    world_kill(host);
    move(host, 77);
    world_start(host);
    run_for(10);
    world_start(guest);
    uint64_t asked = world.now_ns;
    CU_ASSERT_EQUAL(world_command(guest, QE_COMMAND_JOIN, line), 200);
    printf("joined after %llu ms\n", (unsigned long long)((world.now_ns - asked) / QE_NS_PER_MS));
    CU_ASSERT_TRUE(guest->member);
    CU_ASSERT_EQUAL(memcmp(guest->network.seed, network, sizeof network), 0);
    end();
}

static void an_inviter_that_moves_while_it_runs_is_found(void)
{
    static const char *const there[] = {"10.0.0.78/24", NULL};
    begin(2);
    invite(NULL);
    run_for(60);
    move(host, 78);
    world_link(host, 1, there);
    run_for(20);
    world_start(guest);
    CU_ASSERT_EQUAL(world_command(guest, QE_COMMAND_JOIN, line), 200);
    CU_ASSERT_TRUE(guest->member);
    end();
}

static void one_that_comes_later_is_found_then(void)
{
    begin(3);
    invite(NULL);
    world_kill(host);
    world_start(guest);
    CU_ASSERT_EQUAL(world_command(guest, QE_COMMAND_JOIN, line), 504);
    run_for(300);
    CU_ASSERT_FALSE(guest->member);
    move(host, 79);
    world_start(host);
    uint64_t back = world.now_ns;
    CU_ASSERT_TRUE(world_until(&world, joined, 120 * QE_NS_PER_S));
    printf("joined %llu ms after it was back\n", (unsigned long long)((world.now_ns - back) / QE_NS_PER_MS));
    end();
}

// Somebody else who has the line writes there, as if the invitation were his.
static void forge(void)
{
    uint8_t record[128], seed[QE_SECRET_SIZE];
    static const uint8_t mac[32] = {1};
    struct qe_writer w = qe_writer(record, sizeof record);
    struct world_stored *stored = &forger->stored[0];
    qe_invitation_rendezvous(invitation.token, seed);
    qe_write8(&w, 1);
    qe_write_bytes(&w, mac, sizeof mac);
    qe_write_bytes(&w, seed, sizeof seed);
    qe_write64(&w, UINT64_MAX);
    qe_write32(&w, 1);
    qe_write16(&w, 0);
    snprintf(stored->key, sizeof stored->key, "invite/0100000000000000");
    stored->size = qe_writer_size(&w);
    stored->value = malloc(stored->size);
    memcpy(stored->value, record, stored->size);
}

static void what_others_write_there_leads_nowhere(void)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        begin(4);
        invite(NULL);
        world_kill(host);
        world_join(forger, other_network);
        forge();
        // Its word may be of a later time than the inviter's.
        forger->wall_ahead_ms = ahead ? UINT64_C(86400000) : 0;
        world_start(forger);
        run_for(20);
        CU_ASSERT_TRUE(is_published(&invitation));
        world_start(guest);
        CU_ASSERT_EQUAL(world_command(guest, QE_COMMAND_JOIN, line), 504);
        run_for(60);
        // It was asked, and is not who was asked for.
        CU_ASSERT(world_metric(guest, "probes_sent") >= 1);
        CU_ASSERT(world_metric(forger, "drop_probe") >= 1);
        CU_ASSERT_EQUAL(world_metric(forger, "quic_handshakes"), 0);
        CU_ASSERT_FALSE(guest->member);
        CU_ASSERT_EQUAL(world_metric(forger, "invitations_redeemed"), 0);
        world_kill(forger);
        move(host, 80);
        world_start(host);
        CU_ASSERT_TRUE(world_until(&world, joined, 300 * QE_NS_PER_S));
        CU_ASSERT_EQUAL(memcmp(guest->network.seed, network, sizeof network), 0);
        end();
    }
}

static void what_has_ended_is_not_said_any_more(void)
{
    struct qe_invitation lasting;
    begin(5);
    invite("expires_s=600");
    struct qe_invitation ends = invitation;
    invite("expires_s=86400");
    lasting = invitation;
    run_for(300);
    CU_ASSERT_TRUE(is_published(&ends));
    CU_ASSERT_TRUE(is_published(&lasting));
    run_for(4 * 3600);
    CU_ASSERT_FALSE(is_published(&ends));
    CU_ASSERT_TRUE(is_published(&lasting));
    // Used up.
    world_start(guest);
    CU_ASSERT_EQUAL(world_command(guest, QE_COMMAND_JOIN, line), 200);
    run_for(4 * 3600);
    CU_ASSERT_FALSE(is_published(&lasting));
    end();
}

static void only_so_many_are_said(void)
{
    struct qe_invitation all[20];
    unsigned count = 0;
    begin(6);
    for (size_t i = 0; i < 20; i++) {
        invite(NULL);
        all[i] = invitation;
    }
    run_for(10);
    for (size_t i = 0; i < 20; i++)
        count += is_published(&all[i]);
    CU_ASSERT_EQUAL(count, 16);
    end();
}

static void no_allocation_that_fails_keeps_them_apart(void)
{
    uint64_t during = 0;
    for (uint64_t nth = 0; nth == 0 || nth <= during; nth += 1 + nth / 15) {
        begin(7);
        invite(NULL);
        world_kill(host);
        move(host, 81);
        world_start(host);
        uint64_t before = world.allocations;
        if (nth) {
            world.fail_at = before + nth;
            world.fail_count = 2;
        }
        run_for(6);
        if (!guest->node) world_start(guest);
        int status = guest->node ? world_command(guest, QE_COMMAND_JOIN, line) : 0;
        world.fail_count = 0;
        if (!nth) during = world.allocations - before;
        if (!guest->node) world_start(guest);
        if (status != 200) world_ask(guest, QE_COMMAND_JOIN, line);
        CU_ASSERT_TRUE(world_until(&world, joined, 120 * QE_NS_PER_S));
        end();
    }
    printf("%llu allocations\n", (unsigned long long)during);
}

static const struct unit_case cases[] = {
    {"an inviter that comes back elsewhere is found", an_inviter_that_comes_back_elsewhere_is_found},
    {"an inviter that moves while it runs is found", an_inviter_that_moves_while_it_runs_is_found},
    {"one that comes later is found then", one_that_comes_later_is_found_then},
    {"what others write there leads nowhere", what_others_write_there_leads_nowhere},
    {"what has ended is not said any more", what_has_ended_is_not_said_any_more},
    {"only so many are said", only_so_many_are_said},
    {"no allocation that fails keeps them apart", no_allocation_that_fails_keeps_them_apart},
};
UNIT_MAIN("moved", cases)
