// What an operation has found so far. Everything in it was verified before it came in.
#ifndef QE_DHT_FOUND_H
#define QE_DHT_FOUND_H

#include "base/mem.h"
#include "dht/dht.h"
#include "dht/krpc.h"

#define QE_DHT_FOUND_PEERS_MAX   256
#define QE_DHT_FOUND_RECORDS_MAX 1024
#define QE_DHT_FOUND_VOICES_MAX  32 // nodes whose witness of a record's age counts

struct qe_dht_found_record;

struct qe_dht_found {
    const struct qe_mem *mem;
    bool has_item;
    struct qe_dht_item item; // its salt and value are ours
    uint8_t *item_bytes;
    struct qe_addr *peers;
    size_t peer_count;
    struct qe_dht_found_record *records;
    struct qe_dht_record *told; // the records as an answer has them
    size_t record_count, record_capacity;
    unsigned voices; // nodes that answered about the records
};

void qe_dht_found_init(struct qe_dht_found *found, const struct qe_mem *mem);
void qe_dht_found_fini(struct qe_dht_found *found);

// An item of a reply; it is checked against the target and `salt`. *hit: it is what was looked for. True where it is
// the first or a newer one.
bool qe_dht_found_item(struct qe_dht_found *found, const struct qe_node_id *target, struct qe_span salt,
    const struct qe_krpc *reply, bool *hit);
bool qe_dht_found_peer(struct qe_dht_found *found, const struct qe_addr *peer);
// The records of a reply, checked; `voice` numbers the node that sent it (0, 1, …). True where one is new or newer.
bool qe_dht_found_take_records(struct qe_dht_found *found, const struct qe_node_id *target, const struct qe_krpc *reply,
    unsigned voice, bool *hit);
// The records with their ages, `voices` nodes having answered. Borrowed until the next change.
const struct qe_dht_record *qe_dht_found_records(struct qe_dht_found *found);

#endif
