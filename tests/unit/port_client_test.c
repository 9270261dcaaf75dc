// The client of PCP and NAT-PMP against answers byte by byte, and against the simulator's NAT.
#include "nat/port_client.h"
#include "net/portmap.h"
#include "unit.h"

#include "base/time.h"

#include <string.h>

static const struct qe_port_request request = {
    .client = {4, {192, 168, 1, 2}}, .port = 9000, .lifetime_s = 1200, .nonce = "nonce of 12", .spoken = {true, true}};

static struct qe_port_client client;
static uint8_t out[QE_PORT_DATAGRAM_SIZE], answer[QE_PORT_ANSWER_MAX];

static void begin(void)
{
    qe_port_client_begin(&client, &request, 0);
}

// The bytes of a PCP answer that grants 203.0.113.5:4242 to what the client asked for.
static size_t pcp_answer(uint8_t code)
{
    memset(answer, 0, 60);
    answer[0] = 2;
    answer[1] = 0x81;
    answer[3] = code;
    qe_store32(answer + 4, 600);
    qe_store32(answer + 8, 77);
    memcpy(answer + 24, request.nonce, 12);
    answer[36] = 17;
    qe_store16(answer + 40, 9000);
    qe_store16(answer + 42, 4242);
    answer[54] = answer[55] = 0xff;
    qe_store32(answer + 56, 0xcb007105);
    return 60;
}

static void take(size_t size, uint64_t now_ns)
{
    qe_port_client_take(&client, qe_span(answer, size), now_ns);
}

static size_t pmp_answer(bool map, uint8_t code)
{
    memset(answer, 0, 16);
    answer[1] = map ? 129 : 128;
    answer[3] = code;
    qe_store32(answer + 4, 78);
    if (!map) {
        qe_store32(answer + 8, 0xcb007105);
        return 12;
    }
    qe_store16(answer + 8, 9000);
    qe_store16(answer + 10, 4243);
    qe_store32(answer + 12, 900);
    return 16;
}

static void to_nat_pmp(void)
{
    begin();
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 0, out), 60);
    memset(answer, 0, 8);
    answer[1] = 0x81;
    answer[3] = 1;
    take(8, 1);
    CU_ASSERT_EQUAL(client.protocol, QE_PORT_NAT_PMP);
}

static void pcp_asks_in_these_bytes(void)
{
    static const uint8_t want[60] = {2, 1, 0, 0, 0, 0, 0x04, 0xb0, [18] = 0xff, 0xff, 192, 168, 1, 2, 'n', 'o', 'n',
        'c', 'e', ' ', 'o', 'f', ' ', '1', '2', 0, 17, 0, 0, 0, 0x23, 0x28, 0x23, 0x28, [54] = 0xff, 0xff};
    begin();
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 0, out), 60);
    CU_ASSERT_EQUAL(memcmp(out, want, 60), 0);
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 0, out), 0);
    take(pcp_answer(0), 1);
    CU_ASSERT_EQUAL(client.state, QE_PORT_GRANTED);
    CU_ASSERT_EQUAL(client.protocol, QE_PORT_PCP);
    CU_ASSERT_EQUAL(client.outside.port, 4242);
    CU_ASSERT_EQUAL(qe_ip4_to_u32(&client.outside.ip), 0xcb007105);
    CU_ASSERT_EQUAL(client.lifetime_s, 600);
    CU_ASSERT_EQUAL(client.epoch_s, 77);
    CU_ASSERT_EQUAL(qe_port_client_deadline(&client), QE_TIME_NEVER);
}

static void answers_to_others_are_passed_over(void)
{
    static const struct {
        unsigned at;
        uint8_t value;
    } changes[] = {{0, 3}, {1, 0x80}, {1, 1}, {24, 'N'}, {36, 6}, {40, 1}};
    begin();
    qe_port_client_next(&client, 0, out);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        if (changes[i].at == 0) continue; // another version: NAT-PMP's turn
        size_t size = pcp_answer(0);
        answer[changes[i].at] = changes[i].value;
        take(size, 1);
        CU_ASSERT_EQUAL(client.state, QE_PORT_ASKING);
        CU_ASSERT_EQUAL(client.protocol, QE_PORT_PCP);
    }
    for (size_t size = pcp_answer(0); size-- > 0;) {
        take(size, 1);
        CU_ASSERT_EQUAL(client.state, QE_PORT_ASKING);
    }
    take(pcp_answer(0), 1);
    CU_ASSERT_EQUAL(client.state, QE_PORT_GRANTED);
}

