#include "plot/run_events.h"

#include "engine/memory.h"
#include "look/jsonl.h"
#include "plot/lines.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#define NAME_SIZE 512

struct reader {
    struct sim_run_events *events;
    const char *name;
    char *error;
    uint64_t line;
};

static bool refuse(const struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(const struct reader *r, const char *format, ...)
{
    int size = snprintf(r->error, SIM_ERROR_SIZE, "%s:%llu: ", r->name, (unsigned long long)r->line);
    va_list args;
    if (size < 0 || size >= SIM_ERROR_SIZE) return false;
    va_start(args, format);
    vsnprintf(r->error + size, (size_t)(SIM_ERROR_SIZE - size), format, args);
    va_end(args);
    return false;
}

struct sim_series *sim_series_of(struct sim_series_list *list, const char *name)
{
    if (list->recent < list->count && strcmp(list->list[list->recent].name, name) == 0)
        return &list->list[list->recent];
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->list[i].name, name) != 0) continue;
        list->recent = i;
        return &list->list[i];
    }
    SIM_ROOM(list->list, list->count, list->capacity);
    list->list[list->count] = (struct sim_series){.name = sim_copy_text(name)};
    return &list->list[list->count++];
}

void sim_series_add(struct sim_series *series, double x, double y)
{
    SIM_ROOM(series->points, series->count, series->capacity);
    series->points[series->count++] = (struct sim_point){x, y};
}

static void fini_list(struct sim_series_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        sim_release(list->list[i].name);
        sim_release(list->list[i].points);
    }
    sim_release(list->list);
}

void sim_run_events_fini(struct sim_run_events *events)
{
    for (size_t i = 0; i < events->span_count; i++) {
        sim_release(events->spans[i].row);
        sim_release(events->spans[i].host);
    }
    sim_release(events->spans);
    fini_list(&events->latency);
    fini_list(&events->arrivals);
    fini_list(&events->flow_rates);
    fini_list(&events->link_rates);
    fini_list(&events->queues);
    sim_release(events->scenario);
    sim_release(events->commit);
    sim_release(events->verdict);
    *events = (struct sim_run_events){0};
}

