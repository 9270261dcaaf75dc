// QUIC and the DHT on one socket: what is told apart by a datagram's first bytes and its last one, as it comes joined
// by the kernel (UDP GRO) and mixed.
#include "base/time.h"
#include "dht/dht.h"
#include "node/cplane.h"
#include "node/node.h"
#include "unit.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_HEADERS 10000000
#define SEGMENTS      64
#define SEGMENT       48

static struct world world;
static struct world_host *host;
static const struct qe_addr stranger = {{4, {192, 0, 2, 9}}, 4000, 0};

static void begin(uint8_t lanes)
{
    world_init(&world, 1);
    host = world_add(&world);
    host->config.lanes = lanes;
    world_start(host);
    world_run(&world, world.now_ns + QE_NS_PER_S);
}

static void give(const uint8_t *bytes, uint32_t size, uint16_t segment)
{
    const struct qe_datagrams in = {.socket = 1,
        .local = {host->ip, QE_DEFAULT_PORT, 0},
        .remote = stranger,
        .bytes = bytes,
        .size = size,
        .segment_size = segment};
    struct qe_event event = {.kind = QE_EVENT_DATAGRAMS, .datagrams = {&in, 1}};
    world_step(host, &event);
}

static uint64_t dht_received(void)
{
    return world_metric(host, "dht_datagrams_recv");
}

// A packet with a short header that is as much like KRPC as a packet of this node's connections can be.
static void short_header(struct unit_random *random, uint8_t *out)
{
    unit_random_fill(random, out, SEGMENT);
    out[0] = unit_random_below(random, 2) ? 'd' : (uint8_t)(0x40 | (out[0] & 0x3f));
    out[1] |= 0x80; // connection IDs of ours (docs/protocol.md)
    if (unit_random_below(random, 2)) out[2] = ':';
    if (unit_random_below(random, 2)) out[SEGMENT - 1] = 'e';
}

static void no_short_header_is_taken_for_krpc(void)
{
    static uint8_t batch[SEGMENTS * SEGMENT];
    struct unit_random random = unit_random();
    begin(1);
    uint64_t before = world_metric(host, "datagrams_recv");
    size_t wrong = 0, count = 0;
    while (count < SHORT_HEADERS) {
        for (size_t i = 0; i < SEGMENTS; i++, count++) {
            short_header(&random, batch + i * SEGMENT);
            wrong += qe_dht_is_krpc(batch + i * SEGMENT, SEGMENT);
        }
        give(batch, sizeof batch, SEGMENT);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(dht_received(), 0);
    CU_ASSERT_EQUAL(world_metric(host, "datagrams_recv") - before, count);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const char ping[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";

// Joined by the kernel in any order, each datagram reaches whoever it is for.
static void mixed(uint8_t lanes)
{
    enum { SIZE = sizeof ping - 1 };
    static uint8_t batch[SEGMENTS * SIZE];
    struct unit_random random = unit_random();
    begin(lanes);
    uint64_t quic = world_metric(host, "datagrams_recv"), sent[2] = {0};
    for (int round = 0; round < 500; round++) {
        size_t segments = 1 + unit_random_below(&random, SEGMENTS);
        for (size_t i = 0; i < segments; i++) {
            uint8_t *at = batch + i * SIZE;
            bool krpc = unit_random_below(&random, 2);
            sent[krpc]++;
            unit_random_fill(&random, at, SIZE);
            at[0] = 'd';
            at[1] |= 0x80;
            if (krpc) memcpy(at, ping, SIZE);
        }
        give(batch, (uint32_t)(segments * SIZE), SIZE);
    }
    CU_ASSERT_EQUAL(dht_received(), sent[1]);
    CU_ASSERT_EQUAL(world_metric(host, "datagrams_recv") - quic, sent[0]);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static void mixed_batches_are_told_apart(void)
{
    mixed(1);
    mixed(4);
}

static void a_last_segment_may_be_shorter(void)
{
    uint8_t batch[60 + sizeof ping - 1];
    begin(1);
    uint64_t quic = world_metric(host, "datagrams_recv");
    memset(batch, 0xc0, 60);
    batch[0] = 0x45;
    memcpy(batch + 60, ping, sizeof ping - 1);
    give(batch, sizeof batch, 60);
    CU_ASSERT_EQUAL(dht_received(), 1);
    CU_ASSERT_EQUAL(world_metric(host, "datagrams_recv") - quic, 1);
    give((const uint8_t *)"d", 1, 1);
    give((const uint8_t *)"d1", 2, 2);
    CU_ASSERT_EQUAL(dht_received(), 1);
    CU_ASSERT_EQUAL(world_fini(&world), 0);
}

static const struct unit_case cases[] = {
    {"no packet with a short header is taken for KRPC", no_short_header_is_taken_for_krpc},
    {"mixed batches are told apart", mixed_batches_are_told_apart},
    {"a last segment may be shorter", a_last_segment_may_be_shorter},
};
UNIT_MAIN("demux", cases)