static void grants_of_nothing_are_refused(void)
{
    for (unsigned i = 0; i < 3; i++) {
        begin();
        qe_port_client_next(&client, 0, out);
        size_t size = pcp_answer(0);
        if (i == 0) qe_store16(answer + 42, 0);
        if (i == 1) qe_store32(answer + 56, 0);
        if (i == 2) answer[54] = 0; // no IPv4 address
        take(size, 1);
        CU_ASSERT_EQUAL(client.state, QE_PORT_REFUSED);
        CU_ASSERT_PTR_NOT_NULL(strstr(client.text, "it granted nothing that could be used"));
    }
}

static void silence_goes_on_to_nat_pmp_and_ends(void)
{
    uint64_t now = 0;
    unsigned pcp = 0, pmp = 0;
    begin();
    for (unsigned i = 0; i < 100 && client.state == QE_PORT_ASKING; i++) {
        size_t size;
        while ((size = qe_port_client_next(&client, now, out)) > 0)
            out[0] == 2 ? pcp++ : pmp++;
        if (qe_port_client_deadline(&client) != QE_TIME_NEVER) now = qe_port_client_deadline(&client);
    }
    CU_ASSERT_EQUAL(pcp, 3);
    CU_ASSERT_EQUAL(pmp, 6);
    CU_ASSERT_EQUAL(now, 3500 * QE_NS_PER_MS);
    CU_ASSERT_STRING_EQUAL(client.text, "no answer by PCP or NAT-PMP");
}

static void a_server_of_nat_pmp_alone_is_asked_in_nat_pmp(void)
{
    static const uint8_t map[12] = {0, 1, 0, 0, 0x23, 0x28, 0x23, 0x28, 0, 0, 0x04, 0xb0};
    to_nat_pmp();
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 1, out), 2);
    CU_ASSERT(out[0] == 0 && out[1] == 0);
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 1, out), 12);
    CU_ASSERT_EQUAL(memcmp(out, map, 12), 0);
    take(pmp_answer(true, 0), 2);
    CU_ASSERT_EQUAL(client.state, QE_PORT_ASKING);
    // Only what is not known yet is asked for again.
    CU_ASSERT_EQUAL(qe_port_client_next(&client, qe_port_client_deadline(&client), out), 2);
    CU_ASSERT_EQUAL(qe_port_client_next(&client, 300 * QE_NS_PER_MS, out), 0);
    take(pmp_answer(false, 0), 3);
    CU_ASSERT_EQUAL(client.state, QE_PORT_GRANTED);
    CU_ASSERT_EQUAL(client.outside.port, 4243);
    CU_ASSERT_EQUAL(client.lifetime_s, 900);
    to_nat_pmp();
    take(pmp_answer(true, 2), 2);
    CU_ASSERT_EQUAL(client.state, QE_PORT_REFUSED);
    CU_ASSERT_STRING_EQUAL(client.text, "NAT-PMP: refused (2)");
}

static void a_refusal_by_pcp_is_no_end(void)
{
    begin();
    qe_port_client_next(&client, 0, out);
    take(pcp_answer(12), 1);
    CU_ASSERT_EQUAL(client.state, QE_PORT_ASKING);
    CU_ASSERT_EQUAL(client.protocol, QE_PORT_NAT_PMP);
    CU_ASSERT_STRING_EQUAL(client.text, "PCP: another NAT lies between (12)");
}

static const struct sim_nat_settings nat_settings = {.mapping = SIM_ADDRESS_AND_PORT_DEPENDENT,
    .filtering = SIM_ADDRESS_AND_PORT_DEPENDENT,
    .allocation = SIM_NAT_RANDOM,
    .collision = SIM_NAT_RANDOM,
    .step = 1,
    .port_min = 1024,
    .port_max = 65535,
    .blocks_max = 1,
    .mappings_max = 1000,
    .refresh = SIM_REFRESH_BOTH,
    .timeout_ns = 60 * QE_NS_PER_S,
    .unanswered_ns = 60 * QE_NS_PER_S,
    .filter_ns = 60 * QE_NS_PER_S,
    .filter_unanswered_ns = 60 * QE_NS_PER_S};

static void converse(
    struct sim_nat *nat, const struct sim_portmap_settings *settings, const struct qe_port_request *wanted)
{
    uint64_t now = 5 * QE_NS_PER_S;
    const struct qe_addr from = {wanted->client, 5555, 0};
    qe_port_client_begin(&client, wanted, now);
    for (unsigned i = 0; i < 50 && client.state == QE_PORT_ASKING; i++) {
        size_t size;
        while ((size = qe_port_client_next(&client, now, out)) > 0) {
            size_t got = sim_portmap_answer(settings, nat, now, &from, qe_span(out, size), answer);
            if (got) take(got, now);
        }
        if (client.state == QE_PORT_ASKING) now = qe_port_client_deadline(&client);
    }
}

