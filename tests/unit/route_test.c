#include "route/route.h"

#include "unit.h"

#include <string.h>

// The naive model: every prefix in one array, and the longest that contains the address wins.
enum { MODEL_MAX = 4096 };

struct entry {
    struct qe_cidr prefix;
    uint32_t value;
};

static struct entry model[MODEL_MAX];
static size_t model_count;

static size_t model_find(const struct qe_cidr *prefix)
{
    struct qe_cidr network = qe_cidr_network(*prefix);
    size_t i = 0;
    while (i < model_count && !(qe_ip_equal(&model[i].prefix.ip, &network.ip) && model[i].prefix.bits == network.bits))
        i++;
    return i;
}

static void model_set(const struct qe_cidr *prefix, uint32_t value)
{
    size_t i = model_find(prefix);
    CU_ASSERT_FATAL(i < MODEL_MAX);
    model[i] = (struct entry){qe_cidr_network(*prefix), value};
    if (i == model_count) model_count++;
}

static bool model_remove(const struct qe_cidr *prefix)
{
    size_t i = model_find(prefix);
    if (i == model_count) return false;
    model[i] = model[--model_count];
    return true;
}

static uint32_t model_lookup(const struct qe_ip *ip)
{
    uint32_t value = QE_ROUTE_NONE;
    int bits = -1;
    for (size_t i = 0; i < model_count; i++)
        if (model[i].prefix.bits > bits && qe_cidr_contains(&model[i].prefix, ip)) {
            bits = model[i].prefix.bits;
            value = model[i].value;
        }
    return value;
}

// Addresses that share much: each byte is one of few, so that prefixes nest and part at every place.
static struct qe_ip random_ip(struct unit_random *random)
{
    static const uint8_t few[] = {0x00, 0x01, 0x80, 0xff, 0x55, 0x7f};
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = few[unit_random_below(random, 6)];
    // Long runs in common, parting late.
    if (unit_random_below(random, 2)) memset(bytes, 0, unit_random_below(random, 16));
    return unit_random_below(random, 2) ? qe_ip6(bytes) : qe_ip4(bytes[12], bytes[13], bytes[14], bytes[15]);
}

static struct qe_cidr random_prefix(struct unit_random *random)
{
    struct qe_ip ip = random_ip(random);
    return (struct qe_cidr){ip, (uint8_t)unit_random_below(random, qe_ip_size(&ip) * 8 + 1)};
}

static void the_trie_equals_a_linear_scan(void)
{
    struct unit_random random = unit_random();
    for (int round = 0; round < 40; round++) {
        struct qe_route_table *table = qe_route_table_new(unit_mem());
        CU_ASSERT_PTR_NOT_NULL_FATAL(table);
        model_count = 0;
        size_t most = 1 + unit_random_below(&random, 300);
        for (int step = 0; step < 3000; step++) {
            struct qe_cidr prefix = random_prefix(&random);
            // Half of what is removed is there.
            if (model_count != 0 && unit_random_below(&random, 2))
                prefix = model[unit_random_below(&random, model_count)].prefix;
            uint32_t value = (uint32_t)unit_random_below(&random, QE_ROUTE_NONE);
            if (unit_random_below(&random, most) >= model_count) {
                CU_ASSERT_EQUAL(qe_route_table_set(table, &prefix, value), 0);
                model_set(&prefix, value);
            } else {
                bool was_there = model_remove(&prefix);
                CU_ASSERT_EQUAL_FATAL(qe_route_table_remove(table, &prefix), was_there);
            }
            CU_ASSERT_EQUAL_FATAL(qe_route_table_count(table), model_count);
            for (int i = 0; i < 4; i++) {
                struct qe_ip ip = random_ip(&random);
                CU_ASSERT_EQUAL_FATAL(qe_route_table_lookup(table, &ip), model_lookup(&ip));
            }
            CU_ASSERT_EQUAL_FATAL(qe_route_table_lookup(table, &prefix.ip), model_lookup(&prefix.ip));
        }
        while (model_count != 0) {
            struct qe_cidr prefix = model[0].prefix;
            model_remove(&prefix);
            CU_ASSERT_TRUE(qe_route_table_remove(table, &prefix));
        }
        CU_ASSERT_EQUAL(qe_route_table_count(table), 0);
        CU_ASSERT_EQUAL(unit_mem_outstanding(), 1); // an empty table is only itself
        qe_route_table_free(table);
        CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
    }
}

