// The filter allows what the daemon was seen and is expected to call: its own I/O, libmicrohttpd's, the memory
// allocator's, and what ending takes. Opening for execution, new programs, tracing, mounts, modules, users: nothing.
#include "privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Sanitizers and coverage call what they like.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

static const int allowed[] = {
    // packets
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendfile),
    // waiting
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(futex),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    // time and randomness
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    // memory
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(membarrier),
    // state files and the log
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(lseek),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fchmod), // of a network's secret that comes from an inviter (netkey.c)
    SCMP_SYS(fcntl),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    // sockets of the control server, and underlay sockets opened later
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(bind),
    SCMP_SYS(connect),
    SCMP_SYS(listen),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    // signals, and the end
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    // what libraries ask about the machine
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrusage),
    SCMP_SYS(prlimit64),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
};

static const scmp_datum_t families[] = {AF_UNIX, AF_INET, AF_INET6};

// Async-signal-safe: the process may have been anywhere. `text` has room for 24 bytes.
static size_t number(char *text, unsigned value)
{
    char digits[16];
    size_t count = 0, size = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count > 0)
        text[size++] = digits[--count];
    return size;
}

static void on_violation(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    static const char before[] = "quicether: the sandbox forbids system call number ";
    static const char after[] = ": stopped. Please report this; QUICETHER_SANDBOX=off starts without it\n";
    char line[sizeof before + sizeof after + 24];
    size_t size = sizeof before - 1;
    memcpy(line, before, size);
    size += number(line + size, (unsigned)info->si_syscall);
    memcpy(line + size, after, sizeof after - 1);
    size += sizeof after - 1;
    (void)!write(STDERR_FILENO, line, size);
    _exit(QE_EXIT_SANDBOX);
}

static int allow(scmp_filter_ctx filter, int call, unsigned count, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, &condition);
}

static int add_rules(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp any = {.arg = 0};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        // Negative: the architecture has no such call.
        if (allowed[i] >= 0 && allow(filter, allowed[i], 0, any)) return -1;
    }
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        struct scmp_arg_cmp family = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = families[i]};
        if (allow(filter, SCMP_SYS(socket), 1, family)) return -1;
    }
    // No memory becomes code.
    struct scmp_arg_cmp no_code = {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
    if (allow(filter, SCMP_SYS(mmap), 1, no_code) || allow(filter, SCMP_SYS(mprotect), 1, no_code)) return -1;
    // How much there is to read; whether it blocks; whether it is a terminal. Nothing else is asked of a device.
    static const scmp_datum_t requests[] = {0x541B /* FIONREAD */, 0x5421 /* FIONBIO */, 0x5401 /* TCGETS */};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct scmp_arg_cmp request = {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = requests[i]};
        if (allow(filter, SCMP_SYS(ioctl), 1, request)) return -1;
    }
    return 0;
}

static int install_filter(void)
{
    struct sigaction action = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter) return -1;
    int result = -1;
    if (sigaction(SIGSYS, &action, NULL)) goto out;
    // Every thread; and the calls that packets need are looked for first.
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)) goto out;
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (add_rules(filter)) goto out;
    result = seccomp_load(filter);
    if (result < 0) errno = -result;
out:
    seccomp_release(filter);
    return result;
}

// Root without capabilities still writes what root owns, but no other user's directory.
static bool needs_override(const char *state_dir)
{
    struct stat st;
    return stat(state_dir, &st) == 0 && st.st_uid != geteuid();
}

void qe_privilege_drop(const char *state_dir, struct qe_log *log)
{
    bool override = needs_override(state_dir) && capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);
    capng_clear(CAPNG_SELECT_BOTH);
    if (override) capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
    // The bounding set may only be changed with CAP_SETPCAP; what a process without it keeps there is of no use to it
    // under no_new_privs.
    if (capng_apply(CAPNG_SELECT_BOTH) && capng_apply(CAPNG_SELECT_CAPS))
        qe_log(log, QE_LOG_WARN, "capabilities could not be dropped");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) qe_log(log, QE_LOG_WARN, "no_new_privs: %s", strerror(errno));
}

void qe_privilege_sandbox(struct qe_log *log)
{
    if (!INSTRUMENTED && install_filter())
        qe_log(log, QE_LOG_WARN, "running without the system call filter: %s", strerror(errno));
}

static const int denied[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(add_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
};

// Libraries that are loaded in the helper call what they like, but for these. Where that fails, the rights are few all
// the same.
static void deny(void)
{
    struct scmp_arg_cmp any = {.arg = 0};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter) return;
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++)
        if (denied[i] >= 0) seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), denied[i], 0, &any);
    (void)seccomp_load(filter);
    seccomp_release(filter);
}

static void keep(bool network)
{
    bool admin = network && capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN);
    bool bind = network && capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
    capng_clear(CAPNG_SELECT_BOTH);
    if (admin) capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
    if (bind) capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
    if (capng_apply(CAPNG_SELECT_BOTH)) (void)!capng_apply(CAPNG_SELECT_CAPS);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void qe_privilege_keep_network(void)
{
    capng_get_caps_process();
    keep(true);
    if (!INSTRUMENTED) deny();
}

void qe_privilege_drop_all(void)
{
    keep(false);
}
