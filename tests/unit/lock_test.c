#include "lock.h"
#include "scratch.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qe_fault fault;

static void a_second_daemon_is_told_who_has_it(void)
{
    int ends[2];
    char byte = 0, expected[64];
    scratch_begin();
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (qe_lock_take(scratch_path(""), &fault) >= 0) (void)!write(ends[1], "x", 1);
        pause();
        _exit(1);
    }
    CU_ASSERT_EQUAL(read(ends[0], &byte, 1), 1);
    CU_ASSERT_EQUAL(qe_lock_take(scratch_path(""), &fault), -1);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_RUNNING);
    snprintf(expected, sizeof expected, "(process %ld)", (long)pid);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, expected));
    // A killed daemon's lock is free.
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int fd = qe_lock_take(scratch_path(""), &fault);
    CU_ASSERT(fd >= 0);
    close(fd);
    fd = qe_lock_take(scratch_path(""), &fault);
    CU_ASSERT(fd >= 0);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    scratch_end();
}

static void garbage_in_the_file_is_not_repeated(void)
{
    scratch_begin();
    scratch_write("lock", "12\x1b[31m evil", 12, 0600);
    int other = open(scratch_path("lock"), O_RDWR | O_CLOEXEC);
    int fd = qe_lock_take(scratch_path(""), &fault);
    CU_ASSERT(fd >= 0);
    scratch_write("lock", "12\x1b[31m evil", 12, 0600);
    CU_ASSERT_EQUAL(qe_lock_take(scratch_path(""), &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "(process 12)"));
    CU_ASSERT_PTR_NULL(strchr(fault.text, '\x1b'));
    close(fd);
    close(other);
    scratch_end();
}

static void a_directory_that_is_not_there_is_named(void)
{
    CU_ASSERT_EQUAL(qe_lock_take("/nonexistent/quicether", &fault), -1);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_STATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/nonexistent/quicether/lock"));
}

static const struct unit_case cases[] = {
    {"a second daemon is told who has it", a_second_daemon_is_told_who_has_it},
    {"garbage in the file is not repeated", garbage_in_the_file_is_not_repeated},
    {"a directory that is not there is named", a_directory_that_is_not_there_is_named},
};
UNIT_MAIN("lock", cases)
