// A shelf: all that is stored of one kind (items, peers, certified records, other records), found by its key, listed by
// its target, and gone at its end. What is kept true: never more entries in all, of a target, or of an address than the
// shelf's limits; where it is full, who has less than another takes a place of the one that has most.
#ifndef QE_DHT_SHELF_H
#define QE_DHT_SHELF_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"
#include "identity/identity.h"

#define QE_DHT_SHELF_KEY_MAX 52 // a target and 32 bytes more

struct qe_dht_group { // what lies under one target
    struct qe_list entries;
    size_t count;
    uint64_t turn; // for whoever lists a part of them
    struct qe_node_id target;
};

struct qe_dht_source {      // what one network has stored
    struct qe_list entries; // the newest last
    size_t count;
    uint64_t network;
};

// The head of whatever is stored. It and what follows it is allocated, zeroed, by the store, and freed by the shelf.
struct qe_dht_entry {
    struct qe_list by_age, in_group, in_source;
    struct qe_dht_group *group;
    struct qe_dht_source *source;
    uint64_t address;
    uint64_t first_ns;   // since when it is here without a gap
    uint64_t renewed_ns; // since when its life counts
    size_t size;         // of the struct that this is the head of
    uint8_t *value;      // NULL: none
    size_t value_size;
    uint8_t key[QE_DHT_SHELF_KEY_MAX];
};

struct qe_dht_shelf_limits {
    size_t key_size; // 20 (the target alone) to QE_DHT_SHELF_KEY_MAX
    size_t max, target_max, address_max;
    size_t target_address_max; // entries of one target from one address
    uint64_t life_ns;
};

struct qe_dht_shelf {
    const struct qe_mem *mem;
    const struct qe_dht_shelf_limits *limits;
    struct qe_table *entries, *groups, *sources; // NULL until something is stored
    struct qe_list by_age;                       // the next to end first
    uint8_t secret[16];
    size_t bytes;
    uint64_t refused, evicted, expired;
};

void qe_dht_shelf_init(struct qe_dht_shelf *shelf, const struct qe_mem *mem, const struct qe_dht_shelf_limits *limits,
    const uint8_t secret[16]);
void qe_dht_shelf_fini(struct qe_dht_shelf *shelf);

size_t qe_dht_shelf_count(const struct qe_dht_shelf *shelf);
struct qe_dht_entry *qe_dht_shelf_find(const struct qe_dht_shelf *shelf, const uint8_t *key);
// What lies under a target, or NULL.
struct qe_dht_group *qe_dht_shelf_group(const struct qe_dht_shelf *shelf, const struct qe_node_id *target);

// Puts an entry (key and size filled in, the key absent) on the shelf for that source. It belongs to the shelf then.
// False where there is no room or no memory: it still is the caller's.
bool qe_dht_shelf_add(
    struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, const struct qe_ip *from, uint64_t now_ns);
// Gives it a copy of `value` for its own. False without memory: it has the old one still. Before it is on the shelf,
// too.
bool qe_dht_shelf_set_value(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, struct qe_span value);
// Its life begins anew.
void qe_dht_shelf_renew(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry, uint64_t now_ns);
void qe_dht_shelf_remove(struct qe_dht_shelf *shelf, struct qe_dht_entry *entry);

void qe_dht_shelf_expire(struct qe_dht_shelf *shelf, uint64_t now_ns);
uint64_t qe_dht_shelf_deadline(const struct qe_dht_shelf *shelf);

#endif
