// A whole node as a state machine: events in, actions out, one next deadline. See docs/architecture.md.
//
//     qe_node_new(&node, &config, &host, now, wall);
//     for each stored item:  qe_node_step(node, STORED);
//     qe_node_step(node, BUFFERS); qe_node_step(node, START);
//     loop: while (qe_node_next(node, &action)) do it;  wait until qe_node_deadline(node);  qe_node_step(node, event);
#ifndef QE_NODE_NODE_H
#define QE_NODE_NODE_H

#include "config/config.h"
#include "node/action.h"
#include "node/event.h"
#include "node/host.h"

struct qe_node;

// `config` is copied; `host` must outlive the node. 0, or -1 where memory, TLS or the identity would not have it.
int qe_node_new(struct qe_node **node, const struct qe_config *config, const struct qe_host *host, uint64_t now_ns,
    uint64_t wall_ms);
// Frees everything at once without a word to peers; QE_COMMAND_STOP says goodbye.
void qe_node_free(struct qe_node *node);

void qe_node_step(struct qe_node *node, const struct qe_event *event);
// The next thing to do; false where there is none before the next event. Sends and deliveries are produced here, as
// long as there is room for them.
bool qe_node_next(struct qe_node *node, struct qe_action *action);
// When to step with QE_EVENT_TIMEOUT at the latest; QE_TIME_NEVER for not at all.
uint64_t qe_node_deadline(const struct qe_node *node);

struct qe_cplane;
// The control part, for tests that act in its place.
struct qe_cplane *qe_node_cplane(struct qe_node *node);

#endif
