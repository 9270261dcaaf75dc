// Reading tables of a scenario into structs, by tables of keys. Every mistake becomes one line, "FILE:LINE: what is
// wrong; what is expected", and the first one counts. A key that is absent leaves its field as it was, so that defaults
// and overrides are the same thing: what the struct held before.
#ifndef QE_SIM_READER_H
#define QE_SIM_READER_H

#include "toml/toml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_ERROR_SIZE 512

struct sim_rates;

struct sim_reader {
    const char *file;
    struct sim_rates *rates; // what links' settings refer to; NULL where none are read
    bool failed;
    char error[SIM_ERROR_SIZE];
};

enum sim_key_kind {
    SIM_KEY_TEXT,     // char *, allocated
    SIM_KEY_NAME,     // char *, allocated; a well-formed name
    SIM_KEY_FLAG,     // bool
    SIM_KEY_NUMBER,   // uint64_t
    SIM_KEY_DURATION, // uint64_t, ns
    SIM_KEY_RATE,     // uint64_t, bit/s; "unlimited" is 0
    SIM_KEY_SIZE,     // uint64_t, bytes
    SIM_KEY_CHANCE,   // uint32_t, ppb
    SIM_KEY_OTHER,    // the caller reads it by itself
};

struct sim_key {
    const char *name;
    enum sim_key_kind kind;
    size_t offset;
};

// Says what is wrong with `value`.
void sim_reader_fail(struct sim_reader *r, const struct qe_toml_value *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_reader_fail_at(struct sim_reader *r, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Reads the table into the struct at `out`; unknown keys are mistakes. `keys` ends with a NULL name; `where` is what
// the table is called in messages.
void sim_reader_table(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, const struct sim_key *keys, void *out);
// Every key of the table that is not in the list, which ends with NULL, is a mistake.
void sim_reader_only(
    struct sim_reader *r, const struct qe_toml_value *table, const char *where, const char *const *allowed);
// Reads one value as `key` says into the struct at `out`.
void sim_reader_field(struct sim_reader *r, const struct qe_toml_value *value, const struct sim_key *key, void *out);
// The table's value under `key` if it has the kind, NULL if it is absent or a mistake.
const struct qe_toml_value *sim_reader_get(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, enum qe_toml_kind kind);
// The same for one that must be there.
const struct qe_toml_value *sim_reader_need(struct sim_reader *r, const struct qe_toml_value *table, const char *where,
    const char *key, enum qe_toml_kind kind);
// The text of a string value without NUL bytes in it; "" and a mistake otherwise.
const char *sim_reader_text(struct sim_reader *r, const struct qe_toml_value *value, const char *what);

// Where the table has `key`: which of the words (the last is NULL) it is. A mistake where it is none of them.
void sim_reader_word(
    struct sim_reader *r, const struct qe_toml_value *table, const char *key, const char *const *words, unsigned *out);

#define SIM_PATH_SIZE 4096
// Where the file is that the value names relative to the scenario. False and a mistake where it names none.
bool sim_reader_path(
    struct sim_reader *r, const struct qe_toml_value *value, const char *what, char out[SIM_PATH_SIZE]);

// Single values, each a mistake where it is none. what: the key's name.
uint64_t sim_reader_duration(struct sim_reader *r, const struct qe_toml_value *value, const char *what);
uint64_t sim_reader_number(struct sim_reader *r, const struct qe_toml_value *value, const char *what);

#endif
