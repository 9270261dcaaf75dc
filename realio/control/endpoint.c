// The table of paths is the whole of the API's surface; docs/api.md describes each line of it.
#include "control/endpoint.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define EVERYWHERE_METRICS (QE_LISTENER_CONTROL | QE_LISTENER_METRICS)
#define EVERYWHERE_HEALTH  (QE_LISTENER_CONTROL | QE_LISTENER_HEALTH)

#define TEXT_MAX       127
#define NUMBER_MAX     20
#define TARGET_HEX     40
#define SALT_HEX       128
#define VALUE_HEX      1900
#define INVITATION_MAX 1024
#define KEY_MAX        63
#define VALUE_MAX      1000

static const struct qe_endpoint endpoints[] = {
    {"/v1/status", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_STATUS, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/peers", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_PEERS, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/routes", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_ROUTES, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/gateways", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_GATEWAYS, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/relay", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_RELAY, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/netcheck", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_NETCHECK, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/metrics", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_METRICS, QE_RENDER_METRICS_JSON, {0}, {{0}}},
    {"/v1/ping", "GET, HEAD, POST", QE_LISTENER_CONTROL, QE_COMMAND_PING, QE_RENDER_JSON, {"peer", TEXT_MAX}, {{0}}},
    {"/v1/dht/status", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_DHT_STATUS, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/dht/nodes", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_DHT_NODES, QE_RENDER_JSON, {0}, {{0}}},
    {"/v1/dht/lookup", "GET, HEAD, POST", QE_LISTENER_CONTROL, QE_COMMAND_DHT_LOOKUP, QE_RENDER_JSON,
        {"target", TEXT_MAX}, {{0}}},
    {"/v1/dht/get", "GET, HEAD", QE_LISTENER_CONTROL, QE_COMMAND_DHT_GET, QE_RENDER_JSON, {"target", TARGET_HEX},
        {{"salt", SALT_HEX}}},
    {"/v1/dht/put", "POST", QE_LISTENER_CONTROL, QE_COMMAND_DHT_PUT, QE_RENDER_JSON, {"value", VALUE_HEX},
        {{"salt", SALT_HEX}, {"seq", NUMBER_MAX}, {"cas", NUMBER_MAX}}},
    {"/v1/invite", "POST", QE_LISTENER_CONTROL, QE_COMMAND_INVITE, QE_RENDER_JSON, {0},
        {{"expires_s", NUMBER_MAX}, {"uses", NUMBER_MAX}}},
    {"/v1/join", "POST", QE_LISTENER_CONTROL, QE_COMMAND_JOIN, QE_RENDER_JSON, {"invitation", INVITATION_MAX}, {{0}}},
    {"/v1/set", "POST", QE_LISTENER_CONTROL, QE_COMMAND_SET, QE_RENDER_JSON, {"key", KEY_MAX}, {{"value", VALUE_MAX}}},
    {"/v1/stop", "POST", QE_LISTENER_CONTROL, QE_COMMAND_STOP, QE_RENDER_JSON, {0}, {{0}}},
    {"/metrics", "GET, HEAD", EVERYWHERE_METRICS, QE_COMMAND_METRICS, QE_RENDER_PROMETHEUS, {0}, {{0}}},
    {"/health", "GET, HEAD", EVERYWHERE_HEALTH, QE_COMMAND_STATUS, QE_RENDER_HEALTH, {0}, {{0}}},
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

static bool is(const struct qe_query_value *q, const char *name)
{
    return strlen(name) == q->name_size && memcmp(name, q->name, q->name_size) == 0;
}

static bool printable(const struct qe_query_value *q, size_t size_max)
{
    if (!q->value || q->size == 0 || q->size > size_max) return false;
    for (size_t i = 0; i < q->size; i++)
        if (q->value[i] <= ' ' || q->value[i] > '~') return false;
    return true;
}

// The value of a parameter; NULL where there is none, and where it is wrong, which `error` then says.
static const struct qe_query_value *find_value(const struct qe_parameter *parameter, bool required,
    const struct qe_query_value *query, size_t count, char error[QE_ENDPOINT_ERROR_SIZE])
{
    const struct qe_query_value *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!is(&query[i], parameter->name)) continue;
        if (found) {
            snprintf(error, QE_ENDPOINT_ERROR_SIZE, "the query parameter \"%s\" is given twice", parameter->name);
            return NULL;
        }
        found = &query[i];
    }
    if (!found && !required) return NULL;
    if (found && printable(found, parameter->size_max)) return found;
    snprintf(error, QE_ENDPOINT_ERROR_SIZE,
        "the query parameter \"%s\" is missing or not printable text of 1 to %zu characters", parameter->name,
        parameter->size_max);
    return NULL;
}

static bool known(const struct qe_endpoint *endpoint, const struct qe_query_value *q)
{
    if (endpoint->required.name && is(q, endpoint->required.name)) return true;
    for (size_t i = 0; i < QE_ENDPOINT_PARAMETERS_MAX && endpoint->optional[i].name; i++)
        if (is(q, endpoint->optional[i].name)) return true;
    return false;
}

bool qe_endpoint_argument(const struct qe_endpoint *endpoint, const struct qe_query_value *query, size_t count,
    char argument[QE_ENDPOINT_ARGUMENT_SIZE], char error[QE_ENDPOINT_ERROR_SIZE])
{
    size_t size = 0;
    argument[0] = error[0] = '\0';
    if (!endpoint->required.name && !endpoint->optional[0].name) return true;
    // What may be left out must not be missed for a slip of the pen.
    for (size_t i = 0; i < count && endpoint->optional[0].name; i++)
        if (!known(endpoint, &query[i])) {
            snprintf(error, QE_ENDPOINT_ERROR_SIZE, "this endpoint does not know a query parameter that was given");
            return false;
        }
    if (endpoint->required.name) {
        const struct qe_query_value *q = find_value(&endpoint->required, true, query, count, error);
        if (!q) return false;
        size = (size_t)snprintf(argument, QE_ENDPOINT_ARGUMENT_SIZE, "%.*s", (int)q->size, q->value);
    }
    for (size_t i = 0; i < QE_ENDPOINT_PARAMETERS_MAX && endpoint->optional[i].name; i++) {
        const struct qe_query_value *q = find_value(&endpoint->optional[i], false, query, count, error);
        if (error[0]) return false;
        if (!q) continue;
        size += (size_t)snprintf(argument + size, QE_ENDPOINT_ARGUMENT_SIZE - size, "%s%s=%.*s", size ? " " : "",
            endpoint->optional[i].name, (int)q->size, q->value);
        assert(size < QE_ENDPOINT_ARGUMENT_SIZE);
    }
    return true;
}
