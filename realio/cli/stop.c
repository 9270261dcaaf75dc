// Keeps true: `quicether stop` that succeeds means that the daemon's process is gone, so that what comes next can have
// its addresses, its TUN interface and its state directory.
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum waited { GONE, STILL_THERE, CANNOT_TELL };

// Waits for a process to end, without being its parent.
static enum waited wait_for_process(pid_t pid)
{
    if (pid <= 0) return CANNOT_TELL; // another PID namespace's
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return errno == ESRCH ? GONE : CANNOT_TELL;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&ended, 1, QE_CLI_STOP_MS);
    while (n < 0 && errno == EINTR);
    close(fd);
    return n > 0 ? GONE : STILL_THERE;
}

// Waits for the socket to be answered no more.
static enum waited wait_for_silence(const char *control)
{
    for (int ms = 0; ms < QE_CLI_STOP_MS; ms += 50) {
        struct qe_client_reply reply;
        struct qe_client_request request = {
            .socket_path = control, .method = "GET", .target = "/v1/status", .timeout_ms = 1000, .interrupt_fd = -1};
        enum qe_client_outcome outcome = qe_client_call(&request, &reply);
        qe_client_reply_fini(&reply);
        if (outcome == QE_CLIENT_UNREACHABLE) return GONE;
        nanosleep(&(struct timespec){0, 50 * 1000000L}, NULL);
    }
    return STILL_THERE;
}

int qe_cli_stop(const struct qe_cli_world *world)
{
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "POST",
        .target = "/v1/stop",
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = -1};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    int status = QE_EXIT_OK;
    if (outcome != QE_CLIENT_OK) {
        fprintf(world->err, "quicether: %s\n", reply.error);
        status = outcome == QE_CLIENT_UNREACHABLE ? QE_EXIT_UNREACHABLE : QE_EXIT_FAILED;
        goto out;
    }
    enum waited waited = wait_for_process(reply.daemon);
    if (waited == CANNOT_TELL) waited = wait_for_silence(world->control);
    if (waited != GONE) {
        fprintf(world->err,
            "quicether: the daemon on %s (process %ld) said that it stops but is still there after %d seconds\n",
            world->control, (long)reply.daemon, QE_CLI_STOP_MS / 1000);
        status = QE_EXIT_FAILED;
        goto out;
    }
    fputs(world->options->json ? "{\"stopped\":true}\n" : "stopped\n", world->out);
out:
    qe_client_reply_fini(&reply);
    return status;
}
