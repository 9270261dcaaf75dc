// What the system call filter lets through and what not.
#include "fault.h"
#include "namespace.h"
#include "privilege.h"
#include "scratch.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs it behind the filter, in a child; its exit status.
static int behind_the_filter(void (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct qe_log log;
        qe_log_init(&log, QE_LOG_INFO);
        int fd = open(scratch_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDERR_FILENO);
        qe_privilege_drop("/", &log);
        qe_privilege_sandbox(&log);
        run();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void work(void)
{
    uint8_t *memory = malloc(10 << 20);
    memset(memory, 1, 10 << 20);
    free(memory);
    int fd = open(scratch_path("file"), O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || close(fd)) _exit(1);
    if (rename(scratch_path("file"), scratch_path("file1")) || unlink(scratch_path("file1"))) _exit(2);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (udp < 0 || close(udp)) _exit(3);
    if (fprintf(stderr, "text %d\n", 5) < 0) _exit(4);
    exit(0);
}

static void execute(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void fork_off(void)
{
    if (fork() == 0) _exit(0);
}

static void trace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void make_code(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void turn_into_code(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static void raw_socket(void)
{
    socket(AF_PACKET, SOCK_RAW, 0);
}

static void change_mode(void)
{
    chmod("/", 0777);
}

static void the_daemons_own_calls_pass(void)
{
    scratch_begin();
    CU_ASSERT_EQUAL(behind_the_filter(work), 0);
    scratch_end();
}

static void what_a_daemon_never_does_ends_it_with_a_word(void)
{
    static void (*const list[])(void) = {execute, fork_off, trace, make_code, turn_into_code, raw_socket, change_mode};
    char text[512];
    scratch_begin();
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        CU_ASSERT_EQUAL(behind_the_filter(list[i]), QE_EXIT_SANDBOX);
        size_t size = scratch_read("stderr", text, sizeof text - 1);
        text[size] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "quicether: the sandbox forbids system call number "));
    }
    scratch_end();
}

static const struct unit_case cases[] = {
    {"the daemon's own calls pass", the_daemons_own_calls_pass},
    {"what a daemon never does ends it with a word", what_a_daemon_never_does_ends_it_with_a_word},
};

int main(void)
{
    if (INSTRUMENTED) {
        puts("skipped: instrumented programs have no filter");
        return 77;
    }
    return unit_main("kernel_sandbox", cases, sizeof cases / sizeof cases[0]);
}
