// Recordings: what is written is read, whatever the kind; and nothing that was changed is believed.
#include "record/action.h"
#include "record/config.h"
#include "record/event.h"
#include "record/reader.h"
#include "record/recorder.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The body's bytes in one piece; free() them.
static struct qe_span join(const struct qe_record_body *body)
{
    size_t size = qe_record_body_size(body), at = body->head_size;
    uint8_t *bytes = malloc(size + 1);
    memcpy(bytes, body->head, body->head_size);
    for (size_t i = 0; i < body->piece_count; i++) {
        memcpy(bytes + at, body->pieces[i].data, body->pieces[i].size);
        at += body->pieces[i].size;
    }
    CU_ASSERT_EQUAL(at, size);
    return qe_span(bytes, size);
}

static void numbers_take_the_least_bytes_and_no_others(void)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    struct qe_record_body body;
    qe_record_body_init(&body, unit_mem());
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        qe_record_body_clear(&body);
        qe_record_put(&body, numbers[i]);
        qe_record_put_signed(&body, (int64_t)numbers[i]);
        struct qe_reader r = qe_reader(qe_span(body.head, body.head_size));
        CU_ASSERT_EQUAL(qe_record_get(&r), numbers[i]);
        CU_ASSERT_EQUAL((uint64_t)qe_record_get_signed(&r), numbers[i]);
        CU_ASSERT(!r.failed && qe_reader_left(&r) == 0);
    }
    static const struct qe_span bad[] = {{(const uint8_t *)"\x80\x00", 2}, {(const uint8_t *)"\xff", 1},
        {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10}, {(const uint8_t *)"", 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct qe_reader r = qe_reader(bad[i]);
        qe_record_get(&r);
        CU_ASSERT(r.failed);
    }
    qe_record_body_fini(&body);
}

static uint8_t some_bytes[3000];
static struct qe_buf some_buf = {some_bytes, sizeof some_bytes, 64, 1400, NULL};
static const struct qe_addr some_addr = {{4, {10, 0, 0, 1}}, 9000, 0};
static const struct qe_addr other_addr = {{6, {0xfe, 0x80, 15, 1}}, 1, 7};

static size_t make_events(struct qe_event out[16])
{
    static const struct qe_datagrams datagrams[] = {
        {1, 2, {{6, {0xfe, 0x80, 15, 1}}, 1, 7}, {{4, {10, 0, 0, 1}}, 9000, 0}, some_bytes, 2500, 1200, 2},
        {2, 0, {{0, {0}}, 0, 0}, {{4, {10, 0, 0, 2}}, 1, 0}, some_bytes + 100, 1, 1, 0}};
    static struct qe_packet_in packets[] = {{&some_buf, {.kind = QE_OFFLOAD_TCP4,
                                                            .needs_checksum = true,
                                                            .header_size = 40,
                                                            .segment_size = 1000,
                                                            .checksum_start = 20,
                                                            .checksum_offset = 16}},
        {&some_buf, {.kind = QE_OFFLOAD_NONE}}};
    static const struct qe_cidr cidrs[] = {{{4, {10, 0, 0, 1}}, 24}, {{6, {0xfd, 9, 15, 1}}, 64}};
    static const struct qe_ip ips[] = {{4, {192, 0, 2, 1}}, {6, {0x20, 1, 15, 1}}};
    size_t n = 0;
    out[n++] = (struct qe_event){.kind = QE_EVENT_START, .now_ns = 1, .wall_ms = 100};
    out[n++] = (struct qe_event){.kind = QE_EVENT_TIMEOUT, .now_ns = 1000000000000, .wall_ms = 50};
    out[n++] = (struct qe_event){.kind = QE_EVENT_DATAGRAMS, .now_ns = 5, .wall_ms = 0, .datagrams = {datagrams, 2}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_PACKETS, .packets = {packets, 2}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_BUFFERS, .buffers = 64};
    out[n++] = (struct qe_event){.kind = QE_EVENT_LINK, .link = {3, "eth0", true, cidrs, 2}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_LINK, .link = {3, "", false, NULL, 0}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_STORED, .stored = {"peer/x", {some_bytes, 300}}};
    out[n++] =
        (struct qe_event){.kind = QE_EVENT_RESULT, .result = {UINT64_MAX, QE_RESULT_OK, some_addr, 0, ips, 2, NULL}};
    out[n++] = (struct qe_event){
        .kind = QE_EVENT_RESULT, .result = {1, QE_RESULT_REFUSED, other_addr, 7200, NULL, 0, "no right"}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_COMMAND, .command = {7, QE_COMMAND_PING, "b"}};
    out[n++] = (struct qe_event){.kind = QE_EVENT_COMMAND, .command = {8, QE_COMMAND_STOP, NULL}};
    return n;
}

