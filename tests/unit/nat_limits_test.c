// What NATs run out of, what they keep apart, and what they forget; measured from outside.
#include "probe.h"

#include <stdio.h>
#include <string.h>

static const char *const TOML =
    "[[host]]\nname = \"r\"\nrouter = true\n[host.nat]\noutside = \"wan\"\n%s"
    "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n"
    "[[host]]\nname = \"c\"\nnode = false\n[[host]]\nname = \"s\"\nnode = false\n"
    "[[link]]\nname = \"lan\"\nbetween = [\"r\", \"a\", \"b\", \"c\"]\nsubnets = [\"192.168.1.0/24\"]\n"
    "[[link]]\nname = \"wan\"\nbetween = [\"r\", \"s\"]\n"
    "addresses.r = [\"203.0.113.10/24\", \"203.0.113.11/24\", \"203.0.113.12/24\"]\n"
    "addresses.s = [\"203.0.113.1/24\", \"203.0.113.2/24\"]\n";

static struct qe_addr server, other_server;

static void build(const char *nat)
{
    char text[4096];
    snprintf(text, sizeof(text), TOML, nat);
    probe_build(text);
    server = probe_addr("203.0.113.1:3478");
    other_server = probe_addr("203.0.113.2:3479");
}

// The outside endpoint that the server sees; port 0: nothing arrived.
static struct qe_addr reflexive(const char *host, uint16_t port, struct qe_addr to)
{
    const struct probe_seen *seen = probe_from(host, port, to);
    return seen->box ? seen->source : (struct qe_addr){0};
}

static const char *reaches(struct qe_addr from, struct qe_addr to)
{
    const struct probe_seen *seen = probe_send("s", from, to);
    return seen->box ? seen->box : "";
}

static void a_taken_port_is_not_preserved(void)
{
    static const struct {
        const char *collision;
        uint16_t port; // 0: none; 1: any other
    } rules[] = {{"sequential", 7001}, {"random", 1}, {"refuse", 0}};
    for (size_t i = 0; i < 3; i++) {
        char nat[256];
        snprintf(
            nat, sizeof(nat), "renumber = true\nallocation = \"preserve\"\ncollision = \"%s\"\n", rules[i].collision);
        build(nat);
        CU_ASSERT_EQUAL(reflexive("a", 7000, server).port, 7000);
        uint16_t got = reflexive("b", 7000, server).port;
        CU_ASSERT(rules[i].port == 1 ? got != 0 && got != 7000 : got == rules[i].port);
        CU_ASSERT_EQUAL(reflexive("a", 7000, other_server).port, 7000);
        probe_unbuild();
    }
}

static void ports_are_shared_by_what_has_other_remotes(void)
{
    build("kind = \"linux\"\nrenumber = true\n");
    CU_ASSERT_EQUAL(reflexive("a", 7000, server).port, 7000);
    CU_ASSERT_EQUAL(reflexive("b", 7000, other_server).port, 7000);
    uint16_t third = reflexive("c", 7000, server).port;
    CU_ASSERT(third != 0 && third != 7000);
    CU_ASSERT_STRING_EQUAL(reaches(server, probe_addr("203.0.113.10:7000")), "a");
    CU_ASSERT_STRING_EQUAL(reaches(other_server, probe_addr("203.0.113.10:7000")), "b");
    CU_ASSERT_STRING_EQUAL(reaches(probe_addr("203.0.113.1:1"), probe_addr("203.0.113.10:7000")), "");
    probe_unbuild();
}

static void a_range_of_ports_runs_out(void)
{
    static const char *const allocations[] = {"preserve", "sequential", "random"};
    for (size_t i = 0; i < 3; i++) {
        char nat[256];
        bool used[100] = {false};
        snprintf(nat, sizeof(nat), "renumber = true\nports = \"5000-5099\"\nallocation = \"%s\"\ntimeout = \"60s\"\n",
            allocations[i]);
        build(nat);
        for (uint16_t n = 0; n < 100; n++) {
            uint16_t port = reflexive(n % 2 ? "a" : "b", (uint16_t)(5050 + n), server).port;
            CU_ASSERT_FATAL(port >= 5000 && port < 5100 && !used[port - 5000]);
            used[port - 5000] = true;
        }
        CU_ASSERT_EQUAL(reflexive("a", 9999, server).port, 0);
        CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_EXHAUSTED), 1);
        // Who has one keeps it; when time has freed them there are ports again.
        CU_ASSERT_NOT_EQUAL(reflexive("b", 5050, server).port, 0);
        probe_wait(61 * PROBE_S);
        CU_ASSERT_NOT_EQUAL(reflexive("a", 9999, server).port, 0);
        probe_unbuild();
    }
}

