// What the parts of a DHT node share. Each part's functions are named after its file: queries (query.c) go out and come
// back, operations (operation.c) look something up (lookup.c) and store it (storing.c), upkeep (upkeep.c) joins, checks
// and refreshes.
#ifndef QE_DHT_INTERNAL_H
#define QE_DHT_INTERNAL_H

#include "base/list.h"
#include "base/time.h"
#include "dht/address.h"
#include "dht/dht.h"
#include "dht/found.h"
#include "dht/krpc.h"
#include "dht/server.h"
#include "dht/shortlist.h"
#include "dht/table.h"

#define QE_DHT_QUERIES_MAX   1024 // under way at once
#define QE_DHT_CHECKS_MAX    16   // of those, to see whether a node is there
#define QE_DHT_OUTBOX_MAX    1024 // datagrams that wait for qe_dht_next
#define QE_DHT_STORES        16   // nodes that a value is put on; in the public network QE_DHT_K
#define QE_DHT_QUERY_LIFE_NS (3 * QE_NS_PER_S)
#define QE_DHT_PATIENCE_NS   (3 * QE_NS_PER_S) // for which an operation waits for a first node
#define QE_DHT_BOOTSTRAP_MAX 16
#define QE_DHT_CACHED_MAX    64
#define QE_DHT_LOST_MAX      16
#define QE_DHT_REFRESHES_MAX 2 // lookups of upkeep at once, beside the one of the own neighbourhood

enum qe_dht_purpose {
    QE_DHT_FOR_CHECK, // is it there?
    QE_DHT_FOR_PING,  // the same, for an operation
    QE_DHT_FOR_LOOKUP,
    QE_DHT_FOR_STORE,
    QE_DHT_FOR_REGISTER,
    QE_DHT_FOR_SIGNAL,
};

struct qe_dht_operation;

enum qe_dht_stage {
    QE_DHT_STAGE_FRESH,
    QE_DHT_STAGE_LATE,   // somebody else is asked as well
    QE_DHT_STAGE_PASSED, // a lookup does not wait for it any more, but would take the answer
};

struct qe_dht_query {
    uint32_t transaction; // drawn at random
    uint8_t purpose;      // enum qe_dht_purpose
    uint8_t method;       // enum qe_krpc_method
    bool has_id;          // whose answer is expected
    uint8_t stage;        // enum qe_dht_stage
    struct qe_dht_contact to;
    uint64_t sent_ns;
    uint64_t late_ns;                   // from then on somebody else is asked, too
    struct qe_dht_operation *operation; // NULL: none, or it has ended
    uint32_t number;                    // of a signal
};

struct qe_dht_queries {
    struct qe_dht_query *items;
    size_t count, capacity;
    size_t checks;
    uint64_t deadline_ns;        // no query is late or lost before; QE_TIME_NEVER: there are none
    uint64_t rtt_us, rtt_var_us; // smoothed over all nodes (RFC 6298); 0: nothing known yet
};

enum qe_dht_task {
    QE_DHT_TASK_USER,
    QE_DHT_TASK_SELF,    // the own neighbourhood
    QE_DHT_TASK_REFRESH, // a bucket
};

struct qe_dht_operation {
    struct qe_list link;
    uint64_t number;
    enum qe_dht_task task;
    bool starting, storing, ended;
    bool told;                     // of nodes or values; whether `hops` stands
    struct qe_dht_request request; // its pointers are gone; what they pointed at is in the next fields
    struct qe_dht_item item;
    struct qe_dht_record record;
    uint8_t *bytes; // salt and value of what is put
    uint64_t started_ns;
    uint64_t wait_ns;                 // until then somebody may turn up; 0: it has begun
    struct qe_dht_shortlist lists[2]; // by family
    struct qe_dht_found found;
    unsigned answered[2], stored[2], refused[2], pending[2]; // by family; the last three of puts
    int error_code;
    char error_text[64];
    unsigned hops, queries, timeouts;
    unsigned readers; // nodes that are asked for later pages of a list
};

