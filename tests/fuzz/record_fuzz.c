// Any file is read to its end or refused with a line that says why; any record is understood or refused. The first byte
// says what the rest is: a file, a file's header and blocks with right checksums around arbitrary records, an event, a
// configuration, or an action.
#include "record/action.h"
#include "record/config.h"
#include "record/event.h"
#include "record/reader.h"
#include "record/recorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *retake(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void give(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static const struct qe_mem mem = {NULL, take, retake, give};

static size_t read_span(void *user, uint8_t *out, size_t size)
{
    struct qe_reader *in = user;
    size_t left = qe_reader_left(in);
    struct qe_span span = qe_read_bytes(in, size < left ? size : left);
    if (span.size) memcpy(out, span.data, span.size);
    return span.size;
}

static void try_event(struct qe_span bytes)
{
    struct qe_record_event event;
    struct qe_record_clock clock = {0, 0}, before = {0, 0};
    struct qe_record_body body;
    char line[256];
    struct qe_reader r = qe_reader(bytes);
    qe_record_get_event(&r, &event, &clock, &mem);
    if (!r.failed) {
        // What is understood is written as it was read.
        qe_record_body_init(&body, &mem);
        qe_record_put_event(&body, &event.event, &before);
        assert(body.failed || qe_record_body_size(&body) == bytes.size);
        assert(body.failed || memcmp(body.head, bytes.data, body.head_size) == 0);
        qe_record_body_fini(&body);
        qe_record_describe_event(&event.event, line, sizeof line);
        assert(line[0]);
    }
    qe_record_event_fini(&event);
}

static void try_config(struct qe_span bytes)
{
    struct qe_config config;
    struct qe_reader r = qe_reader(bytes);
    qe_record_get_config(&r, &config, &mem);
    if (!r.failed) assert(config.lanes >= 1 && config.lanes <= QE_CONFIG_LANES_MAX && config.mtu >= QE_MTU_MIN);
    qe_config_fini(&config);
}

static void try_file(struct qe_span bytes)
{
    struct qe_record_reader reader;
    struct qe_record record;
    struct qe_reader in = qe_reader(bytes);
    const struct qe_record_source source = {&in, read_span};
    static const uint8_t secret[QE_RECORD_KEY_SIZE] = {1};
    if (qe_record_reader_init(&reader, &mem, &source) == 0 && qe_record_reader_unseal(&reader, secret) == 0) {
        size_t total = 0;
        while (qe_record_reader_next(&reader, &record)) {
            total += record.body.size + 1;
            assert(total <= bytes.size);
            if (record.kind == QE_RECORD_EVENT) try_event(record.body);
        }
        assert(reader.state != QE_RECORD_GOOD);
    }
    assert(reader.state != QE_RECORD_BAD || reader.error[0]);
    qe_record_reader_fini(&reader);
}

// Right on the outside, whatever within.
static void try_records(struct qe_span bytes)
{
    static uint8_t file[QE_RECORD_HEADER_MAX + 3 * QE_RECORD_FRAMED_MAX];
    struct qe_record_chain chain;
    struct qe_record_header header;
    if (bytes.size > QE_RECORD_BLOCK_MAX) return;
    size_t half = bytes.size / 2;
    qe_record_header_init(&header, 0);
    size_t size = qe_record_frame_header(&chain, &header, file);
    size += qe_record_frame_block(&chain, qe_span(bytes.data, half), QE_RECORD_GOES_ON, file + size);
    size +=
        qe_record_frame_block(&chain, qe_span(bytes.data + half, bytes.size - half), QE_RECORD_STOPPED, file + size);
    try_file(qe_span(file, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[256];
    if (size == 0) return 0;
    const struct qe_span rest = {data + 1, size - 1};
    switch (data[0] % 5) {
    case 0:
        try_file(rest);
        break;
    case 1:
        try_records(rest);
        break;
    case 2:
        try_event(rest);
        break;
    case 3:
        try_config(rest);
        break;
    default:
        qe_record_describe_action(rest, line, sizeof line);
        assert(line[0]);
    }
    return 0;
}
