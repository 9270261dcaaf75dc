// Writes down what goes in and out of a node, between the node and its host: every event, every random draw, every
// answer of the secret key, and of every action what a replay compares. It does no I/O: full blocks go to a sink.
//
// Memory is not recorded: a replay has as much as it wants.
#ifndef QE_RECORD_RECORDER_H
#define QE_RECORD_RECORDER_H

#include "node/node.h"
#include "record/action.h"
#include "record/file.h"

// The first byte of a record; docs/recording.md has the rest.
enum qe_record_kind {
    QE_RECORD_NODE,   // the node is made: times, configuration, key, the key of the hashes
    QE_RECORD_EVENT,  // a step
    QE_RECORD_ACTION, // qe_node_next gave this
    QE_RECORD_IDLE,   // qe_node_next gave nothing; the node's deadline
    QE_RECORD_RANDOM, // drawn within what the next EVENT, ACTION or IDLE ends, or NODE or EVENT began
    QE_RECORD_SECRET, // likewise
    QE_RECORD_TLS,    // likewise, in a redacted recording: what TLS did
    QE_RECORD_FAULT,  // likewise, where the host has fault points: whether one fired
    QE_RECORD_KIND_COUNT,
};

// Larger records end a recording; none is.
#define QE_RECORD_SIZE_MAX (16u << 20)

struct qe_record_sink {
    void *user;
    // Takes the payload of a block, `size` bytes of the buffer that it gave last, and gives the next buffer, of
    // QE_RECORD_BLOCK_MAX bytes. NULL ends the recording; the sink says why where it wants to. `end` says that there
    // will be no more; then what it returns is not looked at.
    uint8_t *(*block)(void *user, uint8_t *payload, size_t size, enum qe_record_end end);
};

struct qe_recorder;

// `host` must outlive it; `buffer` is the first one for the sink. NULL without memory.
struct qe_recorder *qe_recorder_new(
    const struct qe_host *host, const struct qe_record_sink *sink, uint8_t *buffer, const struct qe_record_hash *hash);
// After the node is gone.
void qe_recorder_free(struct qe_recorder *recorder);

// As the functions of node/node.h, and written down. The node is made with a host of the recorder's own.
int qe_recorder_node_new(struct qe_recorder *recorder, struct qe_node **node, const struct qe_config *config,
    uint64_t now_ns, uint64_t wall_ms);
void qe_recorder_step(struct qe_recorder *recorder, struct qe_node *node, const struct qe_event *event);
bool qe_recorder_next(struct qe_recorder *recorder, struct qe_node *node, struct qe_action *action);

// Hands over what the sink does not have yet.
void qe_recorder_flush(struct qe_recorder *recorder);
// Ends the recording; the node goes on without.
void qe_recorder_end(struct qe_recorder *recorder, enum qe_record_end end);

#endif