// A node that was put out because it was silent: half the world may be cut off, and come back.
struct qe_dht_lost {
    struct qe_dht_contact contact;
    uint8_t fails;
};

struct qe_dht_upkeep {
    bool joined;
    bool self_running;
    uint8_t self_fails;
    uint8_t self_soon;  // how many more looks at the own neighbourhood are to follow each other closely
    uint8_t refreshes;  // running
    int fill;           // after joining: this bucket and the ones before it are yet to be filled; -1: none
    uint64_t next_ns;   // when to look after things again
    uint64_t self_ns;   // the next look at the own neighbourhood
    uint64_t lost_ns;   // when to ask the next lost node
    uint32_t check_s;   // an entry that was silent for so long is asked; it adapts to how many turn out to be gone
    uint32_t suspect_s; // what was heard before is doubted
    struct qe_addr *bootstrap;
    struct qe_dht_contact *cached; // nodes of an earlier session, or found again
    struct qe_dht_lost *lost;
    uint8_t bootstrap_count, cached_count, lost_count, lost_next;
};

struct qe_dht {
    struct qe_dht_options options;
    struct qe_dht_server *server;
    struct qe_dht_table tables[2]; // IPv4, IPv6
    bool families[2];              // something was received over it
    struct qe_dht_queries queries;
    struct qe_dht_votes votes[2];
    struct qe_dht_upkeep upkeep;
    struct qe_list operations, ended;
    size_t operation_count;
    uint64_t last_number;
    struct qe_dht_signals *signals; // NULL: it neither registers nor is signalled
    struct qe_list outbox;
    size_t outbox_count, outbox_bytes;
    uint64_t now_ns;           // of the step at work
    struct qe_dht_stats stats; // the counters of it
};

static inline unsigned qe_dht_family(const struct qe_addr *addr)
{
    return addr->ip.family == 6;
}

static inline uint32_t qe_dht_seconds(uint64_t now_ns)
{
    return (uint32_t)(now_ns / QE_NS_PER_S);
}

// dht.c
void qe_dht_random(void *user, uint8_t *out, size_t size); // user: the DHT
bool qe_dht_send_bytes(
    struct qe_dht *dht, uint32_t socket, const struct qe_addr *to, const uint8_t *bytes, size_t size);
uint64_t qe_dht_draw(struct qe_dht *dht, uint64_t below); // 0 ≤ drawn < below
// A node was heard (`replied` to us, or asked): the table may take it in, and somebody may have to be asked.
void qe_dht_on_heard(
    struct qe_dht *dht, const struct qe_dht_contact *contact, bool replied, uint64_t rtt_us, uint64_t now_ns);
// A node did not answer `query`.
void qe_dht_on_silence(struct qe_dht *dht, const struct qe_dht_query *query, uint64_t now_ns);

// query.c
void qe_dht_queries_init(struct qe_dht_queries *queries);
void qe_dht_queries_fini(struct qe_dht *dht);
// Sends `message` (its method, and what goes with it; the rest is filled in). False with too many under way.
bool qe_dht_query_send(struct qe_dht *dht, enum qe_dht_purpose purpose, const struct qe_dht_contact *to, bool has_id,
    struct qe_dht_operation *operation, struct qe_krpc *message, uint64_t now_ns);
// The same for what belongs to no operation.
bool qe_dht_query_send_numbered(struct qe_dht *dht, enum qe_dht_purpose purpose, const struct qe_dht_contact *to,
    bool has_id, uint32_t number, struct qe_krpc *message, uint64_t now_ns);
// The query that this answers, taken out; false: none of ours.
bool qe_dht_query_take(
    struct qe_dht *dht, struct qe_span transaction, const struct qe_addr *from, struct qe_dht_query *out);
