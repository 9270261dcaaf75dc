// What the parts of a run share.
#ifndef QE_SIM_CROWD_INTERNAL_H
#define QE_SIM_CROWD_INTERNAL_H

#include "crowd/crowd.h"
#include "crowd/letters.h"
#include "crowd/places.h"
#include "crowd/tally.h"
#include "crowd/wheel.h"
#include "engine/memory.h"
#include "engine/random.h"

#include "base/mem.h"
#include "base/time.h"
#include "dht/dht.h"
#include "identity/identity.h"

#include <sodium.h>

#define SIM_IP_UDP_BYTES 28 // headers of IPv4 and UDP

enum sim_role {
    SIM_ROLE_HONEST,
    SIM_ROLE_BOOTSTRAP, // honest, and never goes
    SIM_ROLE_LIAR,      // a node that answers others' queries as its attack says
    SIM_ROLE_SYBIL,     // one of a cluster: answers with its like
    SIM_ROLE_FLOODER,   // a node that stores more than its share
    SIM_ROLE_RAW,       // no node, but a socket of an attacker's
    SIM_ROLE_VICTIM,    // no node; what comes is counted
};

// What a datagram is about: the query's method, of a reply that of the query it answers.
enum sim_about {
    SIM_ABOUT_OTHER,
    SIM_ABOUT_PING,
    SIM_ABOUT_FIND_NODE,
    SIM_ABOUT_GET_PEERS,
    SIM_ABOUT_ANNOUNCE,
    SIM_ABOUT_GET,
    SIM_ABOUT_PUT,
    SIM_ABOUT_INDEX_GET,
    SIM_ABOUT_INDEX_PUT,
    SIM_ABOUTS,
};

#define SIM_NO_TASK UINT32_MAX

struct sim_member {
    struct qe_dht *dht; // NULL: nobody is there
    struct sim_crowd *crowd;
    struct qe_mem mem;
    struct sim_stream chance;
    struct qe_node_id id;
    struct sim_place place;
    uint8_t role, attack; // attack: which of the plan's
    bool other_side;      // of a partition
    bool joined;
    uint32_t life; // how many have been in this place before
    uint32_t task; // first of its operations under way
    uint32_t memory_bytes, memory_peak, idle_sent, idle_received;
    uint64_t born_ns, wake_ns; // wake: of the event that is scheduled; QE_TIME_NEVER: none
    uint64_t sent, sent_bytes;
};

// An operation under way.
struct sim_task {
    uint32_t member, next;
    uint64_t operation;
    uint64_t begun_ns, first_ns; // first: right answer; 0: none yet
    uint32_t kind, subject, table;
    uint64_t wanted; // the version that was stored when it began
    uint32_t life;   // of whom it looks for, or whose it is
};

enum sim_task_kind {
    SIM_TASK_PUT,    // subject: item
    SIM_TASK_LOOKUP, // table: which [[lookups]]; subject: item or member
    SIM_TASK_ATTACK, // table: which [[attack]]
};

enum sim_crowd_event {
    SIM_EVENT_LETTER, // subject: its number
    SIM_EVENT_WAKE,   // subject: member
    SIM_EVENT_START,  // member
    SIM_EVENT_DEATH,  // member; the event's upper bits: its life
    SIM_EVENT_PUT,    // item
    SIM_EVENT_LOOKUP, // table
    SIM_EVENT_AT,     // table
    SIM_EVENT_ATTACK, // table
    SIM_EVENT_IDLE_FROM,
    SIM_EVENT_IDLE_UNTIL,
    SIM_EVENT_CHURN,
};

struct sim_item {
    uint32_t table, owner, owner_life; // owner: member that puts it
    uint32_t number;                   // within its table
    uint64_t seq;                      // of the last put begun; 0: none
    uint64_t stored_seq;               // of the last that was stored somewhere
    struct qe_key key;
    struct qe_node_id target;
    struct sim_place announced;
};

struct sim_crowd {
    const struct sim_crowd_plan *plan;
    const struct sim_crowd_options *options;
    uint64_t seed, now_ns;
    struct sim_wheel wheel;
    struct sim_letters letters;
    struct sim_places places;
    struct sim_stream link_chance, work_chance, churn_chance, attack_chance;
    struct sim_member *members; // the plan's nodes, then attackers
    uint32_t member_count, capacity;
    uint32_t living, born;
    bool partition, idle, churning;

    struct sim_task *tasks;
    uint32_t task_count, task_capacity, task_spare; // spare: first unused one, linked by `next`
    struct sim_item *items;
    uint32_t item_count;
    uint32_t *item_first;  // of each table
    uint32_t *sorted;      // members by ID, for tables that are filled at once
    uint64_t *sorted_tops; // the first 64 bits of their IDs

    struct sim_tally *puts, *lookups, *attacks; // one a table
    struct sim_attack_count *attack_counts;
    struct sim_samples joins, idles, idle_memory;
    uint64_t idle_sent_bytes;
    uint64_t sent, sent_bytes, lost, nobody, parted, malformed, limited, memory_peak;
    uint64_t about_sent[SIM_ABOUTS], about_bytes[SIM_ABOUTS];
    uint64_t hash[2];
    uint8_t handling; // what the datagram is about that a node is handling now
};

