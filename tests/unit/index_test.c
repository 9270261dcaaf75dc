#include "discovery/index.h"

#include "secrets.h"
#include "unit.h"
#include "vector.h"

static const uint8_t hello[] = "hello";

static void a_record_says_who_its_owner_is(void)
{
    for (int network = 0; network < 2; network++) {
        struct secrets writer, reader;
        struct qe_index_place place, same;
        struct qe_dht_record record;
        struct qe_index_entry entry;
        uint8_t room[QE_DHT_RECORD_MAX], opened[QE_DHT_RECORD_MAX];
        secrets_init(&writer, 1, 1);
        secrets_init(&reader, 2, 1);
        CU_ASSERT(qe_index_locate(&writer.host, network, QE_INDEX_NAME, qe_span("home", 4), &place));
        CU_ASSERT(qe_index_locate(&reader.host, network, QE_INDEX_NAME, qe_span("home", 4), &same));
        CU_ASSERT(qe_node_id_equal(&place.target, &same.target));
        CU_ASSERT(qe_index_write(&writer.host, &place, 7, qe_span(hello, 5), room, &record));
        CU_ASSERT(record.value.size <= QE_DHT_RECORD_MAX && record.certified == network);
        CU_ASSERT(qe_dht_record_verify(&record, &place.target));
        CU_ASSERT(qe_index_read(&reader.host, &same, &record, opened, &entry));
        CU_ASSERT(qe_key_equal(&entry.owner, &writer.host.identity) && entry.seq == 7);
        CU_ASSERT(qe_span_equal(entry.value, qe_span(hello, 5)));
        CU_ASSERT(qe_key_equal(&record.owner, &writer.host.identity) == !network);
    }
}

static void places_and_aliases_differ_by_kind_key_network_and_owner(void)
{
    struct secrets a, b, other;
    struct qe_index_place one, two;
    struct qe_dht_record first, second;
    uint8_t room[QE_DHT_RECORD_MAX];
    secrets_init(&a, 1, 1);
    secrets_init(&b, 2, 1);
    secrets_init(&other, 3, 2);
    qe_index_locate(&a.host, true, QE_INDEX_NAME, qe_span("home", 4), &one);
    qe_index_locate(&a.host, true, QE_INDEX_NAME, qe_span("work", 4), &two);
    CU_ASSERT(!qe_node_id_equal(&one.target, &two.target));
    qe_index_write(&a.host, &one, 1, qe_span(hello, 5), room, &first);
    qe_index_write(&a.host, &two, 1, qe_span(hello, 5), room, &second);
    CU_ASSERT(!qe_key_equal(&first.owner, &second.owner));
    qe_index_write(&b.host, &one, 1, qe_span(hello, 5), room, &second);
    CU_ASSERT(!qe_key_equal(&first.owner, &second.owner));
    qe_index_locate(&a.host, true, QE_INDEX_SUBNET, qe_span("home", 4), &two);
    CU_ASSERT(!qe_node_id_equal(&one.target, &two.target));
    qe_index_locate(&other.host, true, QE_INDEX_NAME, qe_span("home", 4), &two);
    CU_ASSERT(!qe_node_id_equal(&one.target, &two.target));
    qe_index_locate(&a.host, false, QE_INDEX_NAME, qe_span("home", 4), &two);
    CU_ASSERT(!qe_node_id_equal(&one.target, &two.target));
    other.member = false;
    CU_ASSERT(!qe_index_locate(&other.host, true, QE_INDEX_NAME, qe_span("home", 4), &two));
}

