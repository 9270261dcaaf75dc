#include "discovery/rendezvous.h"

#include "identity/invitation.h"
#include "secrets.h"
#include "vector.h"

static struct secrets s;

static struct qe_rendezvous sample(void)
{
    struct qe_rendezvous r = {.endpoints = {{qe_ip4(192, 0, 2, 7), 9000, 0}}, .endpoint_count = 2};
    qe_addr_parse("[2001:db8::7]:9001", &r.endpoints[1]);
    return r;
}

// The secret of the token first, first + 1, …
static void seed_of(uint8_t first, uint8_t seed[QE_SECRET_SIZE])
{
    uint8_t token[QE_INVITATION_TOKEN_SIZE];
    for (size_t i = 0; i < sizeof token; i++)
        token[i] = (uint8_t)(first + i);
    qe_invitation_rendezvous(token, seed);
    secrets_init(&s, 1, 0);
}

static void the_protocols_vectors_hold(void)
{
    uint8_t room[QE_RENDEZVOUS_VALUE_SIZE];
    struct qe_rendezvous r = sample();
    struct qe_dht_item item;
    uint8_t seed[QE_SECRET_SIZE];
    seed_of(0xf0, seed);
    CU_ASSERT(vector_is("rendezvous-seed", seed, sizeof seed));
    CU_ASSERT_TRUE_FATAL(qe_rendezvous_seal(&r, &s.host, seed, INT64_C(1700000000123), room, &item));
    struct qe_node_id target = qe_dht_item_target(&item);
    CU_ASSERT(vector_is("rendezvous-target", target.bytes, sizeof target.bytes));
    CU_ASSERT(vector_is("rendezvous-key", item.key.bytes, sizeof item.key.bytes));
    CU_ASSERT(vector_is("rendezvous-value", item.value.data, item.value.size));
    CU_ASSERT(vector_is("rendezvous-sig", item.signature, sizeof item.signature));
}

static void who_has_the_token_reads_it_and_nobody_else(void)
{
    uint8_t room[QE_RENDEZVOUS_VALUE_SIZE];
    struct qe_rendezvous r = sample(), got;
    struct qe_dht_item item;
    uint8_t seed[QE_SECRET_SIZE], other[QE_SECRET_SIZE];
    seed_of(0xf0, seed);
    seed_of(0xf1, other);
    CU_ASSERT_TRUE_FATAL(qe_rendezvous_seal(&r, &s.host, seed, 5, room, &item));
    CU_ASSERT_TRUE(qe_dht_item_verify(&item));
    CU_ASSERT_TRUE(qe_rendezvous_open(item.value, &s.host, seed, &got));
    CU_ASSERT_TRUE(qe_rendezvous_same(&r, &got));
    CU_ASSERT_FALSE(qe_rendezvous_open(item.value, &s.host, other, &got));
    for (size_t bit = 0; bit < sizeof room * 8; bit++) {
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE_FATAL(qe_rendezvous_open(item.value, &s.host, seed, &got));
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < sizeof room; size++)
        CU_ASSERT_FALSE_FATAL(qe_rendezvous_open(qe_span(room, size), &s.host, seed, &got));
}

static void odd_contents_are_refused(void)
{
    static const struct {
        const char *what;
        uint8_t bytes[24];
        bool fine;
    } rows[] = {
        {"nowhere", {1}, true},
        {"one place", {1, 4, 192, 0, 2, 1, 35, 40}, true},
        {"another version", {2, 4, 192, 0, 2, 1, 35, 40}, false},
        {"no port", {1, 4, 192, 0, 2, 1, 0, 0}, false},
        {"the unspecified address", {1, 4, 0, 0, 0, 0, 35, 40}, false},
        {"a multicast address", {1, 4, 224, 0, 0, 1, 35, 40}, false},
        {"no family", {1, 5, 192, 0, 2, 1, 35, 40}, false},
        {"more behind the end", {1, 0, 4, 192, 0, 2, 1, 35, 40}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t plain[QE_RENDEZVOUS_PLAIN_SIZE] = {0};
        struct qe_rendezvous got;
        memcpy(plain, rows[i].bytes, sizeof rows[i].bytes);
        CU_ASSERT_EQUAL(qe_rendezvous_read(qe_span(plain, sizeof plain), &got), rows[i].fine);
        CU_ASSERT_FALSE(qe_rendezvous_read(qe_span(plain, sizeof plain - 1), &got));
    }
}

static void the_fullest_fits(void)
{
    uint8_t plain[QE_RENDEZVOUS_PLAIN_SIZE];
    struct qe_rendezvous r = {.endpoint_count = QE_RENDEZVOUS_ENDPOINTS_MAX}, got;
    for (size_t i = 0; i < QE_RENDEZVOUS_ENDPOINTS_MAX; i++)
        r.endpoints[i] = sample().endpoints[1];
    qe_rendezvous_write(&r, plain);
    CU_ASSERT_TRUE(qe_rendezvous_read(qe_span(plain, sizeof plain), &got));
    CU_ASSERT_TRUE(qe_rendezvous_same(&r, &got));
}

static const struct unit_case cases[] = {
    {"the protocol's vectors hold", the_protocols_vectors_hold},
    {"who has the token reads it, and nobody else", who_has_the_token_reads_it_and_nobody_else},
    {"odd contents are refused", odd_contents_are_refused},
    {"the fullest fits", the_fullest_fits},
};
UNIT_MAIN("rendezvous", cases)