void qe_dht_query_measured(struct qe_dht *dht, uint64_t rtt_us);
void qe_dht_queries_expire(struct qe_dht *dht, uint64_t now_ns);
void qe_dht_queries_forget(struct qe_dht *dht, const struct qe_dht_operation *operation);
// Asks whether a node is there; not twice at once, and not with too many such questions under way.
void qe_dht_check(struct qe_dht *dht, const struct qe_dht_contact *contact, bool has_id, uint64_t now_ns);

// operation.c
struct qe_dht_operation *qe_dht_operation_new(
    struct qe_dht *dht, enum qe_dht_task task, const struct qe_dht_request *request, uint64_t now_ns);
void qe_dht_operation_tell(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns);
void qe_dht_operation_end(
    struct qe_dht *dht, struct qe_dht_operation *op, enum qe_dht_outcome outcome, uint64_t now_ns);
void qe_dht_operations_reap(struct qe_dht *dht);
size_t qe_dht_operation_k(const struct qe_dht *dht, const struct qe_dht_operation *op);

// lookup.c
void qe_dht_lookup_begin(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns);
// What is asked of each node; the rest is filled in when it is sent.
void qe_dht_lookup_message(const struct qe_dht_operation *op, struct qe_span next, struct qe_krpc *out);
void qe_dht_lookup_advance(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns);
// Ends it with what it has, or goes on to store.
void qe_dht_lookup_end(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns);
// `message` is NULL where there was no (usable) answer.
void qe_dht_lookup_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns);
// The answer is late, or (`passed`) not waited for any more.
void qe_dht_lookup_on_late(struct qe_dht *dht, const struct qe_dht_query *query, bool passed, uint64_t now_ns);

// storing.c
void qe_dht_storing_begin(struct qe_dht *dht, struct qe_dht_operation *op, uint64_t now_ns);
void qe_dht_storing_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns);

void qe_dht_storing_message(
    const struct qe_dht_operation *op, struct qe_span token, uint8_t record[QE_KRPC_RECORD_MAX], struct qe_krpc *out);

// local.c
// Asks the own server as a lookup asks others; what `out` has points into `reply`.
bool qe_dht_local_get(struct qe_dht *dht, const struct qe_dht_operation *op, struct qe_span next,
    uint8_t reply[QE_DHT_DATAGRAM_MAX], struct qe_krpc *out, uint64_t now_ns);
// Stores with the own server what is put, if this node is one of the closest.
void qe_dht_local_put(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns);

// upkeep.c
void qe_dht_upkeep_init(struct qe_dht *dht);
void qe_dht_upkeep_fini(struct qe_dht *dht);
void qe_dht_upkeep_run(struct qe_dht *dht, uint64_t now_ns);
// Something was received over a family for the first time.
void qe_dht_upkeep_on_family(struct qe_dht *dht, uint64_t now_ns);
// There is something to do at that time at the latest.
void qe_dht_upkeep_wake(struct qe_dht *dht, uint64_t at_ns);
// The table has one more node.
void qe_dht_upkeep_on_new(struct qe_dht *dht, uint64_t now_ns);
// An entry of the table was asked and is there, or is not.
void qe_dht_upkeep_on_checked(struct qe_dht *dht, bool there);
void qe_dht_upkeep_on_looked_up(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns);

// bootstrap.c
void qe_dht_bootstrap_fini(struct qe_dht *dht);
// Adds those to begin with to an operation that needs them.
void qe_dht_bootstrap_seed(struct qe_dht *dht, struct qe_dht_operation *op);
bool qe_dht_bootstrap_any(const struct qe_dht *dht);
void qe_dht_bootstrap_forget_cached(struct qe_dht *dht);
void qe_dht_lost_add(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns);
// Asks one of the lost nodes, where it is time to.
void qe_dht_lost_run(struct qe_dht *dht, uint64_t now_ns);
// A node answered, or was silent: if it was lost, it is found again.
void qe_dht_lost_on_reply(struct qe_dht *dht, const struct qe_dht_contact *contact, uint64_t now_ns);
void qe_dht_lost_on_silence(struct qe_dht *dht, const struct qe_dht_contact *contact);

#endif
