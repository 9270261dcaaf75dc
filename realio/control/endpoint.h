// What the control server serves: the table of paths, and the decision about one request. Pure.
#ifndef QE_CONTROL_ENDPOINT_H
#define QE_CONTROL_ENDPOINT_H

#include "node/event.h"

// Where a request came in.
enum qe_listener { QE_LISTENER_CONTROL = 1, QE_LISTENER_METRICS = 2, QE_LISTENER_HEALTH = 4 };

// What becomes of the node's JSON.
enum qe_render { QE_RENDER_JSON, QE_RENDER_METRICS_JSON, QE_RENDER_PROMETHEUS, QE_RENDER_HEALTH };

// A query parameter.
struct qe_parameter {
    const char *name;
    size_t size_max; // characters of its value; at least one
};

#define QE_ENDPOINT_PARAMETERS_MAX 3

struct qe_endpoint {
    const char *path;
    const char *allow;  // methods, as in an Allow header
    unsigned listeners; // mask of qe_listener
    enum qe_command_verb verb;
    enum qe_render render;
    struct qe_parameter required;                             // name NULL: none
    struct qe_parameter optional[QE_ENDPOINT_PARAMETERS_MAX]; // ended by a NULL name, where there are fewer
};

// Longest argument of a command, with its NUL.
#define QE_ENDPOINT_ARGUMENT_SIZE 2304
#define QE_ENDPOINT_ERROR_SIZE    128

// What a query says: borrowed, not ended by a NUL.
struct qe_query_value {
    const char *name;
    size_t name_size;
    const char *value; // NULL: none, as in "?peer"
    size_t size;
};

// The endpoint for a request, or NULL with *status 404 or 405; a 405 leaves *allow the methods that would do.
const struct qe_endpoint *qe_endpoint_find(
    unsigned listeners, const char *method, const char *path, int *status, const char **allow);
// The command's argument for a query, as docs/api.md says; "" where the endpoint takes none, and then the query counts
// for nothing. False with one line in `error` where a value is missing, unknown, given twice, too long, or not
// printable ASCII without a space.
bool qe_endpoint_argument(const struct qe_endpoint *endpoint, const struct qe_query_value *query, size_t count,
    char argument[QE_ENDPOINT_ARGUMENT_SIZE], char error[QE_ENDPOINT_ERROR_SIZE]);

#endif
