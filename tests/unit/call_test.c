// What a call is on the wire, and which ones are not read.
#include "nat/call.h"
#include "secrets.h"
#include "unit.h"

static struct qe_call some_call(size_t count)
{
    struct qe_call call = {.attempt = 77, .to = {{9, 8, 7}}, .time_ms = UINT64_C(1700000000000), .count = count};
    call.ports = QE_CALL_PORTS_OTHER;
    for (size_t i = 0; i < count; i++) {
        uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(i + 1)};
        call.list[i].kind = (enum qe_candidate_kind)(i % 4);
        call.list[i].addr = (struct qe_addr){i % 2 ? qe_ip6(six) : qe_ip4(192, 0, 2, (uint8_t)i), (uint16_t)(i + 1), 0};
    }
    return call;
}

static void what_is_written_is_read(void)
{
    for (unsigned form = 0; form < 2; form++) {
        for (size_t count = 0; count <= QE_CALL_CANDIDATES_MAX; count++) {
            struct secrets a, b;
            struct qe_call call = some_call(count), read;
            uint8_t bytes[QE_CALL_SIZE_MAX];
            secrets_init(&a, 1, 5);
            secrets_init(&b, 2, 5);
            call.answer = count % 2;
            size_t size = qe_call_encode(&call, form == 1, &a.host, bytes);
            CU_ASSERT_TRUE_FATAL(size > 0 && size <= QE_CALL_SIZE_MAX);
            CU_ASSERT_TRUE_FATAL(qe_call_decode(qe_span(bytes, size), &b.host, &read));
            CU_ASSERT_TRUE(qe_key_equal(&read.from, &a.host.identity));
            CU_ASSERT_TRUE(qe_node_id_equal(&read.to, &call.to));
            CU_ASSERT_EQUAL(read.attempt, 77);
            CU_ASSERT_EQUAL(read.answer, call.answer);
            CU_ASSERT_EQUAL(read.time_ms, call.time_ms);
            CU_ASSERT_EQUAL(read.ports, QE_CALL_PORTS_OTHER);
            CU_ASSERT_EQUAL(read.sealed, form == 1);
            CU_ASSERT_EQUAL_FATAL(read.count, count);
            for (size_t i = 0; i < count; i++) {
                CU_ASSERT_EQUAL(read.list[i].kind, call.list[i].kind);
                CU_ASSERT_TRUE(qe_addr_equal(&read.list[i].addr, &call.list[i].addr));
            }
        }
    }
}

// A changed byte, a lost end, another network: none of it is read.
static void what_is_forged_is_not_read(void)
{
    struct secrets a, b, outsider;
    struct qe_call call = some_call(3), read;
    uint8_t bytes[QE_CALL_SIZE_MAX];
    secrets_init(&a, 1, 5);
    secrets_init(&b, 2, 5);
    secrets_init(&outsider, 3, 6);
    for (unsigned form = 0; form < 2; form++) {
        size_t size = qe_call_encode(&call, form == 1, &a.host, bytes);
        for (size_t i = 0; i < size; i++) {
            bytes[i] ^= 1;
            CU_ASSERT_FALSE(qe_call_decode(qe_span(bytes, size), &b.host, &read));
            bytes[i] ^= 1;
            CU_ASSERT_FALSE(qe_call_decode(qe_span(bytes, i), &b.host, &read));
        }
        CU_ASSERT_EQUAL(qe_call_decode(qe_span(bytes, size), &outsider.host, &read), form == 0);
    }
    a.member = false;
    CU_ASSERT_EQUAL(qe_call_encode(&call, true, &a.host, bytes), 0);
}

static void a_call_is_good_for_a_while(void)
{
    struct qe_call call = {.time_ms = UINT64_C(1700000000000)};
    CU_ASSERT_TRUE(qe_call_is_timely(&call, call.time_ms));
    CU_ASSERT_TRUE(qe_call_is_timely(&call, call.time_ms + QE_CALL_SKEW_MS));
    CU_ASSERT_FALSE(qe_call_is_timely(&call, call.time_ms + QE_CALL_SKEW_MS + 1));
    CU_ASSERT_TRUE(qe_call_is_timely(&call, call.time_ms - QE_CALL_SKEW_MS));
    CU_ASSERT_FALSE(qe_call_is_timely(&call, call.time_ms - QE_CALL_SKEW_MS - 1));
}

static const struct unit_case cases[] = {
    {"what is written is read", what_is_written_is_read},
    {"what is forged is not read", what_is_forged_is_not_read},
    {"a call is good for a while", a_call_is_good_for_a_while},
};
UNIT_MAIN("call", cases)