static void a_full_table_refuses_new_mappings(void)
{
    build("table = 10\ntimeout = \"60s\"\n");
    for (uint16_t n = 0; n < 10; n++)
        CU_ASSERT_NOT_EQUAL(reflexive("a", (uint16_t)(6000 + n), server).port, 0);
    CU_ASSERT_EQUAL(reflexive("b", 6000, server).port, 0);
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_EXHAUSTED), 1);
    probe_wait(61 * PROBE_S);
    CU_ASSERT_NOT_EQUAL(reflexive("b", 6000, server).port, 0);
    probe_unbuild();
}

static void one_host_cannot_take_everything(void)
{
    build("host_mappings = 5\n");
    for (uint16_t n = 0; n < 5; n++)
        CU_ASSERT_NOT_EQUAL(reflexive("a", (uint16_t)(6000 + n), server).port, 0);
    CU_ASSERT_EQUAL(reflexive("a", 6005, server).port, 0);
    CU_ASSERT_NOT_EQUAL(reflexive("b", 6005, server).port, 0);
    probe_unbuild();
}

// Which of the blocks of `size` ports from 1024 on.
static int block_of(struct qe_addr outside, int size)
{
    return outside.port ? (outside.port - 1024) / size : -1;
}

static void ports_come_in_blocks(void)
{
    build("kind = \"cgn\"\nrenumber = true\nblock = 16\nblocks = 2\nports = \"1024-1087\"\ntimeout = \"60s\"\n");
    int blocks[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    static const char *const names[] = {"a", "b"};
    for (size_t host = 0; host < 2; host++)
        for (uint16_t n = 0; n < 32; n++) {
            int block = block_of(reflexive(names[host], (uint16_t)(6000 + n), server), 16);
            CU_ASSERT_FATAL(block >= 0 && block < 4);
            if (n % 16 == 0) blocks[host][n / 16] = block;
            CU_ASSERT_EQUAL(block, blocks[host][n / 16]);
        }
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_NOT_EQUAL(blocks[i / 2][i % 2], blocks[k / 2][k % 2]);
    // Each has what it may have, and there is no block for a third.
    CU_ASSERT_EQUAL(reflexive("a", 7000, server).port, 0);
    CU_ASSERT_EQUAL(reflexive("c", 7000, server).port, 0);
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_EXHAUSTED), 2);
    probe_wait(61 * PROBE_S);
    CU_ASSERT_NOT_EQUAL(reflexive("c", 7000, server).port, 0);
    probe_unbuild();
}

// RFC 7422: an inside host's ports can be told from its address, whoever came first.
static void blocks_are_computed(void)
{
    static const char *const orders[] = {"abc", "cba", "bca"};
    int seen[3] = {-1, -1, -1};
    for (size_t order = 0; order < 3; order++) {
        build("kind = \"cgn\"\nrenumber = true\nblock = 100\nblocks = 1\ncomputed_blocks = true\n");
        for (const char *at = orders[order]; *at; at++) {
            const char name[2] = {*at, 0};
            int block = block_of(reflexive(name, 6000, server), 100);
            CU_ASSERT(block >= 0);
            if (order == 0) seen[*at - 'a'] = block;
            CU_ASSERT_EQUAL(seen[*at - 'a'], block);
        }
        probe_unbuild();
    }
    CU_ASSERT(seen[0] != seen[1] && seen[1] != seen[2]);
}

