// Open addressing with linear probing over an index; the entries themselves lie in an array in insertion order (as a
// compact dictionary), which is what iteration walks. Removal leaves a hole in the array; holes are squeezed out when
// the index is rebuilt.
#include "base/table.h"
#include "base/mutants.h"

#include <assert.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

#define KEY_SIZE_MAX 64
#define SLOT_EMPTY   UINT32_MAX
#define SLOT_GONE    (UINT32_MAX - 1)

struct entry {
    void *value; // NULL: a hole
    uint64_t hash;
    uint8_t key[];
};

struct qe_table {
    const struct qe_mem *mem;
    size_t key_size;
    size_t entry_size;
    size_t count_max;
    size_t count;    // live entries
    size_t used;     // live entries and holes
    size_t capacity; // room for entries; the index has twice as many slots
    uint8_t *entries;
    uint32_t *slots;
    uint8_t secret[16];
};

static struct entry *entry_at(const struct qe_table *table, size_t index)
{
    return (struct entry *)(void *)(table->entries + index * table->entry_size);
}

static uint64_t hash_of(const struct qe_table *table, const void *key)
{
    uint8_t out[8];
    uint64_t hash;
    crypto_shorthash(out, key, table->key_size, table->secret);
    // Little-endian by hand: the order of slots must not depend on the machine.
    hash = 0;
    for (int i = 7; i >= 0; i--)
        hash = hash << 8 | out[i];
    return hash;
}

static size_t slot_mask(const struct qe_table *table)
{
    return table->capacity * 2 - 1;
}

struct qe_table *qe_table_new(const struct qe_mem *mem, size_t key_size, size_t count_max, const uint8_t secret[16])
{
    assert(key_size >= 1 && key_size <= KEY_SIZE_MAX && count_max < SLOT_GONE);
    struct qe_table *table = qe_zalloc(mem, 1, sizeof *table);
    if (!table) return NULL;
    table->mem = mem;
    table->key_size = key_size;
    table->entry_size = (sizeof(struct entry) + key_size + 7) & ~(size_t)7;
    table->count_max = count_max;
    memcpy(table->secret, secret, 16);
    return table;
}

void qe_table_free(struct qe_table *table)
{
    if (!table) return;
    qe_free(table->mem, table->entries);
    qe_free(table->mem, table->slots);
    qe_free(table->mem, table);
}

size_t qe_table_count(const struct qe_table *table)
{
    return table->count;
}

// The slot that holds `key`, or SIZE_MAX.
static size_t find_slot(const struct qe_table *table, const void *key, uint64_t hash)
{
    if (table->capacity == 0) return SIZE_MAX;
    size_t mask = slot_mask(table);
    for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
        uint32_t index = table->slots[slot];
        if (index == SLOT_EMPTY) return SIZE_MAX;
        if (index == SLOT_GONE) continue;
        const struct entry *entry = entry_at(table, index);
        if (QE_MUTANT(table_compare) && (entry->hash & 3) == (hash & 3)) return slot;
        if (entry->hash == hash && memcmp(entry->key, key, table->key_size) == 0) return slot;
    }
}

void *qe_table_get(const struct qe_table *table, const void *key)
{
    if (table->count == 0) return NULL;
    size_t slot = find_slot(table, key, hash_of(table, key));
    return slot == SIZE_MAX ? NULL : entry_at(table, table->slots[slot])->value;
}

static void index_entry(struct qe_table *table, size_t index)
{
    size_t mask = slot_mask(table), slot = entry_at(table, index)->hash & mask;
    while (table->slots[slot] != SLOT_EMPTY)
        slot = (slot + 1) & mask;
    table->slots[slot] = (uint32_t)index;
}

// Makes new storage for `capacity` entries (a power of two), moving the live ones without holes.
static int rebuild(struct qe_table *table, size_t capacity)
{
    uint8_t *entries = qe_zalloc(table->mem, capacity, table->entry_size);
    uint32_t *slots = qe_zalloc(table->mem, capacity * 2, sizeof *slots);
    if (!entries || !slots) {
        qe_free(table->mem, entries);
        qe_free(table->mem, slots);
        return -2;
    }
    size_t used = 0;
    for (size_t i = 0; i < table->used; i++)
        if (entry_at(table, i)->value)
            memcpy(entries + used++ * table->entry_size, entry_at(table, i), table->entry_size);
    memset(slots, 0xff, capacity * 2 * sizeof *slots);
    qe_free(table->mem, table->entries);
    qe_free(table->mem, table->slots);
    table->entries = entries;
    table->slots = slots;
    table->capacity = capacity;
    table->used = used;
    for (size_t i = 0; i < used; i++)
        index_entry(table, i);
    return 0;
}

int qe_table_put(struct qe_table *table, const void *key, void *value)
{
    assert(value);
    uint64_t hash = hash_of(table, key);
    assert(find_slot(table, key, hash) == SIZE_MAX);
    if (table->count == table->count_max) return -1;
    if (table->used == table->capacity) {
        size_t capacity = table->capacity ? table->capacity : 8;
        // Grow only where squeezing the holes out would leave the table more than half full.
        if (table->capacity && table->count > table->capacity / 2) capacity *= 2;
        if (rebuild(table, capacity) != 0) return -2;
    }
    struct entry *entry = entry_at(table, table->used);
    entry->value = value;
    entry->hash = hash;
    memcpy(entry->key, key, table->key_size);
    index_entry(table, table->used++);
    table->count++;
    return 0;
}

void *qe_table_remove(struct qe_table *table, const void *key)
{
    if (table->count == 0) return NULL;
    size_t slot = find_slot(table, key, hash_of(table, key));
    if (slot == SIZE_MAX) return NULL;
    struct entry *entry = entry_at(table, table->slots[slot]);
    void *value = entry->value;
    entry->value = NULL;
    table->slots[slot] = SLOT_GONE;
    table->count--;
    return value;
}

void *qe_table_each(const struct qe_table *table, size_t *cursor)
{
    while (*cursor < table->used) {
        void *value = entry_at(table, (*cursor)++)->value;
        if (value) return value;
    }
    return NULL;
}
