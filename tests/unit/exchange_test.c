// QUIC between two applications of simulated machines, over a wire made here: what it carries, what it does when the
// wire loses packets or is cut, and that the same seed gives the same datagrams.
#include "engine/digest.h"
#include "engine/memory.h"
#include "traffic/inner_quic.h"
#include "unit.h"

#include <string.h>

#define MS          UINT64_C(1000000)
#define DELAY_NS    (10 * MS)
#define PAYLOAD_MAX 1392
#define FLIGHTS_MAX 4096

static struct sim_engine engine;
static struct qe_tls_library *library;
static struct sim_inner_tls tls;
static struct sim_quic_end client, server;
static uint8_t pattern[2 * SIM_INNER_PATTERN], other_pattern[2 * SIM_INNER_PATTERN];

// Datagrams on the wire, in order.
static struct flight {
    struct sim_quic_end *to;
    uint64_t at_ns;
    uint16_t size;
    uint8_t bytes[1500];
} flights[FLIGHTS_MAX];
static size_t flight_first, flight_end;
static struct sim_source wire;

static struct {
    uint64_t sent, largest, segments_max;
    bool cut;
    unsigned lose_each; // every n-th datagram; 0: none
    uint64_t received, answered, bytes_of_answers, losses, damages;
    uint64_t server_heads;
    uint64_t finished_ns;
    uint64_t digest;
} seen;

static uint64_t bulk_bytes, requests, response_bytes;

static void wire_occurs(struct sim_source *source)
{
    struct flight *flight = &flights[flight_first++ % FLIGHTS_MAX];
    sim_quic_end_receive(flight->to, 4, PAYLOAD_MAX, qe_span(flight->bytes, flight->size));
    sim_quic_end_pump(flight->to);
    if (flight_first < flight_end) sim_engine_schedule(&engine, source, flights[flight_first % FLIGHTS_MAX].at_ns);
}

static void on_send(struct sim_quic_end *end, struct qe_span bytes, size_t segment)
{
    uint64_t segments = 0;
    for (size_t done = 0; done < bytes.size; done += segment, segments++) {
        size_t size = bytes.size - done < segment ? bytes.size - done : segment;
        uint8_t digest[SIM_DIGEST_SIZE];
        sim_digest(bytes.data + done, size, digest);
        seen.digest = seen.digest * 31 + qe_load64(digest);
        seen.sent++;
        if (size > seen.largest) seen.largest = size;
        if (seen.cut || (seen.lose_each && seen.sent % seen.lose_each == 0)) continue;
        CU_ASSERT_FATAL(flight_end - flight_first < FLIGHTS_MAX);
        struct flight *flight = &flights[flight_end++ % FLIGHTS_MAX];
        *flight = (struct flight){
            .to = end == &client ? &server : &client, .at_ns = engine.now_ns + DELAY_NS, .size = (uint16_t)size};
        memcpy(flight->bytes, bytes.data + done, size);
        if (!sim_source_scheduled(&wire)) sim_engine_schedule(&engine, &wire, flight->at_ns);
    }
    if (segments > seen.segments_max) seen.segments_max = segments;
}

static void on_connected(struct sim_quic_end *end)
{
    uint8_t head[8];
    if (end != &client) return;
    if (bulk_bytes > seen.received) {
        struct sim_quic_stream *stream = sim_quic_end_open(end, false);
        CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
        sim_quic_stream_send(stream, (struct qe_span){0}, bulk_bytes - seen.received);
    }
    for (uint64_t i = 0; i < requests; i++) {
        struct sim_quic_stream *stream = sim_quic_end_open(end, true);
        CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
        qe_store64(head, i);
        sim_quic_stream_send(stream, qe_span(head, 8), 100 + i);
    }
}

static void on_received(struct sim_quic_end *end, struct sim_quic_stream *stream, size_t size, bool fin)
{
    if (end == &client) {
        seen.bytes_of_answers += size;
        if (!fin) return;
        CU_ASSERT_EQUAL(stream->received, response_bytes);
        seen.answered += 1 + qe_load64(stream->head_in);
    } else if (requests) {
        if (!fin) return;
        uint64_t number = qe_load64(stream->head_in);
        CU_ASSERT_EQUAL(stream->received, 100 + number);
        sim_quic_stream_send(stream, qe_span(stream->head_in, 8), response_bytes);
    } else {
        seen.received += size;
        if (fin) seen.finished_ns = engine.now_ns;
    }
}

static void on_lost(struct sim_quic_end *end)
{
    if (end == &client) seen.losses++;
}

static void on_damaged(struct sim_quic_end *end)
{
    (void)end;
    seen.damages++;
}

static void begin(bool offload, const uint8_t *expected, size_t head_in)
{
    static const struct sim_stream fill = {{1, 2}, {3, 4}, 5};
    struct sim_stream stream = fill;
    memset(&seen, 0, sizeof(seen));
    flight_first = flight_end = 0;
    sim_random_fill(&stream, pattern, SIM_INNER_PATTERN);
    memcpy(pattern + SIM_INNER_PATTERN, pattern, SIM_INNER_PATTERN);
    memcpy(other_pattern, pattern, sizeof(pattern));
    other_pattern[30000] ^= 1;
    sim_engine_init(&engine);
    sim_source_init(&wire, SIM_PRIORITY_PIPE, wire_occurs);
    library = qe_tls_library_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(library);
    sim_inner_tls_init(&tls, library, 1);
    struct sim_quic_options options = {.engine = &engine,
        .tls = &tls,
        .wall_ms = UINT64_C(1767225600000),
        .seed = 1,
        .name = "under-test",
        .client = true,
        .offload = offload,
        .idle_ns = 3000 * MS,
        .head_in_size = head_in,
        .pattern = pattern,
        .owner = {NULL, on_send, on_connected, on_received, on_lost, on_damaged}};
    sim_quic_end_init(&client, &options);
    options.client = false;
    options.pattern = expected;
    sim_quic_end_init(&server, &options);
    sim_quic_end_dial(&client, 4, PAYLOAD_MAX);
    sim_quic_end_pump(&client);
}

