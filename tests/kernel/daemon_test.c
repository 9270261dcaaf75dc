// The life of a whole daemon, each in a process of its own: up, down, and every way in which it does not come up.
#include "daemon.h"
#include "lock.h"
#include "namespace.h"
#include "scratch.h"
#include "sockaddr.h"
#include "unit.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void *plain_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *plain_realloc(void *user, void *old, size_t size)
{
    (void)user;
    return realloc(old, size);
}

static void plain_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static const struct qe_mem mem = {NULL, plain_alloc, plain_realloc, plain_free};
static struct qe_config config;
static char stderr_text[8192];

static void prepare(void)
{
    scratch_begin();
    qe_config_init(&config, &mem);
    strcpy(config.tun_name, "qetest0");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
}

static void clean(void)
{
    qe_config_fini(&config);
    scratch_end();
}

// A daemon in a child, whose stderr goes to the file "stderr" of the scratch directory. `before` runs in the child.
static pid_t start(bool detach, void (*before)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) return pid;
    int fd = open(scratch_path("stderr"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    if (detach) {
        // As a terminal or a pipe would be: no regular file, so the daemon logs to one of its own.
        int ends[2];
        if (pipe(ends)) _exit(99);
        dup2(ends[1], STDERR_FILENO);
    }
    if (before) before();
    char state[256], control[256];
    strcpy(state, scratch_path("state"));
    strcpy(control, scratch_path("control.sock"));
    struct qe_daemon_options options = {
        .config = &config, .state_dir = state, .control_path = control, .detach = detach};
    _exit(qe_daemon_run(&options));
}

// The exit status of a child, at most ten seconds from now; 1000 + signal where it was killed.
static int status_of(pid_t pid)
{
    int status;
    for (int i = 0; i < 1000; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        usleep(10000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}

static const char *said(const char *file)
{
    size_t size = scratch_read(file, stderr_text, sizeof stderr_text - 1);
    stderr_text[size == (size_t)-1 ? 0 : size] = '\0';
    return stderr_text;
}

static bool wait_until_up(pid_t pid)
{
    for (int i = 0; i < 1000; i++) {
        if (strstr(said("stderr"), " info up: qetest0")) return true;
        if (waitpid(pid, NULL, WNOHANG | WNOWAIT) == pid) break;
        usleep(10000);
    }
    printf("not up: %s\n", said("stderr"));
    return false;
}

static bool line_in(const char *file, const char *line)
{
    char text[8192];
    FILE *f = fopen(file, "r");
    bool found = false;
    while (f && fgets(text, sizeof text, f))
        if (strcmp(text, line) == 0) found = true;
    if (f) fclose(f);
    return found;
}

static void a_daemon_comes_up_and_goes_down_without_a_trace(void)
{
    prepare();
    pid_t pid = start(false, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_up(pid));
    CU_ASSERT_TRUE(namespace_run("ip -o addr show dev qetest0 | grep -q ' 100.64.[0-9.]*/16 '"));
    CU_ASSERT_TRUE(namespace_run("ip -o addr show dev qetest0 | grep -q ' inet6 fd'"));
    CU_ASSERT_EQUAL(access(scratch_path("control.sock"), F_OK), 0);
    CU_ASSERT_EQUAL(access(scratch_path("state/identity.key"), F_OK), 0);
    kill(pid, SIGTERM);
    CU_ASSERT_EQUAL(status_of(pid), QE_EXIT_OK);
    CU_ASSERT_FALSE(namespace_run("ip link show qetest0 >/dev/null 2>&1"));
    CU_ASSERT_EQUAL(access(scratch_path("control.sock"), F_OK), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), " info stopped\n"));
    clean();
}

static void nothing_is_left_of_its_rights_once_it_is_up(void)
{
    prepare();
    pid_t pid = start(false, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_up(pid));
    usleep(100000);
    char path[300], tasks[64];
    snprintf(tasks, sizeof tasks, "/proc/%ld/task", (long)pid);
    CU_ASSERT_TRUE(namespace_run("test $(ls %s | wc -l) -ge 2", tasks));
    // Every thread of it: the one that writes state, too.
    for (long task = pid; task < pid + 20; task++) {
        snprintf(path, sizeof path, "%s/%ld/status", tasks, task);
        if (access(path, F_OK)) continue;
        CU_ASSERT_TRUE(line_in(path, "CapEff:\t0000000000000000\n"));
        CU_ASSERT_TRUE(line_in(path, "CapPrm:\t0000000000000000\n"));
        CU_ASSERT_TRUE(line_in(path, "CapBnd:\t0000000000000000\n"));
        CU_ASSERT_TRUE(line_in(path, "NoNewPrivs:\t1\n"));
        CU_ASSERT_TRUE(INSTRUMENTED || line_in(path, "Seccomp:\t2\n"));
    }
    kill(pid, SIGINT);
    CU_ASSERT_EQUAL(status_of(pid), QE_EXIT_OK);
    clean();
}

static void detached_it_returns_once_it_is_up(void)
{
    prepare();
    CU_ASSERT_EQUAL(status_of(start(true, NULL)), QE_EXIT_OK);
    // It is up by now, not soon.
    CU_ASSERT_TRUE(namespace_run("ip -o link show dev qetest0 | grep -q ',UP'"));
    CU_ASSERT_EQUAL(access(scratch_path("control.sock"), F_OK), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("state/quicether.log"), " info up: qetest0"));
    char pid[32] = "";
    scratch_read("state/lock", pid, sizeof pid - 1);
    CU_ASSERT_TRUE_FATAL(atoi(pid) > 1);
    kill(atoi(pid), SIGTERM);
    for (int i = 0; i < 500 && !strstr(said("state/quicether.log"), " info stopped\n"); i++)
        usleep(10000);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("state/quicether.log"), " info stopped\n"));
    struct qe_fault fault;
    int lock = -1;
    for (int i = 0; i < 500 && lock < 0; i++, usleep(10000))
        lock = qe_lock_take(scratch_path("state"), &fault);
    CU_ASSERT(lock >= 0);
    close(lock);
    clean();
}

