// TOML text to a tree (toml11 behind a C interface). Bytes in, tree out: reads no file. Every value knows its line, so
// that whoever validates can say file:line. No exception leaves it, whatever the bytes are.
#ifndef QE_TOML_TOML_H
#define QE_TOML_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QE_TOML_SIZE_MAX  (1u << 20) // bytes of text
#define QE_TOML_DEPTH_MAX 64         // tables and arrays around a value, those of dotted keys and headers included

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

// Parses `size` bytes. NULL on a syntax error or without memory: then `error` holds "line N: what is wrong, what is
// expected" without a file name or newline, and *line the line. Where the line is unknown, *line is 0 and "line N: " is
// left out (qe_toml_error_text). Refused as well: text above QE_TOML_SIZE_MAX or deeper than QE_TOML_DEPTH_MAX, bytes
// that are not UTF-8, NUL characters (also escaped ones, so that every string is a C string), integers beyond 64 bits,
// and lines of tens of kilobytes.
struct qe_toml *qe_toml_parse(const char *text, size_t size, char *error, size_t error_size, unsigned *line);
void qe_toml_free(struct qe_toml *toml);
// `error` without its "line N: ", for whoever says file:line.
const char *qe_toml_error_text(const char *error, unsigned line);
const struct qe_toml_value *qe_toml_root(const struct qe_toml *toml);

enum qe_toml_kind qe_toml_kind(const struct qe_toml_value *value);
// "a string", "a table", …, for messages.
const char *qe_toml_kind_name(enum qe_toml_kind kind);
unsigned qe_toml_line(const struct qe_toml_value *value);

// Tables: entries in document order.
size_t qe_toml_size(const struct qe_toml_value *table_or_array);
const char *qe_toml_key(const struct qe_toml_value *table, size_t index);
const struct qe_toml_value *qe_toml_at(const struct qe_toml_value *table_or_array, size_t index);
// The value under `key`, or NULL. Linear in the table's size.
const struct qe_toml_value *qe_toml_get(const struct qe_toml_value *table, const char *key);

// Each asserts the kind. `size` may be NULL.
const char *qe_toml_string(const struct qe_toml_value *value, size_t *size);
int64_t qe_toml_integer(const struct qe_toml_value *value);
double qe_toml_float(const struct qe_toml_value *value);
bool qe_toml_boolean(const struct qe_toml_value *value);

// Trees made by hand, for readers that take a tree. A new document's root is an empty table. Each function says false,
// or returns NULL, without memory; the tree stays whole.
struct qe_toml *qe_toml_new(void);
struct qe_toml_value *qe_toml_new_root(struct qe_toml *toml);
// Appends an empty value (table, array, "", 0, 0.0, false, a date) to a table under `key`, or to an array (key NULL).
// What it returns stays where it is until the next call with the same parent. Depth and keys are the caller's to check.
struct qe_toml_value *qe_toml_add(struct qe_toml_value *parent, const char *key, enum qe_toml_kind kind, unsigned line);
bool qe_toml_set_string(struct qe_toml_value *value, const char *text);
void qe_toml_set_integer(struct qe_toml_value *value, int64_t integer);
void qe_toml_set_float(struct qe_toml_value *value, double floating);
void qe_toml_set_boolean(struct qe_toml_value *value, bool boolean);

#ifdef __cplusplus
}
#endif

#endif
