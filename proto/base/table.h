// A hash table from fixed-size keys to pointers, hashed with SipHash under a per-table secret so that nobody outside
// can aim collisions (RFC 9000 §21.11 has the same worry for connection IDs). Iteration is in insertion order, so that
// no decision can depend on the hash.
#ifndef QE_BASE_TABLE_H
#define QE_BASE_TABLE_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qe_table;

// A table for keys of `key_size` bytes (1..64) with at most `count_max` entries, hashed under `secret`. NULL without
// memory.
struct qe_table *qe_table_new(const struct qe_mem *mem, size_t key_size, size_t count_max, const uint8_t secret[16]);
// Frees the table, not the values.
void qe_table_free(struct qe_table *table);

size_t qe_table_count(const struct qe_table *table);
// The value under `key`, or NULL.
void *qe_table_get(const struct qe_table *table, const void *key);
// Puts `value` (not NULL) under `key`, which must be absent. 0; -1 where the table is full; -2 without memory.
int qe_table_put(struct qe_table *table, const void *key, void *value);
// Takes `key` out and returns its value, or NULL.
void *qe_table_remove(struct qe_table *table, const void *key);

// Walks the entries in insertion order: start with *cursor = 0; NULL at the end. Removing the entry just returned is
// allowed.
void *qe_table_each(const struct qe_table *table, size_t *cursor);

#endif