static void prefixes_of_every_length_nest(void)
{
    for (int family = 4; family <= 6; family += 2) {
        struct qe_ip ip = family == 4 ? qe_ip4(203, 0, 113, 77) : qe_ip6((const uint8_t *)"0123456789abcdef");
        uint8_t bits = (uint8_t)(qe_ip_size(&ip) * 8);
        struct qe_route_table *table = qe_route_table_new(unit_mem());
        CU_ASSERT_EQUAL(qe_route_table_lookup(table, &ip), QE_ROUTE_NONE);
        for (uint8_t n = 0; n <= bits; n++) {
            CU_ASSERT_EQUAL(qe_route_table_set(table, &(struct qe_cidr){ip, n}, n), 0);
            CU_ASSERT_EQUAL(qe_route_table_lookup(table, &ip), n);
        }
        for (uint8_t n = 0; n < bits; n++) {
            struct qe_ip other = ip;
            other.bytes[n / 8] ^= (uint8_t)(0x80 >> n % 8); // has n bits in common
            CU_ASSERT_EQUAL(qe_route_table_lookup(table, &other), n);
        }
        for (int n = bits; n >= 0; n--) {
            CU_ASSERT_EQUAL(qe_route_table_lookup(table, &ip), n);
            CU_ASSERT_TRUE(qe_route_table_remove(table, &(struct qe_cidr){ip, (uint8_t)n}));
            CU_ASSERT_FALSE(qe_route_table_remove(table, &(struct qe_cidr){ip, (uint8_t)n}));
        }
        CU_ASSERT_EQUAL(qe_route_table_lookup(table, &ip), QE_ROUTE_NONE);
        qe_route_table_free(table);
    }
}

static void families_do_not_meet(void)
{
    struct qe_route_table *table = qe_route_table_new(unit_mem());
    struct qe_ip zero4 = qe_ip4(0, 0, 0, 0), zero6 = qe_ip6((uint8_t[16]){0});
    CU_ASSERT_EQUAL(qe_route_table_set(table, &(struct qe_cidr){zero4, 0}, 4), 0);
    CU_ASSERT_EQUAL(qe_route_table_lookup(table, &zero6), QE_ROUTE_NONE);
    CU_ASSERT_EQUAL(qe_route_table_set(table, &(struct qe_cidr){zero6, 0}, 6), 0);
    CU_ASSERT_EQUAL(qe_route_table_lookup(table, &zero4), 4);
    CU_ASSERT_EQUAL(qe_route_table_lookup(table, &zero6), 6);
    qe_route_table_free(table);
}

static void a_set_that_fails_changes_nothing(void)
{
    struct unit_random random = unit_random();
    unit_mem_fail_at(1);
    CU_ASSERT_PTR_NULL(qe_route_table_new(unit_mem()));
    unit_mem_fail_at(0);
    struct qe_route_table *table = qe_route_table_new(unit_mem());
    model_count = 0;
    unsigned failed = 0;
    for (int step = 0; step < 2000; step++) {
        struct qe_cidr prefix = random_prefix(&random);
        uint32_t value = (uint32_t)unit_random_below(&random, QE_ROUTE_NONE);
        if (unit_random_below(&random, 2)) unit_mem_fail_at(1);
        if (qe_route_table_set(table, &prefix, value) == 0)
            model_set(&prefix, value);
        else
            failed++;
        unit_mem_fail_at(0);
        CU_ASSERT_EQUAL_FATAL(qe_route_table_count(table), model_count);
        CU_ASSERT_EQUAL_FATAL(qe_route_table_lookup(table, &prefix.ip), model_lookup(&prefix.ip));
        struct qe_ip ip = random_ip(&random);
        CU_ASSERT_EQUAL_FATAL(qe_route_table_lookup(table, &ip), model_lookup(&ip));
    }
    CU_ASSERT(failed > 500);
    qe_route_table_free(table);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static const struct unit_case cases[] = {
    {"the trie equals a linear scan", the_trie_equals_a_linear_scan},
    {"prefixes of every length nest", prefixes_of_every_length_nest},
    {"families do not meet", families_do_not_meet},
    {"a set that fails changes nothing", a_set_that_fails_changes_nothing},
};
UNIT_MAIN("route", cases)
