// One request to the daemon, and its answer on standard output: as JSON, or as text for people.
#ifndef QE_CLI_CALL_H
#define QE_CLI_CALL_H

#include "cli/ask.h"
#include "cli/client.h"

struct qe_cli_call {
    const char *method;
    const char *target;
    int timeout_ms;                             // 0: QE_CLIENT_TIMEOUT_MS
    int (*show)(const json_t *json, FILE *out); // 0, or -1 where the answer cannot be shown
};

// Shows the answer of `reply`, or says what went wrong; the exit status.
int qe_cli_show_reply(const struct qe_cli_world *world, enum qe_client_outcome outcome,
    const struct qe_client_reply *reply, int (*show)(const json_t *json, FILE *out));
// Asks and shows; the exit status. Where `json` is not NULL it has the answer afterwards (json_decref it), or NULL.
int qe_cli_call(const struct qe_cli_world *world, const struct qe_cli_call *call, json_t **json);

// Appends "&NAME=VALUE" to a target, or "?NAME=VALUE" to one without a query; `value` escaped. False where it does not
// fit.
bool qe_cli_add_parameter(char *target, size_t size, const char *name, const char *value);

#endif
