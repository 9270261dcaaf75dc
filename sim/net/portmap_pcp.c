// PCP, RFC 6887: MAP and ANNOUNCE.
#include "net/portmap_internal.h"

#include "base/cursor.h"
#include "base/time.h"

#include <string.h>

#define VERSION      2
#define HEADER_SIZE  24
#define ANSWER_BIT   0x80
#define ADDRESS_SIZE 16

enum pcp_op {
    OP_ANNOUNCE,
    OP_MAP,
};

// RFC 6887 §7.4
enum pcp_result {
    RESULT_OK,
    RESULT_VERSION,
    RESULT_NOT_AUTHORIZED,
    RESULT_MALFORMED,
    RESULT_OPCODE,
    RESULT_OPTION,
    RESULT_MALFORMED_OPTION,
    RESULT_NETWORK,
    RESULT_RESOURCES,
    RESULT_PROTOCOL,
    RESULT_QUOTA,
    RESULT_EXTERNAL,
    RESULT_ADDRESS,
};

enum pcp_option {
    OPTION_PREFER_FAILURE = 2,
    OPTION_OPTIONAL = 128, // from here on they may be passed over
};

// How long a client should believe an error (RFC 6887 §7.4 has long- and short-lived ones).
#define ERROR_LONG_S  1800
#define ERROR_SHORT_S 30

struct pcp_map {
    uint8_t nonce[SIM_NAT_NONCE_SIZE];
    uint8_t protocol;
    struct sim_endpoint inside, suggested;
    bool suggested_four; // an IPv4 address, or none
    bool prefer_failure;
};

static uint32_t lifetime_of_error(enum pcp_result result)
{
    return result == RESULT_NETWORK || result == RESULT_RESOURCES || result == RESULT_QUOTA || result == RESULT_EXTERNAL
               ? ERROR_SHORT_S
               : ERROR_LONG_S;
}

static struct qe_writer begin(const struct portmap_call *call, uint8_t op, enum pcp_result result, uint32_t seconds)
{
    static const uint8_t reserved[12];
    struct qe_writer w = qe_writer(call->answer, SIM_PORTMAP_ANSWER_SIZE);
    const uint8_t head[4] = {VERSION, op | ANSWER_BIT, 0, (uint8_t)result};
    qe_write_bytes(&w, head, sizeof(head));
    qe_write32(&w, seconds);
    qe_write32(&w, portmap_epoch(call));
    qe_write_bytes(&w, reserved, sizeof(reserved));
    return w;
}

// An error gives back what it is about, as far as the answer has room and is a multiple of four (RFC 6887 §8.2).
static size_t fail(const struct portmap_call *call, enum pcp_result result)
{
    struct qe_writer w = begin(call, call->request.data[1], result, lifetime_of_error(result));
    size_t size = call->request.size > HEADER_SIZE ? call->request.size - HEADER_SIZE : 0;
    if (size > SIM_PORTMAP_ANSWER_SIZE - HEADER_SIZE) size = SIM_PORTMAP_ANSWER_SIZE - HEADER_SIZE;
    size -= size % 4;
    if (size) qe_write_bytes(&w, call->request.data + HEADER_SIZE, size);
    return qe_writer_size(&w);
}

// IPv4 as ::ffff:a.b.c.d (RFC 6887 §5). False where it is no IPv4 address.
static bool read_four(struct qe_reader *r, uint32_t *ip)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t bytes[ADDRESS_SIZE];
    qe_read_copy(r, bytes, sizeof(bytes));
    *ip = qe_load32(bytes + 12);
    return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

static void write_four(struct qe_writer *w, uint32_t ip)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    qe_write_bytes(w, prefix, sizeof(prefix));
    qe_write32(w, ip);
}

