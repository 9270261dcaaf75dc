#include "base/addr.h"
#include "flow/fragment.h"
#include "route/overlay.h"
#include "unit.h"
#include "wire/claims.h"
#include "wire/member.h"
#include "wire/relay.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

// The text of the test vector `name` in docs/protocol.md.
static bool vector(const char *name, char out[1024])
{
    char line[1024], pattern[64];
    FILE *file = fopen(QE_PROTOCOL_PAGE, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t width = (size_t)snprintf(pattern, sizeof pattern, "    vector %s ", name);
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, pattern, width) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(out, 1024, "%s", line + width + strspn(line + width, " "));
        found = true;
    }
    fclose(file);
    CU_ASSERT_TRUE(found);
    return found;
}

static size_t vector_bytes(const char *name, uint8_t out[512])
{
    char text[1024];
    size_t size = 0;
    if (!vector(name, text)) return 0;
    for (const char *p = text; *p;) {
        unsigned byte;
        if (*p == ' ') {
            p++;
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(sscanf(p, "%2x", &byte), 1);
        out[size++] = (uint8_t)byte;
        p += 2;
    }
    return size;
}

static struct qe_node_id vector_id(void)
{
    uint8_t bytes[512];
    struct qe_key key;
    CU_ASSERT_EQUAL_FATAL(vector_bytes("key", bytes), sizeof key.bytes);
    memcpy(key.bytes, bytes, sizeof key.bytes);
    return qe_node_id_from_key(&key);
}

static void ids_and_addresses_are_as_documented(void)
{
    char expected[1024], text[QE_ADDR_TEXT_SIZE];
    struct qe_node_id id = vector_id();
    struct qe_cidr six = qe_overlay_ip6(&id), four = qe_overlay_ip4(&id, 0);
    vector("id", expected);
    CU_ASSERT_STRING_EQUAL(qe_node_id_format(&id, text), expected);
    vector("ip6", expected);
    CU_ASSERT_STRING_EQUAL(qe_ip_format(&six.ip, text), expected);
    CU_ASSERT_EQUAL(six.bits, 48);
    vector("ip4", expected);
    CU_ASSERT_STRING_EQUAL(qe_ip_format(&four.ip, text), expected);
    CU_ASSERT_EQUAL(four.bits, 16);
    CU_ASSERT_TRUE(qe_overlay_is_derived6(&six.ip));
    CU_ASSERT_FALSE(qe_overlay_is_derived6(&four.ip));
}

static void no_derived_address_is_the_networks_own_or_broadcast(void)
{
    struct unit_random random = unit_random();
    struct qe_cidr first = {{0, {0}}, 0};
    for (int i = 0; i < 200000; i++) {
        struct qe_node_id id;
        unit_random_fill(&random, id.bytes, sizeof id.bytes);
        struct qe_cidr net = qe_overlay_ip4(&id, (uint32_t)i);
        uint32_t host = qe_ip4_to_u32(&net.ip) & 0xffff;
        CU_ASSERT_TRUE(host != 0 && host != 0xffff);
        if (i == 0) first = qe_overlay_ip4(&id, 1);
    }
    CU_ASSERT_EQUAL(first.bits, 16);
}

static struct qe_hello documented_hello(void)
{
    struct qe_node_id id = vector_id();
    struct qe_hello hello = {.version = 1,
        .session = UINT64_C(0x0102030405060708),
        .boot_epoch = UINT64_C(0x1112131415161718),
        .addresses = {qe_overlay_ip4(&id, 0).ip, qe_overlay_ip6(&id).ip},
        .address_count = 2,
        .name = "laptop"};
    return hello;
}

static void hello_is_as_documented(void)
{
    uint8_t expected[512], got[512];
    struct qe_hello hello = documented_hello(), back;
    size_t size = vector_bytes("hello", expected);
    CU_ASSERT_EQUAL(qe_hello_encode(&hello, got, sizeof got), size);
    CU_ASSERT_EQUAL(memcmp(got, expected, size), 0);
    CU_ASSERT_TRUE_FATAL(qe_hello_decode(qe_span(expected + 3, size - 3), &back));
    CU_ASSERT_EQUAL(back.session, hello.session);
    CU_ASSERT_EQUAL(back.boot_epoch, hello.boot_epoch);
    CU_ASSERT_EQUAL(back.address_count, 2);
    CU_ASSERT_TRUE(qe_ip_equal(&back.addresses[0], &hello.addresses[0]));
    CU_ASSERT_TRUE(qe_ip_equal(&back.addresses[1], &hello.addresses[1]));
    CU_ASSERT_STRING_EQUAL(back.name, "laptop");
}

static void a_hello_cut_anywhere_is_refused_and_a_longer_one_is_not(void)
{
    uint8_t bytes[512];
    struct qe_hello hello = documented_hello(), back;
    size_t size = qe_hello_encode(&hello, bytes, sizeof bytes);
    for (size_t cut = 0; cut < size - 3; cut++)
        CU_ASSERT_FALSE(qe_hello_decode(qe_span(bytes + 3, cut), &back));
    CU_ASSERT_TRUE(qe_hello_decode(qe_span(bytes + 3, size - 3 + 40), &back));
    for (size_t room = 0; room < size; room++)
        CU_ASSERT_EQUAL(qe_hello_encode(&hello, bytes, room), 0);
}

static void a_hello_with_impossible_fields_is_refused(void)
{
    uint8_t bytes[512];
    struct qe_hello hello = documented_hello(), back;
    size_t size = qe_hello_encode(&hello, bytes, sizeof bytes) - 3;
    uint8_t *body = bytes + 3;
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } table[] = {
        {0, 0, "version 0"},
        {21, 9, "nine addresses"},
        {22, 5, "family 5"},
        {44, 64, "a name of 64"},
        {45, 'L', "an upper-case name"},
        {46, 0, "a NUL in the name"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t was = body[table[i].at];
        body[table[i].at] = table[i].value;
        CU_ASSERT_FALSE(qe_hello_decode(qe_span(body, size), &back));
        body[table[i].at] = was;
    }
    CU_ASSERT_TRUE(qe_hello_decode(qe_span(body, size), &back));
}

static struct qe_claims documented_claims(void)
{
    struct qe_claims claims = {.number = 2, .address_count = 1, .name = "laptop", .subnet_count = 2};
    claims.addresses[0] = qe_ip4(100, 64, 157, 36);
    CU_ASSERT_TRUE(qe_cidr_parse("10.1.0.0/16", &claims.subnets[0]));
    CU_ASSERT_TRUE(qe_cidr_parse("2001:db8:1::/48", &claims.subnets[1]));
    return claims;
}

static void claims_are_as_documented(void)
{
    uint8_t expected[512], bytes[512];
    struct qe_claims claims = documented_claims(), back;
    size_t size = vector_bytes("claims", expected);
    CU_ASSERT_EQUAL_FATAL(qe_claims_encode(&claims, bytes, sizeof bytes), size);
    CU_ASSERT_EQUAL(memcmp(bytes, expected, size), 0);
    CU_ASSERT_TRUE(qe_claims_decode(qe_span(bytes + 3, size - 3), &back));
    CU_ASSERT_EQUAL(memcmp(&back, &claims, sizeof back), 0);
    CU_ASSERT_TRUE(qe_claims_decode(qe_span(bytes + 3, size - 3 + 40), &back));
    for (size_t cut = 0; cut < size - 3; cut++)
        CU_ASSERT_FALSE(qe_claims_decode(qe_span(bytes + 3, cut), &back));
    for (size_t room = 0; room < size; room++)
        CU_ASSERT_EQUAL(qe_claims_encode(&claims, bytes, room), 0);
}

static void claims_with_impossible_fields_are_refused(void)
{
    uint8_t bytes[512];
    struct qe_claims claims = documented_claims(), back;
    size_t size = qe_claims_encode(&claims, bytes, sizeof bytes) - 3;
    uint8_t *body = bytes + 3;
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } table[] = {
        {8, 9, "nine addresses"},
        {9, 5, "family 5"},
        {14, 64, "a name of 64"},
        {15, 'L', "an upper-case name"},
        {21, 65, "65 networks"},
        {22, 0, "a network of no family"},
        {23, 33, "33 bits of IPv4"},
        {23, 12, "host bits"},
        {27, 129, "129 bits of IPv6"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t was = body[table[i].at];
        body[table[i].at] = table[i].value;
        CU_ASSERT_FALSE(qe_claims_decode(qe_span(body, size), &back));
        body[table[i].at] = was;
    }
    CU_ASSERT_TRUE(qe_claims_decode(qe_span(body, size), &back));
}

static void fragments_are_as_documented(void)
{
    uint8_t expected[512], header[QE_FRAGMENT_HEADER_SIZE];
    size_t piece;
    CU_ASSERT_EQUAL(vector_bytes("fragment", expected), sizeof header);
    CU_ASSERT_TRUE(qe_fragment_header(7, 0, 1420, 1172, header, &piece));
    CU_ASSERT_EQUAL(memcmp(header, expected, sizeof header), 0);
    CU_ASSERT_EQUAL(piece, 1172 - QE_FRAGMENT_HEADER_SIZE);
}

static void run(uint8_t first, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(first + i);
}

static void proofs_and_invitations_are_as_documented(void)
{
    struct qe_secret secret;
    struct qe_key client, server;
    uint8_t seed[32], exporter[32], input[QE_PROOF_INPUT_SIZE], mac[QE_PROOF_SIZE], token[QE_TOKEN_SIZE];
    uint8_t expected[512], message[128], read[QE_SECRET_HANDED_SIZE];
    enum qe_decline why;
    run(0x80, seed, sizeof seed);
    run(0x40, exporter, sizeof exporter);
    run(0, client.bytes, sizeof client.bytes);
    run(0x20, server.bytes, sizeof server.bytes);
    run(0xf0, token, sizeof token);
    qe_secret_init(&secret, seed);
    qe_proof_input(true, exporter, &client, &server, input);
    CU_ASSERT_EQUAL(qe_secret_do(&secret, QE_SECRET_MAC, qe_span(input, sizeof input), mac, sizeof mac), 0);
    size_t size = qe_proof_encode(mac, message, sizeof message);
    CU_ASSERT_EQUAL(vector_bytes("proof", expected), size);
    CU_ASSERT_EQUAL(memcmp(message, expected, size), 0);
    CU_ASSERT_TRUE(qe_proof_decode(qe_span(message + 3, size - 3), read));
    CU_ASSERT_FALSE(qe_proof_decode(qe_span(message + 3, size - 4), read));
    CU_ASSERT_EQUAL(qe_proof_encode(mac, message, size - 1), 0);
    size = qe_join_encode(token, message, sizeof message);
    CU_ASSERT_EQUAL(vector_bytes("join", expected), size);
    CU_ASSERT_EQUAL(memcmp(message, expected, size), 0);
    CU_ASSERT_FALSE(qe_join_decode(qe_span(message + 3, size - 4), read));
    size = qe_decline_encode(QE_DECLINE_USED, message, sizeof message);
    CU_ASSERT_EQUAL(vector_bytes("decline", expected), size);
    CU_ASSERT_EQUAL(memcmp(message, expected, size), 0);
    // A reason of a later version; none.
    CU_ASSERT_TRUE(qe_decline_decode(qe_span("\x63", 1), &why) && why == QE_DECLINE_LATER);
    CU_ASSERT_FALSE(qe_decline_decode(qe_span("\0", 1), &why));
    CU_ASSERT_FALSE(qe_decline_decode(qe_span("", 0), &why));
    CU_ASSERT_FALSE(qe_welcome_decode(qe_span(message, QE_SECRET_HANDED_SIZE - 1), read));
}

static void relay_messages_are_as_documented(void)
{
    static const struct {
        const char *name;
        struct qe_relay_message message;
    } table[] = {
        {"relay-open", {.type = QE_MESSAGE_RELAY_OPEN, .circuit = 6}},
        {"relay-offer", {.type = QE_MESSAGE_RELAY_OFFER, .circuit = QE_CIRCUIT_MAX}},
        {"relay-accept", {.type = QE_MESSAGE_RELAY_ACCEPT, .circuit = 0x010203}},
        {"relay-close", {.type = QE_MESSAGE_RELAY_CLOSE, .circuit = 6, .why = QE_RELAY_END_UNREACHABLE}},
        {"relay-quiet", {.type = QE_MESSAGE_RELAY_QUIET, .circuit = 6, .quiet = true}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t expected[512], bytes[64];
        struct qe_relay_message message = table[i].message, back;
        bool named = message.type == QE_MESSAGE_RELAY_OPEN || message.type == QE_MESSAGE_RELAY_OFFER;
        if (named) message.node = vector_id();
        size_t size = vector_bytes(table[i].name, expected);
        CU_ASSERT_EQUAL_FATAL(qe_relay_encode(&message, bytes, sizeof bytes), size);
        CU_ASSERT_EQUAL(memcmp(bytes, expected, size), 0);
        CU_ASSERT_EQUAL(qe_relay_encode(&message, bytes, size - 1), 0);
        CU_ASSERT_TRUE(qe_relay_decode(message.type, qe_span(expected + 3, size - 3), &back));
        CU_ASSERT_TRUE(back.type == message.type && back.circuit == message.circuit && back.why == message.why &&
                       back.quiet == message.quiet && qe_node_id_equal(&back.node, &message.node));
        // What a later version adds is passed over; what lacks is malformed.
        CU_ASSERT_TRUE(qe_relay_decode(message.type, qe_span(expected + 3, size - 3 + 8), &back));
        for (size_t cut = 3; cut < size; cut++)
            CU_ASSERT_FALSE(qe_relay_decode(message.type, qe_span(expected + 3, cut - 3), &back));
    }
    const uint8_t high[] = {0x80, 0, 0}, later[] = {0, 0, 6, 200}, neither[] = {0, 0, 6, 2};
    struct qe_relay_message back;
    CU_ASSERT_FALSE(qe_relay_decode(QE_MESSAGE_RELAY_ACCEPT, qe_span(high, sizeof high), &back));
    CU_ASSERT_FALSE(qe_relay_decode(QE_MESSAGE_HELLO, qe_span(later, sizeof later), &back));
    CU_ASSERT_TRUE(qe_relay_decode(QE_MESSAGE_RELAY_CLOSE, qe_span(later, sizeof later), &back));
    CU_ASSERT_EQUAL(back.why, QE_RELAY_END_REFUSED);
    CU_ASSERT_FALSE(qe_relay_decode(QE_MESSAGE_RELAY_QUIET, qe_span(neither, sizeof neither), &back));
}

static void relayed_frames_are_as_documented(void)
{
    uint8_t expected[512], frame[QE_RELAYED_HEADER_SIZE + QE_RELAYED_PACKET_MAX + 1];
    uint32_t circuit;
    bool whole;
    struct qe_span packet;
    CU_ASSERT_EQUAL_FATAL(vector_bytes("relayed", expected), QE_RELAYED_HEADER_SIZE);
    qe_relayed_header(0x010203, true, frame);
    CU_ASSERT_EQUAL(memcmp(frame, expected, QE_RELAYED_HEADER_SIZE), 0);
    CU_ASSERT_FALSE(qe_relayed_read(qe_span(frame, 0), &circuit, &whole, &packet));
    CU_ASSERT_FALSE(qe_relayed_read(qe_span(frame, QE_RELAYED_HEADER_SIZE), &circuit, &whole, &packet));
    CU_ASSERT_FALSE(qe_relayed_read(qe_span(frame, sizeof frame), &circuit, &whole, &packet));
    CU_ASSERT_TRUE(qe_relayed_read(qe_span(frame, sizeof frame - 1), &circuit, &whole, &packet));
    CU_ASSERT_TRUE(circuit == 0x010203 && whole && packet.size == QE_RELAYED_PACKET_MAX);
    frame[0] = QE_FRAME_FRAGMENT;
    CU_ASSERT_FALSE(qe_relayed_read(qe_span(frame, 20), &circuit, &whole, &packet));
}

static void an_address_of_a_circuit_is_nobodys(void)
{
    struct qe_addr addr = qe_circuit_addr(77, QE_CIRCUIT_MAX), other;
    char text[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&addr, text), "[100::4d:7f:ffff]:1");
    CU_ASSERT_TRUE(qe_circuit_is_addr(&addr.ip));
    CU_ASSERT_EQUAL(qe_circuit_gateway(&addr), 77);
    CU_ASSERT_EQUAL(qe_circuit_number(&addr), QE_CIRCUIT_MAX);
    CU_ASSERT_TRUE(qe_addr_parse("[100:0:0:1::1]:1", &other));
    CU_ASSERT_FALSE(qe_circuit_is_addr(&other.ip));
    CU_ASSERT_TRUE(qe_addr_parse("1.0.0.0:1", &other));
    CU_ASSERT_FALSE(qe_circuit_is_addr(&other.ip));
}

static const struct unit_case cases[] = {
    {"IDs and addresses are as documented", ids_and_addresses_are_as_documented},
    {"no derived address is the network's own or broadcast", no_derived_address_is_the_networks_own_or_broadcast},
    {"hello is as documented", hello_is_as_documented},
    {"a hello cut anywhere is refused and a longer one is not",
        a_hello_cut_anywhere_is_refused_and_a_longer_one_is_not},
    {"a hello with impossible fields is refused", a_hello_with_impossible_fields_is_refused},
    {"claims are as documented", claims_are_as_documented},
    {"claims with impossible fields are refused", claims_with_impossible_fields_are_refused},
    {"fragments are as documented", fragments_are_as_documented},
    {"proofs and invitations are as documented", proofs_and_invitations_are_as_documented},
    {"messages about relaying are as documented", relay_messages_are_as_documented},
    {"relayed frames are as documented", relayed_frames_are_as_documented},
    {"an address of a circuit is nobody's", an_address_of_a_circuit_is_nobodys},
};
UNIT_MAIN("wire", cases)