static void a_nat_of_the_simulator_grants_and_takes_back(void)
{
    static const uint32_t outside[] = {0xcb00710a};
    for (unsigned pcp = 0; pcp < 2; pcp++) {
        struct sim_portmap_settings settings = {
            .nat_pmp = !pcp, .pcp = pcp, .lifetime_min_ns = 120 * QE_NS_PER_S, .lifetime_max_ns = 86400 * QE_NS_PER_S};
        struct sim_nat *nat = sim_nat_new(&nat_settings, 1, "nat", outside, 1, NULL);
        struct qe_port_request end = request;
        end.lifetime_s = 0;
        converse(nat, &settings, &request);
        CU_ASSERT_EQUAL(client.state, QE_PORT_GRANTED);
        CU_ASSERT_EQUAL(client.protocol, pcp ? QE_PORT_PCP : QE_PORT_NAT_PMP);
        CU_ASSERT_EQUAL(client.outside.port, 9000);
        CU_ASSERT_EQUAL(client.lifetime_s, 1200);
        CU_ASSERT_EQUAL(client.epoch_s, 5);
        struct qe_addr at = client.outside, from = {qe_ip4(198, 51, 100, 7), 77, 0};
        enum sim_drop why;
        CU_ASSERT(sim_nat_inbound(nat, 6 * QE_NS_PER_S, &from, &at, &why));
        CU_ASSERT(qe_ip_equal(&at.ip, &request.client) && at.port == 9000);
        converse(nat, &settings, &end);
        CU_ASSERT_EQUAL(client.state, QE_PORT_GRANTED);
        at = (struct qe_addr){qe_ip4_from_u32(outside[0]), 9000, 0};
        CU_ASSERT(!sim_nat_inbound(nat, 7 * QE_NS_PER_S, &from, &at, &why));
        sim_nat_free(nat);
    }
}

static void an_epoch_that_does_not_fit_is_a_restart(void)
{
    static const struct {
        uint32_t then, now;
        uint64_t seconds;
        bool lost;
    } table[] = {{100, 160, 60, false}, {100, 99, 0, false}, {100, 98, 0, true}, {100, 3, 60, true},
        {1000, 1950, 1000, false}, {1000, 1900, 1000, true}, {1000, 2100, 1000, true}, {5, 65, 61, false},
        {5, 5, 3, true}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct qe_port_epoch epoch = {0};
        CU_ASSERT(!qe_port_epoch_take(&epoch, table[i].then, QE_NS_PER_S));
        CU_ASSERT_EQUAL(qe_port_epoch_take(&epoch, table[i].now, (1 + table[i].seconds) * QE_NS_PER_S), table[i].lost);
    }
}

static void these_addresses_are_public(void)
{
    static const struct {
        const char *text;
        bool is;
    } table[] = {{"8.8.8.8", true}, {"203.0.113.1", true}, {"172.32.0.1", true}, {"100.128.0.1", true},
        {"2001:db8::1", true}, {"10.1.2.3", false}, {"172.31.255.255", false}, {"192.168.0.1", false},
        {"100.64.0.1", false}, {"100.127.255.255", false}, {"169.254.1.1", false}, {"127.0.0.1", false},
        {"0.1.2.3", false}, {"224.0.0.1", false}, {"255.255.255.255", false}, {"192.0.0.2", false}, {"fd00::1", false},
        {"fe80::1", false}, {"::1", false}, {"ff02::1", false}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct qe_ip ip;
        CU_ASSERT_FATAL(qe_ip_parse(table[i].text, &ip));
        CU_ASSERT_EQUAL(qe_ip_is_public(&ip), table[i].is);
    }
}

static const struct unit_case cases[] = {
    {"PCP asks in these bytes", pcp_asks_in_these_bytes},
    {"answers to others are passed over", answers_to_others_are_passed_over},
    {"grants of nothing are refused", grants_of_nothing_are_refused},
    {"silence goes on to NAT-PMP and ends", silence_goes_on_to_nat_pmp_and_ends},
    {"a server of NAT-PMP alone is asked in NAT-PMP", a_server_of_nat_pmp_alone_is_asked_in_nat_pmp},
    {"a refusal by PCP is no end", a_refusal_by_pcp_is_no_end},
    {"a NAT of the simulator grants and takes back", a_nat_of_the_simulator_grants_and_takes_back},
    {"an epoch that does not fit is a restart", an_epoch_that_does_not_fit_is_a_restart},
    {"these addresses are public", these_addresses_are_public},
};

UNIT_MAIN("port_client", cases)
