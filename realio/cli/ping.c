// Keeps true: each ping is one request, one line, and counted once; Ctrl-C ends with the summary, as ping(8) does.
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/show.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct tally {
    uint32_t sent, answered;
    int64_t min_us, max_us, sum_us;
};

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_answer(const struct qe_cli_world *world, struct tally *tally, const json_t *json)
{
    char ms[QE_SHOW_TIME_SIZE];
    int64_t rtt_us = json_integer_value(json_object_get(json, "rtt_us"));
    const char *peer = json_string_value(json_object_get(json, "peer"));
    if (tally->answered == 0 || rtt_us < tally->min_us) tally->min_us = rtt_us;
    if (rtt_us > tally->max_us) tally->max_us = rtt_us;
    tally->sum_us += rtt_us;
    tally->answered++;
    if (!world->options->json)
        fprintf(world->out, "%s: seq=%" PRIu32 " time=%s ms\n", peer ? peer : world->options->argument, tally->sent,
            qe_show_ms(rtt_us, ms));
}

static void summary(const struct qe_cli_world *world, const struct tally *tally)
{
    char min[QE_SHOW_TIME_SIZE], mean[QE_SHOW_TIME_SIZE], max[QE_SHOW_TIME_SIZE];
    if (world->options->json) return;
    fprintf(world->out, "%" PRIu32 " sent, %" PRIu32 " answered", tally->sent, tally->answered);
    if (tally->answered)
        fprintf(world->out, ", rtt min/avg/max %s/%s/%s ms", qe_show_ms(tally->min_us, min),
            qe_show_ms(tally->sum_us / tally->answered, mean), qe_show_ms(tally->max_us, max));
    fputs("\n", world->out);
}

// Sends one ping. False where no further one makes sense; *status is then the exit status.
static bool ping(
    const struct qe_cli_world *world, const char *target, int interrupt_fd, struct tally *tally, int *status)
{
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "POST",
        .target = target,
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = interrupt_fd};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    // Not connected just now, and no answer in time: the next one may do better.
    bool go_on = outcome == QE_CLIENT_OK ||
                 (outcome == QE_CLIENT_REFUSED && (reply.status == 409 || reply.status == 503 || reply.status == 504));
    if (go_on) tally->sent++;
    if (outcome == QE_CLIENT_OK) on_answer(world, tally, reply.json);
    if (outcome == QE_CLIENT_INTERRUPTED) {
        *status = tally->answered ? QE_EXIT_OK : QE_EXIT_FAILED;
    } else if (world->options->json && reply.json) {
        json_dumpf(reply.json, world->out, JSON_COMPACT);
        fputs("\n", world->out);
    } else if (go_on && outcome != QE_CLIENT_OK) {
        fprintf(world->out, "%s: seq=%" PRIu32 " %s\n", world->options->argument, tally->sent, reply.error);
    }
    if (!go_on && outcome != QE_CLIENT_INTERRUPTED) {
        fprintf(world->err, "quicether: %s\n", reply.error);
        *status = outcome == QE_CLIENT_UNREACHABLE ? QE_EXIT_UNREACHABLE : QE_EXIT_FAILED;
    }
    qe_client_reply_fini(&reply);
    return go_on;
}

int qe_cli_ping(const struct qe_cli_world *world)
{
    const struct qe_cli_options *o = world->options;
    char target[768] = "/v1/ping?peer=";
    if (!qe_http_escape(o->argument, target + strlen(target), sizeof(target) - strlen(target))) {
        fprintf(world->err, "quicether: '%.64s…' is too long for a peer's ID or name\n", o->argument);
        return QE_EXIT_USAGE;
    }
    struct tally tally = {0};
    int status = QE_EXIT_OK;
    int interrupt_fd = qe_interrupt_open();
    int64_t next = clock_ms();
    while (ping(world, target, interrupt_fd, &tally, &status)) {
        if (fflush(world->out) != 0 || (o->count && tally.sent == o->count)) break;
        int64_t now = clock_ms();
        next += o->interval_ms;
        if (next < now) next = now;
        if (qe_interrupt_sleep(interrupt_fd, next - now)) break;
    }
    qe_interrupt_close(interrupt_fd);
    if (tally.sent) summary(world, &tally);
    return status != QE_EXIT_OK ? status : tally.answered ? QE_EXIT_OK : QE_EXIT_FAILED;
}
