#include "identity/secret.h"
#include "unit.h"

#include <sodium.h>
#include <string.h>

static struct qe_secret make(uint8_t first)
{
    struct qe_secret secret;
    uint8_t seed[QE_SECRET_SIZE] = {first, 1, 2, 3};
    qe_secret_init(&secret, seed);
    return secret;
}

static void each_use_has_a_key_of_its_own(void)
{
    struct qe_secret a = make(1), b = make(2);
    uint8_t mac[32], again[32], other[32];
    const uint8_t *keys[] = {a.seed, a.mac, a.box, a.derivation, a.ephemeral, b.mac};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            CU_ASSERT_NOT_EQUAL(memcmp(keys[i], keys[j], 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_MAC, qe_span("x", 1), mac, 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_MAC, qe_span("x", 1), again, 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&b, QE_SECRET_MAC, qe_span("x", 1), other, 32), 0);
    CU_ASSERT_EQUAL(memcmp(mac, again, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(mac, other, 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_MAC, qe_span("x", 1), mac, 31), -1);
}

static void a_derived_key_verifies_what_it_signed_and_says_nothing_of_its_label(void)
{
    struct qe_secret a = make(1), b = make(2);
    uint8_t key[32], other[32], signature[64];
    static const uint8_t input[] = {5, 'l', 'a', 'b', 'e', 'l', 'm', 's', 'g'};
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_DERIVED_KEY, qe_span("label", 5), key, 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_DERIVED_SIGN, qe_span(input, sizeof input), signature, 64), 0);
    CU_ASSERT_EQUAL(crypto_sign_verify_detached(signature, (const uint8_t *)"msg", 3, key), 0);
    CU_ASSERT_NOT_EQUAL(crypto_sign_verify_detached(signature, (const uint8_t *)"msh", 3, key), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_DERIVED_KEY, qe_span("other", 5), other, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(key, other, 32), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&b, QE_SECRET_DERIVED_KEY, qe_span("label", 5), other, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(key, other, 32), 0);
    // A label that says it is longer than what there is; nothing at all.
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_DERIVED_SIGN, qe_span(input, 5), signature, 64), -1);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_DERIVED_SIGN, qe_span(input, 0), signature, 64), -1);
}

static void what_is_sealed_opens_with_the_same_secret_only(void)
{
    struct qe_secret a = make(1), b = make(2);
    uint8_t input[QE_SECRET_NONCE_SIZE + 10] = {9}, sealed[sizeof input + QE_SECRET_TAG_SIZE], text[10];
    memcpy(input + QE_SECRET_NONCE_SIZE, "0123456789", 10);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_SEAL, qe_span(input, sizeof input), sealed, sizeof sealed), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_OPEN, qe_span(sealed, sizeof sealed), text, sizeof text), 0);
    CU_ASSERT_EQUAL(memcmp(text, "0123456789", 10), 0);
    CU_ASSERT_EQUAL(qe_secret_do(&b, QE_SECRET_OPEN, qe_span(sealed, sizeof sealed), text, sizeof text), -1);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_OPEN, qe_span(sealed, sizeof sealed), text, sizeof text), -1);
        sealed[i] ^= 1;
    }
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_OPEN, qe_span(sealed, 39), text, 0), -1);
    CU_ASSERT_EQUAL(qe_secret_do(&a, QE_SECRET_SEAL, qe_span(input, 23), sealed, 39), -1);
}

static void a_handed_secret_opens_for_its_member_only(void)
{
    struct qe_secret network = make(1), member = make(2), other = make(3);
    struct qe_key key = qe_secret_public(&member);
    uint8_t handed[QE_SECRET_HANDED_SIZE], seed[QE_SECRET_SIZE];
    CU_ASSERT_EQUAL(qe_secret_do(&network, QE_SECRET_HAND_OVER, qe_span(key.bytes, 32), handed, sizeof handed), 0);
    CU_ASSERT_EQUAL(qe_secret_open_handed(&other, qe_span(handed, sizeof handed), seed), -1);
    CU_ASSERT_EQUAL(qe_secret_open_handed(&member, qe_span(handed, sizeof handed - 1), seed), -1);
    CU_ASSERT_EQUAL(qe_secret_open_handed(&member, qe_span(handed, sizeof handed), seed), 0);
    CU_ASSERT_EQUAL(memcmp(seed, network.seed, sizeof seed), 0);
    // A key of small order is no member's.
    memset(key.bytes, 0, sizeof key.bytes);
    CU_ASSERT_EQUAL(qe_secret_do(&network, QE_SECRET_HAND_OVER, qe_span(key.bytes, 32), handed, sizeof handed), -1);
    CU_ASSERT_EQUAL(qe_secret_do(&network, QE_SECRET_TAKE_OVER, qe_span(handed, 80), seed, 0), -1);
}

static void a_wiped_secret_is_gone(void)
{
    struct qe_secret a = make(1);
    qe_secret_wipe(&a);
    CU_ASSERT_TRUE(sodium_is_zero((const uint8_t *)&a, sizeof a));
}

static const struct unit_case cases[] = {
    {"each use has a key of its own", each_use_has_a_key_of_its_own},
    {"a derived key verifies what it signed and says nothing of its label",
        a_derived_key_verifies_what_it_signed_and_says_nothing_of_its_label},
    {"what is sealed opens with the same secret only", what_is_sealed_opens_with_the_same_secret_only},
    {"a handed secret opens for its member only", a_handed_secret_opens_for_its_member_only},
    {"a wiped secret is gone", a_wiped_secret_is_gone},
};
UNIT_MAIN("secret", cases)
