// What a probe is on the wire, and what an unproven address may be sent.
#include "base/time.h"
#include "dht/dht.h"
#include "nat/budget.h"
#include "nat/probe.h"
#include "nat/search.h"
#include "unit.h"

static const uint8_t secret[16] = {7};

static struct qe_addr numbered(uint32_t n)
{
    return (struct qe_addr){qe_ip4_from_u32(0x0b000000u + n / 4096), (uint16_t)(1000 + n % 4096), 0};
}

static struct qe_probe some_probe(void)
{
    return (struct qe_probe){.attempt = UINT64_C(0x0102030405060708),
        .to = {1, 2, 3, 4, 5, 6, 7, 8},
        .from = {9, 10, 11, 12, 13, 14, 15, 16},
        .ask = 5,
        .echo = 6,
        .seen = {qe_ip4(192, 0, 2, 1), 9000, 0}};
}

static void what_is_written_is_read(void)
{
    struct qe_probe probe = some_probe(), read;
    uint8_t bytes[QE_PROBE_SIZE];
    qe_probe_encode(&probe, bytes);
    CU_ASSERT_TRUE(qe_probe_is(bytes, sizeof bytes));
    CU_ASSERT_FALSE(qe_dht_is_krpc(bytes, sizeof bytes));
    CU_ASSERT_EQUAL(bytes[0] & 0x40, 0);
    CU_ASSERT_TRUE(qe_probe_decode(qe_span(bytes, sizeof bytes), &read));
    CU_ASSERT_EQUAL(read.attempt, probe.attempt);
    CU_ASSERT_EQUAL(memcmp(read.to, probe.to, sizeof read.to), 0);
    CU_ASSERT_EQUAL(memcmp(read.from, probe.from, sizeof read.from), 0);
    CU_ASSERT_EQUAL(read.ask, 5);
    CU_ASSERT_EQUAL(read.echo, 6);
    CU_ASSERT_TRUE(qe_addr_equal(&read.seen, &probe.seen));
}

static bool reads(size_t at, uint8_t value, size_t size)
{
    struct qe_probe probe = some_probe(), read;
    uint8_t bytes[QE_PROBE_SIZE];
    qe_probe_encode(&probe, bytes);
    if (at < sizeof bytes) bytes[at] = value;
    return qe_probe_decode(qe_span(bytes, size), &read);
}

static void what_is_malformed_is_not_read(void)
{
    uint8_t bytes[QE_PROBE_SIZE];
    struct qe_probe probe = some_probe(), read;
    CU_ASSERT_TRUE(reads(SIZE_MAX, 0, QE_PROBE_SIZE));
    CU_ASSERT_FALSE(reads(SIZE_MAX, 0, QE_PROBE_SIZE - 1));
    CU_ASSERT_FALSE(reads(0, 0x22, QE_PROBE_SIZE));
    CU_ASSERT_FALSE(reads(41, 5, QE_PROBE_SIZE)); // the family
    CU_ASSERT_FALSE(reads(41, 0, QE_PROBE_SIZE)); // an address of no family
    CU_ASSERT_FALSE(reads(50, 1, QE_PROBE_SIZE)); // IPv4 is followed by zeroes
    CU_ASSERT_TRUE(reads(41, 6, QE_PROBE_SIZE));
    probe.attempt = 0;
    qe_probe_encode(&probe, bytes);
    CU_ASSERT_FALSE(qe_probe_decode(qe_span(bytes, sizeof bytes), &read));
    probe.attempt = 1;
    probe.ask = probe.echo = 0; // says nothing
    qe_probe_encode(&probe, bytes);
    CU_ASSERT_FALSE(qe_probe_decode(qe_span(bytes, sizeof bytes), &read));
}

