#include "base/time.h"
#include "dht/token.h"
#include "unit.h"

static const uint8_t key[QE_DHT_TOKEN_KEY_SIZE] = {1, 2, 3};
static const struct qe_node_id target = {{4, 5, 6}};
#define MINUTE (60 * QE_NS_PER_S)

static bool good_after(uint64_t made_ns, uint64_t later_ns)
{
    struct qe_ip ip = qe_ip4(192, 0, 2, 1);
    uint8_t token[QE_DHT_TOKEN_SIZE];
    qe_dht_token_make(key, &ip, &target, made_ns, token);
    return qe_dht_token_check(key, &ip, &target, made_ns + later_ns, qe_span(token, sizeof token));
}

static void a_token_lives_for_five_to_ten_minutes(void)
{
    for (uint64_t made = 0; made < 30 * MINUTE; made += 17 * QE_NS_PER_S) {
        CU_ASSERT_TRUE(good_after(made, 0));
        CU_ASSERT_TRUE(good_after(made, 5 * MINUTE));
        CU_ASSERT_FALSE(good_after(made, 10 * MINUTE));
    }
}

static void a_token_is_for_one_address_one_target_and_one_node(void)
{
    struct qe_ip ip = qe_ip4(192, 0, 2, 1), other = qe_ip4(192, 0, 2, 2);
    uint8_t six[16] = {192, 0, 2, 1}, token[QE_DHT_TOKEN_SIZE], foreign_key[QE_DHT_TOKEN_KEY_SIZE] = {9};
    struct qe_ip ip6 = qe_ip6(six);
    struct qe_node_id elsewhere = {{4, 5, 7}};
    qe_dht_token_make(key, &ip, &target, MINUTE, token);
    struct qe_span span = qe_span(token, sizeof token);
    CU_ASSERT_TRUE(qe_dht_token_check(key, &ip, &target, MINUTE, span));
    CU_ASSERT_FALSE(qe_dht_token_check(key, &other, &target, MINUTE, span));
    CU_ASSERT_FALSE(qe_dht_token_check(key, &ip6, &target, MINUTE, span));
    CU_ASSERT_FALSE(qe_dht_token_check(key, &ip, &elsewhere, MINUTE, span));
    CU_ASSERT_FALSE(qe_dht_token_check(foreign_key, &ip, &target, MINUTE, span));
    CU_ASSERT_FALSE(qe_dht_token_check(key, &ip, &target, MINUTE, qe_span(token, 7)));
    CU_ASSERT_FALSE(qe_dht_token_check(key, &ip, &target, MINUTE, (struct qe_span){0}));
}

static void guessing_finds_nothing(void)
{
    struct unit_random random = unit_random();
    struct qe_ip ip = qe_ip4(192, 0, 2, 1);
    for (int i = 0; i < 100000; i++) {
        uint8_t token[QE_DHT_TOKEN_SIZE];
        unit_random_fill(&random, token, sizeof token);
        CU_ASSERT_FALSE(qe_dht_token_check(key, &ip, &target, MINUTE, qe_span(token, sizeof token)));
    }
    // Nor does a good one with a single bit changed.
    uint8_t token[QE_DHT_TOKEN_SIZE];
    qe_dht_token_make(key, &ip, &target, MINUTE, token);
    for (unsigned bit = 0; bit < 64; bit++) {
        token[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE(qe_dht_token_check(key, &ip, &target, MINUTE, qe_span(token, sizeof token)));
        token[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static const struct unit_case cases[] = {
    {"a token lives for five to ten minutes", a_token_lives_for_five_to_ten_minutes},
    {"a token is for one address, one target and one node", a_token_is_for_one_address_one_target_and_one_node},
    {"guessing finds nothing", guessing_finds_nothing},
};
UNIT_MAIN("dht_token", cases)
