// NAT-PMP, RFC 6886.
#include "net/portmap_internal.h"

#include "base/cursor.h"
#include "base/time.h"

#include <string.h>

enum nat_pmp_op {
    OP_ADDRESS,
    OP_MAP_UDP,
    OP_MAP_TCP,
    OP_ANSWER = 128,
};

// RFC 6886 §3.5
enum nat_pmp_result {
    RESULT_OK,
    RESULT_VERSION,
    RESULT_REFUSED,
    RESULT_NETWORK,
    RESULT_RESOURCES,
    RESULT_OPCODE,
};

static size_t begin(const struct portmap_call *call, struct qe_writer *w, uint8_t op, enum nat_pmp_result result)
{
    *w = qe_writer(call->answer, SIM_PORTMAP_ANSWER_SIZE);
    qe_write8(w, 0);
    qe_write8(w, (uint8_t)(op | OP_ANSWER));
    qe_write16(w, (uint16_t)result);
    qe_write32(w, portmap_epoch(call));
    return qe_writer_size(w);
}

static enum nat_pmp_result policy(const struct portmap_call *call)
{
    switch (call->settings->policy) {
    case SIM_PORTMAP_NOT_AUTHORIZED:
        return RESULT_REFUSED;
    case SIM_PORTMAP_NETWORK_FAILURE:
        return RESULT_NETWORK;
    case SIM_PORTMAP_NO_RESOURCES:
        return RESULT_RESOURCES;
    case SIM_PORTMAP_GRANT:
    case SIM_PORTMAP_SILENT:
        break;
    }
    return RESULT_OK;
}

static size_t answer_address(const struct portmap_call *call)
{
    struct qe_writer w;
    enum nat_pmp_result result = policy(call);
    begin(call, &w, OP_ADDRESS, result);
    qe_write32(&w, result == RESULT_OK ? sim_nat_address_of(call->nat, qe_ip4_to_u32(&call->client->ip)) : 0);
    return qe_writer_size(&w);
}

struct mapping {
    uint16_t inside, outside;
    uint32_t seconds;
};

// NAT-PMP has no nonces: a mapping is its inside address's.
static struct sim_nat_request request_of(const struct portmap_call *call, const struct mapping *wanted)
{
    return (struct sim_nat_request){.inside = {qe_ip4_to_u32(&call->client->ip), wanted->inside},
        .suggested = {0, wanted->outside},
        .lifetime_ns = portmap_lifetime_ns(call, wanted->seconds)};
}

// RFC 6886 §3.4
static enum nat_pmp_result unmap(const struct portmap_call *call, struct mapping *wanted)
{
    struct sim_nat_request request = request_of(call, wanted);
    wanted->outside = 0;
    if (wanted->inside == 0) {
        sim_nat_unmap_all(call->nat, call->now_ns, request.inside.ip, request.nonce);
        return RESULT_OK;
    }
    return sim_nat_unmap(call->nat, call->now_ns, &request) == SIM_NAT_GRANTED ? RESULT_OK : RESULT_REFUSED;
}

static enum nat_pmp_result map(const struct portmap_call *call, struct mapping *wanted)
{
    struct sim_endpoint outside;
    struct sim_nat_request request = request_of(call, wanted);
    if (wanted->inside == 0) return RESULT_REFUSED;
    switch (sim_nat_map(call->nat, call->now_ns, &request, &outside)) {
    case SIM_NAT_GRANTED:
        wanted->outside = outside.port;
        wanted->seconds = (uint32_t)(request.lifetime_ns / QE_NS_PER_S);
        return RESULT_OK;
    case SIM_NAT_NOT_YOURS:
        return RESULT_REFUSED;
    case SIM_NAT_NO_PORT:
    case SIM_NAT_NOT_THAT_PORT:
        break;
    }
    return RESULT_RESOURCES;
}

static size_t answer_map(const struct portmap_call *call, uint8_t op)
{
    struct qe_reader r = qe_reader(call->request);
    struct mapping wanted;
    struct qe_writer w;
    qe_read32(&r); // version, opcode, reserved
    wanted.inside = qe_read16(&r);
    wanted.outside = qe_read16(&r);
    wanted.seconds = qe_read32(&r);
    if (r.failed) return 0;
    enum nat_pmp_result result = policy(call);
    if (result == RESULT_OK && op == OP_MAP_TCP) result = RESULT_OPCODE;
    if (result == RESULT_OK && wanted.seconds == 0)
        result = unmap(call, &wanted);
    else if (result == RESULT_OK && portmap_over_quota(call, wanted.inside))
        result = RESULT_RESOURCES;
    else if (result == RESULT_OK)
        result = map(call, &wanted);
    begin(call, &w, op, result);
    qe_write16(&w, wanted.inside);
    qe_write16(&w, result == RESULT_OK ? wanted.outside : 0);
    qe_write32(&w, result == RESULT_OK ? wanted.seconds : 0);
    return qe_writer_size(&w);
}

size_t portmap_nat_pmp(const struct portmap_call *call)
{
    struct qe_writer w;
    uint8_t op = call->request.data[1];
    if (op & OP_ANSWER) return 0;
    if (call->request.data[0] != 0) return begin(call, &w, op, RESULT_VERSION);
    switch (op) {
    case OP_ADDRESS:
        return answer_address(call);
    case OP_MAP_UDP:
    case OP_MAP_TCP:
        return answer_map(call, op);
    default:
        return begin(call, &w, op, RESULT_OPCODE);
    }
}
