// What is written so far is always the start of one well-formed document, or the writer has failed for good. Commas
// are put by two bit sets indexed by depth, so nothing is allocated but the text.
#include "observe/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define SIZE_FIRST 256

void qe_json_init(struct qe_json *w, const struct qe_mem *mem, size_t size_max)
{
    assert(size_max > 0 && size_max < SIZE_MAX / 2);
    *w = (struct qe_json){.mem = mem, .size_max = size_max};
}

void qe_json_fini(struct qe_json *w)
{
    qe_free(w->mem, w->text);
    w->text = NULL;
    w->size = w->capacity = 0;
    w->failed = true;
}

void qe_json_reset(struct qe_json *w)
{
    w->size = 0;
    w->depth = 0;
    w->objects = w->begun = 0;
    w->keyed = w->done = w->failed = false;
}

// Room for `size` more bytes and a NUL.
static char *room(struct qe_json *w, size_t size)
{
    if (w->failed || size > w->size_max - w->size) {
        w->failed = true;
        return NULL;
    }
    size_t needed = w->size + size + 1;
    if (needed > w->capacity) {
        size_t capacity = w->capacity ? w->capacity : SIZE_FIRST;
        while (capacity < needed)
            capacity *= 2;
        char *text = qe_realloc(w->mem, w->text, capacity, 1);
        if (!text) {
            w->failed = true;
            return NULL;
        }
        w->text = text;
        w->capacity = capacity;
    }
    char *at = w->text + w->size;
    w->size += size;
    return at;
}

static void put(struct qe_json *w, const void *bytes, size_t size)
{
    char *at = room(w, size);
    if (at) memcpy(at, bytes, size);
}

static uint32_t bit(const struct qe_json *w)
{
    return UINT32_C(1) << (w->depth - 1);
}

static bool in_object(const struct qe_json *w)
{
    return w->depth > 0 && (w->objects & bit(w));
}

static void comma(struct qe_json *w)
{
    if (w->begun & bit(w)) put(w, ",", 1);
    w->begun |= bit(w);
}

// Before each value: it stands alone, after a key, or in an array.
static void before_value(struct qe_json *w)
{
    assert(!w->done);
    if (w->depth == 0) return;
    if (in_object(w)) {
        assert(w->keyed);
        w->keyed = false;
        return;
    }
    comma(w);
}

static void after_value(struct qe_json *w)
{
    if (w->depth == 0) w->done = true;
}

static void begin(struct qe_json *w, bool object)
{
    before_value(w);
    assert(w->depth < QE_JSON_DEPTH_MAX);
    w->depth++;
    w->begun &= ~bit(w);
    w->objects = object ? w->objects | bit(w) : w->objects & ~bit(w);
    put(w, object ? "{" : "[", 1);
}

static void end(struct qe_json *w, bool object)
{
    assert(w->depth > 0 && in_object(w) == object && !w->keyed);
    w->depth--;
    put(w, object ? "}" : "]", 1);
    after_value(w);
}

void qe_json_object_begin(struct qe_json *w)
{
    begin(w, true);
}

void qe_json_object_end(struct qe_json *w)
{
    end(w, true);
}

void qe_json_array_begin(struct qe_json *w)
{
    begin(w, false);
}

void qe_json_array_end(struct qe_json *w)
{
    end(w, false);
}

static void put_control(struct qe_json *w, uint8_t c)
{
    char escape[8];
    static const char shorts[] = "\bb\ff\nn\rr\tt";
    for (size_t i = 0; shorts[i]; i += 2)
        if ((uint8_t)shorts[i] == c) {
            snprintf(escape, sizeof(escape), "\\%c", shorts[i + 1]);
            put(w, escape, 2);
            return;
        }
    snprintf(escape, sizeof(escape), "\\u%04x", c);
    put(w, escape, 6);
}

static void put_quoted(struct qe_json *w, struct qe_span text)
{
    put(w, "\"", 1);
    for (size_t i = 0, size; i < text.size; i += size) {
        const uint8_t *at = text.data + i;
        if (!qe_utf8_next(at, text.size - i, &size))
            put(w, "\xef\xbf\xbd", 3);
        else if (*at < 0x20)
            put_control(w, *at);
        else if (*at == '"' || *at == '\\')
            put(w, (const char[]){'\\', (char)*at}, 2);
        else
            put(w, at, size);
    }
    put(w, "\"", 1);
}

void qe_json_key(struct qe_json *w, const char *key)
{
    assert(in_object(w) && !w->keyed);
    comma(w);
    put_quoted(w, qe_span(key, strlen(key)));
    put(w, ":", 1);
    w->keyed = true;
}

void qe_json_text(struct qe_json *w, struct qe_span text)
{
    before_value(w);
    put_quoted(w, text);
    after_value(w);
}

void qe_json_string(struct qe_json *w, const char *text)
{
    qe_json_text(w, qe_span(text, strlen(text)));
}

static void put_literal(struct qe_json *w, const char *literal)
{
    before_value(w);
    put(w, literal, strlen(literal));
    after_value(w);
}

void qe_json_u64(struct qe_json *w, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRIu64, value);
    put_literal(w, digits);
}

void qe_json_i64(struct qe_json *w, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRId64, value);
    put_literal(w, digits);
}

void qe_json_bool(struct qe_json *w, bool value)
{
    put_literal(w, value ? "true" : "false");
}

void qe_json_null(struct qe_json *w)
{
    put_literal(w, "null");
}

bool qe_json_finish(struct qe_json *w, struct qe_span *out)
{
    assert(w->failed || w->done);
    *out = qe_span(NULL, 0);
    if (w->failed) return false;
    w->text[w->size] = '\0';
    *out = qe_span(w->text, w->size);
    return true;
}
