// What a DHT node keeps of its own registrations (register.c) and of signals that it sends (signal.c).
#ifndef QE_DHT_SIGNAL_INTERNAL_H
#define QE_DHT_SIGNAL_INTERNAL_H

#include "dht/dht_internal.h"
#include "dht/signal.h"

#define QE_DHT_PASSERS_MAX 64 // nodes remembered as possible holders of others' registrations
#define QE_DHT_SIGNALS_MAX 32 // under way
#define QE_DHT_SIGNAL_WAYS 4  // holders that one is sent to
#define QE_DHT_NEARBY_MAX  8  // a family: who may be asked to keep this node's registration
#define QE_DHT_ENTRIES_MAX (2 * QE_DHT_HOLDERS_MAX + QE_DHT_HOLDERS_EXTRA)

// Whoever answered a lookup, and can be asked to pass on a signal to what was looked up.
struct qe_dht_passer {
    struct qe_node_id target;
    struct qe_dht_contact contact;
    uint8_t token[8];
    bool registered; // it said that the target is registered there
    uint64_t at_ns;  // of its answer; 0: free
};

struct qe_dht_outgoing {
    struct qe_list link;
    uint32_t number;
    struct qe_node_id target;
    uint64_t sent_ns;
    struct qe_addr to[QE_DHT_SIGNAL_WAYS];
    bool retried[QE_DHT_SIGNAL_WAYS]; // with a fresh token
    uint8_t count;
    bool open_ended; // whoever turns up yet is asked, too
    size_t size;
    uint8_t payload[];
};

enum qe_dht_entry_state {
    QE_DHT_ENTRY_NEW,
    QE_DHT_ENTRY_HELD,
    QE_DHT_ENTRY_USELESS, // it keeps no registrations, or is not there
};

struct qe_dht_entry {
    struct qe_dht_contact contact;
    bool has_id, extra;
    uint8_t state; // enum qe_dht_entry_state
    uint8_t fails; // in a row
    bool open, signs, asking;
    bool has_token;
    uint8_t token[8];
    struct qe_addr seen;
    uint64_t since_ns, renewed_ns, due_ns;
};

struct qe_dht_signals {
    struct qe_dht_passer *passers; // NULL: none yet
    struct qe_list outgoing;
    size_t outgoing_count;
    uint32_t last_number;
    // Registrations.
    uint64_t keep_ns; // 0: none are kept
    uint64_t due_ns;  // no entry is due before
    struct qe_dht_contact nearby[2][QE_DHT_NEARBY_MAX];
    uint8_t nearby_count[2];
    struct qe_dht_entry entries[QE_DHT_ENTRIES_MAX];
    uint8_t entry_count;
};

// signal.c
int qe_dht_signals_new(struct qe_dht *dht);
void qe_dht_signals_free(struct qe_dht *dht);
uint64_t qe_dht_signals_deadline(const struct qe_dht *dht);
void qe_dht_signals_expire(struct qe_dht *dht, uint64_t now_ns);
// Somebody answered a lookup.
void qe_dht_signals_on_reply(struct qe_dht *dht, const struct qe_dht_operation *op,
    const struct qe_dht_contact *contact, const struct qe_krpc *message, uint64_t now_ns);
// A query qe_signal.
void qe_dht_signals_on_query(
    struct qe_dht *dht, const struct qe_addr *from, const struct qe_krpc *message, uint64_t now_ns);
// The answer to a qe_punch; NULL: there was none.
void qe_dht_signals_on_punched(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns);
size_t qe_dht_signals_memory(const struct qe_dht *dht);

// register.c
// The own neighbourhood was looked up.
void qe_dht_register_on_self(struct qe_dht *dht, const struct qe_dht_operation *op, uint64_t now_ns);
void qe_dht_register_on_network_change(struct qe_dht *dht, uint64_t now_ns);
void qe_dht_register_expire(struct qe_dht *dht, uint64_t now_ns);
void qe_dht_register_on_answer(
    struct qe_dht *dht, const struct qe_dht_query *query, const struct qe_krpc *message, uint64_t now_ns);
// Whether this node is registered there.
bool qe_dht_register_at_holder(const struct qe_dht *dht, const struct qe_addr *from);

#endif
