// Arbitrary bytes as port mapping requests, one after the other with time between, to a NAT with few ports: no answer
// is longer than allowed or breaks its protocol's form, mappings stay within their limits, and what was promised lets a
// datagram in.
#include "net/portmap.h"

#include "engine/memory.h"

#include <assert.h>
#include <string.h>

#define HOST_MAX 4
#define TABLE    16

static const struct sim_nat_settings nat_settings = {.mapping = SIM_ADDRESS_AND_PORT_DEPENDENT,
    .filtering = SIM_ADDRESS_DEPENDENT,
    .allocation = SIM_NAT_PRESERVE,
    .collision = SIM_NAT_SEQUENTIAL,
    .step = 1,
    .port_min = 1000,
    .port_max = 1011,
    .blocks_max = 1,
    .mappings_max = TABLE,
    .refresh = SIM_REFRESH_BOTH,
    .timeout_ns = 60000000000,
    .unanswered_ns = 60000000000,
    .filter_ns = 60000000000,
    .filter_unanswered_ns = 60000000000};

// A granted PCP MAP leads to the client.
static void check_promise(struct sim_nat *nat, uint64_t now_ns, const struct qe_addr *client, const uint8_t *answer)
{
    struct qe_addr remote = {.ip = qe_ip4(198, 51, 100, 7), .port = 77};
    struct qe_addr outside = {.ip = qe_ip4_from_u32(qe_load32(answer + 56)), .port = qe_load16(answer + 42)};
    enum sim_drop why;
    bool in = sim_nat_inbound(nat, now_ns, &remote, &outside, &why);
    assert(in && qe_ip_equal(&outside.ip, &client->ip) && outside.port == qe_load16(answer + 40));
}

static void check_answer(struct sim_nat *nat, uint64_t now_ns, const struct qe_addr *client, const uint8_t *request,
    const uint8_t *answer, size_t size)
{
    if (size == 0) return;
    assert(size <= SIM_PORTMAP_ANSWER_SIZE && size >= 8 && answer[1] == (request[1] | 128));
    if (answer[0] == 0) {
        assert(size <= 16);
        return;
    }
    assert(answer[0] == 2 && size % 4 == 0 && size >= 24);
    if (answer[3] == 0 && answer[1] == 129 && qe_load32(answer + 4) > 0) check_promise(nat, now_ns, client, answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t outside[] = {0xcb00710a};
    struct sim_portmap_settings settings = {.lifetime_min_ns = 1000000000,
        .lifetime_max_ns = 3600000000000,
        .host_max = HOST_MAX,
        .policy = size ? (enum sim_portmap_policy)(data[0] % 8 > 4 ? 0 : data[0] % 8) : SIM_PORTMAP_GRANT,
        .nat_pmp = size && data[0] & 16,
        .pcp = size && data[0] & 32};
    struct sim_nat *nat = sim_nat_new(&nat_settings, 1, "nat", outside, 1, NULL);
    uint64_t now_ns = 0;
    while (size >= 4) {
        struct qe_addr client = {.ip = qe_ip4(192, 168, 1, data[1] % 4), .port = 5350};
        size_t take = 1 + data[2] * 2u;
        now_ns += (uint64_t)data[3] * 1000000000;
        data += 4, size -= 4;
        if (take > size) take = size;
        // Exactly as long as it is, so that a look beyond is seen.
        uint8_t *request = sim_obtain(take ? take : 1, 1);
        uint8_t answer[SIM_PORTMAP_ANSWER_SIZE];
        if (take) memcpy(request, data, take);
        size_t got = sim_portmap_answer(&settings, nat, now_ns, &client, qe_span(request, take), answer);
        check_answer(nat, now_ns, &client, request, answer, got);
        assert(sim_nat_explicit_count(nat, now_ns, qe_ip4_to_u32(&client.ip)) <= HOST_MAX);
        assert(sim_nat_counts(nat)->mappings <= TABLE);
        sim_release(request);
        data += take, size -= take;
    }
    sim_nat_free(nat);
    return 0;
}