// Events are the same where they are written the same: the encoding leaves nothing out (a_field_counts).
static void every_event_comes_back(void)
{
    struct qe_event events[16];
    struct qe_record_body first, second;
    size_t count = make_events(events);
    struct qe_record_clock clocks[3] = {{0, 0}, {0, 0}, {0, 0}};
    qe_record_body_init(&first, unit_mem());
    qe_record_body_init(&second, unit_mem());
    for (size_t i = 0; i < count; i++) {
        struct qe_record_event got;
        qe_record_body_clear(&first);
        qe_record_body_clear(&second);
        qe_record_put_event(&first, &events[i], &clocks[0]);
        struct qe_span bytes = join(&first);
        struct qe_reader r = qe_reader(bytes);
        qe_record_get_event(&r, &got, &clocks[1], unit_mem());
        CU_ASSERT(!r.failed);
        CU_ASSERT_EQUAL(got.event.now_ns, events[i].now_ns);
        CU_ASSERT_EQUAL(got.event.wall_ms, events[i].wall_ms);
        qe_record_put_event(&second, &got.event, &clocks[2]);
        struct qe_span again = join(&second);
        CU_ASSERT(qe_span_equal(bytes, again));
        char line[256];
        qe_record_describe_event(&got.event, line, sizeof line);
        CU_ASSERT(
            strncmp(line, qe_record_event_name(events[i].kind), strlen(qe_record_event_name(events[i].kind))) == 0);
        qe_record_event_fini(&got);
        // Nothing shorter or longer is an event.
        for (size_t size = 0; size < bytes.size; size += size < 40 ? 1 : 97) {
            struct qe_record_clock clock = {0, 0};
            r = qe_reader(qe_span(bytes.data, size));
            qe_record_get_event(&r, &got, &clock, unit_mem());
            CU_ASSERT(r.failed);
            qe_record_event_fini(&got);
        }
        free((void *)(uintptr_t)bytes.data);
        free((void *)(uintptr_t)again.data);
    }
    qe_record_body_fini(&first);
    qe_record_body_fini(&second);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void an_event_that_no_host_makes_is_none(void)
{
    static const struct qe_datagrams empty = {1, 0, {{0, {0}}, 0, 0}, {{0, {0}}, 0, 0}, some_bytes, 0, 1, 0};
    struct qe_packet_in beyond = {&some_buf, {.needs_checksum = true, .checksum_start = 1390, .checksum_offset = 10}};
    struct qe_packet_in uncut = {&some_buf, {.kind = QE_OFFLOAD_UDP4, .header_size = 28, .segment_size = 0}};
    const struct qe_event events[] = {{.kind = QE_EVENT_DATAGRAMS, .datagrams = {&empty, 1}},
        {.kind = QE_EVENT_PACKETS, .packets = {&beyond, 1}}, {.kind = QE_EVENT_PACKETS, .packets = {&uncut, 1}},
        {.kind = QE_EVENT_TIMEOUT, .now_ns = UINT64_MAX}, {.kind = QE_EVENT_BUFFERS, .buffers = UINT32_MAX},
        {.kind = QE_EVENT_STORED, .stored = {NULL, {some_bytes, 3}}}};
    struct qe_record_body body;
    qe_record_body_init(&body, unit_mem());
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct qe_record_clock clock = {0, 0}, again = {0, 0};
        struct qe_record_event got;
        qe_record_body_clear(&body);
        qe_record_put_event(&body, &events[i], &clock);
        struct qe_span bytes = join(&body);
        struct qe_reader r = qe_reader(bytes);
        qe_record_get_event(&r, &got, &again, unit_mem());
        CU_ASSERT(r.failed);
        qe_record_event_fini(&got);
        free((void *)(uintptr_t)bytes.data);
    }
    qe_record_body_fini(&body);
}

