#include "portmap.h"

#include "base/time.h"
#include "loop.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn static void work(const struct qe_portmap_job *job, int out)
{
    struct qe_portmap_outcome outcome = {.code = QE_RESULT_REFUSED};
    // What comes from the network is read without any right.
    qe_privilege_drop_all();
    signal(SIGPIPE, SIG_IGN);
    if (out != 3 && dup2(out, 3) < 0) _exit(1);
    close_range(4, ~0u, 0);
    alarm(QE_PORTMAP_LIMIT_S);
    qe_portmap_ask(job, &outcome);
    _exit(write(3, &outcome, sizeof outcome) == (ssize_t)sizeof outcome ? 0 : 1);
}

static int start(struct qe_portmap *portmap, const struct qe_portmap_job *job)
{
    for (size_t i = 0; i < QE_PORTMAP_RUNNING_MAX; i++) {
        int ends[2];
        if (portmap->running[i].pid) continue;
        if (pipe2(ends, O_CLOEXEC)) return -1;
        pid_t pid = fork();
        if (pid == 0) work(job, ends[1]);
        close(ends[1]);
        if (pid < 0) {
            close(ends[0]);
            return -1;
        }
        portmap->running[i].pid = pid;
        portmap->running[i].pipe = ends[0];
        portmap->running[i].job = *job;
        return 0;
    }
    errno = EBUSY;
    return -1;
}

static size_t find(const struct qe_portmap *portmap, uint32_t interface, uint16_t port)
{
    size_t i = 0;
    while (i < QE_PORTMAP_GRANTED_MAX && (portmap->granted[i].job.interface != interface ||
                                             (interface && portmap->granted[i].job.wanted.port != port)))
        i++;
    return i;
}

// To end the mapping, by the protocol that made it.
static struct qe_portmap_job ending(const struct qe_portmap_job *granted, uint64_t request)
{
    struct qe_portmap_job job = *granted;
    job.request = request;
    job.wanted.lifetime_s = 0;
    return job;
}

int qe_portmap_begin(
    struct qe_portmap *portmap, const struct qe_kernel_message *message, char error[QE_KERNEL_TEXT_SIZE])
{
    struct qe_portmap_job job = {.request = message->request,
        .interface = message->number,
        .wanted = {.port = message->addr.port,
            .lifetime_s = message->seconds,
            .spoken = {[QE_PORT_PCP] = true, [QE_PORT_NAT_PMP] = true, [QE_PORT_UPNP] = true}}};
    memcpy(job.wanted.nonce, message->text, sizeof job.wanted.nonce);
    size_t slot = find(portmap, job.interface, job.wanted.port);
    if (job.wanted.lifetime_s == 0) {
        if (slot == QE_PORTMAP_GRANTED_MAX) {
            snprintf(error, QE_KERNEL_TEXT_SIZE, "there is no such mapping");
            return -1;
        }
        job = ending(&portmap->granted[slot].job, message->request);
        portmap->granted[slot].job.interface = 0;
    } else if (slot < QE_PORTMAP_GRANTED_MAX) {
        job.outside = portmap->granted[slot].job.outside;
        memcpy(job.url, portmap->granted[slot].job.url, sizeof job.url);
    }
    if (job.interface == 0 || job.wanted.port == 0) {
        snprintf(error, QE_KERNEL_TEXT_SIZE, "no interface, or no port");
        return -1;
    }
    if (start(portmap, &job) == 0) return 0;
    snprintf(error, QE_KERNEL_TEXT_SIZE, "no process: %s", strerror(errno));
    return -1;
}

size_t qe_portmap_poll(const struct qe_portmap *portmap, struct pollfd *out)
{
    size_t count = 0;
    for (size_t i = 0; i < QE_PORTMAP_RUNNING_MAX; i++)
        if (portmap->running[i].pid) out[count++] = (struct pollfd){portmap->running[i].pipe, POLLIN, 0};
    return count;
}

// It has no rights, but read what strangers sent: nothing that it says is taken for granted.
static bool is_sound(const struct qe_portmap_outcome *outcome)
{
    if ((unsigned)outcome->code > QE_RESULT_UNAVAILABLE || (unsigned)outcome->protocol >= QE_PORT_PROTOCOLS)
        return false;
    if (!memchr(outcome->text, '\0', sizeof outcome->text) || !memchr(outcome->url, '\0', sizeof outcome->url))
        return false;
    return outcome->code != QE_RESULT_OK || outcome->outside.ip.family == 4 || outcome->outside.ip.family == 0;
}

// Waits for the end of the process, which has nothing to do any more.
static struct qe_portmap_outcome collect(struct qe_portmap *portmap, size_t i)
{
    struct qe_portmap_outcome outcome;
    ssize_t got = read(portmap->running[i].pipe, &outcome, sizeof outcome);
    close(portmap->running[i].pipe);
    while (waitpid(portmap->running[i].pid, NULL, 0) < 0 && errno == EINTR) {
    }
    portmap->running[i].pid = 0;
    if (got == (ssize_t)sizeof outcome && is_sound(&outcome)) return outcome;
    outcome = (struct qe_portmap_outcome){.code = QE_RESULT_REFUSED};
    snprintf(outcome.text, sizeof outcome.text, "no end of it in time");
    return outcome;
}