// However they are asked for, there are never more than 3 in any 30 seconds.
static void an_address_gets_three_in_any_window(void)
{
    struct qe_budget *budget = qe_budget_new(unit_mem(), secret);
    struct unit_random random = unit_random();
    static uint64_t sent[10000];
    struct qe_addr to = numbered(1);
    size_t count = 0, worst = 0;
    uint64_t now = 5 * QE_NS_PER_S, end = now + 3600 * QE_NS_PER_S;
    while (now < end) {
        bool ask = unit_random_below(&random, 2);
        if (ask ? qe_budget_ask(budget, &to, now) : qe_budget_answer(budget, &to, now)) sent[count++] = now;
        now += unit_random_below(&random, 2000) * QE_NS_PER_MS;
    }
    for (size_t i = 0, first = 0; i < count; i++) {
        while (sent[i] - sent[first] >= QE_BUDGET_WINDOW_NS)
            first++;
        if (i - first + 1 > worst) worst = i - first + 1;
    }
    CU_ASSERT_EQUAL(worst, QE_BUDGET_PACKETS);
    CU_ASSERT_TRUE(count > 300);
    qe_budget_free(budget);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void who_never_answers_is_asked_ever_more_rarely_and_answered_as_before(void)
{
    struct qe_budget *budget = qe_budget_new(unit_mem(), secret);
    struct qe_addr to = numbered(1), other = numbered(2);
    unsigned asked = 0, answered = 0;
    for (uint64_t s = 1; s <= 4000; s++)
        asked += qe_budget_ask(budget, &to, s * QE_NS_PER_S);
    // 30 s, 60 s, … 480 s apart.
    CU_ASSERT_TRUE(asked >= 3 * 11 && asked <= 3 * 13);
    CU_ASSERT_TRUE(qe_budget_answer(budget, &to, 4000 * QE_NS_PER_S + 30 * QE_NS_PER_S));
    for (uint64_t s = 1; s <= 4000; s++)
        answered += qe_budget_answer(budget, &other, s * QE_NS_PER_S);
    CU_ASSERT_TRUE(answered >= 398 && answered <= 402);
    // An answer ends the waiting, and so does another network.
    qe_budget_on_proven(budget, &to);
    CU_ASSERT_TRUE(qe_budget_ask(budget, &to, 4031 * QE_NS_PER_S));
    qe_budget_free(budget);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// Made-up addresses fill the table; then no further one is sent anything, and none of those in it more than before.
static void many_addresses_are_no_way_around_it(void)
{
    struct qe_budget *budget = qe_budget_new(unit_mem(), secret);
    static uint8_t sent[4 * QE_BUDGET_ADDRESSES];
    size_t most = 0, addresses = 0;
    for (unsigned round = 0; round < 10; round++)
        for (uint32_t i = 0; i < 4 * QE_BUDGET_ADDRESSES; i++) {
            struct qe_addr to = numbered(i);
            sent[i] = (uint8_t)(sent[i] + qe_budget_answer(budget, &to, QE_NS_PER_S * (1 + round)));
        }
    for (size_t i = 0; i < 4 * QE_BUDGET_ADDRESSES; i++) {
        if (sent[i] > most) most = sent[i];
        addresses += sent[i] > 0;
    }
    CU_ASSERT_EQUAL(most, QE_BUDGET_PACKETS);
    CU_ASSERT_TRUE(addresses <= QE_BUDGET_ADDRESSES && addresses > QE_BUDGET_ADDRESSES / 2);
    CU_ASSERT_EQUAL(qe_budget_count(budget), addresses);
    // A minute later there is room again.
    struct qe_addr to = numbered(5 * QE_BUDGET_ADDRESSES);
    CU_ASSERT_TRUE(qe_budget_ask(budget, &to, 120 * QE_NS_PER_S));
    qe_budget_free(budget);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void without_memory_nothing_is_sent(void)
{
    struct qe_addr to = numbered(1);
    for (size_t n = 1; n < 4; n++) {
        unit_mem_fail_at(n);
        struct qe_budget *budget = qe_budget_new(unit_mem(), secret);
        if (!budget) continue;
        bool may = qe_budget_ask(budget, &to, QE_NS_PER_S);
        CU_ASSERT_EQUAL(may, n > 2);
        qe_budget_free(budget);
    }
    unit_mem_fail_at(0);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// What a search asks: no port twice but for those near the base, which leave no gap of 256.
static void a_search_asks_each_port_once(void)
{
    struct unit_random random = unit_random();
    static uint8_t asked[65536];
    for (unsigned round = 0; round < 200; round++) {
        struct qe_search search;
        unsigned count = 0, twice = 0, near = 0;
        uint16_t port, base = (uint16_t)(1024 + unit_random_below(&random, 64000));
        memset(asked, 0, sizeof asked);
        qe_search_init(&search, base, (uint32_t)unit_random_next(&random));
        while ((port = qe_search_next(&search)) != 0) {
            CU_ASSERT_TRUE_FATAL(port >= 1024 && count < QE_SEARCH_PORTS);
            twice += asked[port];
            asked[port] = 1;
            near += port > base && port <= base + 256;
            count++;
        }
        CU_ASSERT_EQUAL(count, QE_SEARCH_PORTS);
        CU_ASSERT_TRUE(twice <= 64); // those near the base
        CU_ASSERT_TRUE(near >= 32 || base > 65536 - 256);
    }
}

// A NAT chose 256 ports at random: nearly every search finds one of them.
static void a_search_finds_one_of_many_ports(void)
{
    struct unit_random random = unit_random();
    static uint8_t chosen[65536];
    unsigned found = 0;
    for (unsigned round = 0; round < 1000; round++) {
        struct qe_search search;
        uint16_t port;
        memset(chosen, 0, sizeof chosen);
        for (unsigned i = 0; i < QE_SEARCH_SOCKETS; i++)
            chosen[1024 + unit_random_below(&random, 64512)] = 1;
        qe_search_init(&search, 5000, (uint32_t)unit_random_next(&random));
        while ((port = qe_search_next(&search)) != 0 && !chosen[port]) {
        }
        found += port != 0;
    }
    CU_ASSERT_TRUE(found >= 960);
}

static const struct unit_case cases[] = {
    {"what is written is read", what_is_written_is_read},
    {"what is malformed is not read", what_is_malformed_is_not_read},
    {"an address gets three in any window", an_address_gets_three_in_any_window},
    {"who never answers is asked ever more rarely, and answered as before",
        who_never_answers_is_asked_ever_more_rarely_and_answered_as_before},
    {"many addresses are no way around it", many_addresses_are_no_way_around_it},
    {"without memory nothing is sent", without_memory_nothing_is_sent},
    {"a search asks each port once", a_search_asks_each_port_once},
    {"a search finds one of many ports", a_search_finds_one_of_many_ports},
};
UNIT_MAIN("probing", cases)
