// Log lines, one write each, with their control characters made harmless: to stderr, or, detached, to a file that is
// turned over before it grows too large.
#ifndef QE_REALIO_LOG_H
#define QE_REALIO_LOG_H

#include "dirs.h"
#include "node/action.h"

// A detached daemon's log file is renamed to "….1" beyond this.
#define QE_LOG_FILE_BYTES_MAX (1 << 20)
// Longer lines are cut.
#define QE_LOG_LINE_MAX 2048

enum qe_log_style {
    QE_LOG_STYLE_TIME,    // "2024-11-23T09:05:00.123Z warn text"
    QE_LOG_STYLE_JOURNAL, // "<4>text": systemd's journal adds the time (sd-daemon(3))
};

struct qe_log {
    int fd;
    enum qe_log_level level; // less urgent lines are dropped
    enum qe_log_style style;
    char path[QE_PATH_SIZE]; // of the file; "" for stderr
    uint64_t size;           // of the file
};

// To stderr, in the style that fits what is behind it.
void qe_log_init(struct qe_log *log, enum qe_log_level level);
// From now on into this file, appended, along with everything else that is written to the descriptor. 0, or -1 with
// errno; the log stays as it is then.
int qe_log_to_file(struct qe_log *log, const char *path);

void qe_log_text(struct qe_log *log, enum qe_log_level level, const char *text);
__attribute__((format(printf, 3, 4))) void qe_log(struct qe_log *log, enum qe_log_level level, const char *format, ...);

#endif