static void remember(
    struct qe_portmap *portmap, const struct qe_portmap_job *job, const struct qe_portmap_outcome *outcome)
{
    size_t slot = find(portmap, job->interface, job->wanted.port);
    if (slot == QE_PORTMAP_GRANTED_MAX) slot = find(portmap, 0, 0);
    if (slot == QE_PORTMAP_GRANTED_MAX) return;
    portmap->granted[slot].job = *job;
    portmap->granted[slot].gateway = outcome->gateway;
    portmap->granted[slot].job.outside = outcome->outside.port;
    memcpy(portmap->granted[slot].job.url, outcome->url, sizeof outcome->url);
    for (unsigned p = 0; p < QE_PORT_PROTOCOLS; p++)
        portmap->granted[slot].job.wanted.spoken[p] = p == outcome->protocol;
}

static bool began_anew(struct qe_portmap *portmap, const struct qe_portmap_outcome *outcome)
{
    size_t i = 0;
    if (!outcome->has_epoch || outcome->gateway.family != 4) return false;
    while (i < QE_PORTMAP_EPOCHS_MAX && !qe_ip_equal(&portmap->epochs[i].gateway, &outcome->gateway))
        i++;
    if (i == QE_PORTMAP_EPOCHS_MAX) {
        i = portmap->next_epoch++ % QE_PORTMAP_EPOCHS_MAX;
        portmap->epochs[i].gateway = outcome->gateway;
        portmap->epochs[i].epoch = (struct qe_port_epoch){0};
    }
    return qe_port_epoch_take(&portmap->epochs[i].epoch, outcome->epoch_s, qe_loop_now_ns());
}

// Its other mappings are gone with it: the daemon is to hear of each.
static void mark_lost(struct qe_portmap *portmap, const struct qe_portmap_job *job, const struct qe_ip *gateway)
{
    for (size_t i = 0; i < QE_PORTMAP_GRANTED_MAX; i++)
        if (portmap->granted[i].job.interface && portmap->granted[i].job.request != job->request &&
            qe_ip_equal(&portmap->granted[i].gateway, gateway))
            portmap->granted[i].job.outside = 0;
}

static bool next_lost(struct qe_portmap *portmap, struct qe_kernel_message *answer)
{
    for (size_t i = 0; i < QE_PORTMAP_GRANTED_MAX; i++) {
        struct qe_portmap_job *job = &portmap->granted[i].job;
        if (job->interface == 0 || job->outside) continue;
        answer->request = job->request;
        answer->code = QE_RESULT_UNAVAILABLE;
        snprintf(answer->text, sizeof answer->text, "the NAT began anew");
        job->interface = 0;
        return true;
    }
    return false;
}

bool qe_portmap_next(struct qe_portmap *portmap, struct qe_kernel_message *answer)
{
    memset(answer, 0, qe_kernel_size(0));
    answer->kind = QE_KERNEL_RESULT;
    if (next_lost(portmap, answer)) return true;
    for (size_t i = 0; i < QE_PORTMAP_RUNNING_MAX; i++) {
        struct pollfd ready = {portmap->running[i].pipe, POLLIN, 0};
        if (!portmap->running[i].pid || poll(&ready, 1, 0) <= 0) continue;
        const struct qe_portmap_job job = portmap->running[i].job;
        struct qe_portmap_outcome outcome = collect(portmap, i);
        if (outcome.code == QE_RESULT_OK && job.wanted.lifetime_s) remember(portmap, &job, &outcome);
        if (began_anew(portmap, &outcome)) mark_lost(portmap, &job, &outcome.gateway);
        answer->request = job.request;
        answer->code = outcome.code;
        answer->addr = outcome.outside;
        answer->seconds = outcome.lifetime_s;
        snprintf(answer->text, sizeof answer->text, "%s",
            outcome.code == QE_RESULT_OK ? qe_port_protocol_name(outcome.protocol) : outcome.text);
        return true;
    }
    return false;
}

void qe_portmap_give_back(struct qe_portmap *portmap)
{
    // A process that still asks for a port comes too late.
    for (size_t i = 0; i < QE_PORTMAP_RUNNING_MAX; i++) {
        if (!portmap->running[i].pid || portmap->running[i].job.wanted.lifetime_s == 0) continue;
        kill(portmap->running[i].pid, SIGKILL);
        collect(portmap, i);
    }
    for (size_t i = 0; i < QE_PORTMAP_GRANTED_MAX; i++) {
        if (portmap->granted[i].job.interface == 0) continue;
        struct qe_portmap_job job = ending(&portmap->granted[i].job, 0);
        start(portmap, &job);
        portmap->granted[i].job.interface = 0;
    }
}

void qe_portmap_end(struct qe_portmap *portmap)
{
    uint64_t until = qe_loop_now_ns() + QE_PORTMAP_END_MS * QE_NS_PER_MS;
    for (size_t i = 0; i < QE_PORTMAP_RUNNING_MAX; i++) {
        if (!portmap->running[i].pid) continue;
        uint64_t now = qe_loop_now_ns();
        struct pollfd ready = {portmap->running[i].pipe, POLLIN, 0};
        int wait_ms = until > now ? (int)((until - now) / QE_NS_PER_MS) : 0;
        if (poll(&ready, 1, wait_ms) <= 0) kill(portmap->running[i].pid, SIGKILL);
        collect(portmap, i);
    }
}