static void play(uint64_t until_ns)
{
    while (sim_engine_step(&engine, until_ns))
        ;
    sim_engine_advance(&engine, until_ns);
}

static void end(void)
{
    sim_quic_end_fini(&client);
    sim_quic_end_fini(&server);
    sim_inner_tls_fini(&tls);
    qe_tls_library_free(library);
    sim_engine_cancel(&engine, &wire);
    sim_engine_fini(&engine);
    bulk_bytes = requests = response_bytes = 0;
}

static void a_transfer_arrives_whole(void)
{
    bulk_bytes = 3000001;
    begin(true, pattern, 0);
    play(20000 * MS);
    CU_ASSERT_EQUAL(seen.received, bulk_bytes);
    CU_ASSERT(seen.finished_ns > 0 && seen.finished_ns < 5000 * MS);
    CU_ASSERT_EQUAL(seen.damages, 0);
    CU_ASSERT_EQUAL(seen.losses, 1); // by silence, when all was done
    CU_ASSERT_EQUAL(seen.largest, PAYLOAD_MAX);
    CU_ASSERT(seen.segments_max > 4);
    CU_ASSERT_EQUAL(client.connections, 1);
    end();
    bulk_bytes = 100000;
    begin(false, pattern, 0);
    play(20000 * MS);
    CU_ASSERT_EQUAL(seen.received, bulk_bytes);
    CU_ASSERT_EQUAL(seen.segments_max, 1);
    end();
}

static void what_is_lost_is_sent_again(void)
{
    bulk_bytes = 500000;
    begin(true, pattern, 0);
    seen.lose_each = 17;
    play(60000 * MS);
    CU_ASSERT_EQUAL(seen.received, bulk_bytes);
    CU_ASSERT_EQUAL(seen.damages, 0);
    CU_ASSERT(sim_quic_end_retransmits(&client) > 10);
    end();
}

static void every_request_has_its_answer(void)
{
    requests = 40;
    response_bytes = 30000;
    begin(true, pattern, 8);
    seen.lose_each = 50;
    play(60000 * MS);
    CU_ASSERT_EQUAL(seen.answered, 40 + 39 * 40 / 2); // each number once
    CU_ASSERT_EQUAL(seen.bytes_of_answers, 40 * 30000);
    CU_ASSERT_TRUE(qe_list_empty(&client.streams));
    CU_ASSERT_TRUE(qe_list_empty(&server.streams));
    end();
}

static void a_lost_connection_is_told_and_dialled_again(void)
{
    bulk_bytes = 4000000;
    begin(true, pattern, 0);
    while (seen.received < 100000)
        play(engine.now_ns + MS);
    uint64_t before = seen.received;
    CU_ASSERT(before > 0 && before < bulk_bytes);
    seen.cut = true;
    play(10000 * MS);
    CU_ASSERT_EQUAL(seen.losses, 1);
    CU_ASSERT_PTR_NULL(client.conn);
    seen.cut = false;
    // The server may still have the old one; the new client's first packet takes its place.
    sim_quic_end_dial(&client, 4, PAYLOAD_MAX);
    sim_quic_end_pump(&client);
    play(30000 * MS);
    CU_ASSERT_EQUAL(seen.received, bulk_bytes);
    CU_ASSERT_EQUAL(client.connections, 2);
    CU_ASSERT_EQUAL(server.connections, 2);
    CU_ASSERT_EQUAL(seen.damages, 0);
    end();
}

static void another_byte_is_noticed(void)
{
    bulk_bytes = 100000;
    begin(true, other_pattern, 0);
    play(5000 * MS);
    CU_ASSERT_EQUAL(seen.damages, 1);
    CU_ASSERT(seen.received <= 30000);
    end();
}

static void garbage_is_nothing(void)
{
    struct unit_random random = unit_random();
    bulk_bytes = 200000;
    begin(true, pattern, 0);
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[1500];
        size_t size = (size_t)unit_random_below(&random, sizeof(bytes)) + 1;
        unit_random_fill(&random, bytes, size);
        if (i % 3 == 0) bytes[0] = 0xC0, memcpy(bytes + 1, "\0\0\0\1", size > 4 ? 4 : 0);
        sim_quic_end_receive(i % 2 ? &client : &server, 4, PAYLOAD_MAX, qe_span(bytes, size));
        play(engine.now_ns + MS);
    }
    play(20000 * MS);
    CU_ASSERT_EQUAL(seen.received, bulk_bytes);
    end();
}

static void the_same_seed_gives_the_same_datagrams(void)
{
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        bulk_bytes = 300000;
        begin(true, pattern, 0);
        seen.lose_each = 23;
        play(30000 * MS);
        CU_ASSERT_EQUAL(seen.received, bulk_bytes);
        digests[i] = seen.digest;
        end();
    }
    CU_ASSERT_EQUAL(digests[0], digests[1]);
}

static const struct unit_case cases[] = {
    {"a transfer arrives whole", a_transfer_arrives_whole},
    {"what is lost is sent again", what_is_lost_is_sent_again},
    {"every request has its answer", every_request_has_its_answer},
    {"a lost connection is told, and dialled again", a_lost_connection_is_told_and_dialled_again},
    {"another byte is noticed", another_byte_is_noticed},
    {"garbage is nothing", garbage_is_nothing},
    {"the same seed gives the same datagrams", the_same_seed_gives_the_same_datagrams},
};
UNIT_MAIN("exchange", cases)
