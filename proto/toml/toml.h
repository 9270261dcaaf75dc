// TOML text to a tree (toml11 behind a C interface). Bytes in, tree out: reads no file. Every value knows its line, so
// that whoever validates can say file:line.
#ifndef QE_TOML_TOML_H
#define QE_TOML_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qe_toml_kind {
    QE_TOML_TABLE,
    QE_TOML_ARRAY,
    QE_TOML_STRING,
    QE_TOML_INTEGER,
    QE_TOML_FLOAT,
    QE_TOML_BOOLEAN,
    QE_TOML_DATETIME
};

struct qe_toml; // the document; owns everything below it
struct qe_toml_value;

// Parses `size` bytes. NULL on a syntax error or without memory: then `error` holds "line N: what is wrong" without a
// file name or newline, and *line the line (0: unknown). Refuses more than 1 MiB and nesting deeper than 64.
struct qe_toml *qe_toml_parse(const char *text, size_t size, char *error, size_t error_size, unsigned *line);
void qe_toml_free(struct qe_toml *toml);
const struct qe_toml_value *qe_toml_root(const struct qe_toml *toml);

enum qe_toml_kind qe_toml_kind(const struct qe_toml_value *value);
// "a string", "a table", …, for messages.
const char *qe_toml_kind_name(enum qe_toml_kind kind);
unsigned qe_toml_line(const struct qe_toml_value *value);

// Tables: entries in document order.
size_t qe_toml_size(const struct qe_toml_value *table_or_array);
const char *qe_toml_key(const struct qe_toml_value *table, size_t index);
const struct qe_toml_value *qe_toml_at(const struct qe_toml_value *table_or_array, size_t index);
// The value under `key`, or NULL.
const struct qe_toml_value *qe_toml_get(const struct qe_toml_value *table, const char *key);

// Each asserts the kind.
const char *qe_toml_string(const struct qe_toml_value *value, size_t *size);
int64_t qe_toml_integer(const struct qe_toml_value *value);
double qe_toml_float(const struct qe_toml_value *value);
bool qe_toml_boolean(const struct qe_toml_value *value);

#endif
