// Keeps true: unhealthy means that packets cannot pass at all, degraded that they pass worse than configured.
#include "control/health.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum health { HEALTHY, DEGRADED, UNHEALTHY };

static enum health judge(const json_t *status, char *text, size_t size, const char **reason)
{
    const char *state = json_string_value(json_object_get(status, "state"));
    *reason = NULL;
    if (!state) {
        *reason = "the node does not answer";
        return UNHEALTHY;
    }
    if (strcmp(state, "up") != 0) {
        snprintf(text, size, "the node is %s", state);
        *reason = text;
        return UNHEALTHY;
    }
    const json_t *peers = json_object_get(status, "peers");
    if (json_integer_value(json_object_get(peers, "configured")) > 0 &&
        json_integer_value(json_object_get(peers, "connected")) == 0) {
        *reason = "no peer is connected";
        return DEGRADED;
    }
    *reason = json_string_value(json_array_get(json_object_get(status, "warnings"), 0));
    return *reason ? DEGRADED : HEALTHY;
}

json_t *qe_health_from_status(const json_t *status, int64_t unix_seconds, int *http)
{
    char text[64];
    const char *reason;
    static const char *const names[] = {"healthy", "degraded", "unhealthy"};
    enum health health = judge(status, text, sizeof(text), &reason);
    char timestamp[32] = "1970-01-01T00:00:00Z";
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;
    if (gmtime_r(&seconds, &tm)) strftime(timestamp, sizeof(timestamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    *http = health == UNHEALTHY ? 503 : 200;
    json_t *out = json_pack("{s:s, s:s}", "status", names[health], "timestamp", timestamp);
    if (out && reason && json_object_set_new(out, "reason", json_string(reason)) != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}
