// What the control server serves: the table of paths, and the decision about one request. Pure.
#ifndef QE_CONTROL_ENDPOINT_H
#define QE_CONTROL_ENDPOINT_H

#include "node/event.h"

// Where a request came in.
enum qe_listener { QE_LISTENER_CONTROL = 1, QE_LISTENER_METRICS = 2, QE_LISTENER_HEALTH = 4 };

// What becomes of the node's JSON.
enum qe_render { QE_RENDER_JSON, QE_RENDER_METRICS_JSON, QE_RENDER_PROMETHEUS, QE_RENDER_HEALTH };

struct qe_endpoint {
    const char *path;
    const char *allow;    // methods, as in an Allow header
    unsigned listeners;   // mask of qe_listener
    const char *argument; // query parameter that must be there; NULL: none
    enum qe_command_verb verb;
    enum qe_render render;
};

// Longest argument, with its NUL.
#define QE_ENDPOINT_ARGUMENT_SIZE 128

// The endpoint for a request, or NULL with *status 404 or 405; a 405 leaves *allow the methods that would do.
const struct qe_endpoint *qe_endpoint_find(
    unsigned listeners, const char *method, const char *path, int *status, const char **allow);
// Whether a query's value may be an argument: 1..127 printable ASCII characters without a space.
bool qe_endpoint_argument_valid(const char *text, size_t size);

#endif
