#include "base/time.h"
#include "dht/limit.h"
#include "unit.h"

static const uint8_t secret[16] = {7};

static struct qe_ip numbered(uint32_t n)
{
    return qe_ip4_from_u32(0x0b000000u + n);
}

static void an_address_asks_so_often_and_no_more(void)
{
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    struct qe_ip from = numbered(1), other = numbered(2);
    uint64_t now = 5 * QE_NS_PER_S;
    for (int i = 0; i < QE_DHT_LIMIT_QUERIES_MAX; i++)
        CU_ASSERT_TRUE(qe_dht_limit_query(limit, &from, now));
    CU_ASSERT_FALSE(qe_dht_limit_query(limit, &from, now));
    CU_ASSERT_TRUE(qe_dht_limit_query(limit, &other, now));
    // A flood of a minute gets its rate, and its burst once.
    unsigned answered = 0;
    for (unsigned ms = 0; ms < 60000; ms++)
        answered += qe_dht_limit_query(limit, &from, now + ms * QE_NS_PER_MS);
    CU_ASSERT_TRUE(answered <= 60 * QE_DHT_LIMIT_QUERIES_S && answered >= 59 * QE_DHT_LIMIT_QUERIES_S);
    qe_dht_limit_free(limit);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void an_ipv6_64_is_one_address_and_loopback_has_no_limit(void)
{
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    uint8_t bytes[16] = {0x20, 1, 0xd, 0xb8};
    unsigned answered = 0;
    for (unsigned i = 0; i < 1000; i++) {
        bytes[15] = (uint8_t)i, bytes[8] = (uint8_t)(i >> 8);
        struct qe_ip ip = qe_ip6(bytes);
        answered += qe_dht_limit_query(limit, &ip, QE_NS_PER_S);
    }
    CU_ASSERT_EQUAL(answered, QE_DHT_LIMIT_QUERIES_MAX);
    struct qe_ip loopback = qe_ip4(127, 0, 0, 1);
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(qe_dht_limit_query(limit, &loopback, QE_NS_PER_S));
    qe_dht_limit_free(limit);
}

static void bytes_are_a_budget_of_each_address_and_of_all(void)
{
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    struct qe_ip from = numbered(1);
    uint64_t now = QE_NS_PER_S;
    CU_ASSERT_EQUAL(qe_dht_limit_bytes(limit, &from, now), QE_DHT_LIMIT_BYTES_MAX);
    qe_dht_limit_spend(limit, &from, QE_DHT_LIMIT_BYTES_MAX, now);
    CU_ASSERT_EQUAL(qe_dht_limit_bytes(limit, &from, now), 0);
    now += QE_NS_PER_S;
    size_t left = qe_dht_limit_bytes(limit, &from, now);
    CU_ASSERT_TRUE(left >= QE_DHT_LIMIT_BYTES_S - 1 && left <= QE_DHT_LIMIT_BYTES_S);
    // Many addresses together.
    size_t spent = 0;
    for (uint32_t i = 2; i < 1000; i++) {
        struct qe_ip ip = numbered(i);
        size_t bytes = qe_dht_limit_bytes(limit, &ip, now);
        qe_dht_limit_spend(limit, &ip, bytes, now);
        spent += bytes;
    }
    CU_ASSERT_TRUE(spent <= QE_DHT_LIMIT_ALL_MAX && spent >= QE_DHT_LIMIT_ALL_MAX - QE_DHT_LIMIT_BYTES_MAX);
    qe_dht_limit_free(limit);
}

static void made_up_addresses_neither_fill_the_memory_nor_wash_away_what_was_used(void)
{
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    size_t small = qe_dht_limit_memory(limit);
    struct qe_ip victim = numbered(0xffffff);
    uint64_t now = QE_NS_PER_S;
    CU_ASSERT_TRUE(small <= 2048);
    qe_dht_limit_spend(limit, &victim, QE_DHT_LIMIT_BYTES_MAX, now);
    for (uint32_t i = 0; i < 100000; i++) {
        struct qe_ip ip = numbered(i);
        qe_dht_limit_query(limit, &ip, now);
    }
    CU_ASSERT_TRUE(qe_dht_limit_memory(limit) <= QE_DHT_LIMIT_ADDRESSES * 24 + 256);
    CU_ASSERT_EQUAL(qe_dht_limit_bytes(limit, &victim, now), 0);
    qe_dht_limit_free(limit);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// Beside the buckets a model of each, for few addresses, that keeps what was used as a plain list.
static void it_agrees_with_a_count_of_the_last_seconds(void)
{
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    struct unit_random random = unit_random();
    double level[8] = {0};
    uint64_t now = QE_NS_PER_S, last[8] = {0};
    for (int i = 0; i < 20000; i++) {
        now += unit_random_below(&random, 10 * QE_NS_PER_MS);
        uint32_t who = (uint32_t)unit_random_below(&random, 8);
        struct qe_ip ip = numbered(who);
        double leaked = (double)(now - last[who]) / 1e9 * QE_DHT_LIMIT_QUERIES_S;
        level[who] = level[who] > leaked ? level[who] - leaked : 0;
        last[who] = now;
        bool certain = level[who] + 1 < QE_DHT_LIMIT_QUERIES_MAX - 1e-6;
        bool refused = level[who] + 1 > QE_DHT_LIMIT_QUERIES_MAX + 1e-6;
        bool answered = qe_dht_limit_query(limit, &ip, now);
        CU_ASSERT_TRUE(!(certain && !answered) && !(refused && answered));
        level[who] += answered;
    }
    qe_dht_limit_free(limit);
}

static void without_memory_it_stays_small(void)
{
    unit_mem_fail_at(1);
    CU_ASSERT_PTR_NULL(qe_dht_limit_new(unit_mem(), secret));
    unit_mem_fail_at(2);
    CU_ASSERT_PTR_NULL(qe_dht_limit_new(unit_mem(), secret));
    unit_mem_fail_at(0);
    struct qe_dht_limit *limit = qe_dht_limit_new(unit_mem(), secret);
    for (uint32_t i = 0; i < 1000; i++) {
        struct qe_ip ip = numbered(i);
        unit_mem_fail_at(1);
        qe_dht_limit_query(limit, &ip, QE_NS_PER_S);
    }
    unit_mem_fail_at(0);
    CU_ASSERT_TRUE(qe_dht_limit_memory(limit) <= 2048);
    qe_dht_limit_free(limit);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static const struct unit_case cases[] = {
    {"an address asks so often and no more", an_address_asks_so_often_and_no_more},
    {"an IPv6 /64 is one address, and loopback has no limit", an_ipv6_64_is_one_address_and_loopback_has_no_limit},
    {"bytes are a budget of each address, and of all", bytes_are_a_budget_of_each_address_and_of_all},
    {"made-up addresses neither fill the memory nor wash away what was used",
        made_up_addresses_neither_fill_the_memory_nor_wash_away_what_was_used},
    {"it agrees with a count of the last seconds", it_agrees_with_a_count_of_the_last_seconds},
    {"without memory it stays small", without_memory_it_stays_small},
};
UNIT_MAIN("dht_limit", cases)
