#include "scenario/reader.h"

#include "engine/memory.h"
#include "scenario/units.h"

#include "identity/identity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define A_DURATION "a duration such as \"15ms\" or \"1.5s\""
#define A_RATE     "a rate such as \"10Mbit/s\", or \"unlimited\""
#define BYTES      "bytes such as 1500, \"1500B\" or \"64KiB\""
#define A_SHARE    "a share such as \"0.5%\", at most \"100%\""

static void fail(struct sim_reader *r, unsigned line, const char *format, va_list args)
{
    if (r->failed) return;
    r->failed = true;
    int used = snprintf(r->error, sizeof(r->error), "%s:%u: ", r->file, line);
    if (used < 0 || (size_t)used >= sizeof(r->error)) return;
    vsnprintf(r->error + used, sizeof(r->error) - (size_t)used, format, args);
    // What a file says may have anything in it; the message stays one line.
    for (char *c = r->error + used; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) *c = '?';
}

void sim_reader_fail(struct sim_reader *r, const struct qe_toml_value *value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(r, qe_toml_line(value), format, args);
    va_end(args);
}

void sim_reader_fail_at(struct sim_reader *r, unsigned line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(r, line, format, args);
    va_end(args);
}

const char *sim_reader_text(struct sim_reader *r, const struct qe_toml_value *value, const char *what)
{
    size_t size;
    if (qe_toml_kind(value) != QE_TOML_STRING) {
        sim_reader_fail(r, value, "'%s' is %s; expected a string", what, qe_toml_kind_name(qe_toml_kind(value)));
        return "";
    }
    const char *text = qe_toml_string(value, &size);
    if (strlen(text) == size) return text;
    sim_reader_fail(r, value, "'%s' has a NUL character in it", what);
    return "";
}

// The text of a value that is to be parsed further; NULL and a mistake, with what is expected, where it is no string.
static const char *quantity(
    struct sim_reader *r, const struct qe_toml_value *value, const char *what, const char *expected)
{
    if (qe_toml_kind(value) == QE_TOML_STRING) {
        const char *text = sim_reader_text(r, value, what);
        return r->failed ? NULL : text;
    }
    sim_reader_fail(r, value, "'%s' is %s; expected %s", what, qe_toml_kind_name(qe_toml_kind(value)), expected);
    return NULL;
}

uint64_t sim_reader_number(struct sim_reader *r, const struct qe_toml_value *value, const char *what)
{
    if (qe_toml_kind(value) == QE_TOML_INTEGER && qe_toml_integer(value) >= 0) return (uint64_t)qe_toml_integer(value);
    sim_reader_fail(r, value, "'%s' must be an integer that is not negative", what);
    return 0;
}

uint64_t sim_reader_duration(struct sim_reader *r, const struct qe_toml_value *value, const char *what)
{
    uint64_t ns = 0;
    const char *text = quantity(r, value, what, A_DURATION);
    if (text && !sim_duration_parse(text, &ns))
        sim_reader_fail(r, value, "'%s' is \"%s\"; expected %s", what, text, A_DURATION);
    return ns;
}

static void set_text(void *field, const char *text)
{
    char **at = field;
    sim_release(*at);
    *at = sim_copy_text(text);
}

static void read_name(struct sim_reader *r, const struct qe_toml_value *value, const char *key, void *field)
{
    const char *text = sim_reader_text(r, value, key);
    if (r->failed) return;
    if (!qe_name_valid(text))
        sim_reader_fail(r, value, "'%s' is \"%s\"; expected a name of a-z, 0-9, _ and -, at most %d characters", key,
            text, QE_NAME_SIZE - 1);
    else
        set_text(field, text);
}

static void read_rate(struct sim_reader *r, const struct qe_toml_value *value, const char *key, uint64_t *out)
{
    const char *text = quantity(r, value, key, A_RATE);
    if (!text) return;
    if (strcmp(text, "unlimited") == 0)
        *out = 0;
    else if (!sim_rate_parse(text, out) || *out == 0)
        sim_reader_fail(r, value, "'%s' is \"%s\"; expected %s", key, text, A_RATE);
}

static void read_size(struct sim_reader *r, const struct qe_toml_value *value, const char *key, uint64_t *out)
{
    if (qe_toml_kind(value) == QE_TOML_INTEGER) {
        *out = sim_reader_number(r, value, key);
        return;
    }
    const char *text = quantity(r, value, key, BYTES);
    if (text && !sim_size_parse(text, out)) sim_reader_fail(r, value, "'%s' is \"%s\"; expected %s", key, text, BYTES);
}

static void read_chance(struct sim_reader *r, const struct qe_toml_value *value, const char *key, uint32_t *out)
{
    const char *text = quantity(r, value, key, A_SHARE);
    if (text && !sim_chance_parse(text, out))
        sim_reader_fail(r, value, "'%s' is \"%s\"; expected %s", key, text, A_SHARE);
}

