// Health from the node's status (spec 5.2). Pure.
#ifndef QE_CONTROL_HEALTH_H
#define QE_CONTROL_HEALTH_H

#include <jansson.h>
#include <stdint.h>

// {"status": "healthy" | "degraded" | "unhealthy", "reason"?, "timestamp"} as a new reference, or NULL without memory;
// *http is 503 for unhealthy, else 200. `status` is the answer to GET /v1/status, or NULL where there was none.
json_t *qe_health_from_status(const json_t *status, int64_t unix_seconds, int *http);

#endif