// Two blocks at each address: which address it is can be told as well.
static void addresses_are_computed(void)
{
    static const char *const orders[] = {"abc", "cba"};
    struct qe_ip seen[3] = {{0}};
    for (size_t order = 0; order < 2; order++) {
        build("kind = \"cgn\"\nports = \"2000-2199\"\nblock = 100\nblocks = 1\ncomputed_blocks = true\n");
        for (const char *at = orders[order]; *at; at++) {
            const char name[2] = {*at, 0};
            struct qe_addr outside = reflexive(name, 6000, server);
            if (order == 0) seen[*at - 'a'] = outside.ip;
            CU_ASSERT_TRUE(qe_ip_equal(&seen[*at - 'a'], &outside.ip));
        }
        probe_unbuild();
    }
    CU_ASSERT_FALSE(qe_ip_equal(&seen[0], &seen[2]));
}

static void pooling_is_paired_or_arbitrary(void)
{
    for (int arbitrary = 0; arbitrary < 2; arbitrary++) {
        bool moved = false, different = false;
        build(arbitrary ? "pooling = \"arbitrary\"\n" : "pooling = \"paired\"\n");
        struct qe_addr a = reflexive("a", 6000, server), b = reflexive("b", 6000, server);
        different = !qe_ip_equal(&a.ip, &b.ip);
        for (uint16_t n = 1; n < 20; n++) {
            struct qe_addr again = reflexive("a", (uint16_t)(6000 + n), server);
            moved |= !qe_ip_equal(&again.ip, &a.ip);
        }
        CU_ASSERT_EQUAL(moved, arbitrary);
        CU_ASSERT(arbitrary || different);
        probe_unbuild();
    }
}

static void a_forward_is_always_there(void)
{
    build("kind = \"symmetric\"\nforward = [{port = 9000, to = \"192.168.1.3:9001\"}]\nrenumber = true\n");
    struct qe_addr outside = probe_addr("203.0.113.10:9000");
    CU_ASSERT_STRING_EQUAL(reaches(server, outside), "b");
    probe_wait(10000 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(other_server, outside), "b");
    // What the inside endpoint sends by itself goes the same way.
    CU_ASSERT_EQUAL(reflexive("b", 9001, server).port, 9000);
    CU_ASSERT_EQUAL(reflexive("b", 9001, other_server).port, 9000);
    probe_reboot("r", 0);
    CU_ASSERT_STRING_EQUAL(reaches(server, probe_addr("203.0.113.11:9000")), "b");
    probe_unbuild();
}

static void a_reboot_forgets_mappings(void)
{
    build("kind = \"full-cone\"\nallocation = \"random\"\npooling = \"paired\"\n");
    struct qe_addr before = reflexive("a", 6000, server);
    CU_ASSERT_STRING_EQUAL(reaches(server, before), "a");
    probe_reboot("r", 20 * PROBE_S);
    probe_wait(19 * PROBE_S);
    CU_ASSERT_EQUAL(reflexive("a", 6000, server).port, 0);
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_REBOOTING), 1);
    probe_wait(2 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(server, before), "");
    struct qe_addr after = reflexive("a", 6000, server);
    CU_ASSERT(after.port != 0 && after.port != before.port);
    CU_ASSERT_STRING_EQUAL(reaches(server, after), "a");
    probe_unbuild();
}

static void a_reboot_renumbers(void)
{
    build("kind = \"full-cone\"\nrenumber = true\n");
    static const char *const addresses[] = {"203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.10"};
    for (size_t i = 0; i < 4; i++) {
        char text[QE_ADDR_TEXT_SIZE];
        struct qe_addr outside = reflexive("a", 6000, server);
        CU_ASSERT_STRING_EQUAL(qe_ip_format(&outside.ip, text), addresses[i]);
        CU_ASSERT_STRING_EQUAL(reaches(server, outside), "a");
        probe_reboot("r", 0);
        CU_ASSERT_STRING_NOT_EQUAL(reaches(server, outside), "a");
    }
    probe_unbuild();
}

