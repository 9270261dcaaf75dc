// What a node holds for others: items (BEP 44), peers (BEP 5) and records of the index. Everything has an end, a limit
// in all and a limit a source. Where a kind is full, a source (an IPv4 /24, an IPv6 /48) that has less than another one
// takes a place of the one that has most; certified records go only for certified ones.
#ifndef QE_DHT_STORE_H
#define QE_DHT_STORE_H

#include "dht/dht.h"

#define QE_DHT_ITEMS_MAX                       2048
#define QE_DHT_ITEMS_OWNER_MAX                 16  // mutable items of one key
#define QE_DHT_ITEMS_ADDRESS_MAX               128 // from one address (IPv6: a /64)
#define QE_DHT_ITEM_LIFE_S                     7200
#define QE_DHT_PEERS_MAX                       2048
#define QE_DHT_PEERS_TARGET_MAX                256
#define QE_DHT_PEERS_ADDRESS_MAX               64
#define QE_DHT_PEERS_TARGET_ADDRESS_MAX        8
#define QE_DHT_PEER_LIFE_S                     2700
#define QE_DHT_RECORDS_MAX                     3072 // certified
#define QE_DHT_RECORDS_TARGET_MAX              256  // certified
#define QE_DHT_RECORDS_OPEN_MAX                1024
#define QE_DHT_RECORDS_OPEN_TARGET_MAX         64
#define QE_DHT_RECORDS_OPEN_TARGET_ADDRESS_MAX 8
#define QE_DHT_RECORDS_OWNER_MAX               64 // targets at which one key has a record
#define QE_DHT_RECORDS_ADDRESS_MAX             256
#define QE_DHT_RECORD_LIFE_S                   7200

struct qe_dht_store;

// NULL without memory. What it holds is small while it is empty.
struct qe_dht_store *qe_dht_store_new(const struct qe_mem *mem, const uint8_t secret[16]);
void qe_dht_store_free(struct qe_dht_store *store);

// Stores a verified item: 0, or an error of enum qe_krpc_error: no room (202), cas (301), seq (302).
int qe_dht_store_item(struct qe_dht_store *store, const struct qe_dht_item *item, const int64_t *cas,
    const struct qe_ip *from, uint64_t now_ns);
// False where there is none. Borrowed until the store is next written to.
bool qe_dht_store_find_item(const struct qe_dht_store *store, const struct qe_node_id *target, struct qe_dht_item *out);

// 0, or no room (202).
int qe_dht_store_peer(struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_addr *peer,
    const struct qe_ip *from, uint64_t now_ns);
// Peers of that family, each time beginning behind those of the last time; how many.
size_t qe_dht_store_find_peers(
    struct qe_dht_store *store, const struct qe_node_id *target, uint8_t family, struct qe_addr *out, size_t max);

// Stores a verified record: 0, no room (202), or seq (302: older, or as old and different). *age_s: how long its
// owner's has been here.
int qe_dht_store_record(struct qe_dht_store *store, const struct qe_node_id *target, const struct qe_dht_record *record,
    const struct qe_ip *from, uint64_t now_ns, uint64_t *age_s);
// Walks over a target's records, certified ones first, each class by owner. `next` is a cursor that says where to begin
// (empty: at the first); the record found there or behind it, with its age. False where there is none.
#define QE_DHT_CURSOR_SIZE 33
bool qe_dht_store_next_record(const struct qe_dht_store *store, const struct qe_node_id *target, struct qe_span next,
    struct qe_dht_record *out, uint64_t now_ns);

// The cursor of a record, or the one right behind it.
void qe_dht_store_cursor(const struct qe_dht_record *record, bool behind, uint8_t out[QE_DHT_CURSOR_SIZE]);

void qe_dht_store_expire(struct qe_dht_store *store, uint64_t now_ns);
uint64_t qe_dht_store_deadline(const struct qe_dht_store *store);

struct qe_dht_store_stats {
    size_t items, peers, records, bytes;
    uint64_t refused, evicted, expired;
};
void qe_dht_store_stats(const struct qe_dht_store *store, struct qe_dht_store_stats *out);

#endif
