// Asks the daemon: one request and its answer over the control socket (docs/api.md).
#ifndef QE_CLI_CLIENT_H
#define QE_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Longer than the daemon takes to give up on its node, so that its own words arrive.
#define QE_CLIENT_TIMEOUT_MS 20000

#define QE_CLIENT_ERROR_SIZE 512

enum qe_client_outcome {
    QE_CLIENT_OK,          // an answer with a status of success
    QE_CLIENT_REFUSED,     // an answer with another status; `error` has the daemon's words
    QE_CLIENT_UNREACHABLE, // nobody answers on the socket, or we may not ask
    QE_CLIENT_BROKEN,      // somebody answers, but not as a daemon does
    QE_CLIENT_INTERRUPTED, // interrupt_fd became readable
};

struct qe_client_reply {
    int status;
    json_t *json;                     // the body, an object
    bool absent;                      // UNREACHABLE because nobody listens there
    pid_t daemon;                     // process that listens on the socket; 0: not known
    char error[QE_CLIENT_ERROR_SIZE]; // one line where the outcome is not OK, else ""
};

struct qe_client_request {
    const char *socket_path;
    const char *method;
    const char *target;
    int timeout_ms;   // of the whole exchange
    int interrupt_fd; // readable: give up; -1: none
};

// The reply is always initialised; give it to qe_client_reply_fini.
enum qe_client_outcome qe_client_call(const struct qe_client_request *request, struct qe_client_reply *reply);
void qe_client_reply_fini(struct qe_client_reply *reply);

#endif
