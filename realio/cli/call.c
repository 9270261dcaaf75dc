#include "cli/call.h"

#include "cli/http.h"

#include <string.h>

int qe_cli_show_reply(const struct qe_cli_world *world, enum qe_client_outcome outcome,
    const struct qe_client_reply *reply, int (*show)(const json_t *json, FILE *out))
{
    if (outcome != QE_CLIENT_OK) {
        fprintf(world->err, "quicether: %s\n", reply->error);
        return outcome == QE_CLIENT_UNREACHABLE ? QE_EXIT_UNREACHABLE : QE_EXIT_FAILED;
    }
    int result =
        world->options->json ? json_dumpf(reply->json, world->out, JSON_COMPACT) : show(reply->json, world->out);
    if (world->options->json) fputs("\n", world->out);
    if (result == 0) return QE_EXIT_OK;
    fputs("quicether: the daemon's answer cannot be shown\n", world->err);
    return QE_EXIT_FAILED;
}

int qe_cli_call(const struct qe_cli_world *world, const struct qe_cli_call *call, json_t **json)
{
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = call->method,
        .target = call->target,
        .timeout_ms = call->timeout_ms ? call->timeout_ms : QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = -1};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    int status = qe_cli_show_reply(world, outcome, &reply, call->show);
    if (json) *json = json_incref(reply.json);
    qe_client_reply_fini(&reply);
    return status;
}

bool qe_cli_add_parameter(char *target, size_t size, const char *name, const char *value)
{
    size_t used = strlen(target);
    int more = snprintf(target + used, size - used, "%c%s=", strchr(target, '?') ? '&' : '?', name);
    if (more < 0 || (size_t)more >= size - used) return false;
    used += (size_t)more;
    return qe_http_escape(value, target + used, size - used);
}
