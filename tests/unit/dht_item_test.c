// Items of BEP 44 and records of the index against the vectors of docs/protocol.md, BEP 44's own among them.
#include "dht/dht.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static size_t vector(const char *name, uint8_t *out, size_t max)
{
    char line[4096], pattern[64];
    FILE *file = fopen(QE_PROTOCOL_PAGE, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t width = (size_t)snprintf(pattern, sizeof pattern, "    vector %s ", name), size = 0;
    while (size == 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, pattern, width) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        CU_ASSERT_EQUAL(sodium_hex2bin(out, max, line + width, strlen(line + width), " ", &size, NULL), 0);
    }
    fclose(file);
    if (size == 0) fprintf(stderr, "no vector %s\n", name);
    CU_ASSERT_NOT_EQUAL_FATAL(size, 0);
    return size;
}

static void vector_of(const char *name, void *out, size_t size)
{
    CU_ASSERT_EQUAL_FATAL(vector(name, out, size), size);
}

static struct qe_span text(const char *s)
{
    return qe_span(s, strlen(s));
}

static void check_mutable(const char *salt, const char *target_name, const char *signature_name, const char *buffer)
{
    struct qe_dht_item item = {.mutable = true, .salt = text(salt), .seq = 1, .value = text("12:Hello World!")};
    struct qe_node_id target;
    uint8_t out[QE_DHT_SIGNED_MAX];
    vector_of("bep44-key", item.key.bytes, sizeof item.key.bytes);
    vector_of(target_name, target.bytes, sizeof target.bytes);
    vector_of(signature_name, item.signature, sizeof item.signature);
    struct qe_node_id found = qe_dht_item_target(&item);
    CU_ASSERT_TRUE(qe_node_id_equal(&found, &target));
    CU_ASSERT_TRUE(qe_span_equal(qe_span(out, qe_dht_item_signed(&item, out)), text(buffer)));
    CU_ASSERT_TRUE(qe_dht_item_verify(&item));
    item.seq++;
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
    item.seq--;
    item.value = text("12:Hello world!");
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
    item.value = text("12:Hello World!");
    item.salt = text("foobaz");
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
}

static void the_vectors_of_bep_44_hold(void)
{
    check_mutable("", "bep44-target", "bep44-sig", "3:seqi1e1:v12:Hello World!");
    check_mutable("foobar", "bep44-target-salt", "bep44-sig-salt", "4:salt6:foobar3:seqi1e1:v12:Hello World!");
    struct qe_dht_item item = {.value = text("12:Hello World!")};
    struct qe_node_id target, found = qe_dht_item_target(&item);
    vector_of("bep44-target-immutable", target.bytes, sizeof target.bytes);
    CU_ASSERT_TRUE(qe_node_id_equal(&found, &target) && qe_dht_item_verify(&item));
}

static void only_canonical_values_within_the_limits_are_items(void)
{
    static char large[QE_DHT_VALUE_MAX + 2];
    memset(large, 'x', sizeof large);
    memcpy(large, "996:", 4);
    struct qe_dht_item item = {.value = qe_span(large, 1000)};
    CU_ASSERT_TRUE(qe_dht_item_verify(&item));
    memcpy(large, "997:", 4);
    item.value = qe_span(large, 1001);
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
    item.value = text("d1:bi1e1:ai1ee");
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
    item.value = text("i1ei2e");
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
    item.value = (struct qe_span){0};
    CU_ASSERT_FALSE(qe_dht_item_verify(&item));
}

static void records_are_as_documented(void)
{
    struct qe_dht_record record = {.seq = 1, .certified = true, .value = text("value")};
    uint8_t secret[64], out[QE_DHT_SIGNED_MAX], wanted[QE_DHT_SIGNED_MAX], seed[32];
    struct qe_node_id target;
    vector_of("index-authority-seed", seed, sizeof seed);
    crypto_sign_seed_keypair(record.authority.bytes, secret, seed);
    target = qe_node_id_from_key(&record.authority);
    vector_of("index-target", wanted, 20);
    CU_ASSERT_EQUAL(memcmp(wanted, target.bytes, 20), 0);
    vector_of("index-owner-seed", seed, sizeof seed);
    uint8_t owner_secret[64];
    crypto_sign_seed_keypair(record.owner.bytes, owner_secret, seed);

    size_t size = qe_dht_certificate_signed(&record.owner, out);
    CU_ASSERT_EQUAL_FATAL(vector("index-certificate-signed", wanted, sizeof wanted), size);
    CU_ASSERT_EQUAL(memcmp(wanted, out, size), 0);
    crypto_sign_detached(record.certificate, NULL, out, size, secret);
    size = qe_dht_record_signed(&record, &target, out);
    CU_ASSERT_EQUAL_FATAL(vector("index-record-signed", wanted, sizeof wanted), size);
    CU_ASSERT_EQUAL(memcmp(wanted, out, size), 0);
    crypto_sign_detached(record.signature, NULL, out, size, owner_secret);

    CU_ASSERT_TRUE(qe_dht_record_verify(&record, &target));
    struct qe_dht_record bad = record;
    bad.seq++;
    CU_ASSERT_FALSE(qe_dht_record_verify(&bad, &target));
    bad = record, bad.value = text("Value");
    CU_ASSERT_FALSE(qe_dht_record_verify(&bad, &target));
    bad = record, bad.certificate[5] ^= 1;
    CU_ASSERT_FALSE(qe_dht_record_verify(&bad, &target));
    bad = record, bad.authority = bad.owner;
    CU_ASSERT_FALSE(qe_dht_record_verify(&bad, &target));
    // Without its certificate it is an ordinary record, wherever it is.
    bad = record, bad.certified = false;
    CU_ASSERT_TRUE(qe_dht_record_verify(&bad, &target));
    target.bytes[0] ^= 1;
    CU_ASSERT_FALSE(qe_dht_record_verify(&record, &target));
    CU_ASSERT_FALSE(qe_dht_record_verify(&bad, &target));
}

static const struct unit_case cases[] = {
    {"the vectors of BEP 44 hold", the_vectors_of_bep_44_hold},
    {"only canonical values within the limits are items", only_canonical_values_within_the_limits_are_items},
    {"records are as documented", records_are_as_documented},
};
UNIT_MAIN("dht_item", cases)
