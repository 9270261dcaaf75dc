#include "log.h"
#include "scratch.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct qe_log log_;
static char text[8192];

// A log to the file "out" of the scratch directory.
static void begin(enum qe_log_level level)
{
    scratch_begin();
    unsetenv("JOURNAL_STREAM");
    qe_log_init(&log_, level);
    log_.fd = open(scratch_path("out"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static const char *written(const char *file)
{
    size_t size = scratch_read(file, text, sizeof text - 1);
    text[size == (size_t)-1 ? 0 : size] = '\0';
    return text;
}

static void end(void)
{
    close(log_.fd);
    scratch_end();
}

static void a_line_has_its_time_and_level(void)
{
    int year, month, day, hour, minute, second, ms, rest = 0;
    begin(QE_LOG_INFO);
    qe_log(&log_, QE_LOG_WARN, "%d of %s", 3, "them");
    CU_ASSERT_EQUAL(sscanf(written("out"), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ warn 3 of them\n%n", &year, &month, &day,
                        &hour, &minute, &second, &ms, &rest),
        7);
    CU_ASSERT_EQUAL((size_t)rest, strlen(text));
    end();
}

static void less_urgent_lines_are_left_out(void)
{
    begin(QE_LOG_WARN);
    qe_log_text(&log_, QE_LOG_DEBUG, "no");
    qe_log_text(&log_, QE_LOG_INFO, "no");
    CU_ASSERT_STRING_EQUAL(written("out"), "");
    qe_log_text(&log_, QE_LOG_ERROR, "yes");
    CU_ASSERT_PTR_NOT_NULL(strstr(written("out"), "Z error yes\n"));
    end();
}

static void one_line_stays_one_line(void)
{
    static char longer[3 * QE_LOG_LINE_MAX];
    begin(QE_LOG_INFO);
    qe_log_text(&log_, QE_LOG_INFO, "a\nb\x1b[2J\tc\x7f \xc3\xa4");
    CU_ASSERT_PTR_NOT_NULL(strstr(written("out"), "Z info a?b?[2J?c? \xc3\xa4\n"));
    memset(longer, 'x', sizeof longer - 1);
    size_t before = strlen(text);
    qe_log_text(&log_, QE_LOG_INFO, longer);
    qe_log(&log_, QE_LOG_INFO, "%s", longer);
    written("out");
    CU_ASSERT_EQUAL(strlen(text) - before, 2 * QE_LOG_LINE_MAX);
    CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
    end();
}

static void the_journal_gets_priorities(void)
{
    char stream[64];
    struct stat st;
    begin(QE_LOG_DEBUG);
    // As systemd would: stderr is the stream that the variable names.
    int saved = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(log_.fd, STDERR_FILENO);
    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct qe_log journal;
    qe_log_init(&journal, QE_LOG_DEBUG);
    qe_log_text(&journal, QE_LOG_ERROR, "e");
    qe_log_text(&journal, QE_LOG_WARN, "w");
    qe_log_text(&journal, QE_LOG_INFO, "i");
    qe_log_text(&journal, QE_LOG_DEBUG, "d");
    dup2(saved, STDERR_FILENO);
    // The same variable, but stderr leads elsewhere.
    qe_log_init(&journal, QE_LOG_DEBUG);
    CU_ASSERT_EQUAL(journal.style, QE_LOG_STYLE_TIME);
    close(saved);
    unsetenv("JOURNAL_STREAM");
    CU_ASSERT_STRING_EQUAL(written("out"), "<3>e\n<4>w\n<6>i\n<7>d\n");
    end();
}

static void a_file_is_turned_over_before_it_grows_too_large(void)
{
    struct stat st;
    begin(QE_LOG_INFO);
    CU_ASSERT_EQUAL(qe_log_to_file(&log_, scratch_path("log")), 0);
    for (int i = 0; i < 30000; i++)
        qe_log(&log_, QE_LOG_INFO, "line %d, and some more of it so that it takes a hundred bytes, or nearly so", i);
    qe_log(&log_, QE_LOG_INFO, "the end");
    CU_ASSERT_EQUAL(scratch_count(""), 3);
    CU_ASSERT_EQUAL(stat(scratch_path("log"), &st), 0);
    CU_ASSERT(st.st_size > 0 && st.st_size < QE_LOG_FILE_BYTES_MAX + QE_LOG_LINE_MAX);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(stat(scratch_path("log.1"), &st), 0);
    CU_ASSERT(st.st_size > QE_LOG_FILE_BYTES_MAX && st.st_size < QE_LOG_FILE_BYTES_MAX + QE_LOG_LINE_MAX);
    // It goes on where it ended.
    struct qe_log again;
    qe_log_init(&again, QE_LOG_INFO);
    again.fd = log_.fd;
    CU_ASSERT_EQUAL(stat(scratch_path("log"), &st), 0);
    CU_ASSERT_EQUAL(qe_log_to_file(&again, scratch_path("log")), 0);
    CU_ASSERT_EQUAL(again.size, (uint64_t)st.st_size);
    // What is no plain file is not written to.
    CU_ASSERT_EQUAL(symlink(scratch_path("log"), scratch_path("link")), 0);
    CU_ASSERT_EQUAL(qe_log_to_file(&again, scratch_path("link")), -1);
    CU_ASSERT_EQUAL(qe_log_to_file(&again, "/dev/null"), -1);
    end();
}

static const struct unit_case cases[] = {
    {"a line has its time and level", a_line_has_its_time_and_level},
    {"less urgent lines are left out", less_urgent_lines_are_left_out},
    {"one line stays one line", one_line_stays_one_line},
    {"the journal gets priorities", the_journal_gets_priorities},
    {"a file is turned over before it grows too large", a_file_is_turned_over_before_it_grows_too_large},
};
UNIT_MAIN("log", cases)