static void a_second_one_on_the_same_state_is_refused(void)
{
    prepare();
    pid_t first = start(false, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_up(first));
    CU_ASSERT_EQUAL(status_of(start(false, NULL)), QE_EXIT_RUNNING);
    char expected[64];
    snprintf(expected, sizeof expected, "another quicether (process %ld)", (long)first);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), expected));
    CU_ASSERT_EQUAL(status_of(start(true, NULL)), QE_EXIT_RUNNING);
    // The first one did not mind.
    CU_ASSERT_TRUE(namespace_run("ip -o link show dev qetest0 | grep -q ',UP'"));
    kill(first, SIGTERM);
    CU_ASSERT_EQUAL(status_of(first), QE_EXIT_OK);
    clean();
}

static void a_port_in_use_is_named(void)
{
    prepare();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct qe_addr addr;
    union qe_sockaddr name;
    CU_ASSERT_TRUE(qe_addr_parse("0.0.0.0:9000", &addr));
    socklen_t size = qe_sockaddr_from(&addr, &name);
    CU_ASSERT_EQUAL(bind(fd, &name.any, size), 0);
    CU_ASSERT_EQUAL(status_of(start(false, NULL)), QE_EXIT_SOCKET);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), " error UDP address 0.0.0.0:9000 is in use"));
    CU_ASSERT_FALSE(namespace_run("ip link show qetest0 >/dev/null 2>&1"));
    close(fd);
    clean();
}

static void a_device_in_use_is_named(void)
{
    prepare();
    CU_ASSERT_TRUE_FATAL(namespace_run("ip link add qetest0 type veth peer name qetest1"));
    CU_ASSERT_EQUAL(status_of(start(false, NULL)), QE_EXIT_TUN);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "the network device qetest0"));
    CU_ASSERT_TRUE(namespace_run("ip link del qetest0"));
    clean();
}

static void hide_tun(void)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", "/dev/net", "tmpfs", 0, NULL))
        _exit(99);
}

static void a_missing_tun_is_told_with_what_to_do(void)
{
    prepare();
    CU_ASSERT_EQUAL(status_of(start(false, hide_tun)), QE_EXIT_TUN);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "error /dev/net/tun is missing: modprobe tun"));
    clean();
}

static void drop_all(void)
{
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_apply(CAPNG_SELECT_BOTH)) _exit(99);
}

static void missing_rights_are_told_with_what_to_do(void)
{
    prepare();
    CU_ASSERT_EQUAL(status_of(start(false, drop_all)), QE_EXIT_TUN);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "no right to"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "run as root"));
    clean();
}

static void make_read_only(void)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", scratch_path("state"), "tmpfs", MS_RDONLY, NULL))
        _exit(99);
}

