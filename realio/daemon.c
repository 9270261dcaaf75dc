// The life of the daemon: what must be right before the node can start, in the order in which a user can mend it; then
// the loop; then goodbye. Everything that is opened here is closed here, also when the start fails halfway.
#include "daemon.h"

#include "control/control.h"
#include "detach.h"
#include "dirs.h"
#include "io.h"
#include "lock.h"
#include "notify.h"
#include "privilege.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

// The stop command of a signal; the control server numbers its own from 1.
#define STOP_COMMAND UINT64_MAX
// How long the node may take to say goodbye.
#define STOP_NS (3 * QE_NS_PER_S)

struct daemon {
    const struct qe_daemon_options *options;
    char state_dir[QE_PATH_SIZE];
    char control_path[QE_PATH_SIZE];
    struct qe_log log;
    struct qe_detach detach;
    struct qe_notify notify;
    uint64_t watchdog_ns; // next word to systemd
    int lock;
    struct qe_identity *identity;
    struct qe_network *network;
    struct qe_store *store;
    struct qe_loop_source store_source;
    struct qe_loop loop;
    int signals;
    struct qe_loop_source signals_source;
    struct qe_recording *recording; // or NULL
    struct qe_loop_source recording_source;
    struct qe_control *control;
    struct qe_loop_source control_source;
    bool control_ready;
    bool control_asked;  // its timeout must be asked for again
    uint64_t control_ns; // when it wants to be called
    struct qe_kernel kernel;
    struct qe_io io;
    bool io_open;
    bool up;
    uint64_t stop_ns; // give up waiting for the goodbye; QE_TIME_NEVER: not stopping
    bool give_up;
};

static void on_store_news(void *user, uint32_t events)
{
    struct daemon *d = user;
    char line[QE_PATH_SIZE + 256];
    bool failed;
    (void)events;
    if (qe_store_report(d->store, &failed, line, sizeof line))
        qe_log_text(&d->log, failed ? QE_LOG_ERROR : QE_LOG_INFO, line);
}

static void on_recording_news(void *user, uint32_t events)
{
    struct daemon *d = user;
    char line[QE_PATH_SIZE + 256];
    (void)events;
    if (qe_recording_report(d->recording, line, sizeof line)) qe_log_text(&d->log, QE_LOG_WARN, line);
}

static void stop(struct daemon *d)
{
    if (d->stop_ns != QE_TIME_NEVER) {
        d->give_up = true;
        return;
    }
    d->stop_ns = qe_loop_now_ns() + STOP_NS;
    qe_notify_send(&d->notify, "STOPPING=1");
    struct qe_command command = {.id = STOP_COMMAND, .verb = QE_COMMAND_STOP};
    qe_io_command(&d->io, &command);
}

static void on_signal(void *user, uint32_t events)
{
    struct daemon *d = user;
    struct signalfd_siginfo info;
    (void)events;
    if (read(d->signals, &info, sizeof info) != (ssize_t)sizeof info) return;
    if (info.ssi_signo == SIGHUP) {
        qe_log(&d->log, QE_LOG_WARN, "SIGHUP: reading the configuration again is not possible yet; ignored");
        return;
    }
    qe_log(&d->log, QE_LOG_INFO, "%s: stopping", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
    stop(d);
}

static void on_control_ready(void *user, uint32_t events)
{
    struct daemon *d = user;
    (void)events;
    d->control_ready = true;
}

static void on_command(void *user, const struct qe_command *command)
{
    struct daemon *d = user;
    if (command->verb == QE_COMMAND_STOP && d->stop_ns == QE_TIME_NEVER) {
        d->stop_ns = qe_loop_now_ns() + STOP_NS;
        qe_notify_send(&d->notify, "STOPPING=1");
        qe_log(&d->log, QE_LOG_INFO, "asked to stop");
    }
    qe_io_command(&d->io, command);
}

static void on_reply(void *user, uint64_t command, int status, struct qe_span body)
{
    struct daemon *d = user;
    if (command == STOP_COMMAND || !d->control) return;
    qe_control_reply(d->control, command, status, body);
    d->control_asked = true;
}

static int find_paths(struct daemon *d, struct qe_fault *fault)
{
    struct qe_dirs dirs;
    const char *state = d->options->state_dir, *control = d->options->control_path;
    if (!state || !control) {
        if (qe_dirs_default(&dirs, fault)) return -1;
        if (!state) state = dirs.state;
        if (!control) control = dirs.control;
    }
    if (qe_dirs_absolute(state, d->state_dir, fault)) return -1;
    return qe_dirs_absolute(control, d->control_path, fault);
}

static int open_control(struct daemon *d, struct qe_fault *fault)
{
    char error[QE_FAULT_TEXT_SIZE];
    struct qe_control_options options = {.socket_path = d->control_path,
        .metrics = d->options->config->metrics_addr,
        .health = d->options->config->health_addr,
        .user = d,
        .command = on_command};
    d->control = qe_control_open(&options, error, sizeof error);
    if (!d->control) return qe_fault_set(fault, QE_EXIT_CONTROL, "%s", error);
    d->control_source = (struct qe_loop_source){qe_control_fd(d->control), on_control_ready, d};
    d->control_asked = true;
    if (qe_loop_add(&d->loop, &d->control_source, EPOLLIN))
        return qe_fault_set(fault, QE_EXIT_CONTROL, "epoll: %s", strerror(errno));
    return 0;
}

static int take_signals(struct daemon *d, struct qe_fault *fault)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    // A reader that went away, a file-size limit: errors of a write, not the end.
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    d->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    d->signals_source = (struct qe_loop_source){d->signals, on_signal, d};
    if (d->signals < 0 || qe_loop_add(&d->loop, &d->signals_source, EPOLLIN))
        return qe_fault_set(fault, QE_EXIT_FAILED, "signalfd: %s", strerror(errno));
    return 0;
}

