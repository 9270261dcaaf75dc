// What the simulator lets a node send to addresses that have proven nothing.
#include "unit.h"
#include "world/probes.h"

#define S UINT64_C(1000000000)

static struct qe_addr at(uint32_t ip, uint16_t port)
{
    return (struct qe_addr){.ip = qe_ip4_from_u32(ip), .port = port};
}

static void three_in_a_window(void)
{
    struct sim_probes *p = sim_probes_new();
    struct qe_addr victim = at(0xC0000201, 9000), other = at(0xC0000201, 9001);
    for (uint64_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(sim_probes_sent(p, &victim, 7 + i, i * S), SIM_PROBES_FINE);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &other, 1, 3 * S), SIM_PROBES_FINE);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &victim, 0, 30 * S - 1), SIM_PROBES_ADDRESS);
    sim_probes_free(p);
    // The window slides.
    p = sim_probes_new();
    for (uint64_t i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(sim_probes_sent(p, &victim, 7, i * 10 * S), SIM_PROBES_FINE);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &victim, 7, 81 * S), SIM_PROBES_ADDRESS);
    // A node that starts anew knows nothing of it.
    sim_probes_restarted(p);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &victim, 7, 82 * S), SIM_PROBES_FINE);
    sim_probes_free(p);
}

static void only_an_echo_proves(void)
{
    struct sim_probes *p = sim_probes_new();
    struct qe_addr peer = at(0xC0000201, 9000), liar = at(0xC0000202, 9000);
    sim_probes_sent(p, &peer, 7, 0);
    sim_probes_received(p, &liar, 7);
    sim_probes_received(p, &peer, 0);
    sim_probes_received(p, &peer, 8);
    CU_ASSERT_FALSE(sim_probes_proven(p, &peer));
    CU_ASSERT_FALSE(sim_probes_proven(p, &liar));
    sim_probes_received(p, &peer, 7);
    CU_ASSERT_TRUE(sim_probes_proven(p, &peer));
    for (uint64_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(sim_probes_sent(p, &peer, 9, i), SIM_PROBES_FINE);
    sim_probes_free(p);
}

static void a_search_has_its_rate_and_its_end(void)
{
    struct sim_probes *p = sim_probes_new();
    for (uint16_t i = 0; i < 100; i++) {
        struct qe_addr port = at(0xC0000201, (uint16_t)(1024 + i));
        CU_ASSERT_EQUAL(sim_probes_sent(p, &port, 1, i), SIM_PROBES_FINE);
    }
    struct qe_addr more = at(0xC0000201, 5000), elsewhere = at(0xC0000202, 5000);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &more, 1, 100), SIM_PROBES_HOST);
    CU_ASSERT_EQUAL(sim_probes_sent(p, &elsewhere, 1, 100), SIM_PROBES_FINE);
    sim_probes_free(p);
    p = sim_probes_new();
    for (uint64_t i = 0; i < SIM_PROBES_SEARCH; i++) {
        struct qe_addr port = at(0xC0000201, (uint16_t)(1024 + i));
        CU_ASSERT_EQUAL(sim_probes_sent(p, &port, 1, i * (S / 100)), SIM_PROBES_FINE);
    }
    CU_ASSERT_EQUAL(sim_probes_sent(p, &more, 1, SIM_PROBES_SEARCH * (S / 100)), SIM_PROBES_HOST);
    sim_probes_free(p);
}

static const struct unit_case cases[] = {
    {"three in a window", three_in_a_window},
    {"only an echo proves", only_an_echo_proves},
    {"a search has its rate and its end", a_search_has_its_rate_and_its_end},
};

UNIT_MAIN("probes", cases)
