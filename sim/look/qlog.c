#include "look/qlog.h"

#include "base/list.h"
#include "engine/memory.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_SEPARATOR 0x1e
#define WAITING_MAX      ((size_t)1 << 16)
#define NS_PER_MS        1000000

static void write_waiting(struct sim_qlog *qlog, struct sim_qlog_file *file)
{
    if (!file->path || !file->size) return;
    FILE *out = fopen(file->path, "ab");
    bool ok = out && fwrite(file->waiting, 1, file->size, out) == file->size;
    if (out && fclose(out) != 0) ok = false;
    if (!ok && !qlog->error) qlog->error = errno;
    file->size = 0;
}

static void append(struct sim_qlog_file *file, const void *bytes, size_t size)
{
    if (file->capacity - file->size < size) {
        file->capacity = (file->size + size) * 2;
        file->waiting = sim_resize(file->waiting, file->capacity, 1);
    }
    if (size) memcpy(file->waiting + file->size, bytes, size);
    file->size += size;
}

// Begins the file under its name, emptying one that is there from another run.
static void create(struct sim_qlog *qlog, struct sim_qlog_file *file, const char *group, const char *host, bool client)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s-%s-%s.sqlog", qlog->folder, group, host, client ? "client" : "server");
    file->path = sim_copy_text(path);
    FILE *out = fopen(path, "wb");
    if (!out || fclose(out) != 0) qlog->error = qlog->error ? qlog->error : errno;
    qlog->written++;
}

// ngtcp2 says of every trace that it is ngtcp2's and began at 0; whoever opens several wants to know whose and when.
static char *rewrite_header(struct qe_span line, const struct sim_qlog_file *file, const char *host, char group[64])
{
    json_t *root = json_loadb((const char *)line.data, line.size, 0, NULL);
    json_t *trace = json_object_get(root, "trace"), *common = json_object_get(trace, "common_fields");
    const char *id = json_string_value(json_object_get(common, "group_id"));
    char *text = NULL;
    if (id) {
        snprintf(group, 64, "%s", id);
        json_object_set_new(common, "reference_time", json_integer((json_int_t)(file->begin_ns / NS_PER_MS)));
        json_object_set_new(json_object_get(trace, "vantage_point"), "name", json_string(host));
        json_object_set_new(trace, "title", json_string(host));
        text = json_dumps(root, JSON_COMPACT);
    }
    json_decref(root);
    return text;
}

// The header is the first record; it has to be complete before the file has a name.
static void take_header(struct sim_qlog *qlog, struct sim_qlog_file *file, const struct sim_trace_item *item)
{
    char group[64] = "unknown";
    const char *end = memchr(file->waiting, '\n', file->size);
    if (!end || file->waiting[0] != RECORD_SEPARATOR) return;
    size_t size = (size_t)(end - file->waiting);
    char *text = rewrite_header(qe_span(file->waiting + 1, size - 1), file, item->who.name, group);
    if (text) {
        size_t rest = file->size - size, text_size = strlen(text);
        char *whole = sim_obtain(1 + text_size + rest, 1);
        whole[0] = RECORD_SEPARATOR;
        memcpy(whole + 1, text, text_size);
        memcpy(whole + 1 + text_size, end, rest);
        sim_release(file->waiting);
        file->waiting = whole;
        file->size = file->capacity = 1 + text_size + rest;
        free(text);
    }
    create(qlog, file, group, item->who.name, item->ok);
}

static struct sim_qlog_file *find(struct sim_qlog *qlog, uint32_t host, uint64_t connection)
{
    for (size_t i = qlog->count; i > 0; i--)
        if (qlog->files[i - 1].host == host && qlog->files[i - 1].connection == connection) return &qlog->files[i - 1];
    return NULL;
}

static void end_file(struct sim_qlog *qlog, struct sim_qlog_file *file)
{
    write_waiting(qlog, file);
    sim_release(file->waiting);
    sim_release(file->path);
    *file = qlog->files[--qlog->count];
}

static void see(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_qlog *qlog = qe_container(sink, struct sim_qlog, sink);
    struct sim_qlog_file *file = find(qlog, item->who.index, item->a);
    if (!file) {
        SIM_ROOM(qlog->files, qlog->count, qlog->capacity);
        file = &qlog->files[qlog->count++];
        *file = (struct sim_qlog_file){.host = item->who.index, .connection = item->a, .begin_ns = now_ns};
    }
    append(file, item->bytes.data, item->bytes.size);
    if (!file->path) take_header(qlog, file, item);
    if (file->size >= WAITING_MAX) write_waiting(qlog, file);
    if (item->b) end_file(qlog, file);
}

void sim_qlog_init(struct sim_qlog *qlog, const char *folder)
{
    *qlog = (struct sim_qlog){
        .sink = {.wants = SIM_TRACE_BIT(SIM_TRACE_QLOG), .see = see}, .folder = sim_copy_text(folder)};
}

int sim_qlog_fini(struct sim_qlog *qlog)
{
    while (qlog->count)
        end_file(qlog, &qlog->files[qlog->count - 1]);
    sim_release(qlog->files);
    sim_release(qlog->folder);
    if (!qlog->error) return 0;
    errno = qlog->error;
    return -1;
}
