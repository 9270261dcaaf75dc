// A scanner of TOML's lines, which knows where values end and nothing of what they mean.
#include "cli/config_edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 256

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static const char *line_end(const char *p)
{
    while (*p && *p != '\n')
        p++;
    return *p ? p + 1 : p;
}

// Behind a string that begins here, in any of the four forms.
static const char *skip_string(const char *p)
{
    char quote = *p;
    bool basic = quote == '"';
    if (p[1] == quote && p[2] == quote) {
        for (p += 3; *p && !(p[0] == quote && p[1] == quote && p[2] == quote); p++)
            if (basic && *p == '\\' && p[1]) p++;
        // Up to two quotes may stand before the closing three.
        while (*p == quote)
            p++;
        return p;
    }
    for (p++; *p && *p != quote; p++)
        if (basic && *p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

// Behind the array or inline table that begins here.
static const char *skip_nested(const char *p)
{
    unsigned depth = 0;
    while (*p) {
        if (*p == '"' || *p == '\'') {
            p = skip_string(p);
            continue;
        }
        if (*p == '#') {
            p = line_end(p);
            continue;
        }
        if (*p == '[' || *p == '{') depth++;
        if (*p == ']' || *p == '}') depth--;
        p++;
        if (depth == 0) break;
    }
    return p;
}

static const char *skip_value(const char *p)
{
    if (*p == '"' || *p == '\'') return skip_string(p);
    if (*p == '[' || *p == '{') return skip_nested(p);
    const char *end = p;
    for (; *p && *p != '\n' && *p != '#' && *p != '\r'; p++)
        if (*p != ' ' && *p != '\t') end = p + 1;
    return end;
}

// Adds the parts of a key up to `stop` to a path, without blanks and quotes. Returns where `stop` is.
static const char *read_path(const char *p, char stop, char path[PATH_SIZE])
{
    size_t size = strlen(path);
    if (size && size + 1 < PATH_SIZE) path[size++] = '.';
    while (*p && *p != stop && *p != '\n') {
        const char *end = p + 1;
        if (*p == '"' || *p == '\'') {
            end = skip_string(p);
            for (p++; p + 1 < end && size + 1 < PATH_SIZE; p++)
                path[size++] = *p;
        } else if (*p != ' ' && *p != '\t' && size + 1 < PATH_SIZE) {
            path[size++] = *p;
        }
        p = end;
    }
    path[size] = '\0';
    return p;
}

struct place {
    const char *value, *value_end; // of the key; NULL: it is missing
    const char *last;              // behind the last line of its table; NULL: that is missing
};

static struct place find(const char *text, const char *section, const char *key)
{
    struct place place = {NULL, NULL, NULL};
    char wanted[PATH_SIZE], table[PATH_SIZE] = "", path[PATH_SIZE];
    snprintf(wanted, sizeof wanted, "%s.%s", section, key);
    for (const char *p = text; *p;) {
        const char *at = skip_blanks(p);
        if (*at == '[') {
            bool many = at[1] == '[';
            table[0] = '\0';
            read_path(at + 1 + many, ']', table);
            // One of several tables of that name is no place for a key.
            if (many) snprintf(table, sizeof table, "[]");
            p = line_end(at);
            if (strcmp(table, section) == 0) place.last = p;
            continue;
        }
        if (*at == '#' || *at == '\n' || *at == '\r' || !*at) {
            p = line_end(at);
            continue;
        }
        snprintf(path, sizeof path, "%s", table);
        at = read_path(at, '=', path);
        if (*at == '=') at = skip_blanks(at + 1);
        const char *end = skip_value(at);
        if (strcmp(path, wanted) == 0) place = (struct place){at, end, place.last};
        p = line_end(end);
        if (strcmp(table, section) == 0) place.last = p;
    }
    return place;
}

char *qe_config_edit(const char *text, const char *section, const char *key, const char *value)
{
    char *out = NULL;
    size_t size = 0;
    struct place place = find(text, section, key);
    FILE *file = open_memstream(&out, &size);
    if (!file) return NULL;
    if (place.value) {
        fprintf(file, "%.*s%s%s", (int)(place.value - text), text, value, place.value_end);
    } else if (place.last) {
        bool broken = place.last[-1] != '\n';
        fprintf(file, "%.*s%s%s = %s\n%s", (int)(place.last - text), text, broken ? "\n" : "", key, value, place.last);
    } else {
        size_t length = strlen(text);
        bool broken = length && text[length - 1] != '\n';
        fprintf(file, "%s%s%s[%s]\n%s = %s\n", text, broken ? "\n" : "", length ? "\n" : "", section, key, value);
    }
    if (fclose(file) == 0) return out;
    free(out);
    return NULL;
}