static enum pcp_result policy(const struct portmap_call *call)
{
    switch (call->settings->policy) {
    case SIM_PORTMAP_NOT_AUTHORIZED:
        return RESULT_NOT_AUTHORIZED;
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

// RFC 6887 §7.3: code, reserved, length, data padded to four.
static enum pcp_result read_options(struct qe_reader *r, struct pcp_map *map)
{
    while (qe_reader_left(r) > 0) {
        uint8_t code = qe_read8(r);
        qe_read8(r);
        uint16_t size = qe_read16(r);
        qe_read_bytes(r, (size + 3u) & ~3u);
        if (r->failed) return RESULT_MALFORMED_OPTION;
        if (code == OPTION_PREFER_FAILURE && map) {
            if (size || map->prefer_failure) return RESULT_MALFORMED_OPTION;
            map->prefer_failure = true;
        } else if (code < OPTION_OPTIONAL) {
            return RESULT_OPTION;
        }
    }
    return RESULT_OK;
}

static enum pcp_result read_map(struct qe_reader *r, uint32_t client, struct pcp_map *map)
{
    *map = (struct pcp_map){.inside.ip = client};
    qe_read_copy(r, map->nonce, sizeof(map->nonce));
    map->protocol = qe_read8(r);
    qe_read_bytes(r, 3);
    map->inside.port = qe_read16(r);
    map->suggested.port = qe_read16(r);
    map->suggested_four = read_four(r, &map->suggested.ip);
    if (r->failed) return RESULT_MALFORMED;
    if (map->protocol == 0 && map->inside.port) return RESULT_MALFORMED;
    return read_options(r, map);
}

static size_t answer_mapped(
    const struct portmap_call *call, const struct pcp_map *map, struct sim_endpoint outside, uint32_t seconds)
{
    static const uint8_t reserved[3];
    struct qe_writer w = begin(call, OP_MAP, RESULT_OK, seconds);
    qe_write_bytes(&w, map->nonce, sizeof(map->nonce));
    qe_write8(&w, map->protocol);
    qe_write_bytes(&w, reserved, sizeof(reserved));
    qe_write16(&w, map->inside.port);
    qe_write16(&w, outside.port);
    write_four(&w, outside.ip);
    return qe_writer_size(&w);
}

// RFC 6887 §15: a lifetime of 0 takes the mapping away.
static size_t unmap(const struct portmap_call *call, const struct pcp_map *map)
{
    struct sim_nat_request request = {.inside = map->inside};
    memcpy(request.nonce, map->nonce, sizeof(map->nonce));
    if (map->prefer_failure) return fail(call, RESULT_MALFORMED_OPTION);
    if (map->inside.port == 0)
        sim_nat_unmap_all(call->nat, call->now_ns, map->inside.ip, map->nonce);
    else if (sim_nat_unmap(call->nat, call->now_ns, &request) != SIM_NAT_GRANTED)
        return fail(call, RESULT_NOT_AUTHORIZED);
    return answer_mapped(call, map, map->suggested, 0);
}

static size_t answer_map(const struct portmap_call *call, struct qe_reader *r, uint32_t seconds)
{
    struct pcp_map map;
    struct sim_endpoint outside;
    enum pcp_result result = read_map(r, qe_ip4_to_u32(&call->client->ip), &map);
    if (result == RESULT_OK) result = policy(call);
    if (result != RESULT_OK) return fail(call, result);
    bool all_protocols = map.protocol == 0 && seconds == 0;
    if (map.protocol != PORTMAP_UDP && !all_protocols) return fail(call, RESULT_PROTOCOL);
    if (seconds == 0) return unmap(call, &map);
    if (map.inside.port == 0) return fail(call, RESULT_PROTOCOL); // all ports at once
    if (portmap_over_quota(call, map.inside.port)) return fail(call, RESULT_QUOTA);
    struct sim_nat_request request = {.inside = map.inside,
        .suggested = map.suggested,
        .suggestion_binds = map.prefer_failure,
        .lifetime_ns = portmap_lifetime_ns(call, seconds)};
    memcpy(request.nonce, map.nonce, sizeof(map.nonce));
    if (!map.suggested_four && map.prefer_failure) return fail(call, RESULT_EXTERNAL);
    switch (sim_nat_map(call->nat, call->now_ns, &request, &outside)) {
    case SIM_NAT_GRANTED:
        return answer_mapped(call, &map, outside, (uint32_t)(request.lifetime_ns / QE_NS_PER_S));
    case SIM_NAT_NOT_YOURS:
        return fail(call, RESULT_NOT_AUTHORIZED);
    case SIM_NAT_NOT_THAT_PORT:
        return fail(call, RESULT_EXTERNAL);
    case SIM_NAT_NO_PORT:
        break;
    }
    return fail(call, RESULT_RESOURCES);
}

size_t portmap_pcp(const struct portmap_call *call)
{
    struct qe_reader r = qe_reader(call->request);
    uint32_t client;
    uint8_t version = qe_read8(&r);
    uint8_t op = qe_read8(&r);
    if (op & ANSWER_BIT) return 0;
    if (version != VERSION) return fail(call, RESULT_VERSION);
    qe_read16(&r);
    uint32_t seconds = qe_read32(&r);
    bool four = read_four(&r, &client);
    if (r.failed || call->request.size % 4 || call->request.size > SIM_PORTMAP_ANSWER_SIZE)
        return fail(call, RESULT_MALFORMED);
    if (op != OP_MAP && op != OP_ANNOUNCE) return fail(call, RESULT_OPCODE);
    if (!four || client != qe_ip4_to_u32(&call->client->ip)) return fail(call, RESULT_ADDRESS);
    if (op == OP_MAP) return answer_map(call, &r, seconds);
    enum pcp_result result = read_options(&r, NULL);
    if (result != RESULT_OK) return fail(call, result);
    struct qe_writer w = begin(call, OP_ANNOUNCE, RESULT_OK, 0);
    return qe_writer_size(&w);
}
