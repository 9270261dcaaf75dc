#include "discovery/node_record.h"

#include "secrets.h"
#include "unit.h"
#include "vector.h"

static struct qe_ip six(uint8_t last)
{
    uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8};
    bytes[15] = last;
    return qe_ip6(bytes);
}

static struct qe_node_record sample(void)
{
    struct qe_node_record r = {.issued_ms = UINT64_C(1700000000123),
        .lifetime_s = 7200,
        .role = QE_ROLE_BOOTSTRAP,
        .capabilities = 5,
        .endpoints = {{QE_ENDPOINT_HOST, {qe_ip4(192, 0, 2, 7), 9000, 0}}, {QE_ENDPOINT_REFLEXIVE, {six(7), 9001, 0}}},
        .endpoint_count = 2,
        .addresses = {qe_ip4(100, 64, 1, 2), six(9)},
        .address_count = 2,
        .gateway_count = 1,
        .subnets = {{qe_ip4(10, 1, 0, 0), 16}, {{6, {0}}, 0}, {qe_ip4(10, 2, 3, 128), 25}},
        .subnet_count = 3};
    memset(r.gateways[0].bytes, 0xab, sizeof r.gateways[0].bytes);
    return r;
}

static void what_is_written_is_read(void)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct secrets writer, reader;
        uint8_t value[QE_NODE_RECORD_SIZE_MAX];
        struct qe_node_record record = sample(), got;
        secrets_init(&writer, 1, 1);
        secrets_init(&reader, 2, 1);
        size_t size = qe_node_record_encode(&record, sealed, &writer.host, value);
        CU_ASSERT(size > 0 && size <= sizeof value);
        CU_ASSERT_EQUAL(qe_node_record_decode(qe_span(value, size), &writer.host.identity, &reader.host, &got),
            QE_NODE_RECORD_FINE);
        CU_ASSERT(qe_node_record_same(&record, &got));
        CU_ASSERT_EQUAL(got.issued_ms, record.issued_ms);
    }
}

static void a_sealed_record_is_for_members_alone(void)
{
    struct secrets writer, other, nobody;
    uint8_t value[QE_NODE_RECORD_SIZE_MAX];
    struct qe_node_record record = sample(), got;
    secrets_init(&writer, 1, 1);
    secrets_init(&other, 2, 2);
    secrets_init(&nobody, 3, 0);
    size_t size = qe_node_record_encode(&record, true, &writer.host, value);
    CU_ASSERT_EQUAL(
        qe_node_record_decode(qe_span(value, size), &writer.host.identity, &other.host, &got), QE_NODE_RECORD_SEALED);
    CU_ASSERT_EQUAL(
        qe_node_record_decode(qe_span(value, size), &writer.host.identity, &nobody.host, &got), QE_NODE_RECORD_SEALED);
    CU_ASSERT_EQUAL(qe_node_record_encode(&record, true, &nobody.host, value), 0);
}

static void a_record_is_its_owners_alone(void)
{
    struct secrets writer, other;
    uint8_t value[QE_NODE_RECORD_SIZE_MAX];
    struct qe_node_record record = sample(), got;
    secrets_init(&writer, 1, 0);
    secrets_init(&other, 2, 0);
    size_t size = qe_node_record_encode(&record, false, &writer.host, value);
    CU_ASSERT_EQUAL(
        qe_node_record_decode(qe_span(value, size), &other.host.identity, &other.host, &got), QE_NODE_RECORD_FORGED);
}

static void every_flipped_bit_is_noticed(void)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct secrets writer;
        uint8_t value[QE_NODE_RECORD_SIZE_MAX];
        struct qe_node_record record = sample(), got;
        secrets_init(&writer, 1, 1);
        size_t size = qe_node_record_encode(&record, sealed, &writer.host, value);
        for (size_t bit = 0; bit < size * 8; bit++) {
            value[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CU_ASSERT_NOT_EQUAL_FATAL(
                qe_node_record_decode(qe_span(value, size), &writer.host.identity, &writer.host, &got),
                QE_NODE_RECORD_FINE);
            value[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < size; cut++)
            CU_ASSERT_NOT_EQUAL_FATAL(
                qe_node_record_decode(qe_span(value, cut), &writer.host.identity, &writer.host, &got),
                QE_NODE_RECORD_FINE);
    }
}

