#include "cli/config_file.h"

#include "dirs.h"
#include "toml/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// The parser takes no more than this; one byte above lets it say so.
#define FILE_SIZE_MAX (QE_TOML_SIZE_MAX + 1)

static int complain(const struct qe_config_sink *sink, const char *file, const char *why)
{
    char line[QE_CONFIG_LINE_SIZE];
    snprintf(line, sizeof line, "cannot read the configuration file %s: %s", file, why);
    sink->report(sink->user, QE_LOG_ERROR, line);
    return -1;
}

// The whole file, malloc'ed; NULL with errno.
static char *read_all(int fd, size_t *size)
{
    char *text = malloc(FILE_SIZE_MAX + 1);
    *size = 0;
    while (text && *size < FILE_SIZE_MAX) {
        ssize_t n = read(fd, text + *size, FILE_SIZE_MAX - *size);
        if (n == 0) break;
        if (n > 0) {
            *size += (size_t)n;
        } else if (errno != EINTR) {
            int why = errno;
            free(text);
            errno = why;
            return NULL;
        }
    }
    if (text) text[*size] = '\0';
    return text;
}

// The default file could not be opened: 0 where there may be none, else -1.
static int without_default(const char *file, int why, const struct qe_config_sink *sink)
{
    struct stat st;
    char line[QE_CONFIG_LINE_SIZE];
    if (why == ENOENT || why == ENOTDIR) return 0;
    // Somebody else's home, as su leaves it in HOME: there is nothing for us in it. A file that is there and closed to
    // us is another matter.
    if (why != EACCES || stat(file, &st) == 0 || errno != EACCES) return complain(sink, file, strerror(why));
    snprintf(line, sizeof line, "no right to look for the configuration file %s: starting without it", file);
    sink->report(sink->user, QE_LOG_WARN, line);
    return 0;
}

int qe_config_file_read(const char *file, bool must_exist, const struct qe_config_sink *sink, char **text, size_t *size)
{
    struct stat st;
    *text = NULL;
    *size = 0;
    // A pipe without a writer must not hold us up.
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return must_exist ? complain(sink, file, strerror(errno)) : without_default(file, errno, sink);
    bool regular = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
    if (regular) fcntl(fd, F_SETFL, 0);
    *text = regular ? read_all(fd, size) : NULL;
    int why = errno;
    close(fd);
    return *text ? 0 : complain(sink, file, regular ? strerror(why) : "it is not a file");
}

// The folder of a path, made where it is missing.
static int make_folder(const char *file, char folder[QE_PATH_SIZE], struct qe_fault *fault)
{
    const char *slash = strrchr(file, '/');
    if (!slash) {
        snprintf(folder, QE_PATH_SIZE, ".");
        return 0;
    }
    if (snprintf(folder, QE_PATH_SIZE, "%.*s", (int)(slash - file + (slash == file)), file) >= QE_PATH_SIZE)
        return qe_fault_set(fault, QE_EXIT_FAILED, "path too long: %s", file);
    return qe_dirs_make(folder, 0755, fault);
}

int qe_config_file_lock(const char *file, struct qe_fault *fault)
{
    char folder[QE_PATH_SIZE];
    if (make_folder(file, folder, fault) != 0) return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0) return fd;
    qe_fault_set(
        fault, QE_EXIT_FAILED, "cannot change files in %s: %s; run this as its owner", folder, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

static int write_all(int fd, const char *text)
{
    for (size_t size = strlen(text); size > 0;) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR) return -1;
        if (n <= 0) continue;
        text += n;
        size -= (size_t)n;
    }
    return fsync(fd);
}

// As the file that it takes the place of; a new one as others may read it, as the file holds no secret.
static int dress(int fd, const char *file)
{
    struct stat st, made;
    if (stat(file, &st) != 0) return fchmod(fd, 0644);
    if (fstat(fd, &made) != 0) return -1;
    if ((made.st_uid != st.st_uid || made.st_gid != st.st_gid) && fchown(fd, st.st_uid, st.st_gid) != 0) return -1;
    return fchmod(fd, st.st_mode & 07777);
}

static int sync_folder(const char *file)
{
    char folder[QE_PATH_SIZE];
    const char *slash = strrchr(file, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file + 1) : 1, slash ? file : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

int qe_config_file_write(const char *file, const char *text, struct qe_fault *fault)
{
    char temp[QE_PATH_SIZE + 8], *real = realpath(file, NULL);
    const char *target = real ? real : file;
    int result = -1, fd = -1;
    snprintf(temp, sizeof temp, "%s.XXXXXX", target);
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) goto out;
    if (dress(fd, target) != 0 || write_all(fd, text) != 0 || rename(temp, target) != 0) {
        int why = errno;
        unlink(temp);
        errno = why;
        goto out;
    }
    result = 0;
    sync_folder(target);
out:
    if (result) qe_fault_set(fault, QE_EXIT_FAILED, "cannot write %s: %s", target, strerror(errno));
    if (fd >= 0) close(fd);
    free(real);
    return result;
}
