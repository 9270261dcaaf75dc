// Keeps true: every answer of ours is well-formed in the format it claims, whatever the node said.
#include "control/answer.h"

#include "control/health.h"
#include "control/prometheus.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JSON_TYPE "application/json"

static struct qe_answer from_json(int status, json_t *json)
{
    struct qe_answer out = {.status = status, .content_type = JSON_TYPE};
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) return out;
    out.size = strlen(text) + 1;
    out.body = realloc(text, out.size + 1);
    if (!out.body) {
        free(text);
        return out;
    }
    memcpy(out.body + out.size - 1, "\n", 2);
    return out;
}

struct qe_answer qe_answer_error(int status, const char *text)
{
    return from_json(status, json_pack("{s:s}", "error", text));
}

static int append(json_t *list, const char *name, const char *help, uint64_t value)
{
    return json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:[{s:{}, s:I}]}", "name", name, "type", "counter",
                                           "help", help, "samples", "labels", "value", (json_int_t)value));
}

// The server's own counters, next to the node's.
static int append_own(json_t *metrics, const struct qe_control_counters *own)
{
    json_t *list = json_object_get(metrics, "metrics");
    if (!json_is_array(list)) return -1;
    return append(list, "quicether_control_connections", "Connections to the control server", own->connections) ||
           append(list, "quicether_control_requests", "Requests to the control server", own->requests) ||
           append(list, "quicether_control_requests_refused",
               "Requests that the control server refused without asking the node", own->refused) ||
           append(list, "quicether_control_connections_broken",
               "Connections to the control server that ended without an intelligible request", own->broken) ||
           append(list, "quicether_control_timeouts",
               "Connections to the control server cut, and commands given up, for slowness", own->timeouts);
}

static struct qe_answer metrics(enum qe_render render, int status, json_t *json, const struct qe_control_counters *own)
{
    struct qe_answer out = {.status = status, .content_type = QE_PROMETHEUS_CONTENT_TYPE};
    bool ok = append_own(json, own) == 0;
    if (ok && render == QE_RENDER_METRICS_JSON) return from_json(status, json);
    if (ok) ok = qe_prometheus_render(json, &out.body, &out.size) == 0;
    json_decref(json);
    return ok ? out : qe_answer_error(500, "the node's metrics have an unexpected shape; please report this");
}

static struct qe_answer copy(int status, struct qe_span body)
{
    struct qe_answer out = {.status = status, .content_type = JSON_TYPE, .body = malloc(body.size + 1)};
    if (!out.body) return out;
    memcpy(out.body, body.data, body.size);
    out.size = body.size;
    if (out.size == 0 || out.body[out.size - 1] != '\n') out.body[out.size++] = '\n';
    return out;
}

struct qe_answer qe_answer_from_node(
    enum qe_render render, int status, struct qe_span body, const struct qe_control_counters *own)
{
    if (status < 200 || status > 599) return qe_answer_error(500, "the node answered without a status");
    if (body.size == 0) body = qe_span("{}", 2);
    if (render == QE_RENDER_JSON || (status != 200 && render != QE_RENDER_HEALTH)) return copy(status, body);

    json_t *json = json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    if (render == QE_RENDER_HEALTH) {
        // Not time(): in our programs that one answers with the node's clock (see proto/quic).
        struct timespec now;
        int http;
        clock_gettime(CLOCK_REALTIME, &now);
        json_t *health = qe_health_from_status(status == 200 ? json : NULL, (int64_t)now.tv_sec, &http);
        json_decref(json);
        return from_json(http, health);
    }
    return metrics(render, status, json, own);
}