// Each action, and the same with one field changed: their bodies differ.
static void a_field_counts(void)
{
    static uint8_t changed_bytes[sizeof some_bytes];
    static const struct qe_record_hash hash = {{1, 2, 3}};
    struct qe_buf changed = some_buf;
    const struct qe_cidr cidr = {{4, {100, 64, 0, 1}}, 16}, wider = {{4, {100, 64, 0, 1}}, 15};
    memcpy(changed_bytes, some_bytes, sizeof some_bytes);
    changed_bytes[64 + 1399] ^= 1;
    changed.data = changed_bytes;
    struct qe_buf shorter = some_buf;
    shorter.size--;
    const struct qe_send send = {1, 2, some_addr, other_addr, &some_buf, 1200, 2, false, NULL};
#define SEND(...) ((struct qe_action){.kind = QE_ACTION_SEND, .send = {__VA_ARGS__}})
    const struct qe_action actions[] = {{.kind = QE_ACTION_SEND, .send = send},
        SEND(2, 2, some_addr, other_addr, &some_buf, 1200, 2, NULL),
        SEND(1, 3, some_addr, other_addr, &some_buf, 1200, 2, NULL),
        SEND(1, 2, other_addr, other_addr, &some_buf, 1200, 2, NULL),
        SEND(1, 2, some_addr, some_addr, &some_buf, 1200, 2, NULL),
        SEND(1, 2, some_addr, other_addr, &changed, 1200, 2, NULL),
        SEND(1, 2, some_addr, other_addr, &shorter, 1200, 2, NULL),
        SEND(1, 2, some_addr, other_addr, &some_buf, 1201, 2, NULL),
        SEND(1, 2, some_addr, other_addr, &some_buf, 1200, 0, NULL),
        {.kind = QE_ACTION_DELIVER, .deliver = {&some_buf, {0}}},
        {.kind = QE_ACTION_DELIVER, .deliver = {&changed, {0}}},
        {.kind = QE_ACTION_DELIVER, .deliver = {&some_buf, {.checksum_valid = true}}},
        {.kind = QE_ACTION_DELIVER, .deliver = {&some_buf, {.kind = QE_OFFLOAD_TCP6}}},
        {.kind = QE_ACTION_SOCKET_OPEN, .socket_open = {1, 2, some_addr}},
        {.kind = QE_ACTION_SOCKET_OPEN, .socket_open = {1, 3, some_addr}},
        {.kind = QE_ACTION_SOCKET_CLOSE, .socket_close = 1},
        {.kind = QE_ACTION_TUN_OPEN, .tun_open = {1, "t", 1420, &cidr, 1}},
        {.kind = QE_ACTION_TUN_OPEN, .tun_open = {1, "t", 1420, &wider, 1}},
        {.kind = QE_ACTION_TUN_OPEN, .tun_open = {1, "t", 1420, NULL, 0}},
        {.kind = QE_ACTION_STORE, .store = {"k", {some_bytes, 10}}},
        {.kind = QE_ACTION_STORE, .store = {"k", {changed_bytes, 1464}}}, {.kind = QE_ACTION_ERASE, .erase_key = "k"},
        {.kind = QE_ACTION_LOG, .log = {QE_LOG_INFO, "x"}}, {.kind = QE_ACTION_LOG, .log = {QE_LOG_WARN, "x"}},
        {.kind = QE_ACTION_REPLY, .reply = {1, 200, {some_bytes, 10}}},
        {.kind = QE_ACTION_REPLY, .reply = {1, -1, {some_bytes, 10}}}, {.kind = QE_ACTION_STOPPED, .stopped = NULL},
        {.kind = QE_ACTION_STOPPED, .stopped = ""}, {.kind = QE_ACTION_ADDRESSES, .addresses = {1, &cidr, 1}},
        {.kind = QE_ACTION_ADDRESSES, .addresses = {1, &wider, 1}}, {.kind = QE_ACTION_ROUTES, .routes = {1, &cidr, 1}},
        {.kind = QE_ACTION_ROUTES, .routes = {1, NULL, 0}},
        {.kind = QE_ACTION_FORWARD, .forward = {{1, &cidr, 1}, true}},
        {.kind = QE_ACTION_FORWARD, .forward = {{1, &cidr, 1}, false}},
        {.kind = QE_ACTION_RESOLVE, .resolve = {1, "a.example"}},
        {.kind = QE_ACTION_RESOLVE, .resolve = {2, "a.example"}}, {.kind = QE_ACTION_DNS, .dns = {1, "qe", some_addr}},
        {.kind = QE_ACTION_DNS, .dns = {1, "qe", {{0}, 0, 0}}},
        {.kind = QE_ACTION_MAP_PORT, .map_port = {1, 0, 9000, 0}},
        {.kind = QE_ACTION_MAP_PORT, .map_port = {1, 0, 9000, 7200}}, {.kind = QE_ACTION_NOTIFY, .notify = "a"},
        {.kind = QE_ACTION_NOTIFY, .notify = "b"}};
    enum { COUNT = sizeof actions / sizeof actions[0] };
    struct qe_record_body bodies[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char line[256];
        qe_record_body_init(&bodies[i], unit_mem());
        qe_record_put_action(&bodies[i], &actions[i], &hash);
        CU_ASSERT_EQUAL(bodies[i].piece_count, 0);
        qe_record_describe_action(qe_span(bodies[i].head, bodies[i].head_size), line, sizeof line);
        CU_ASSERT_STRING_NOT_EQUAL(line, "no action");
        qe_record_describe_action(qe_span(bodies[i].head, bodies[i].head_size - 1), line, sizeof line);
        CU_ASSERT_STRING_EQUAL(line, "no action");
        for (size_t k = 0; k < i; k++)
            CU_ASSERT(!qe_span_equal(
                qe_span(bodies[i].head, bodies[i].head_size), qe_span(bodies[k].head, bodies[k].head_size)));
    }
    for (size_t i = 0; i < COUNT; i++)
        qe_record_body_fini(&bodies[i]);
}