static double number(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return value >= 0 ? value : 0;
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void begin_span(struct sim_run_events *e, enum sim_span_kind kind, const char *host, const char *row, double at)
{
    SIM_ROOM(e->spans, e->span_count, e->span_capacity);
    e->spans[e->span_count++] = (struct sim_span){sim_copy_text(row), sim_copy_text(host), kind, at, -1};
}

// Ends what is open in this row, or, for a NULL row, everything of the host.
static void end_spans(struct sim_run_events *e, int kind, const char *host, const char *row, double at)
{
    for (size_t i = e->span_count; i > 0; i--) {
        struct sim_span *span = &e->spans[i - 1];
        if (span->end >= 0 || strcmp(span->host, host) != 0) continue;
        if (row && ((int)span->kind != kind || strcmp(span->row, row) != 0)) continue;
        span->end = at;
        if (row) return;
    }
}

// A path that the peer opened has the lane that accepted it, from 1, above its number.
static void name_path(char row[NAME_SIZE], const char *host, const char *peer, uint64_t id)
{
    uint64_t mask = (UINT64_C(1) << 48) - 1;
    if (id <= mask)
        snprintf(row, NAME_SIZE, "%s > %s path %" PRIu64, host, peer, id);
    else
        snprintf(row, NAME_SIZE, "%s > %s path %" PRIu64 "/%" PRIu64, host, peer, id >> 48, id & mask);
}

static void take_core(struct sim_run_events *e, const json_t *line, const char *host, double at)
{
    static const struct {
        const char *name;
        enum sim_span_kind kind;
        bool begins;
    } occasions[] = {{"session.connected", SIM_SPAN_SESSION, true}, {"session.lost", SIM_SPAN_SESSION, false},
        {"path.connected", SIM_SPAN_PATH, true}, {"path.closed", SIM_SPAN_PATH, false},
        {"path.silent", SIM_SPAN_SILENT, true}, {"path.heard", SIM_SPAN_SILENT, false}};
    const char *name = string(line, "name"), *peer = string(line, "peer");
    char row[NAME_SIZE];
    for (size_t i = 0; i < sizeof(occasions) / sizeof(occasions[0]); i++) {
        if (strcmp(name, occasions[i].name) != 0) continue;
        if (occasions[i].kind == SIM_SPAN_SESSION)
            snprintf(row, sizeof(row), "%s > %s", host, peer);
        else
            name_path(row, host, peer, (uint64_t)number(line, "a"));
        end_spans(e, (int)occasions[i].kind, host, row, at);
        // A path that is over is not silent any more.
        if (occasions[i].kind == SIM_SPAN_PATH) end_spans(e, SIM_SPAN_SILENT, host, row, at);
        if (occasions[i].begins) begin_span(e, occasions[i].kind, host, row, at);
    }
}

// A counter's rise since it was last seen, as Mbit/s.
static void add_rate(struct sim_series *series, double at, double bytes)
{
    if (at > series->last_x && bytes >= series->last_y)
        sim_series_add(series, at, (bytes - series->last_y) * 8e-6 / (at - series->last_x));
    series->last_x = at;
    series->last_y = bytes;
}

static void take_sample(struct sim_run_events *e, const json_t *line, const char *host, double at)
{
    char name[NAME_SIZE];
    const char *of = string(line, "of");
    if (strcmp(of, "flow") == 0) {
        add_rate(sim_series_of(&e->flow_rates, string(line, "name")), at, number(line, "delivered_bytes"));
    } else if (strcmp(of, "link") == 0) {
        snprintf(name, sizeof(name), "%s from %s", string(line, "name"), host);
        if (strchr(string(line, "name"), '>')) snprintf(name, sizeof(name), "%s", string(line, "name"));
        add_rate(sim_series_of(&e->link_rates, name), at, number(line, "delivered_bytes"));
        sim_series_add(sim_series_of(&e->queues, name), at, number(line, "queue_packets"));
    }
}

static void take_flow(struct sim_run_events *e, const json_t *line, double at)
{
    const char *name = string(line, "flow");
    sim_series_add(sim_series_of(&e->latency, name), at, number(line, "latency_ns") * 1e-6);
    sim_series_add(sim_series_of(&e->arrivals, name), at, number(line, "bytes"));
}

static bool take_run(const struct reader *r, const json_t *line)
{
    struct sim_run_events *e = r->events;
    if (json_integer_value(json_object_get(line, "format")) != SIM_JSONL_FORMAT)
        return refuse(r, "these JSON lines are not of format %d", SIM_JSONL_FORMAT);
    e->scenario = sim_copy_text(string(line, "scenario"));
    e->seed = (uint64_t)json_integer_value(json_object_get(line, "seed"));
    e->duration = number(line, "duration_ns") * 1e-9;
    if (*string(line, "commit")) e->commit = sim_copy_text(string(line, "commit"));
    if (e->duration <= 0) return refuse(r, "the run has no duration");
    return true;
}

static bool take(const struct reader *r, const json_t *line)
{
    struct sim_run_events *e = r->events;
    const char *event = string(line, "event"), *host = string(line, "host");
    double at = number(line, "time_ns") * 1e-9;
    if (!e->scenario) {
        if (strcmp(event, "run") != 0)
            return refuse(r, "JSON lines of a run are wanted, and they begin with the event \"run\"");
        return take_run(r, line);
    }
    if (strcmp(event, "flow") == 0)
        take_flow(e, line, at);
    else if (strcmp(event, "sample") == 0)
        take_sample(e, line, host, at);
    else if (strcmp(event, "core") == 0)
        take_core(e, line, host, at);
    else if (strcmp(event, "start") == 0)
        begin_span(e, SIM_SPAN_NODE, host, host, at);
    else if (strcmp(event, "stop") == 0 || strcmp(event, "crash") == 0)
        end_spans(e, 0, host, NULL, at);
    else if (strcmp(event, "end") == 0 && !e->verdict)
        e->verdict = sim_copy_text(string(line, "verdict"));
    return true;
}

// Most lines are of datagrams, and nothing here is drawn from those.
static bool passed_over(const char *line)
{
    static const char *const names[] = {"sent", "received", "forwarded", "tun-in", "tun-out", "translated"};
    const char *event = strstr(line, ",\"event\":\"");
    if (!event) return false;
    event += strlen(",\"event\":\"");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(event, names[i], strlen(names[i])) == 0 && event[strlen(names[i])] == '"') return true;
    return false;
}

static bool read_lines(struct reader *r, struct sim_lines *lines)
{
    while (sim_lines_next(lines)) {
        json_error_t wrong;
        r->line = lines->number;
        if (r->events->scenario && passed_over(lines->text)) continue;
        json_t *line = json_loadb(lines->text, lines->size, 0, &wrong);
        if (!json_is_object(line)) {
            json_decref(line);
            return refuse(r, "a JSON object is wanted on each line%s%s", line ? "" : ": ", line ? "" : wrong.text);
        }
        bool good = take(r, line);
        json_decref(line);
        if (!good) return false;
    }
    r->line = lines->number;
    if (lines->too_long) return refuse(r, "a line is longer than a megabyte");
    if (ferror(lines->file)) return refuse(r, "the file cannot be read");
    return r->events->scenario || refuse(r, "JSON lines of a run are wanted; this file is empty");
}

bool sim_run_events_read(struct sim_run_events *events, FILE *file, const char *name, char error[SIM_ERROR_SIZE])
{
    struct reader r = {.events = events, .name = name, .error = error};
    struct sim_lines lines;
    *events = (struct sim_run_events){0};
    sim_lines_init(&lines, file);
    bool good = read_lines(&r, &lines);
    sim_lines_fini(&lines);
    for (size_t i = 0; i < events->span_count; i++)
        if (events->spans[i].end < 0) events->spans[i].end = events->duration;
    return good;
}