struct sim_attack_count {
    uint64_t sent, sent_bytes, accepted, refused, received, received_bytes;
    uint32_t first, count; // members
    uint32_t *list;        // LIARS, FLOOD, REPLAY: which they are
    uint64_t turn;         // of the next datagram or operation
};

// member.c: one node.
// Somebody with an address, who does nothing yet.
uint32_t sim_member_add(struct sim_crowd *crowd, enum sim_role role, struct sim_place place);
// `id` NULL: one of its own.
void sim_member_start(struct sim_crowd *crowd, uint32_t index, const struct qe_node_id *id);
void sim_member_stop(struct sim_crowd *crowd, uint32_t index);
void sim_member_receive(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter);
void sim_member_wake(struct sim_crowd *crowd, uint32_t index);
// After anything that was asked of its DHT: sends what it has to send, and sees when it wants to be woken.
void sim_member_settle(struct sim_crowd *crowd, uint32_t index);
bool sim_member_usable(const struct sim_crowd *crowd, uint32_t index); // honest, there and joined

// post.c: the network between them.
void sim_post_send(struct sim_crowd *crowd, struct sim_place from, struct sim_place to, const uint8_t *bytes,
    size_t size, enum sim_about about);
void sim_post_arrive(struct sim_crowd *crowd, uint32_t number);
enum sim_about sim_about_query(const uint8_t *bytes, size_t size); // OTHER where it is no query
bool sim_about_is_query(const uint8_t *bytes, size_t size);

// population.c: who there is, and how they come and go.
void sim_population_begin(struct sim_crowd *crowd);
#define SIM_TOLD_MAX 256
// The contacts that a full table has; how many.
size_t sim_population_contacts(struct sim_crowd *crowd, struct sim_member *m, struct qe_dht_contact out[SIM_TOLD_MAX]);
// fill.c: fills the table of a node, by itself, from the first moment to this one.
#define SIM_FILLED_NS (10 * QE_NS_PER_S)
void sim_fill(struct sim_crowd *crowd, uint32_t index);
void sim_population_churn(struct sim_crowd *crowd);
void sim_population_death(struct sim_crowd *crowd, uint32_t index, uint32_t life);
void sim_population_kill(struct sim_crowd *crowd, uint32_t ppb);
void sim_population_bootstrap(struct sim_crowd *crowd, uint32_t index);

// items.c, lookups.c: what honest nodes do.
void sim_items_begin(struct sim_crowd *crowd);
void sim_items_put(struct sim_crowd *crowd, uint32_t item);
void sim_items_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer);
// The item as its owner has made it with this seq; `value` is where its value is written.
void sim_items_make(
    struct sim_crowd *crowd, uint32_t index, uint64_t seq, struct qe_dht_item *out, uint8_t value[QE_DHT_VALUE_MAX]);
void sim_items_record(
    struct sim_crowd *crowd, uint32_t index, uint64_t seq, struct qe_dht_record *out, uint8_t value[QE_DHT_RECORD_MAX]);
void sim_lookups_begin(struct sim_crowd *crowd);
void sim_lookups_next(struct sim_crowd *crowd, uint32_t table);
void sim_lookups_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer);

// tasks.c
// Starts an operation; false where the DHT refuses.
bool sim_task_start(
    struct sim_crowd *crowd, uint32_t member, const struct qe_dht_request *request, struct sim_task task);
void sim_task_answer(void *user, const struct qe_dht_answer *answer); // a qe_dht_options.answer

// attacks.c and lies.c: those who do otherwise.
void sim_attacks_begin(struct sim_crowd *crowd);
void sim_attacks_next(struct sim_crowd *crowd, uint32_t table);
void sim_attacks_answer(struct sim_crowd *crowd, struct sim_task *task, const struct qe_dht_answer *answer);
// A datagram to a socket that has no node.
void sim_attacks_receive(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter);
// The item that has this target, or SIM_NOBODY.
uint32_t sim_items_find(const struct sim_crowd *crowd, const struct qe_node_id *target);
// Whether the member answers this query in its own way; it has, then.
bool sim_lie(struct sim_crowd *crowd, uint32_t index, const struct sim_letter *letter);

// census.c: all figures of a run that ends.
void sim_census(struct sim_crowd *crowd, struct sim_crowd_figures *out);

static inline void sim_crowd_schedule(struct sim_crowd *crowd, uint64_t at_ns, uint32_t kind, uint32_t subject)
{
    sim_wheel_put(&crowd->wheel, (struct sim_wheel_event){at_ns, kind, subject});
}

// The i-th of `count` moments from `from` to `until`.
static inline uint64_t sim_moment(uint64_t from_ns, uint64_t until_ns, uint64_t i, uint64_t count)
{
    return from_ns + (uint64_t)((unsigned __int128)(until_ns - from_ns) * i / (count ? count : 1));
}

#endif