static int open_state(struct daemon *d, struct qe_fault *fault)
{
    if (qe_dirs_make(d->state_dir, 0700, fault)) return -1;
    d->lock = qe_lock_take(d->state_dir, fault);
    if (d->lock < 0) return -1;
    if (qe_identity_open(&d->identity, d->state_dir, fault)) return -1;
    if (qe_network_open(&d->network, d->state_dir, fault)) return -1;
    if (qe_store_open(&d->store, d->state_dir, fault)) return -1;
    d->store_source = (struct qe_loop_source){qe_store_fd(d->store), on_store_news, d};
    if (qe_loop_add(&d->loop, &d->store_source, EPOLLIN))
        return qe_fault_set(fault, QE_EXIT_FAILED, "epoll: %s", strerror(errno));
    return 0;
}

static int open_recording(struct daemon *d, struct qe_fault *fault)
{
    if (!d->options->recording) return 0;
    if (qe_recording_open(&d->recording, d->options->recording, fault)) return -1;
    d->recording_source = (struct qe_loop_source){qe_recording_fd(d->recording), on_recording_news, d};
    if (qe_loop_add(&d->loop, &d->recording_source, EPOLLIN))
        return qe_fault_set(fault, QE_EXIT_FAILED, "epoll: %s", strerror(errno));
    qe_log(&d->log, QE_LOG_WARN,
        d->options->recording->sealed
            ? "recording to %s, sealed: whoever has the key can decrypt this node's traffic"
            : "recording to %s: whoever has it can decrypt this node's traffic, as with a TLS key log",
        qe_recording_path(d->recording));
    return 0;
}

static void drop_privileges(struct daemon *d)
{
    const char *sandbox = getenv("QUICETHER_SANDBOX");
    qe_privilege_drop(d->state_dir, &d->log);
    // After the drop, so that the worker has no more rights than we; before the filter, which holds for it, too.
    if (qe_store_start(d->store))
        qe_log(&d->log, QE_LOG_ERROR, "state will not be saved: no thread to write it: %s", strerror(errno));
    if (d->recording && qe_recording_start(d->recording)) {
        qe_log(&d->log, QE_LOG_ERROR, "the recording has no thread to write it and ends: %s", strerror(errno));
        if (d->io.recorder) qe_recorder_end(d->io.recorder, QE_RECORD_MEMORY);
    }
    if (sandbox && strcmp(sandbox, "off") == 0)
        qe_log(&d->log, QE_LOG_WARN, "QUICETHER_SANDBOX=off: running without the system call filter");
    else
        qe_privilege_sandbox(&d->log);
}

// A detached daemon's lines go to a file; a regular file as stderr is one already.
static void settle_log(struct daemon *d)
{
    struct stat st;
    char path[QE_PATH_SIZE + 32];
    if (d->detach.pipe < 0 || (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))) return;
    snprintf(path, sizeof path, "%s/quicether.log", d->state_dir);
    if (qe_log_to_file(&d->log, path)) qe_log(&d->log, QE_LOG_WARN, "no log: %s: %s", path, strerror(errno));
}

