// What the user should hear of although nobody reads the log: handed to the host once, and kept for who asks later.
#ifndef QE_NODE_NOTICES_H
#define QE_NODE_NOTICES_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define CPLANE_NOTICES_MAX     16  // the newest
#define CPLANE_NOTICE_SIZE     320 // bytes of a line, with its NUL; longer ones are cut
#define CPLANE_NOTICE_AGAIN_NS (3600 * QE_NS_PER_S)

struct cplane_notice {
    uint64_t at_ns; // last
    uint64_t told_ns;
    uint64_t count; // how often
    char text[CPLANE_NOTICE_SIZE];
};

struct qe_cplane;
struct qe_json;

// Tells the user this line, and the log. The same line again is only counted, for an hour; returns whether it was told.
bool cplane_notify(struct qe_cplane *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The member "notifications" of an object.
void cplane_write_notices(const struct qe_cplane *c, struct qe_json *json);

#endif
