// The node itself as the node under test.
#include "host/core.h"

static int create(
    void **node, const struct qe_config *config, const struct qe_host *host, uint64_t now_ns, uint64_t wall_ms)
{
    struct qe_node *made = NULL;
    int result = qe_node_new(&made, config, host, now_ns, wall_ms);
    *node = made;
    return result;
}

static void destroy(void *node)
{
    qe_node_free(node);
}

static void step(void *node, const struct qe_event *event)
{
    qe_node_step(node, event);
}

static bool next(void *node, struct qe_action *action)
{
    return qe_node_next(node, action);
}

static uint64_t deadline(const void *node)
{
    return qe_node_deadline(node);
}

const struct sim_core sim_core_node = {create, destroy, step, next, deadline, true};