static void what_no_member_wrote_is_refused(void)
{
    struct secrets writer, reader, forger;
    struct qe_index_place place;
    struct qe_dht_record good, bad;
    struct qe_index_entry entry;
    uint8_t room[QE_DHT_RECORD_MAX], opened[QE_DHT_RECORD_MAX], broken[QE_DHT_RECORD_MAX];
    secrets_init(&writer, 1, 1);
    secrets_init(&reader, 2, 1);
    secrets_init(&forger, 3, 1);
    qe_index_locate(&writer.host, true, QE_INDEX_ADDRESS, qe_span("addr", 4), &place);
    qe_index_write(&writer.host, &place, 7, qe_span(hello, 5), room, &good);
    bad = good;
    bad.certified = false;
    CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
    bad = good;
    bad.authority = writer.host.identity;
    CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
    // Another member's alias over the same sealed value.
    bad = good;
    bad.owner = forger.host.identity;
    CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
    // The same value under another date.
    bad = good;
    bad.seq++;
    CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
    for (size_t i = 0; i < good.value.size; i++) {
        memcpy(broken, good.value.data, good.value.size);
        broken[i] ^= 1;
        bad = good;
        bad.value.data = broken;
        CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
        bad.value = qe_span(good.value.data, i);
        CU_ASSERT(!qe_index_read(&reader.host, &place, &bad, opened, &entry));
    }
    CU_ASSERT(qe_index_read(&reader.host, &place, &good, opened, &entry));
}

static void values_have_a_size_limit(void)
{
    struct secrets writer;
    struct qe_index_place place;
    struct qe_dht_record record;
    uint8_t room[QE_DHT_RECORD_MAX], value[QE_INDEX_VALUE_MAX + 1] = {0}, key[QE_INDEX_KEY_MAX + 1] = {0};
    secrets_init(&writer, 1, 1);
    qe_index_locate(&writer.host, true, QE_INDEX_NAME, qe_span(key, QE_INDEX_KEY_MAX), &place);
    CU_ASSERT(qe_index_write(&writer.host, &place, 1, qe_span(value, QE_INDEX_VALUE_MAX), room, &record));
    CU_ASSERT_EQUAL(record.value.size, QE_DHT_RECORD_MAX);
    CU_ASSERT(!qe_index_write(&writer.host, &place, 1, qe_span(value, sizeof value), room, &record));
    CU_ASSERT(!qe_index_locate(&writer.host, true, QE_INDEX_NAME, qe_span(key, sizeof key), &place));
}

static void the_older_claim_stands_and_of_equals_the_lower_id(void)
{
    struct qe_index_entry a = {.age_s = 1000}, b = {.age_s = 1061};
    b.id.bytes[0] = 1;
    CU_ASSERT(qe_index_precedes(&b, &a) && !qe_index_precedes(&a, &b));
    b.age_s = 1060;
    CU_ASSERT(qe_index_precedes(&a, &b) && !qe_index_precedes(&b, &a));
    b.age_s = 940;
    CU_ASSERT(qe_index_precedes(&a, &b) && !qe_index_precedes(&b, &a));
    b.id.bytes[0] = 0;
    a.id.bytes[0] = 2;
    CU_ASSERT(qe_index_precedes(&b, &a));
}

static void the_protocols_vectors_hold(void)
{
    struct secrets s;
    struct qe_index_place place;
    struct qe_dht_record record;
    uint8_t room[QE_DHT_RECORD_MAX];
    secrets_init(&s, 1, 1);
    qe_index_locate(&s.host, false, QE_INDEX_NAME, qe_span("home", 4), &place);
    CU_ASSERT(vector_is("place-open", place.target.bytes, sizeof place.target.bytes));
    qe_index_locate(&s.host, true, QE_INDEX_NAME, qe_span("home", 4), &place);
    CU_ASSERT(vector_is("place-target", place.target.bytes, sizeof place.target.bytes));
    CU_ASSERT(qe_index_write(&s.host, &place, 7, qe_span(hello, 5), room, &record));
    CU_ASSERT(vector_is("entry-owner", record.owner.bytes, sizeof record.owner.bytes));
    CU_ASSERT(vector_is("entry-value", record.value.data, record.value.size));
}

static const struct unit_case cases[] = {
    {"the protocol's vectors hold", the_protocols_vectors_hold},
    {"a record says who its owner is", a_record_says_who_its_owner_is},
    {"places and aliases differ by kind, key, network and owner",
        places_and_aliases_differ_by_kind_key_network_and_owner},
    {"what no member wrote is refused", what_no_member_wrote_is_refused},
    {"values have a size limit", values_have_a_size_limit},
    {"the older claim stands, and of equals the lower ID", the_older_claim_stands_and_of_equals_the_lower_id},
};
UNIT_MAIN("index", cases)
