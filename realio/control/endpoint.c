// The table of paths is the whole of the API's surface; docs/api.md describes each line of it.
#include "control/endpoint.h"

#include <string.h>

#define EVERYWHERE_METRICS (QE_LISTENER_CONTROL | QE_LISTENER_METRICS)
#define EVERYWHERE_HEALTH  (QE_LISTENER_CONTROL | QE_LISTENER_HEALTH)

static const struct qe_endpoint endpoints[] = {
    {"/v1/status", "GET, HEAD", QE_LISTENER_CONTROL, NULL, QE_COMMAND_STATUS, QE_RENDER_JSON},
    {"/v1/peers", "GET, HEAD", QE_LISTENER_CONTROL, NULL, QE_COMMAND_PEERS, QE_RENDER_JSON},
    {"/v1/routes", "GET, HEAD", QE_LISTENER_CONTROL, NULL, QE_COMMAND_ROUTES, QE_RENDER_JSON},
    {"/v1/metrics", "GET, HEAD", QE_LISTENER_CONTROL, NULL, QE_COMMAND_METRICS, QE_RENDER_METRICS_JSON},
    {"/v1/ping", "GET, HEAD, POST", QE_LISTENER_CONTROL, "peer", QE_COMMAND_PING, QE_RENDER_JSON},
    {"/v1/stop", "POST", QE_LISTENER_CONTROL, NULL, QE_COMMAND_STOP, QE_RENDER_JSON},
    {"/metrics", "GET, HEAD", EVERYWHERE_METRICS, NULL, QE_COMMAND_METRICS, QE_RENDER_PROMETHEUS},
    {"/health", "GET, HEAD", EVERYWHERE_HEALTH, NULL, QE_COMMAND_STATUS, QE_RENDER_HEALTH},
};

// Whether `method` is one of a list such as "GET, HEAD".
static bool allowed(const char *allow, const char *method)
{
    size_t size = strlen(method);
    for (const char *at = allow; size && *at;) {
        size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, method, size) == 0) return true;
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

const struct qe_endpoint *qe_endpoint_find(
    unsigned listeners, const char *method, const char *path, int *status, const char **allow)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        const struct qe_endpoint *e = &endpoints[i];
        if (!(e->listeners & listeners) || strcmp(e->path, path) != 0) continue;
        if (allowed(e->allow, method)) return e;
        *status = 405;
        *allow = e->allow;
        return NULL;
    }
    *status = 404;
    *allow = NULL;
    return NULL;
}

bool qe_endpoint_argument_valid(const char *text, size_t size)
{
    if (!text || size == 0 || size >= QE_ENDPOINT_ARGUMENT_SIZE) return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~') return false;
    return true;
}