static int bring_up(struct daemon *d, struct qe_fault *fault)
{
    // First of all: it is to have nothing of ours.
    if (qe_kernel_start(&d->kernel, d->options->config->notify_command, fault)) return -1;
    // Nobody waits for it: that it closed its end is enough.
    signal(SIGCHLD, SIG_IGN);
    if (find_paths(d, fault) || qe_loop_init(&d->loop, fault)) return -1;
    if (take_signals(d, fault) || open_state(d, fault) || open_control(d, fault)) return -1;
    if (open_recording(d, fault)) return -1;
    struct qe_io_options options = {.config = d->options->config,
        .identity = d->identity,
        .network = d->network,
        .store = d->store,
        .loop = &d->loop,
        .log = &d->log,
        .recording = d->recording,
        .kernel = &d->kernel,
        .user = d,
        .reply = on_reply};
    if (qe_io_init(&d->io, &options, fault)) return -1;
    d->io_open = true;
    if (qe_io_start(&d->io, fault)) return -1;
    qe_notify_init(&d->notify);
    if (d->notify.watchdog_ns != QE_TIME_NEVER) d->watchdog_ns = qe_loop_now_ns() + d->notify.watchdog_ns;
    settle_log(d);
    drop_privileges(d);
    return 0;
}

static void ask_control(struct daemon *d)
{
    if (!d->control_asked) return;
    d->control_asked = false;
    int64_t ms = qe_control_timeout_ms(d->control);
    d->control_ns = ms < 0 ? QE_TIME_NEVER : ms == 0 ? 0 : qe_loop_now_ns() + (uint64_t)ms * QE_NS_PER_MS;
}

static uint64_t next_deadline(struct daemon *d)
{
    ask_control(d);
    uint64_t at = qe_time_min(qe_io_deadline(&d->io), d->control_ns);
    return qe_time_min(at, qe_time_min(d->watchdog_ns, d->stop_ns));
}

static void tend(struct daemon *d)
{
    uint64_t now = qe_loop_now_ns();
    if (d->control_ready || d->control_ns <= now) {
        d->control_ready = false;
        qe_control_ready(d->control);
        d->control_asked = true;
    }
    if (d->watchdog_ns <= now) {
        qe_notify_send(&d->notify, "WATCHDOG=1");
        d->watchdog_ns = now + d->notify.watchdog_ns;
    }
    if (d->stop_ns <= now) d->give_up = true;
}

static int run(struct daemon *d)
{
    while (!d->io.stopped && !d->io.failed && !d->give_up) {
        qe_loop_wait(&d->loop, next_deadline(d));
        tend(d);
        qe_io_turn(&d->io);
    }
    if (d->io.failed) {
        qe_log(&d->log, QE_LOG_ERROR, "%s", d->io.fault.text);
        return (int)d->io.fault.exit;
    }
    if (d->give_up) qe_log(&d->log, QE_LOG_WARN, "stopped without a goodbye to all peers");
    return QE_EXIT_OK;
}

static void tear_down(struct daemon *d)
{
    qe_control_close(d->control);
    if (d->io_open) {
        if (d->up) qe_io_log_counters(&d->io);
        qe_io_fini(&d->io);
    }
    qe_kernel_stop(&d->kernel);
    // The state first: a recording may wait for a slow disk.
    qe_store_close(d->store);
    if (!d->up) qe_recording_discard(d->recording);
    qe_recording_close(d->recording);
    qe_identity_close(d->identity);
    qe_network_close(d->network);
    if (d->signals >= 0) close(d->signals);
    qe_loop_fini(&d->loop);
    qe_notify_fini(&d->notify);
    if (d->lock >= 0) close(d->lock);
}

int qe_daemon_run(const struct qe_daemon_options *options)
{
    struct daemon *d = calloc(1, sizeof *d);
    struct qe_fault fault;
    int status;
    if (!d) return QE_EXIT_FAILED;
    d->options = options;
    d->lock = d->signals = d->loop.epoll = d->loop.timer = d->notify.fd = d->detach.pipe = d->kernel.fd = -1;
    d->stop_ns = d->watchdog_ns = d->control_ns = QE_TIME_NEVER;
    qe_log_init(&d->log, options->config->log_level);
    // One arena: the worker thread allocates next to nothing.
    mallopt(M_ARENA_MAX, 1);
    if (options->detach && !qe_detach_fork(&d->detach, &status)) {
        free(d);
        return status;
    }
    if (bring_up(d, &fault) == 0) {
        d->up = true;
        qe_log(&d->log, QE_LOG_INFO, "up: %s, state in %s, control socket %s", d->io.tun.name, d->state_dir,
            d->control_path);
        qe_notify_send(&d->notify, "READY=1");
        qe_detach_tell(&d->detach, NULL);
        status = run(d);
        qe_log(&d->log, QE_LOG_INFO, "stopped");
    } else {
        status = (int)fault.exit;
        if (d->detach.pipe < 0) qe_log_text(&d->log, QE_LOG_ERROR, fault.text);
        qe_detach_tell(&d->detach, &fault);
    }
    tear_down(d);
    free(d);
    return status;
}
