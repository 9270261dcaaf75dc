// Walks a file's tables along the table of keys. Keeps true: every entry of the file is either read by its key or
// reported, and at most QE_CONFIG_MISTAKES_MAX mistakes and as many warnings leave it.
#include "config/load.h"

#include "config/check.h"
#include "config/keys.h"
#include "config/nearest.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 160

static void count_and_forward(void *user, enum qe_log_level level, const char *line)
{
    struct qe_loader *l = user;
    bool mistake = level == QE_LOG_ERROR;
    size_t *count = mistake ? &l->mistakes : &l->warnings;
    if (++*count <= QE_CONFIG_MISTAKES_MAX) {
        l->sink->report(l->sink->user, level, line);
    } else if (*count == QE_CONFIG_MISTAKES_MAX + 1) {
        char more[QE_CONFIG_LINE_SIZE];
        snprintf(more, sizeof(more), "%s: there are more %s, which are not shown", l->file,
            mistake ? "mistakes" : "warnings");
        l->sink->report(l->sink->user, level, more);
    }
}

struct qe_config_source qe_loader_source(struct qe_loader *l, const char *path, const struct qe_toml_value *value)
{
    snprintf(l->where, sizeof(l->where), "%s:%u: %s", l->file, qe_toml_line(value), path);
    return (struct qe_config_source){l->where, QE_CONFIG_FILE, &l->counted};
}

void qe_loader_report(
    struct qe_loader *l, enum qe_log_level level, const char *path, const struct qe_toml_value *value, const char *what)
{
    char line[QE_CONFIG_LINE_SIZE];
    snprintf(line, sizeof(line), "%s %s", qe_loader_source(l, path, value).where, what);
    l->counted.report(l->counted.user, level, line);
}

bool qe_loader_expect(struct qe_loader *l, const char *path, const struct qe_toml_value *value, enum qe_toml_kind kind,
    const char *expected)
{
    if (qe_toml_kind(value) == kind) return true;
    char what[256];
    snprintf(what, sizeof(what), "is %s, expected %s", qe_toml_kind_name(qe_toml_kind(value)), expected);
    qe_loader_report(l, QE_LOG_ERROR, path, value, what);
    return false;
}

// "SECTION.KEY" as a path; keys that could confuse a reader are quoted.
static void make_path(char path[PATH_SIZE], const char *section, const char *key)
{
    char quote[QE_CHECK_QUOTE_SIZE];
    bool bare = *key &&
                strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(key) &&
                strlen(key) < QE_CHECK_QUOTE_SIZE;
    snprintf(path, PATH_SIZE, "%s%s%s", section, *section ? "." : "", bare ? key : qe_check_quote(key, quote));
}

// A key of that very name elsewhere; else the one of `section` (NULL: the sections themselves) that is spelt most like
// it. False where nothing comes close.
static bool suggest(const struct qe_section *section, const char *key, char path[PATH_SIZE])
{
    for (const struct qe_section *s = qe_sections; s->name; s++)
        for (const struct qe_setting *k = s->keys; k->name && s != section; k++)
            if (strcmp(k->name, key) == 0) {
                snprintf(path, PATH_SIZE, "%s.%s", s->name, k->name);
                return true;
            }
    size_t best = SIZE_MAX;
    for (size_t i = 0;; i++) {
        const char *name = section ? section->keys[i].name : qe_sections[i].name;
        if (!name) break;
        size_t distance = qe_nearest_distance(key, name);
        if (distance >= best || !qe_nearest_plausible(key, distance)) continue;
        best = distance;
        make_path(path, section ? section->name : "", name);
    }
    return best != SIZE_MAX;
}

static void unknown(
    struct qe_loader *l, const struct qe_section *section, const char *key, const struct qe_toml_value *value)
{
    char path[PATH_SIZE], other[PATH_SIZE], what[QE_CONFIG_LINE_SIZE];
    make_path(path, section ? section->name : "", key);
    if (suggest(section, key, other)) {
        snprintf(what, sizeof(what), "is unknown, did you mean %s?", other);
    } else {
        size_t size = (size_t)snprintf(what, sizeof(what), "is unknown, expected one of");
        for (size_t i = 0; size < sizeof(what); i++) {
            const char *name = section ? section->keys[i].name : qe_sections[i].name;
            if (!name) break;
            size += (size_t)snprintf(what + size, sizeof(what) - size, "%s %s", i ? "," : "", name);
        }
    }
    qe_loader_report(l, QE_LOG_ERROR, path, value, what);
}

void qe_loader_table(struct qe_loader *l, const struct qe_section *section, const struct qe_toml_value *table)
{
    for (size_t i = 0; i < qe_toml_size(table); i++) {
        const char *name = qe_toml_key(table, i);
        const struct qe_setting *key = section->keys;
        while (key->name && strcmp(key->name, name) != 0)
            key++;
        if (!key->name) {
            unknown(l, section, name, qe_toml_at(table, i));
            continue;
        }
        char path[PATH_SIZE];
        make_path(path, section->name, name);
        key->read(l, key, path, qe_toml_at(table, i));
    }
}

// [[peer]]
static void load_peers(struct qe_loader *l, const struct qe_section *section, const struct qe_toml_value *array)
{
    if (!qe_loader_expect(l, section->name, array, QE_TOML_ARRAY, "[[peer]]")) return;
    for (size_t i = 0; i < qe_toml_size(array); i++) {
        const struct qe_toml_value *peer = qe_toml_at(array, i);
        if (qe_loader_expect(l, section->name, peer, QE_TOML_TABLE, "[[peer]]")) {
            qe_loader_table(l, section, peer);
            qe_loader_peer(l, section->name, peer);
        }
    }
}

int qe_config_load(
    struct qe_config *config, const struct qe_toml_value *root, const char *file, const struct qe_config_sink *sink)
{
    struct qe_loader l = {.config = config, .file = file, .sink = sink};
    l.counted = (struct qe_config_sink){&l, count_and_forward};
    for (size_t i = 0; i < qe_toml_size(root); i++) {
        const struct qe_toml_value *value = qe_toml_at(root, i);
        const char *name = qe_toml_key(root, i);
        const struct qe_section *section = qe_sections;
        while (section->name && strcmp(section->name, name) != 0)
            section++;
        if (!section->name)
            unknown(&l, NULL, name, value);
        else if (strcmp(name, "peer") == 0)
            load_peers(&l, section, value);
        else if (qe_loader_expect(&l, name, value, QE_TOML_TABLE, "a table"))
            qe_loader_table(&l, section, value);
    }
    qe_loader_finish(&l);
    return l.mistakes ? -1 : 0;
}

int qe_config_load_text(
    struct qe_config *config, const char *text, size_t size, const char *file, const struct qe_config_sink *sink)
{
    char error[256], line[QE_CONFIG_LINE_SIZE];
    unsigned at;
    struct qe_toml *toml = qe_toml_parse(text, size, error, sizeof(error), &at);
    if (toml) {
        int result = qe_config_load(config, qe_toml_root(toml), file, sink);
        qe_toml_free(toml);
        return result;
    }
    if (at)
        snprintf(line, sizeof(line), "%s:%u: %s", file, at, qe_toml_error_text(error, at));
    else
        snprintf(line, sizeof(line), "%s: %s", file, error);
    sink->report(sink->user, QE_LOG_ERROR, line);
    return -1;
}