static void a_state_directory_that_cannot_be_written_is_named(void)
{
    prepare();
    scratch_write("state", "", 0, 0600);
    CU_ASSERT_EQUAL(status_of(start(false, NULL)), QE_EXIT_STATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "/state is not a directory"));
    unlink(scratch_path("state"));
    mkdir(scratch_path("state"), 0700);
    CU_ASSERT_EQUAL(status_of(start(false, make_read_only)), QE_EXIT_STATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "Read-only file system"));
    CU_ASSERT_FALSE(namespace_run("ip link show qetest0 >/dev/null 2>&1"));
    clean();
}

static void a_damaged_key_is_refused_and_kept(void)
{
    prepare();
    mkdir(scratch_path("state"), 0700);
    scratch_write("state/identity.key", "rubbish\n", 8, 0600);
    CU_ASSERT_EQUAL(status_of(start(false, NULL)), QE_EXIT_STATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "/state/identity.key is damaged"));
    CU_ASSERT_STRING_EQUAL(said("state/identity.key"), "rubbish\n");
    clean();
}

static void it_ends_when_its_device_is_deleted(void)
{
    prepare();
    pid_t pid = start(false, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_up(pid));
    CU_ASSERT_TRUE(namespace_run("ip link del qetest0"));
    CU_ASSERT_EQUAL(status_of(pid), QE_EXIT_TUN);
    CU_ASSERT_PTR_NOT_NULL(strstr(said("stderr"), "the network device qetest0 was deleted"));
    clean();
}

// Waits for one datagram that is exactly `text`.
static bool notified(int fd, const char *text)
{
    char got[128];
    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        if (poll(&ready, 1, 10000) <= 0) return false;
        ssize_t size = recv(fd, got, sizeof got - 1, 0);
        got[size > 0 ? size : 0] = '\0';
        if (strcmp(got, text) == 0) return true;
        if (strcmp(got, "WATCHDOG=1") != 0) return false;
    }
}

static void systemd_is_told(void)
{
    prepare();
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, scratch_path("notify"));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    setenv("NOTIFY_SOCKET", name.sun_path, 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    pid_t pid = start(false, NULL);
    CU_ASSERT_TRUE(notified(fd, "READY=1"));
    CU_ASSERT_TRUE(notified(fd, "WATCHDOG=1"));
    CU_ASSERT_TRUE(notified(fd, "WATCHDOG=1"));
    kill(pid, SIGTERM);
    CU_ASSERT_TRUE(notified(fd, "STOPPING=1"));
    CU_ASSERT_EQUAL(status_of(pid), QE_EXIT_OK);
    close(fd);
    clean();
}

static uint64_t switches_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long count = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &count) == 1) break;
    if (f) fclose(f);
    return count;
}

static void an_idle_daemon_sleeps(void)
{
    prepare();
    pid_t pid = start(false, NULL);
    CU_ASSERT_TRUE_FATAL(wait_until_up(pid));
    // Memory of the start is given back in the first seconds, and other nodes are looked for often in the first ten.
    sleep(12);
    uint64_t before = switches_of(pid);
    sleep(3);
    CU_ASSERT(switches_of(pid) - before <= 3);
    kill(pid, SIGTERM);
    CU_ASSERT_EQUAL(status_of(pid), QE_EXIT_OK);
    clean();
}

static const struct unit_case cases[] = {
    {"a daemon comes up and goes down without a trace", a_daemon_comes_up_and_goes_down_without_a_trace},
    {"nothing is left of its rights once it is up", nothing_is_left_of_its_rights_once_it_is_up},
    {"detached it returns once it is up", detached_it_returns_once_it_is_up},
    {"a second one on the same state is refused", a_second_one_on_the_same_state_is_refused},
    {"a port in use is named", a_port_in_use_is_named},
    {"a device in use is named", a_device_in_use_is_named},
    {"a missing TUN is told with what to do", a_missing_tun_is_told_with_what_to_do},
    {"missing rights are told with what to do", missing_rights_are_told_with_what_to_do},
    {"a state directory that cannot be written is named", a_state_directory_that_cannot_be_written_is_named},
    {"a damaged key is refused and kept", a_damaged_key_is_refused_and_kept},
    {"it ends when its device is deleted", it_ends_when_its_device_is_deleted},
    {"systemd is told", systemd_is_told},
    {"an idle daemon sleeps", an_idle_daemon_sleeps},
};

int main(void)
{
    namespace_enter();
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        return 77;
    }
    return unit_main("kernel_daemon", cases, sizeof cases / sizeof cases[0]);
}
