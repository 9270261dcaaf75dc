// What a run of many nodes comes to: numbers with a name and a unit, of the run or of one table of its file.
#ifndef QE_SIM_CROWD_FIGURES_H
#define QE_SIM_CROWD_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum sim_crowd_figure_unit {
    SIM_AS_COUNT,
    SIM_AS_MILLI, // thousandths of something counted
    SIM_AS_SHARE, // parts per billion
    SIM_AS_TIME,  // ns
    SIM_AS_BYTES,
    SIM_AS_RATE, // bytes a second
};

// X(identifier, name, unit, what it is)
#define SIM_CROWD_FIGURES(X)                                                                                           \
    X(STARTED, "started", COUNT, "operations begun")                                                                   \
    X(SUCCESS, "success", SHARE, "operations that came to what they should, of those that ended")                      \
    X(FAILED, "failed", COUNT, "operations that did not")                                                              \
    X(ABORTED, "aborted", COUNT, "operations whose node went away meanwhile; they count neither way")                  \
    X(STALE, "stale", COUNT, "lookups whose answer was an older version than had been stored when they began")         \
    X(FORGED, "forged", COUNT, "lookups whose answer nobody entitled has made")                                        \
    X(HOPS, "hops", MILLI, "referral depth of the first node that returned what was looked for, mean")                 \
    X(LATENCY_P50, "latency_p50", TIME, "until the first right answer, median")                                        \
    X(LATENCY_P99, "latency_p99", TIME, "the same, 99th percentile")                                                   \
    X(LATENCY_MAX, "latency_max", TIME, "the same, longest")                                                           \
    X(FINISH_P50, "finish_p50", TIME, "until the closest nodes have all been heard, median")                           \
    X(FINISH_P99, "finish_p99", TIME, "the same, 99th percentile")                                                     \
    X(QUERIES, "queries", MILLI, "queries of an operation, mean")                                                      \
    X(TIMEOUTS, "timeouts", MILLI, "of them not answered in time")                                                     \
    X(MESSAGES, "messages", MILLI, "datagrams of an operation, both ways, mean")                                       \
    X(BYTES, "bytes", BYTES, "of them with IP and UDP headers, by the mean size of such datagrams")                    \
    X(STORED_ON, "stored_on", MILLI, "nodes that took what was put, mean")                                             \
    X(RECOVERED, "recovered", TIME, "from the begin of the table to its last lookup that failed")                      \
    X(NODES, "nodes", COUNT, "nodes there at the end")                                                                 \
    X(JOINED, "joined", SHARE, "of them joined")                                                                       \
    X(JOIN_P50, "join_p50", TIME, "from a node's start until it has joined, median")                                   \
    X(JOIN_P99, "join_p99", TIME, "the same, 99th percentile")                                                         \
    X(BORN, "born", COUNT, "nodes that came in the place of one that went")                                            \
    X(TABLE, "table", MILLI, "nodes in a routing table at the end, mean")                                              \
    X(TABLE_GOOD, "table_good", MILLI, "of them good")                                                                 \
    X(TABLE_DEAD, "table_dead", SHARE, "entries of routing tables at the end that lead to nobody")                     \
    X(MEMORY, "memory", BYTES, "what a node had allocated at the end, mean")                                           \
    X(MEMORY_MAX, "memory_max", BYTES, "the same, most")                                                               \
    X(MEMORY_PEAK, "memory_peak", BYTES, "most that any node ever had allocated")                                      \
    X(MEMORY_IDLE, "memory_idle", BYTES, "what a node had allocated when idle traffic had been measured, mean")        \
    X(MEMORY_IDLE_MAX, "memory_idle_max", BYTES, "the same, most")                                                     \
    X(STORED_BYTES, "stored_bytes", BYTES, "of a node's memory what it holds for others, mean")                        \
    X(STORED_BYTES_MAX, "stored_bytes_max", BYTES, "the same, most")                                                   \
    X(IDLE, "idle", RATE, "sent and received by a node that does nothing, with IP and UDP headers, mean")              \
    X(IDLE_SENT, "idle_sent", RATE, "of that sent")                                                                    \
    X(IDLE_P99, "idle_p99", RATE, "the same as idle, 99th percentile over the nodes")                                  \
    X(IDLE_MAX, "idle_max", RATE, "the same, most")                                                                    \
    X(DATAGRAMS, "datagrams", COUNT, "sent in all")                                                                    \
    X(DATAGRAMS_A_NODE, "datagrams_a_node", MILLI, "sent by a node, mean")                                             \
    X(TRAFFIC, "traffic", BYTES, "sent in all, with IP and UDP headers")                                               \
    X(TRAFFIC_A_NODE, "traffic_a_node", BYTES, "sent by a node, mean")                                                 \
    X(DROPPED_LOSS, "dropped_loss", COUNT, "datagrams lost on the way by chance")                                      \
    X(DROPPED_NOBODY, "dropped_nobody", COUNT, "datagrams to an address where nobody was")                             \
    X(DROPPED_PARTITION, "dropped_partition", COUNT, "datagrams between the halves")                                   \
    X(MALFORMED, "malformed", COUNT, "datagrams that a node could not read")                                           \
    X(LIMITED, "limited", COUNT, "datagrams that a node dropped because their source sent too many")                   \
    X(ATTACK_DATAGRAMS, "attack_datagrams", COUNT, "that attackers sent")                                              \
    X(ATTACK_BYTES, "attack_bytes", BYTES, "the same, with IP and UDP headers")                                        \
    X(ACCEPTED, "accepted", COUNT, "of what attackers asked to be stored, what was")                                   \
    X(REFUSED, "refused", COUNT, "and what was refused with an error")                                                 \
    X(VICTIM_DATAGRAMS, "victim_datagrams", COUNT, "that reached the victim")                                          \
    X(VICTIM_BYTES, "victim_bytes", BYTES, "the same, with IP and UDP headers")                                        \
    X(AMPLIFICATION, "amplification", MILLI, "bytes that reached the victim for each that the attacker sent")

