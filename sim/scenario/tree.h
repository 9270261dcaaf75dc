// A TOML tree that can be changed: what the expansion of a scenario by seed and the shrinker work on. Every value keeps
// the line that it came from, so that whoever reads the changed tree can still say file:line.
#ifndef QE_SIM_TREE_H
#define QE_SIM_TREE_H

#include "toml/toml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_tree {
    enum qe_toml_kind kind;
    unsigned line;
    char *key;  // in a table: the key; NULL otherwise
    char *text; // STRING
    int64_t integer;
    double floating; // carried, never computed with
    bool boolean;
    bool doomed;             // goes with the next sim_tree_prune
    struct sim_tree **items; // TABLE, ARRAY
    size_t count, capacity;
};

// New values belong to the caller until they are put somewhere.
struct sim_tree *sim_tree_new(enum qe_toml_kind kind, unsigned line);
struct sim_tree *sim_tree_string(const char *text, unsigned line);
struct sim_tree *sim_tree_integer(int64_t integer, unsigned line);
struct sim_tree *sim_tree_boolean(bool boolean, unsigned line);
struct sim_tree *sim_tree_from_toml(const struct qe_toml_value *value);
struct sim_tree *sim_tree_copy(const struct sim_tree *tree);
void sim_tree_free(struct sim_tree *tree);

// The value under `key`, or NULL; NULL also where `table` is none.
struct sim_tree *sim_tree_get(const struct sim_tree *table, const char *key);
// The string under `key`, or NULL.
const char *sim_tree_text(const struct sim_tree *table, const char *key);
// Puts `value` under `key`, in the place of what was there, else at the end; it belongs to the table then.
void sim_tree_put(struct sim_tree *table, const char *key, struct sim_tree *value);
void sim_tree_append(struct sim_tree *array, struct sim_tree *value);
// Takes the item out and frees it.
void sim_tree_remove(struct sim_tree *parent, size_t index);
// Takes out what is under `key`, if anything is.
void sim_tree_drop(struct sim_tree *table, const char *key);

// Takes out what is doomed, anywhere below `root`.
void sim_tree_prune(struct sim_tree *root);

// An array of nothing but tables, at least one; and whether the printed value stands behind a header of its own.
bool sim_tree_is_table_array(const struct sim_tree *value);
bool sim_tree_has_header(const struct sim_tree *value);

// Whether both say the same: lines do not count, nor does the order of keys between plain values and tables, which TOML
// cannot keep in general; the order among each does.
bool sim_tree_equal(const struct sim_tree *a, const struct sim_tree *b);

// Where a path such as "link.a-b.delay" leads: keys of tables and, in arrays, the name of a table (its `name`, or the
// one that a link or a flow has by default) or an index from 0. Tables that are missing on the way are made where
// `make` says so. Returns the value that the last key would be put into; *key is that last part of `path`. NULL where
// the path leads nowhere: *wrong is then the part that does not fit.
struct sim_tree *sim_tree_lead(
    struct sim_tree *root, const char *path, bool make, const char **key, const char **wrong);
// Puts `value` where the path leads. False, with nothing changed and `value` still the caller's, where it leads
// nowhere.
bool sim_tree_set(struct sim_tree *root, const char *path, struct sim_tree *value, const char **wrong);
// Whether the table is the one called `name`: by its `name`, or as links and flows are called without one.
bool sim_tree_is_called(const struct sim_tree *table, const char *name);
// What stands where the path leads, or NULL.
struct sim_tree *sim_tree_look(struct sim_tree *root, const char *path);

// As a tree for the readers. NULL without memory.
struct qe_toml *sim_tree_to_toml(const struct sim_tree *root);

// The table as canonical TOML text, to be released with sim_release. The same tree gives the same text, and parsing it
// gives an equal tree. NULL where a value cannot be written: *refused is then a date or time.
char *sim_tree_print(const struct sim_tree *root, const struct sim_tree **refused);
// A value on one line, for people; to be released with sim_release.
char *sim_tree_say(const struct sim_tree *value);

#endif
