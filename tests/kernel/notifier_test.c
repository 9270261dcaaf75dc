// The user's command for notices: what it gets, as whom it runs, and that it cannot hold anybody up.
#include "kernel/notifier.h"
#include "scratch.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char script[512], told[512];

static void write_script(const char *body)
{
    char text[2048];
    struct stat st;
    scratch_begin();
    snprintf(told, sizeof told, "%s", scratch_path("told"));
    snprintf(script, sizeof script, "%s", scratch_path("script"));
    // Whoever runs it may write there.
    CU_ASSERT_EQUAL(stat(scratch_path("."), &st), 0);
    CU_ASSERT_EQUAL(chmod(scratch_path("."), 0777), 0);
    snprintf(text, sizeof text, "#!/bin/sh\ntold=%s\n%s\n", told, body);
    scratch_write("script", text, strlen(text), 0755);
    CU_ASSERT_EQUAL(chmod(script, 0755), 0);
}

static void nap(unsigned ms)
{
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

// Whether the file has that many lines within so long; they are in `text` then.
static bool told_lines(size_t lines, unsigned ms, char text[4096])
{
    for (unsigned waited = 0; waited <= ms; waited += 20, nap(20)) {
        FILE *file = fopen(told, "r");
        size_t count = 0, size = file ? fread(text, 1, 4095, file) : 0;
        if (file) fclose(file);
        text[size] = '\0';
        for (size_t i = 0; i < size; i++)
            count += text[i] == '\n';
        if (count >= lines) return true;
    }
    return false;
}

static void the_line_is_one_argument_and_there_are_no_rights(void)
{
    char text[4096], expected[256];
    static const char line[] = "no gateway; $(touch x) 'y' \"z\"";
    write_script("{ printf '%s|%s\\n' \"$#\" \"$1\"; id -u; grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status; "
                 "ls /proc/self/fd | wc -l; } >\"$told.new\" && mv \"$told.new\" \"$told\"");
    int notifier = qe_notifier_start(script);
    CU_ASSERT_FATAL(notifier >= 0);
    CU_ASSERT_EQUAL(qe_notifier_tell(notifier, line), 0);
    CU_ASSERT(told_lines(6, 5000, text));
    unsigned uid = geteuid() == 0 ? 65534 : geteuid();
    snprintf(
        expected, sizeof expected, "1|%s\n%u\nCapPrm:\t%016d\nCapEff:\t%016d\nNoNewPrivs:\t1\n4\n", line, uid, 0, 0);
    CU_ASSERT_EQUAL(strncmp(text, expected, strlen(expected)), 0);
    if (strncmp(text, expected, strlen(expected)) != 0) fprintf(stderr, "got <%s>\n", text);
    close(notifier);
    scratch_end();
}

static void they_run_one_after_another(void)
{
    char text[4096];
    write_script("echo \"begin $1\" >>\"$told\"; sleep 0.1; echo \"end $1\" >>\"$told\"");
    int notifier = qe_notifier_start(script);
    CU_ASSERT_FATAL(notifier >= 0);
    for (int i = 0; i < 3; i++) {
        char line[16];
        snprintf(line, sizeof line, "%d", i);
        CU_ASSERT_EQUAL(qe_notifier_tell(notifier, line), 0);
    }
    CU_ASSERT(told_lines(6, 5000, text));
    CU_ASSERT_STRING_EQUAL(text, "begin 0\nend 0\nbegin 1\nend 1\nbegin 2\nend 2\n");
    close(notifier);
    scratch_end();
}

static void one_that_hangs_is_ended_with_all_it_began(void)
{
    char text[4096];
    write_script("echo \"begin $1\" >>\"$told\"; [ \"$1\" = next ] && exit; trap '' TERM ALRM; "
                 "(sleep 11; echo late >>\"$told\") & sleep 60");
    int notifier = qe_notifier_start(script), refused = 0;
    CU_ASSERT_FATAL(notifier >= 0);
    CU_ASSERT_EQUAL(qe_notifier_tell(notifier, "first"), 0);
    CU_ASSERT(told_lines(1, 5000, text));
    CU_ASSERT_EQUAL(qe_notifier_tell(notifier, "next"), 0);
    // Nor does it hold up whoever tells.
    for (int i = 0; i < 100000 && !refused; i++)
        if (qe_notifier_tell(notifier, "next") != 0) refused = errno;
    CU_ASSERT_EQUAL(refused, EAGAIN);
    nap(8000);
    CU_ASSERT(told_lines(1, 0, text) && strcmp(text, "begin first\n") == 0);
    CU_ASSERT(told_lines(2, (QE_NOTIFIER_LIMIT_S - 8 + 5) * 1000, text));
    close(notifier);
    nap(2000);
    CU_ASSERT(told_lines(2, 0, text));
    CU_ASSERT_PTR_NULL(strstr(text, "late"));
    scratch_end();
}

static void a_command_that_is_not_there_harms_nobody(void)
{
    int notifier = qe_notifier_start("/nonexistent/command");
    CU_ASSERT_FATAL(notifier >= 0);
    CU_ASSERT_EQUAL(qe_notifier_tell(notifier, "one"), 0);
    nap(200);
    CU_ASSERT_EQUAL(qe_notifier_tell(notifier, "two"), 0);
    close(notifier);
}

static const struct unit_case cases[] = {
    {"the line is one argument, and there are no rights", the_line_is_one_argument_and_there_are_no_rights},
    {"they run one after another", they_run_one_after_another},
    {"one that hangs is ended with all it began", one_that_hangs_is_ended_with_all_it_began},
    {"a command that is not there harms nobody", a_command_that_is_not_there_harms_nobody},
};
UNIT_MAIN("notifier", cases)
