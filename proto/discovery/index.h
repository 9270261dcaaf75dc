// Places of the index, and what a node has there (dht.h has the index itself, docs/protocol.md the bytes).
//
// In a private network everything about a place follows from the network's secret: where it is, a key that certifies
// who may write there, and the key that values are sealed under. An owner goes by an alias that is different at each
// place, and says in the sealed value who it is. So whoever is no member can neither read nor write there, nor crowd
// members out, nor tell which places have the same owner. Elsewhere the target is the hash of what is looked for, the
// owner is the node's own key, and the value is in the clear.
#ifndef QE_DISCOVERY_INDEX_H
#define QE_DISCOVERY_INDEX_H

#include "dht/dht.h"
#include "node/host.h"

enum qe_index_kind {
    QE_INDEX_MEMBER = 1, // key: the shard (1 byte); value: the inside of the member's node record
    QE_INDEX_GATEWAY,    // key: none; value: as for a member
    QE_INDEX_NAME,       // key: the name; value: its owner's overlay addresses, each family (1) and bytes
    QE_INDEX_ADDRESS,    // key: an overlay address, 4 or 16 bytes; value: none
    QE_INDEX_SUBNET,     // key: qe_index_subnet_key; value: none
};

#define QE_INDEX_KEY_MAX   128
#define QE_INDEX_VALUE_MAX (QE_DHT_RECORD_MAX - QE_SECRET_NONCE_SIZE - QE_SECRET_TAG_SIZE - 1 - 32 - 64)

struct qe_index_place {
    struct qe_node_id target;
    bool network;                        // of a private network
    struct qe_key authority;             // where network
    uint8_t label[1 + QE_INDEX_KEY_MAX]; // kind and key
    size_t label_size;
};

// The key of a network: family, bits, and as many bytes as bits are in. Its size, 18 at most.
#define QE_INDEX_SUBNET_KEY_MAX 18
size_t qe_index_subnet_key(const struct qe_cidr *subnet, uint8_t key[QE_INDEX_SUBNET_KEY_MAX]);

// The place of that kind and key, in the host's network or in the open. False where the key is too long, or the host is
// of no network.
bool qe_index_locate(const struct qe_host *host, bool network, enum qe_index_kind kind, struct qe_span key,
    struct qe_index_place *place);

// Makes the host's own record of that place. `room` is to outlive it. False where the value is too long or the host
// does not sign.
bool qe_index_write(const struct qe_host *host, const struct qe_index_place *place, uint64_t seq, struct qe_span value,
    uint8_t room[QE_DHT_RECORD_MAX], struct qe_dht_record *record);

// What a record says.
struct qe_index_entry {
    struct qe_key owner;  // the node's key
    struct qe_node_id id; // the node's ID
    uint64_t seq;
    uint64_t age_s; // as witnessed
    struct qe_span value;
};
// Opens a record that was found there and verified (as every record in a qe_dht_answer is). False where it is not what
// a member's is. `room` is to outlive the entry.
bool qe_index_read(const struct qe_host *host, const struct qe_index_place *place, const struct qe_dht_record *record,
    uint8_t room[QE_DHT_RECORD_MAX], struct qe_index_entry *entry);

// Of two claims to the same thing, whether `a` stands: the older one does, by more than a minute, else the lower ID.
bool qe_index_precedes(const struct qe_index_entry *a, const struct qe_index_entry *b);

#endif