// A home router behind a carrier's NAT: two translations, the shorter timeout counts, and the CGN's hairpin is what two
// homes need.
static void nats_stand_behind_nats(void)
{
    probe_build(
        "[[host]]\nname = \"cgn\"\nrouter = true\n[host.nat]\nkind = \"cgn\"\noutside = \"wan\"\ntimeout = \"100s\"\n"
        "[[host]]\nname = \"h1\"\nrouter = true\n[host.nat]\noutside = \"isp\"\nfiltering = \"endpoint-independent\"\n"
        "timeout = \"200s\"\n"
        "[[host]]\nname = \"h2\"\nrouter = true\n[host.nat]\noutside = \"isp\"\nfiltering = \"endpoint-independent\"\n"
        "[[host]]\nname = \"a\"\nnode = false\n[[host]]\nname = \"b\"\nnode = false\n[[host]]\nname = \"s\"\nnode = "
        "false\n"
        "[[link]]\nname = \"wan\"\nbetween = [\"cgn\", \"s\"]\nsubnets = [\"203.0.113.0/24\"]\n"
        "[[link]]\nname = \"isp\"\nbetween = [\"cgn\", \"h1\", \"h2\"]\nsubnets = [\"100.64.0.0/24\"]\n"
        "[[link]]\nname = \"lan1\"\nbetween = [\"h1\", \"a\"]\nsubnets = [\"192.168.1.0/24\"]\n"
        "[[link]]\nname = \"lan2\"\nbetween = [\"h2\", \"b\"]\nsubnets = [\"192.168.1.0/24\"]\n");
    server = probe_addr("203.0.113.2:3478");
    char text[QE_ADDR_TEXT_SIZE];
    struct qe_addr a = reflexive("a", 6000, server), b = reflexive("b", 6000, server);
    CU_ASSERT_STRING_EQUAL(qe_ip_format(&a.ip, text), "203.0.113.1");
    CU_ASSERT_TRUE(qe_ip_equal(&a.ip, &b.ip));
    CU_ASSERT_NOT_EQUAL(a.port, b.port);
    CU_ASSERT_STRING_EQUAL(reaches(server, a), "a");
    CU_ASSERT_STRING_EQUAL(reaches(server, b), "b");
    const struct probe_seen *seen = probe_from("a", 6000, b);
    CU_ASSERT_STRING_EQUAL_FATAL(seen->box ? seen->box : "", "b");
    CU_ASSERT_TRUE(qe_addr_equal(&seen->source, &a));
    probe_wait(101 * PROBE_S);
    CU_ASSERT_STRING_EQUAL(reaches(server, a), "");
    // The home router still has its mapping, so the CGN sees the same endpoint and makes another one.
    struct qe_addr again = reflexive("a", 6000, server);
    CU_ASSERT_NOT_EQUAL(again.port, a.port);
    probe_unbuild();
}

// Beyond the table nothing is allocated, however many remote endpoints are tried.
static void a_flood_stays_within_the_table(void)
{
    build("kind = \"symmetric\"\ntable = 1000\ntimeout = \"60s\"\n");
    for (uint32_t n = 0; n < 20000; n++)
        probe_from("a", (uint16_t)(1024 + n), (struct qe_addr){.ip = server.ip, .port = (uint16_t)(1 + n)});
    CU_ASSERT_EQUAL(probe_dropped(SIM_DROP_EXHAUSTED), 19000);
    probe_unbuild();
}

static const struct unit_case cases[] = {
    {"a taken port is not preserved", a_taken_port_is_not_preserved},
    {"ports are shared by what has other remotes", ports_are_shared_by_what_has_other_remotes},
    {"a range of ports runs out", a_range_of_ports_runs_out},
    {"a full table refuses new mappings", a_full_table_refuses_new_mappings},
    {"one host cannot take everything", one_host_cannot_take_everything},
    {"ports come in blocks", ports_come_in_blocks},
    {"blocks are computed", blocks_are_computed},
    {"addresses are computed", addresses_are_computed},
    {"pooling is paired or arbitrary", pooling_is_paired_or_arbitrary},
    {"a forward is always there", a_forward_is_always_there},
    {"a reboot forgets mappings", a_reboot_forgets_mappings},
    {"a reboot renumbers", a_reboot_renumbers},
    {"NATs stand behind NATs", nats_stand_behind_nats},
    {"a flood stays within the table", a_flood_stays_within_the_table},
};

UNIT_MAIN("nat_limits", cases)
