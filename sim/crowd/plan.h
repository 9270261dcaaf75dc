// What a run of many nodes of the DHT is to be, as its file says it (docs/dht-scenarios.md): how many, where, what they
// store and look for, what goes wrong, who attacks, and what is expected.
#ifndef QE_SIM_CROWD_PLAN_H
#define QE_SIM_CROWD_PLAN_H

#include "crowd/figures.h"
#include "scenario/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_CROWD_NODES_MAX   2000000
#define SIM_CROWD_ITEMS_MAX   1000000
#define SIM_CROWD_LOOKUPS_MAX 4000000
#define SIM_CROWD_TABLES_MAX  32 // of [[items]], [[lookups]], [[at]], [[attack]], each

enum sim_crowd_begin {
    SIM_BEGIN_JOIN,   // nodes come one after the other and know the well-known ones
    SIM_BEGIN_TABLES, // all are there, and each is told of the contacts that a full table has
};

// What is stored.
enum sim_item_kind {
    SIM_ITEM_MUTABLE, // BEP 44
    SIM_ITEM_IMMUTABLE,
    SIM_ITEM_INDEX, // records under targets that only an authority's owners can hold
    SIM_ITEM_OPEN,  // records without a certificate
    SIM_ITEM_PEERS, // BEP 5
};

struct sim_crowd_items {
    char *name;
    unsigned kind;
    uint64_t count;
    uint64_t bytes;             // of a value
    uint64_t from_ns, until_ns; // when each is put first
    uint64_t republish_ns;      // 0: never
};

enum sim_lookup_kind {
    SIM_LOOKUP_ITEM, // what a group of items is got by
    SIM_LOOKUP_NODE, // the ID of a node that is there
};

struct sim_crowd_lookups {
    char *name;
    unsigned kind;
    char *of; // name of the items, where SIM_LOOKUP_ITEM
    size_t items;
    uint64_t count;
    uint64_t from_ns, until_ns;
    bool same_side; // the one who looks and the one who put it are on one side of the partition
};

struct sim_crowd_at {
    uint64_t time_ns;
    uint32_t kill_ppb; // share of the nodes that vanish without a word
    bool partition, heal;
};

enum sim_attack_kind {
    SIM_ATTACK_LIARS,
    SIM_ATTACK_SYBILS,
    SIM_ATTACK_FLOOD,
    SIM_ATTACK_REPLAY,
    SIM_ATTACK_TOKENS,
    SIM_ATTACK_REFLECTION,
};

// What liars do when asked for anything but a ping, as bits.
#define SIM_LIE_SILENCE 1u
#define SIM_LIE_NODES   2u // nodes that do not exist, or that lie too, next to what is looked for
#define SIM_LIE_VALUES  4u // values under the wrong signature, higher seq
#define SIM_LIE_OLD     8u // an earlier version, well signed

struct sim_crowd_attack {
    char *name;
    unsigned kind;
    uint32_t share_ppb; // LIARS: of the nodes
    unsigned lies;      // LIARS
    uint64_t count;     // SYBILS, and attackers of the others
    uint64_t bits;      // SYBILS: that their IDs share with the target's
    uint64_t network;   // SYBILS: bits of the network that all are in
    uint64_t rate;      // datagrams or operations a second, of all attackers together
    char *of;           // name of the items that are attacked
    size_t items;
    uint64_t from_ns, until_ns;
};

struct sim_crowd_expect {
    char *of, *figure; // of: a table's name, or NULL
    const struct sim_crowd_figure_name *what;
    bool has_min, has_max;
    uint64_t min, max;
    unsigned line;
};

struct sim_crowd_plan {
    char *file, *name, *description;
    uint64_t seed, duration_ns;
    uint64_t nodes, bootstraps;
    unsigned begin;
    bool mainline;    // as in the public network: values on 8 nodes, not on 16, and no index
    uint64_t join_ns; // in which they come, or are told of each other
    uint64_t rtt_min_ns, rtt_max_ns;
    uint32_t loss_ppb;
    uint32_t neighbours_ppb;  // of the nodes, in a /24 with another
    uint64_t churn_median_ns; // 0: nobody goes
    uint64_t churn_from_ns;
    uint64_t idle_from_ns, idle_until_ns; // when idle traffic is measured; equal: never
    struct sim_crowd_items *items;
    size_t item_count;
    struct sim_crowd_lookups *lookups;
    size_t lookup_count;
    struct sim_crowd_at *ats;
    size_t at_count;
    struct sim_crowd_attack *attacks;
    size_t attack_count;
    struct sim_crowd_expect *expects;
    size_t expect_count;
};

// Reads a file; NULL with "file:line: what is wrong; what is expected" in `error`.
struct sim_crowd_plan *sim_crowd_plan_load(const char *file, char error[SIM_ERROR_SIZE]);
struct sim_crowd_plan *sim_crowd_plan_parse(
    const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE]);
void sim_crowd_plan_free(struct sim_crowd_plan *plan);

#endif