enum sim_crowd_figure_id {
#define SIM_CROWD_FIGURE_ID(id, name, unit, help) SIM_CROWD_FIGURE_##id,
    SIM_CROWD_FIGURES(SIM_CROWD_FIGURE_ID)
#undef SIM_CROWD_FIGURE_ID
        SIM_CROWD_FIGURE_IDS
};

struct sim_crowd_figure_name {
    const char *name;
    enum sim_crowd_figure_id id;
    enum sim_crowd_figure_unit unit;
    const char *help;
};

extern const struct sim_crowd_figure_name sim_crowd_figure_names[SIM_CROWD_FIGURE_IDS];

// NULL where there is none of that name.
const struct sim_crowd_figure_name *sim_crowd_figure_find(const char *name);

struct sim_crowd_figure {
    const char *of; // a table's name; NULL: of the run
    const struct sim_crowd_figure_name *what;
    uint64_t value;
};

struct sim_crowd_figures {
    struct sim_crowd_figure *list;
    size_t count, capacity;
};

void sim_crowd_figures_fini(struct sim_crowd_figures *figures);
void sim_crowd_figures_add(
    struct sim_crowd_figures *figures, const char *of, enum sim_crowd_figure_id id, uint64_t value);
// NULL where the run has none.
const struct sim_crowd_figure *sim_crowd_figures_get(
    const struct sim_crowd_figures *figures, const char *of, const struct sim_crowd_figure_name *what);

// How a value of that unit is written in a file ("99.9%", "500ms", "2.9", "16KiB" or numbers); false where it is not.
bool sim_crowd_figure_parse(enum sim_crowd_figure_unit unit, const char *text, uint64_t *out);
#define SIM_CROWD_FIGURE_TEXT_SIZE 48
const char *sim_crowd_figure_format(
    enum sim_crowd_figure_unit unit, uint64_t value, char out[SIM_CROWD_FIGURE_TEXT_SIZE]);

#endif
