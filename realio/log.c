#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// sd-daemon(3): the journal tells with JOURNAL_STREAM=device:inode that the stream is its own.
static bool is_journal(int fd)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    if (!text || sscanf(text, "%llu:%llu", &device, &inode) != 2 || fstat(fd, &st)) return false;
    return st.st_dev == device && st.st_ino == inode;
}

void qe_log_init(struct qe_log *log, enum qe_log_level level)
{
    *log = (struct qe_log){.fd = STDERR_FILENO, .level = level};
    log->style = is_journal(log->fd) ? QE_LOG_STYLE_JOURNAL : QE_LOG_STYLE_TIME;
}

int qe_log_to_file(struct qe_log *log, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    // Over the old descriptor, so that whatever else writes there (assert, a library) lands in the file as well.
    int result = dup2(fd, log->fd) < 0 ? -1 : 0;
    close(fd);
    if (result) return -1;
    log->style = QE_LOG_STYLE_TIME;
    log->size = (uint64_t)st.st_size;
    snprintf(log->path, sizeof log->path, "%s", path);
    return 0;
}

// Lines go on into the old file where the new one cannot be had: better too long than lost.
static void turn_over(struct qe_log *log)
{
    char path[QE_PATH_SIZE], old[QE_PATH_SIZE + 4];
    memcpy(path, log->path, sizeof path);
    snprintf(old, sizeof old, "%s.1", path);
    log->size = 0;
    if (rename(path, old) == 0) qe_log_to_file(log, path);
}

static size_t prefix(const struct qe_log *log, enum qe_log_level level, char *out, size_t size)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    static const int priorities[] = {3, 4, 6, 7};
    int written;
    if (log->style == QE_LOG_STYLE_JOURNAL) {
        written = snprintf(out, size, "<%d>", priorities[level]);
    } else {
        struct timespec now;
        struct tm tm;
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        size_t date = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
        written = (int)date + snprintf(out + date, size - date, ".%03ldZ %s ", now.tv_nsec / 1000000, names[level]);
    }
    return (size_t)written;
}

void qe_log_text(struct qe_log *log, enum qe_log_level level, const char *text)
{
    if (level > log->level) return;
    char line[QE_LOG_LINE_MAX];
    size_t size = prefix(log, level, line, sizeof line);
    // Names and reasons may come from elsewhere: no terminal escape or second line may ride on them.
    for (; *text && size < sizeof line - 1; text++)
        line[size++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    line[size++] = '\n';
    ssize_t written;
    do
        written = write(log->fd, line, size);
    while (written < 0 && errno == EINTR);
    if (!log->path[0]) return;
    log->size += size;
    if (log->size > QE_LOG_FILE_BYTES_MAX) turn_over(log);
}

void qe_log(struct qe_log *log, enum qe_log_level level, const char *format, ...)
{
    if (level > log->level) return;
    char text[QE_LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size >= 0) qe_log_text(log, level, text);
}