void sim_reader_field(struct sim_reader *r, const struct qe_toml_value *value, const struct sim_key *key, void *out)
{
    void *field = (char *)out + key->offset;
    switch (key->kind) {
    case SIM_KEY_TEXT: {
        const char *text = sim_reader_text(r, value, key->name);
        if (!r->failed) set_text(field, text);
        break;
    }
    case SIM_KEY_NAME:
        read_name(r, value, key->name, field);
        break;
    case SIM_KEY_FLAG:
        if (qe_toml_kind(value) != QE_TOML_BOOLEAN)
            sim_reader_fail(
                r, value, "'%s' is %s; expected true or false", key->name, qe_toml_kind_name(qe_toml_kind(value)));
        else
            *(bool *)field = qe_toml_boolean(value);
        break;
    case SIM_KEY_NUMBER:
        *(uint64_t *)field = sim_reader_number(r, value, key->name);
        break;
    case SIM_KEY_DURATION:
        *(uint64_t *)field = sim_reader_duration(r, value, key->name);
        break;
    case SIM_KEY_RATE:
        read_rate(r, value, key->name, field);
        break;
    case SIM_KEY_SIZE:
        read_size(r, value, key->name, field);
        break;
    case SIM_KEY_CHANCE:
        read_chance(r, value, key->name, field);
        break;
    case SIM_KEY_OTHER:
        break;
    }
}

static void fail_unknown(struct sim_reader *r, const struct qe_toml_value *value, const char *name, const char *where,
    const struct sim_key *keys)
{
    char list[SIM_ERROR_SIZE] = "";
    size_t used = 0;
    for (; keys->name && used < sizeof(list); keys++) {
        int n = snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", keys->name);
        used += n > 0 ? (size_t)n : 0;
    }
    sim_reader_fail(r, value, "unknown key '%s' in %s; expected %s", name, where, list);
}

void sim_reader_table(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, const struct sim_key *keys, void *out)
{
    if (qe_toml_kind(table) != QE_TOML_TABLE) {
        sim_reader_fail(r, table, "%s is %s; expected a table", where, qe_toml_kind_name(qe_toml_kind(table)));
        return;
    }
    for (size_t i = 0; i < qe_toml_size(table) && !r->failed; i++) {
        const struct qe_toml_value *value = qe_toml_at(table, i);
        const struct sim_key *key = keys;
        while (key->name && strcmp(key->name, qe_toml_key(table, i)) != 0)
            key++;
        if (!key->name)
            fail_unknown(r, value, qe_toml_key(table, i), where, keys);
        else if (key->kind != SIM_KEY_OTHER)
            sim_reader_field(r, value, key, out);
    }
}

void sim_reader_only(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, const char *const *allowed)
{
    for (size_t i = 0; i < qe_toml_size(table); i++) {
        const char *const *name = allowed;
        while (*name && strcmp(*name, qe_toml_key(table, i)) != 0)
            name++;
        if (!*name)
            sim_reader_fail(r, qe_toml_at(table, i), "'%s' does not belong to %s", qe_toml_key(table, i), where);
    }
}

const struct qe_toml_value *sim_reader_get(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, enum qe_toml_kind kind)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (!value || qe_toml_kind(value) == kind) return value;
    sim_reader_fail(
        r, value, "'%s' is %s; expected %s", key, qe_toml_kind_name(qe_toml_kind(value)), qe_toml_kind_name(kind));
    return NULL;
}

const struct qe_toml_value *sim_reader_need(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, const char *key, enum qe_toml_kind kind)
{
    if (!qe_toml_get(table, key)) {
        sim_reader_fail(r, table, "%s has no '%s'; expected %s", where, key, qe_toml_kind_name(kind));
        return NULL;
    }
    return sim_reader_get(r, table, key, kind);
}

void sim_reader_word(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, const char *const *words, unsigned *out)
{
    const struct qe_toml_value *value = qe_toml_get(table, key);
    if (!value || r->failed) return;
    const char *text = sim_reader_text(r, value, key);
    char list[SIM_ERROR_SIZE] = "";
    size_t used = 0;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return;
        }
        int n = snprintf(list + used, sizeof(list) - used, "%s\"%s\"", i ? ", " : "", words[i]);
        used += n > 0 && (size_t)n < sizeof(list) - used ? (size_t)n : 0;
    }
    sim_reader_fail(r, value, "'%s' is \"%s\"; expected one of %s", key, text, list);
}

bool sim_reader_path(struct sim_reader *r, const struct qe_toml_value *value, const char *what, char out[SIM_PATH_SIZE])
{
    const char *file = sim_reader_text(r, value, what);
    const char *slash = strrchr(r->file, '/');
    int folder = slash && file[0] != '/' ? (int)(slash + 1 - r->file) : 0;
    if (r->failed) return false;
    int size = snprintf(out, SIM_PATH_SIZE, "%.*s%s", folder, r->file, file);
    if (file[0] && size > 0 && size < SIM_PATH_SIZE) return true;
    sim_reader_fail(r, value, "'%s' is no file's name; expected one relative to the scenario", what);
    return false;
}
