// The nodes that a node knows, of one address family: a bucket for each number of leading bits that an ID can share
// with the own one (BEP 5, "Routing Table"; a table that splits the bucket of the own ID holds the same nodes), in it
// up to k nodes and a few replacements. Laid out by hand, since the memory of a million simulated nodes is mostly this.
//
// What is kept true: an entry is there because it answered a query of ours; a good node is never put out; a node is put
// in or out by what it did, never by what others say of it; at most one node of a /24 (IPv6: /48) and a quarter of a
// /16
// (/32) are in a bucket, private networks aside.
#ifndef QE_DHT_TABLE_H
#define QE_DHT_TABLE_H

#include "base/mem.h"
#include "dht/dht.h"

#define QE_DHT_SPARES_MAX 4  // replacements a bucket
#define QE_DHT_FAILS_BAD  2  // unanswered queries in a row
#define QE_DHT_FAILS_MAX  32 // then even one that nobody replaces goes
#define QE_DHT_GOOD_S     (15 * 60)

struct qe_dht_entry;

struct qe_dht_bucket {
    uint8_t *slots;     // entries, the longest known first; behind them replacements, the newest last
    uint32_t touched_s; // when something in it was last heard or looked up
    uint8_t count, spares, capacity;
};

struct qe_dht_table {
    const struct qe_mem *mem;
    struct qe_node_id id;
    uint8_t family; // 4 or 6
    bool exempt_private;
    uint8_t bucket_count;
    struct qe_dht_bucket *buckets; // by common bits; none beyond the deepest that ever had a node
    uint32_t count;                // entries, replacements aside
};

// Seconds of the owner's clock are all the precision that a table needs.
void qe_dht_table_init(struct qe_dht_table *table, const struct qe_dht_options *options, uint8_t family);
void qe_dht_table_fini(struct qe_dht_table *table);

enum qe_dht_heard {
    QE_DHT_HEARD_KNOWN,   // it is in the table
    QE_DHT_HEARD_NEW,     // it is now
    QE_DHT_HEARD_SPARE,   // it waits as a replacement
    QE_DHT_HEARD_WANTED,  // there is a place, but it has not answered yet: ask it
    QE_DHT_HEARD_REFUSED, // no place, or its network has one
};

// A node answered us (`replied`, after `rtt_us`), or asked us something. Where it waits for a place, `*ask` is a node
// in its bucket that may be gone, and has a port of 0 where there is none.
enum qe_dht_heard qe_dht_table_heard(struct qe_dht_table *table, const struct qe_dht_contact *contact, bool replied,
    uint64_t rtt_us, uint32_t now_s, struct qe_dht_contact *ask);
enum qe_dht_failed {
    QE_DHT_FAILED_UNKNOWN, // it is not in the table
    QE_DHT_FAILED_ONCE,
    QE_DHT_FAILED_BAD, // this was once too often; if there is a replacement, it has its place
    QE_DHT_FAILED_STILL,
};
// A node left a query unanswered.
enum qe_dht_failed qe_dht_table_failed(struct qe_dht_table *table, const struct qe_dht_contact *contact);
bool qe_dht_table_has(const struct qe_dht_table *table, const struct qe_dht_contact *contact);
// Whoever is there is not who it was: out with it.
void qe_dht_table_remove(struct qe_dht_table *table, const struct qe_dht_contact *contact);

enum qe_dht_choice {
    QE_DHT_GOOD_ONLY, // to tell others
    QE_DHT_ANY,       // to ask oneself: those that may be gone, too, if there are no better ones
};
// The closest to the target, the closest first; how many.
size_t qe_dht_table_closest(const struct qe_dht_table *table, const struct qe_node_id *target,
    enum qe_dht_choice choice, uint32_t now_s, struct qe_dht_contact *out, size_t max);
// Up to `max` good nodes from all over the table, drawn with `random` (the options' function).
size_t qe_dht_table_sample(const struct qe_dht_table *table, const struct qe_dht_options *options, uint32_t now_s,
    struct qe_dht_contact *out, size_t max);

// The entry that is to be asked next, and when: `check_s` after it was last heard, or at once where that was before
// `suspect_s`; one that failed soon after, and then ever more seldom. False: none. What is being asked is passed over.
bool qe_dht_table_due(const struct qe_dht_table *table, uint32_t check_s, uint32_t suspect_s,
    struct qe_dht_contact *out, uint32_t *due_s);
// Remembers that it is being asked, until it is heard or fails.
void qe_dht_table_asked(struct qe_dht_table *table, const struct qe_dht_contact *contact);
// The bucket that has not been touched for the longest time; false: there is none.
bool qe_dht_table_untouched(const struct qe_dht_table *table, unsigned *bucket, uint32_t *touched_s);
void qe_dht_table_touch(struct qe_dht_table *table, const struct qe_node_id *target, uint32_t now_s);

size_t qe_dht_table_good(const struct qe_dht_table *table, uint32_t now_s);
// The good ones, the longest known first; how many.
size_t qe_dht_table_contacts(const struct qe_dht_table *table, uint32_t now_s, struct qe_dht_contact *out, size_t max);
size_t qe_dht_table_nodes(const struct qe_dht_table *table, uint32_t now_s, struct qe_dht_node_info *out, size_t max);
size_t qe_dht_table_memory(const struct qe_dht_table *table);

#endif
