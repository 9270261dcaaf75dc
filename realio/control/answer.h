// Bodies of the control server's answers: from the node's JSON, or errors of its own.
#ifndef QE_CONTROL_ANSWER_H
#define QE_CONTROL_ANSWER_H

#include "base/bytes.h"
#include "control/control.h"
#include "control/endpoint.h"

struct qe_answer {
    int status; // as in HTTP
    const char *content_type;
    char *body; // malloc'ed; NULL: there was no memory for one
    size_t size;
};

// {"error": text}
struct qe_answer qe_answer_error(int status, const char *text);
// What a client gets for the node's answer (`body` borrowed).
struct qe_answer qe_answer_from_node(
    enum qe_render render, int status, struct qe_span body, const struct qe_control_counters *own);

#endif
