// Canonical TOML: in each table first the plain values, then, behind headers, the tables and arrays of tables. One form
// for each value, so that equal trees are equal texts.
#include "scenario/tree.h"

#include "engine/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// An array that would be wider stands with one item a line.
#define WIDTH_MAX 100

struct printer {
    char *text;
    size_t size, capacity;
    const struct sim_tree *refused;
};

// Where a header's name comes from: the keys of the tables around it.
struct path {
    const struct path *up;
    const char *key;
};

static void put_bytes(struct printer *p, const char *bytes, size_t size)
{
    if (p->capacity - p->size <= size) {
        p->capacity = (p->capacity + size + 1) * 2;
        p->text = sim_resize(p->text, p->capacity, 1);
    }
    memcpy(p->text + p->size, bytes, size);
    p->size += size;
    p->text[p->size] = '\0';
}

static void put(struct printer *p, const char *text)
{
    put_bytes(p, text, strlen(text));
}

static void put_letter(struct printer *p, char letter)
{
    char escape[16];
    if (letter == '"' || letter == '\\')
        snprintf(escape, sizeof(escape), "\\%c", letter);
    else if (letter == '\n')
        snprintf(escape, sizeof(escape), "\\n");
    else if (letter == '\t')
        snprintf(escape, sizeof(escape), "\\t");
    else if ((unsigned char)letter < ' ' || letter == 0x7f)
        snprintf(escape, sizeof(escape), "\\u%04X", (unsigned)(unsigned char)letter);
    else
        snprintf(escape, sizeof(escape), "%c", letter);
    put(p, escape);
}

static void put_string(struct printer *p, const char *text)
{
    put(p, "\"");
    for (; *text; text++)
        put_letter(p, *text);
    put(p, "\"");
}

// A text of several lines stays one.
static void put_lines(struct printer *p, const char *text)
{
    put(p, "\"\"\"\n");
    for (; *text; text++)
        if (*text == '\n')
            put(p, "\n");
        else
            put_letter(p, *text);
    put(p, "\"\"\"");
}

static void put_key(struct printer *p, const char *key)
{
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (*key && key[strspn(key, bare)] == '\0')
        put(p, key);
    else
        put_string(p, key);
}

static void put_float(struct printer *p, double value)
{
    char text[64];
    if (value != value) {
        put(p, "nan");
        return;
    }
    snprintf(text, sizeof(text), "%.17g", value);
    put(p, text);
    if (text[strspn(text, "-0123456789")] == '\0') put(p, ".0");
}

static void put_value(struct printer *p, const struct sim_tree *value);

static void put_inline_table(struct printer *p, const struct sim_tree *table)
{
    const char *before = "";
    put(p, "{");
    for (int header = 0; header < 2; header++)
        for (size_t i = 0; i < table->count; i++) {
            if (sim_tree_has_header(table->items[i]) != header) continue;
            put(p, before);
            before = ", ";
            put_key(p, table->items[i]->key);
            put(p, " = ");
            put_value(p, table->items[i]);
        }
    put(p, "}");
}

static void put_array(struct printer *p, const struct sim_tree *array, const char *open, const char *between)
{
    put(p, open);
    for (size_t i = 0; i < array->count; i++) {
        if (i) put(p, between);
        put_value(p, array->items[i]);
    }
}

static void put_value(struct printer *p, const struct sim_tree *value)
{
    char number[32];
    switch (value->kind) {
    case QE_TOML_TABLE:
        put_inline_table(p, value);
        return;
    case QE_TOML_ARRAY:
        put_array(p, value, "[", ", ");
        put(p, "]");
        return;
    case QE_TOML_STRING:
        put_string(p, value->text);
        return;
    case QE_TOML_INTEGER:
        snprintf(number, sizeof(number), "%" PRId64, value->integer);
        put(p, number);
        return;
    case QE_TOML_FLOAT:
        put_float(p, value->floating);
        return;
    case QE_TOML_BOOLEAN:
        put(p, value->boolean ? "true" : "false");
        return;
    case QE_TOML_DATETIME:
        if (!p->refused) p->refused = value;
        return;
    }
}

static void put_plain(struct printer *p, const struct sim_tree *item)
{
    put_key(p, item->key);
    put(p, " = ");
    size_t start = p->size;
    if (item->kind == QE_TOML_STRING && strchr(item->text, '\n'))
        put_lines(p, item->text);
    else
        put_value(p, item);
    if (item->kind == QE_TOML_ARRAY && item->count > 1 && p->size - start > WIDTH_MAX) {
        p->size = start;
        put_array(p, item, "[\n    ", ",\n    ");
        put(p, ",\n]");
    }
    put(p, "\n");
}

static void put_path(struct printer *p, const struct path *path)
{
    if (path->up) {
        put_path(p, path->up);
        put(p, ".");
    }
    put_key(p, path->key);
}

static void put_header(struct printer *p, const struct path *path, const char *open, const char *close)
{
    if (p->size) put(p, "\n");
    put(p, open);
    put_path(p, path);
    put(p, close);
}

static void put_table(struct printer *p, const struct sim_tree *table, const struct path *path)
{
    for (size_t i = 0; i < table->count; i++)
        if (!sim_tree_has_header(table->items[i])) put_plain(p, table->items[i]);
    for (size_t i = 0; i < table->count; i++) {
        const struct sim_tree *item = table->items[i];
        struct path own = {path, item->key};
        if (item->kind == QE_TOML_TABLE) {
            // One that has nothing but tables needs no header of its own.
            bool needed = item->count == 0;
            for (size_t k = 0; k < item->count; k++)
                needed |= !sim_tree_has_header(item->items[k]);
            if (needed) put_header(p, &own, "[", "]\n");
            put_table(p, item, &own);
        } else if (sim_tree_is_table_array(item)) {
            for (size_t k = 0; k < item->count; k++) {
                put_header(p, &own, "[[", "]]\n");
                put_table(p, item->items[k], &own);
            }
        }
    }
}

char *sim_tree_print(const struct sim_tree *root, const struct sim_tree **refused)
{
    struct printer p = {0};
    put_bytes(&p, "", 0);
    put_table(&p, root, NULL);
    *refused = p.refused;
    if (!p.refused) return p.text;
    sim_release(p.text);
    return NULL;
}

char *sim_tree_say(const struct sim_tree *value)
{
    struct printer p = {0};
    put_bytes(&p, "", 0);
    bool plain = value->kind == QE_TOML_STRING;
    for (const char *c = plain ? value->text : ""; *c; c++)
        plain &= (unsigned char)*c >= ' ';
    if (plain)
        put(&p, value->text);
    else
        put_value(&p, value);
    return p.text;
}
