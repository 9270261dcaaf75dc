#include "replay/recording.h"

#include "engine/memory.h"
#include "host/core.h"

#include "record/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t read_file(void *user, uint8_t *out, size_t size)
{
    FILE *in = user;
    size_t got = fread(out, 1, size, in);
    return got < size && ferror(in) ? SIZE_MAX : got;
}

static void *plain_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *plain_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void plain_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static const struct qe_mem plain_mem = {NULL, plain_alloc, plain_realloc, plain_free};

int sim_recording_open(struct sim_recording *recording, const char *path, char error[QE_RECORD_ERROR_SIZE])
{
    struct stat st;
    *recording = (struct sim_recording){.in = fopen(path, "rb")};
    if (!recording->in || fstat(fileno(recording->in), &st) != 0) {
        snprintf(error, QE_RECORD_ERROR_SIZE, "%s", strerror(errno));
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        snprintf(error, QE_RECORD_ERROR_SIZE, "a directory; expected a recording");
        goto fail;
    }
    recording->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    const struct qe_record_source source = {recording->in, read_file};
    if (qe_record_reader_init(&recording->reader, &plain_mem, &source) == 0) return 0;
    snprintf(error, QE_RECORD_ERROR_SIZE, "%s", recording->reader.error);
    qe_record_reader_fini(&recording->reader);
fail:
    if (recording->in) fclose(recording->in);
    return -1;
}

void sim_recording_close(struct sim_recording *recording)
{
    qe_record_reader_fini(&recording->reader);
    fclose(recording->in);
}

// A node of which a recording is written, or one beside it of which none is.
struct recorded {
    struct qe_node *node;
    struct qe_recorder *recorder; // NULL for none
    struct sim_record_writer *writer;
    FILE *out;
    struct qe_record_chain chain;
    uint8_t *buffer, *framed;
};

static void write_out(struct recorded *r, size_t size)
{
    if (fwrite(r->framed, 1, size, r->out) == size || r->writer->error[0]) return;
    snprintf(r->writer->error, sizeof r->writer->error, "%s: %s", r->writer->path, strerror(errno));
}

static uint8_t *take_block(void *user, uint8_t *payload, size_t size, enum qe_record_end end)
{
    struct recorded *r = user;
    write_out(r, qe_record_frame_block(&r->chain, qe_span(payload, size), end, r->framed));
    return r->buffer;
}

static void begin(struct recorded *r, struct sim_host *host, const struct qe_host *lent, uint64_t wall_ms)
{
    struct qe_record_header header;
    struct qe_record_hash hash;
    char path[4096];
    struct sim_stream stream = sim_stream(host->hosts->seed, SIM_STREAM_HOST, host->box.name, QE_RANDOM_COUNT);
    r->writer = host->hosts->recording;
    r->writer->starts++;
    if (r->writer->starts > 1)
        snprintf(path, sizeof path, "%s.%u", r->writer->path, r->writer->starts);
    else
        snprintf(path, sizeof path, "%s", r->writer->path);
    r->out = fopen(path, "wb");
    if (!r->out) {
        snprintf(r->writer->error, sizeof r->writer->error, "%s: %s", path, strerror(errno));
        return;
    }
    sim_random_fill(&stream, hash.key, sizeof hash.key);
    r->buffer = sim_obtain(1, QE_RECORD_BLOCK_MAX);
    r->framed = sim_obtain(1, QE_RECORD_FRAMED_MAX);
    qe_record_header_init(&header, wall_ms);
    write_out(r, qe_record_frame_header(&r->chain, &header, r->framed));
    const struct qe_record_sink sink = {r, take_block};
    r->recorder = qe_recorder_new(lent, &sink, r->buffer, &hash);
}

static void end(struct recorded *r)
{
    if (r->out && fclose(r->out) != 0 && !r->writer->error[0])
        snprintf(r->writer->error, sizeof r->writer->error, "%s: %s", r->writer->path, strerror(errno));
    sim_release(r->buffer);
    sim_release(r->framed);
    sim_release(r);
}

static void destroy(void *node)
{
    struct recorded *r = node;
    if (r->recorder) qe_recorder_end(r->recorder, QE_RECORD_STOPPED);
    qe_node_free(r->node);
    qe_recorder_free(r->recorder);
    end(r);
}

static int create(
    void **node, const struct qe_config *config, const struct qe_host *lent, uint64_t now_ns, uint64_t wall_ms)
{
    struct sim_host *host = lent->user;
    struct recorded *r = sim_obtain(1, sizeof *r);
    if (host->hosts->recording && strcmp(host->hosts->recording->host, host->box.name) == 0)
        begin(r, host, lent, wall_ms);
    int result = r->recorder ? qe_recorder_node_new(r->recorder, &r->node, config, now_ns, wall_ms)
                             : qe_node_new(&r->node, config, lent, now_ns, wall_ms);
    *node = r;
    if (result == 0) return 0;
    r->node = NULL;
    destroy(r);
    return result;
}

static void step(void *node, const struct qe_event *event)
{
    struct recorded *r = node;
    if (r->recorder)
        qe_recorder_step(r->recorder, r->node, event);
    else
        qe_node_step(r->node, event);
}

static bool next(void *node, struct qe_action *action)
{
    struct recorded *r = node;
    return r->recorder ? qe_recorder_next(r->recorder, r->node, action) : qe_node_next(r->node, action);
}

static uint64_t deadline(const void *node)
{
    return qe_node_deadline(((const struct recorded *)node)->node);
}

const struct sim_core sim_core_recorder = {create, destroy, step, next, deadline, true};