static void a_configuration_comes_back(void)
{
    struct qe_config config, got;
    struct qe_record_body body, again;
    qe_config_init(&config, unit_mem());
    snprintf(config.name, sizeof config.name, "alpha");
    config.tun_addr = (struct qe_cidr){{4, {100, 64, 0, 1}}, 16};
    config.peers = qe_zalloc(unit_mem(), 2, sizeof *config.peers);
    config.peer_count = 2;
    config.peers[0].id.bytes[0] = 1;
    config.peers[1].id.bytes[0] = 2;
    config.peers[1].addr = some_addr;
    snprintf(config.peers[1].name, sizeof config.peers[1].name, "b");
    config.lanes = 3;
    const struct qe_config_sink sink = {NULL, NULL};
    const struct qe_config_source source = {"here", QE_CONFIG_FILE, &sink};
    CU_ASSERT_EQUAL(qe_config_allow_peer(&config, &source, "gamma"), 0);
    CU_ASSERT_EQUAL(qe_config_add_bootstrap(&config, &source, "boot.example:9000"), 0);
    CU_ASSERT_EQUAL(qe_config_add_bootstrap(&config, &source, "[2001:db8::1]:9000"), 0);
    CU_ASSERT_EQUAL(qe_config_set_public_ip(&config, &source, "198.51.100.5"), 0);
    CU_ASSERT_EQUAL(qe_config_add_advertise(&config, &source, "10.1.0.0/16"), 0);
    CU_ASSERT_EQUAL(qe_config_add_advertise(&config, &source, "2001:db8:1::/48"), 0);
    CU_ASSERT_EQUAL(qe_config_no_accept(&config, &source), 0);
    config.bootstrap_mode = true;
    config.forward = false;
    qe_record_body_init(&body, unit_mem());
    qe_record_body_init(&again, unit_mem());
    qe_record_put_config(&body, &config);
    struct qe_reader r = qe_reader(qe_span(body.head, body.head_size));
    qe_record_get_config(&r, &got, unit_mem());
    CU_ASSERT(!r.failed && qe_reader_left(&r) == 0);
    qe_record_put_config(&again, &got);
    CU_ASSERT(qe_span_equal(qe_span(body.head, body.head_size), qe_span(again.head, again.head_size)));
    qe_config_fini(&got);
    for (size_t size = 0; size < body.head_size; size++) {
        r = qe_reader(qe_span(body.head, size));
        qe_record_get_config(&r, &got, unit_mem());
        CU_ASSERT(r.failed);
        qe_config_fini(&got);
    }
    // Peers out of order would be two peers to one search and none to another.
    config.peers[0].id.bytes[0] = 2;
    qe_record_body_clear(&again);
    qe_record_put_config(&again, &config);
    r = qe_reader(qe_span(again.head, again.head_size));
    qe_record_get_config(&r, &got, unit_mem());
    CU_ASSERT(r.failed);
    qe_config_fini(&got);
    qe_config_fini(&config);
    qe_record_body_fini(&body);
    qe_record_body_fini(&again);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

// A file in memory: a header, two blocks of records, an end.
struct file {
    uint8_t bytes[4096];
    size_t size, at;
};

static void make_file(struct file *file, const uint8_t *recipient)
{
    static const uint8_t records[] = {2, QE_RECORD_EVENT, 0xaa, 1, QE_RECORD_IDLE, 3, QE_RECORD_RANDOM, 0xbb, 0xcc};
    uint8_t random[QE_RECORD_KEY_SIZE] = {9};
    static uint8_t framed[QE_RECORD_FRAMED_MAX];
    struct qe_record_chain chain;
    struct qe_record_header header;
    qe_record_header_init(&header, 1234);
    if (recipient) CU_ASSERT_EQUAL(qe_record_seal(&chain, &header, recipient, random), 0);
    file->at = 0;
    file->size = qe_record_frame_header(&chain, &header, file->bytes);
    // The second record is cut by the blocks.
    const struct qe_span parts[] = {qe_span(records, 4), qe_span(records + 4, 5), qe_span(NULL, 0)};
    for (size_t i = 0; i < 3; i++) {
        size_t size = qe_record_frame_block(&chain, parts[i], i == 2 ? QE_RECORD_LIMIT : QE_RECORD_GOES_ON, framed);
        memcpy(file->bytes + file->size, framed, size);
        file->size += size;
    }
}

static size_t read_file(void *user, uint8_t *out, size_t size)
{
    struct file *file = user;
    size_t left = file->size - file->at;
    if (size > left) size = left;
    memcpy(out, file->bytes + file->at, size);
    file->at += size;
    return size;
}

// Reads it all; returns the records read. The reader is to be given to fini.
static size_t read_all(struct qe_record_reader *reader, struct file *file, const uint8_t *secret)
{
    const struct qe_record_source source = {file, read_file};
    struct qe_record record;
    size_t count = 0;
    file->at = 0;
    if (qe_record_reader_init(reader, unit_mem(), &source) != 0) return 0;
    if (secret) CU_ASSERT_EQUAL(qe_record_reader_unseal(reader, secret), 0);
    while (qe_record_reader_next(reader, &record))
        count++;
    return count;
}

static void a_file_comes_back_sealed_or_not(void)
{
    uint8_t secret[QE_RECORD_KEY_SIZE] = {5}, public[QE_RECORD_KEY_SIZE], other[QE_RECORD_KEY_SIZE] = {5, 1};
    qe_record_public_key(secret, public);
    for (int sealed = 0; sealed < 2; sealed++) {
        struct file file;
        struct qe_record_reader reader;
        make_file(&file, sealed ? public : NULL);
        CU_ASSERT_EQUAL(read_all(&reader, &file, sealed ? secret : NULL), 3);
        CU_ASSERT_EQUAL(reader.state, QE_RECORD_FINISHED);
        CU_ASSERT_EQUAL(reader.end, QE_RECORD_LIMIT);
        CU_ASSERT_EQUAL(reader.header.wall_ms, 1234);
        CU_ASSERT_EQUAL(reader.header.sealed, sealed != 0);
        qe_record_reader_fini(&reader);
        if (!sealed) continue;
        file.at = 0;
        const struct qe_record_source source = {&file, read_file};
        CU_ASSERT_EQUAL(qe_record_reader_init(&reader, unit_mem(), &source), 0);
        CU_ASSERT_EQUAL(qe_record_reader_unseal(&reader, other), -1);
        qe_record_reader_fini(&reader);
    }
    uint8_t small_order[QE_RECORD_KEY_SIZE] = {0};
    struct qe_record_chain chain;
    struct qe_record_header header;
    qe_record_header_init(&header, 0);
    CU_ASSERT_EQUAL(qe_record_seal(&chain, &header, small_order, secret), -1);
}

static void every_flipped_bit_is_found(void)
{
    uint8_t secret[QE_RECORD_KEY_SIZE] = {5}, public[QE_RECORD_KEY_SIZE];
    qe_record_public_key(secret, public);
    for (int sealed = 0; sealed < 2; sealed++) {
        struct file file;
        make_file(&file, sealed ? public : NULL);
        for (size_t bit = 0; bit < file.size * 8; bit++) {
            struct qe_record_reader reader;
            file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            read_all(&reader, &file, sealed && bit / 8 > 400 ? secret : NULL);
            CU_ASSERT_EQUAL(reader.state, QE_RECORD_BAD);
            CU_ASSERT(reader.error[0] != 0);
            qe_record_reader_fini(&reader);
            file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void every_cut_is_found(void)
{
    struct file file;
    make_file(&file, NULL);
    for (size_t size = file.size; size-- > 0;) {
        struct qe_record_reader reader;
        file.size = size;
        CU_ASSERT(read_all(&reader, &file, NULL) <= 3);
        CU_ASSERT(reader.state == QE_RECORD_CUT || (reader.state == QE_RECORD_BAD && reader.fault == QE_RECORD_SHORT));
        CU_ASSERT(strncmp(reader.error, size ? "cut short: it ends at byte" : "empty", size ? 26 : 5) == 0);
        qe_record_reader_fini(&reader);
    }
}

static void what_follows_the_end_or_is_no_recording_is_refused(void)
{
    struct file file;
    struct qe_record_reader reader;
    make_file(&file, NULL);
    file.bytes[file.size++] = 0;
    read_all(&reader, &file, NULL);
    CU_ASSERT_EQUAL(reader.state, QE_RECORD_BAD);
    qe_record_reader_fini(&reader);
    make_file(&file, NULL);
    file.bytes[9]++;
    read_all(&reader, &file, NULL);
    CU_ASSERT_EQUAL(reader.fault, QE_RECORD_OTHER);
    CU_ASSERT_STRING_EQUAL(reader.error, "of format version 3; expected version 2");
    qe_record_reader_fini(&reader);
    memcpy(file.bytes,
        "\x7f"
        "ELF",
        4);
    read_all(&reader, &file, NULL);
    CU_ASSERT_EQUAL(reader.fault, QE_RECORD_FOREIGN);
    qe_record_reader_fini(&reader);
}

static const struct unit_case cases[] = {
    {"numbers take the least bytes and no others", numbers_take_the_least_bytes_and_no_others},
    {"every event comes back", every_event_comes_back},
    {"an event that no host makes is none", an_event_that_no_host_makes_is_none},
    {"a field counts", a_field_counts},
    {"a configuration comes back", a_configuration_comes_back},
    {"a file comes back, sealed or not", a_file_comes_back_sealed_or_not},
    {"every flipped bit is found", every_flipped_bit_is_found},
    {"every cut is found", every_cut_is_found},
    {"what follows the end or is no recording is refused", what_follows_the_end_or_is_no_recording_is_refused},
};
UNIT_MAIN("record", cases)