static void the_fullest_record_fits_and_drops_what_does_not(void)
{
    struct secrets writer;
    uint8_t value[QE_NODE_RECORD_SIZE_MAX];
    struct qe_node_record record = sample(), got;
    secrets_init(&writer, 1, 1);
    for (uint8_t i = 0; i < QE_NODE_RECORD_ENDPOINTS_MAX; i++)
        record.endpoints[i] = (struct qe_endpoint){QE_ENDPOINT_HOST, {six(i), 9000, 0}};
    record.endpoint_count = QE_NODE_RECORD_ENDPOINTS_MAX;
    for (uint8_t i = 0; i < QE_NODE_RECORD_ADDRESSES_MAX; i++)
        record.addresses[i] = six((uint8_t)(100 + i));
    record.address_count = QE_NODE_RECORD_ADDRESSES_MAX;
    for (uint8_t i = 0; i < QE_NODE_RECORD_SUBNETS_MAX; i++)
        record.subnets[i] = (struct qe_cidr){six(i), 128};
    record.subnet_count = QE_NODE_RECORD_SUBNETS_MAX;
    record.gateway_count = QE_NODE_RECORD_GATEWAYS_MAX;
    size_t size = qe_node_record_encode(&record, true, &writer.host, value);
    CU_ASSERT(size > 400 && size <= sizeof value);
    CU_ASSERT_EQUAL(
        qe_node_record_decode(qe_span(value, size), &writer.host.identity, &writer.host, &got), QE_NODE_RECORD_FINE);
    CU_ASSERT_EQUAL(got.address_count, QE_NODE_RECORD_ADDRESSES_MAX);
    CU_ASSERT(got.endpoint_count >= 4 && qe_addr_equal(&got.endpoints[0].addr, &record.endpoints[0].addr));
}

static void a_record_expires_by_its_own_date(void)
{
    struct qe_node_record r = {.issued_ms = 1000000, .lifetime_s = 7200};
    uint64_t end_ms = 1000000 + 7200 * 1000 + QE_NODE_RECORD_SKEW_MS;
    CU_ASSERT(!qe_node_record_expired(&r, 0));
    CU_ASSERT(!qe_node_record_expired(&r, end_ms));
    CU_ASSERT(qe_node_record_expired(&r, end_ms + 1));
    r.lifetime_s = UINT32_MAX;
    CU_ASSERT(!qe_node_record_expired(&r, end_ms + 1));
}

// Signs contents that a correct writer never makes.
static size_t sign(const struct secrets *s, struct qe_span contents, uint8_t *out)
{
    static const char label[] = "quicether node record";
    uint8_t text[sizeof label + 32 + QE_NODE_RECORD_INNER_MAX];
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, s->host.identity.bytes, 32);
    memcpy(text + sizeof label + 32, contents.data, contents.size);
    memcpy(out, contents.data, contents.size);
    qe_secret_do(
        &s->identity, QE_SECRET_SIGN, qe_span(text, sizeof label + 32 + contents.size), out + contents.size, 64);
    return contents.size + 64;
}

