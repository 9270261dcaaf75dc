// Keeps true: what is rendered parses as Prometheus' format whatever the labels hold, and numbers are exact (integers
// and thousandths; no floating point in between).
#include "control/prometheus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *data;
    size_t size;
    size_t room;
    bool failed;
};

static void put(struct text *t, const char *data, size_t size)
{
    if (t->failed) return;
    if (size > t->room - t->size) {
        size_t room = t->room ? t->room : 4096;
        while (room - t->size < size && room < QE_PROMETHEUS_SIZE_MAX)
            room *= 2;
        char *grown = room - t->size < size ? NULL : realloc(t->data, room);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->room = room;
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
}

static void put_text(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

// Escapes backslash and newline, and where `quotes` is set the double quote: help texts leave that one alone.
static void put_escaped(struct text *t, const char *s, bool quotes)
{
    for (; *s; s++) {
        if (*s == '\n')
            put_text(t, "\\n");
        else if (*s == '\\' || (quotes && *s == '"'))
            put(t, (const char[]){'\\', *s}, 2);
        else
            put(t, s, 1);
    }
}

// [a-zA-Z_:][a-zA-Z0-9_:]*, the colon in metric names only.
static bool name_valid(const char *s, bool colons)
{
    if (!s || !*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++) {
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_';
        bool digit = *s >= '0' && *s <= '9';
        if (!letter && !digit && !(colons && *s == ':')) return false;
    }
    return true;
}

static int put_labels(struct text *t, const json_t *labels)
{
    if (!labels) return 0;
    if (!json_is_object(labels)) return -1;
    bool first = true;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)labels, key, value)
    {
        if (!name_valid(key, false) || !json_is_string(value)) return -1;
        put_text(t, first ? "{" : ",");
        put_text(t, key);
        put_text(t, "=\"");
        put_escaped(t, json_string_value(value), true);
        put_text(t, "\"");
        first = false;
    }
    if (!first) put_text(t, "}");
    return 0;
}

// Thousandths as a decimal without trailing zeros: 15200 is 15.2.
static void put_milli(struct text *t, int64_t milli)
{
    uint64_t magnitude = milli < 0 ? UINT64_C(0) - (uint64_t)milli : (uint64_t)milli;
    char number[40];
    int n = snprintf(
        number, sizeof(number), "%s%" PRIu64 ".%03" PRIu64, milli < 0 ? "-" : "", magnitude / 1000, magnitude % 1000);
    while (number[n - 1] == '0')
        n--;
    if (number[n - 1] == '.') n--;
    put(t, number, (size_t)n);
}

// A histogram's samples, and no others, are told apart by what follows the name.
static bool suffix_valid(const char *type, const char *suffix)
{
    if (strcmp(type, "histogram") != 0) return !suffix;
    return suffix && (strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_sum") == 0 || strcmp(suffix, "_count") == 0);
}

static int put_sample(struct text *t, const char *name, const char *type, const json_t *sample)
{
    const json_t *value = json_object_get(sample, "value");
    const json_t *milli = json_object_get(sample, "value_milli");
    const char *suffix = json_string_value(json_object_get(sample, "suffix"));
    if (!value == !milli || !json_is_integer(value ? value : milli) || !suffix_valid(type, suffix)) return -1;
    put_text(t, name);
    if (suffix) put_text(t, suffix);
    if (put_labels(t, json_object_get(sample, "labels")) != 0) return -1;
    put_text(t, " ");
    if (milli) {
        put_milli(t, json_integer_value(milli));
    } else {
        char number[24];
        int n = snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        put(t, number, (size_t)n);
    }
    put_text(t, "\n");
    return 0;
}

static int put_metric(struct text *t, const json_t *metric)
{
    const char *name = json_string_value(json_object_get(metric, "name"));
    const char *type = json_string_value(json_object_get(metric, "type"));
    const char *help = json_string_value(json_object_get(metric, "help"));
    const json_t *samples = json_object_get(metric, "samples");
    bool known = type && (strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 || strcmp(type, "histogram") == 0);
    if (!name_valid(name, true) || !known || !json_is_array(samples)) return -1;
    if (help) {
        put_text(t, "# HELP ");
        put_text(t, name);
        put_text(t, " ");
        put_escaped(t, help, false);
        put_text(t, "\n");
    }
    put_text(t, "# TYPE ");
    put_text(t, name);
    put_text(t, " ");
    put_text(t, type);
    put_text(t, "\n");
    size_t i;
    json_t *sample;
    json_array_foreach(samples, i, sample)
    {
        if (put_sample(t, name, type, sample) != 0) return -1;
    }
    return 0;
}

int qe_prometheus_render(const json_t *metrics, char **text, size_t *size)
{
    struct text t = {0};
    const json_t *list = json_object_get(metrics, "metrics");
    bool ok = json_is_array(list);
    size_t i;
    json_t *metric;
    json_array_foreach(list, i, metric)
    {
        ok = ok && put_metric(&t, metric) == 0;
    }
    put(&t, "", 1); // a NUL after the end, so that an empty list is a text too
    if (!ok || t.failed) {
        free(t.data);
        return -1;
    }
    *text = t.data;
    *size = t.size - 1;
    return 0;
}
