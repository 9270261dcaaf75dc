#include "cli/ask.h"

#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/show.h"
#include "cli/show_gateways.h"
#include "cli/show_netcheck.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *target_of(enum qe_cli_command command)
{
    switch (command) {
    case QE_CLI_PEERS:
        return "/v1/peers";
    case QE_CLI_ROUTES:
        return "/v1/routes";
    case QE_CLI_GATEWAYS:
        return "/v1/gateways";
    case QE_CLI_RELAY:
        return "/v1/relay";
    case QE_CLI_NETCHECK:
        return "/v1/netcheck";
    default:
        return "/v1/status";
    }
}

// The daemon's version next to ours, or its node ID alone.
static int show_field(const struct qe_cli_world *world, const json_t *status)
{
    bool version = world->options->command == QE_CLI_VERSION;
    const char *text = json_string_value(json_object_get(status, version ? "version" : "node_id"));
    if (!text) return -1;
    if (!world->options->json) {
        fprintf(world->out, version ? "daemon: quicether %s\n" : "%s\n", text);
        return 0;
    }
    json_t *one = version ? json_pack("{s:s, s:s}", "version", QUICETHER_VERSION, "daemon_version", text)
                          : json_pack("{s:s}", "node_id", text);
    int result = one ? json_dumpf(one, world->out, JSON_COMPACT) : -1;
    json_decref(one);
    fputs("\n", world->out);
    return result;
}

static int show(const struct qe_cli_world *world, const json_t *json)
{
    enum qe_cli_command command = world->options->command;
    if (command == QE_CLI_ID || command == QE_CLI_VERSION) return show_field(world, json);
    if (world->options->json) {
        if (json_dumpf(json, world->out, JSON_COMPACT) != 0) return -1;
        fputs("\n", world->out);
        return 0;
    }
    if (command == QE_CLI_PEERS) return qe_show_peers(json, world->out);
    if (command == QE_CLI_ROUTES) return qe_show_routes(json, world->out);
    if (command == QE_CLI_GATEWAYS) return qe_show_gateways(json, world->out);
    if (command == QE_CLI_RELAY) return qe_show_relay(json, world->out);
    if (command == QE_CLI_NETCHECK) return qe_show_netcheck(json, world->out);
    return qe_show_status(json, world->out);
}

static int status_of(enum qe_client_outcome outcome)
{
    return outcome == QE_CLIENT_OK            ? QE_EXIT_OK
           : outcome == QE_CLIENT_UNREACHABLE ? QE_EXIT_UNREACHABLE
                                              : QE_EXIT_FAILED;
}

static int fail(const struct qe_cli_world *world, const char *text, int status)
{
    fprintf(world->err, "quicether: %s\n", text);
    return status;
}

// What takes the daemon a while to find out is asked for again until it has, or for so long.
#define PATIENCE_MS 15000
#define AGAIN_MS    300

static enum qe_client_outcome call(const struct qe_client_request *request, struct qe_client_reply *reply, bool patient)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    enum qe_client_outcome outcome = qe_client_call(request, reply);
    while (patient && outcome == QE_CLIENT_OK && json_is_true(json_object_get(reply->json, "checking")) &&
           clock_ms() < until && !qe_interrupt_sleep(request->interrupt_fd, AGAIN_MS)) {
        qe_client_reply_fini(reply);
        outcome = qe_client_call(request, reply);
    }
    return outcome;
}

// Asks once and shows the answer, or `quiet` the daemon's absence, in place.
static int tick(const struct qe_cli_world *world, int interrupt_fd, bool absence_shown, bool clear)
{
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "GET",
        .target = target_of(world->options->command),
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = interrupt_fd};
    enum qe_client_outcome outcome = call(&request, &reply, world->options->command == QE_CLI_NETCHECK);
    int status = status_of(outcome);
    // Home, draw over what is there, clear the rest: no flicker.
    if (clear && outcome != QE_CLIENT_INTERRUPTED) fputs("\033[H\033[J", world->out);
    if (outcome == QE_CLIENT_OK) {
        if (show(world, reply.json) != 0) status = fail(world, "the daemon's answer cannot be shown", QE_EXIT_FAILED);
    } else if (outcome == QE_CLIENT_INTERRUPTED) {
        status = QE_EXIT_OK;
    } else if (!absence_shown) {
        fail(world, reply.error, status);
    } else if (world->options->json) {
        json_t *error = json_pack("{s:s}", "error", reply.error);
        if (error) json_dumpf(error, world->out, JSON_COMPACT);
        fputs("\n", world->out);
        json_decref(error);
    } else {
        fprintf(world->out, "%s\n", reply.error);
    }
    qe_client_reply_fini(&reply);
    return status;
}

static int watch(const struct qe_cli_world *world)
{
    bool clear = !world->options->json && isatty(fileno(world->out));
    int interrupt_fd = qe_interrupt_open();
    int64_t next = clock_ms();
    int status = tick(world, interrupt_fd, false, clear);
    // A daemon that is not there to start with is an error; one that goes away meanwhile is what one watches for.
    while (status == QE_EXIT_OK && !ferror(world->out) && fflush(world->out) == 0) {
        int64_t now = clock_ms();
        next += world->options->interval_ms;
        if (next < now) next = now;
        if (qe_interrupt_sleep(interrupt_fd, next - now)) break;
        if (!clear && !world->options->json) fputs("\n", world->out);
        tick(world, interrupt_fd, true, clear);
    }
    qe_interrupt_close(interrupt_fd);
    return status;
}

int qe_cli_ask(const struct qe_cli_world *world)
{
    return world->options->watch ? watch(world) : tick(world, -1, false, false);
}