static void odd_contents_are_refused_and_later_ones_passed_over(void)
{
    static const struct {
        const char *what;
        uint8_t fields[24];
        size_t size;
        enum qe_node_record_fault fault;
    } rows[] = {
        {"nothing", {0}, 0, QE_NODE_RECORD_FINE},
        {"a field of a later version", {77, 3, 1, 2, 3}, 5, QE_NODE_RECORD_FINE},
        {"an endpoint of a later kind", {1, 7, 9, 192, 0, 2, 1, 35, 40}, 9, QE_NODE_RECORD_FINE},
        {"an endpoint without a port", {1, 7, 1, 192, 0, 2, 1, 0, 0}, 9, QE_NODE_RECORD_MALFORMED},
        {"an endpoint that is nowhere", {1, 7, 1, 0, 0, 0, 0, 35, 40}, 9, QE_NODE_RECORD_MALFORMED},
        {"a multicast endpoint", {1, 7, 1, 224, 0, 0, 1, 35, 40}, 9, QE_NODE_RECORD_MALFORMED},
        {"an endpoint of a strange size", {1, 6, 1, 192, 0, 2, 35, 40}, 8, QE_NODE_RECORD_MALFORMED},
        {"an address of a strange size", {2, 5, 1, 2, 3, 4, 5}, 7, QE_NODE_RECORD_MALFORMED},
        {"a gateway of a strange size", {3, 4, 1, 2, 3, 4}, 6, QE_NODE_RECORD_MALFORMED},
        {"a subnet of too many bits", {4, 7, 4, 33, 1, 2, 3, 4, 5}, 9, QE_NODE_RECORD_MALFORMED},
        {"a subnet of no family", {4, 3, 5, 8, 10}, 5, QE_NODE_RECORD_MALFORMED},
        {"a subnet that is cut", {4, 3, 4, 16, 10}, 5, QE_NODE_RECORD_MALFORMED},
        {"a field beyond the end", {2, 4, 1, 2, 3}, 5, QE_NODE_RECORD_MALFORMED},
    };
    struct secrets s;
    secrets_init(&s, 1, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t contents[18 + sizeof rows[i].fields] = {1}, inner[QE_NODE_RECORD_INNER_MAX];
        struct qe_node_record got;
        memcpy(contents + 18, rows[i].fields, rows[i].size);
        size_t size = sign(&s, qe_span(contents, 18 + rows[i].size), inner);
        CU_ASSERT_EQUAL(qe_node_record_read(qe_span(inner, size), &s.host.identity, &got), rows[i].fault);
    }
}

static void the_protocols_vectors_hold(void)
{
    struct secrets s;
    uint8_t value[QE_NODE_RECORD_SIZE_MAX];
    struct qe_node_record record = {.issued_ms = UINT64_C(1700000000123),
        .lifetime_s = 3600,
        .endpoints = {{QE_ENDPOINT_REFLEXIVE, {qe_ip4(192, 0, 2, 7), 9000, 0}}},
        .endpoint_count = 1,
        .addresses = {qe_ip4(100, 64, 1, 2)},
        .address_count = 1,
        .subnets = {{qe_ip4(10, 1, 0, 0), 16}},
        .subnet_count = 1};
    secrets_init(&s, 1, 1);
    CU_ASSERT(vector_is("record-seed", s.identity.seed, sizeof s.identity.seed));
    CU_ASSERT(vector_is("network-secret", s.network.seed, sizeof s.network.seed));
    size_t size = qe_node_record_encode(&record, false, &s.host, value);
    CU_ASSERT(vector_is("record-open", value, size));
    size = qe_node_record_encode(&record, true, &s.host, value);
    CU_ASSERT(vector_is("record-sealed", value, size));
}

static const struct unit_case cases[] = {
    {"the protocol's vectors hold", the_protocols_vectors_hold},
    {"what is written is read", what_is_written_is_read},
    {"a sealed record is for members alone", a_sealed_record_is_for_members_alone},
    {"a record is its owner's alone", a_record_is_its_owners_alone},
    {"every flipped bit is noticed", every_flipped_bit_is_noticed},
    {"the fullest record fits, and drops what does not", the_fullest_record_fits_and_drops_what_does_not},
    {"a record expires by its own date", a_record_expires_by_its_own_date},
    {"odd contents are refused, and later ones passed over", odd_contents_are_refused_and_later_ones_passed_over},
};
UNIT_MAIN("node_record", cases)
