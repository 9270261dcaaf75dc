#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_setting(const char *name, int flags)
{
    char path[QE_SYSCTL_NAME_SIZE + 16];
    if (strstr(name, "..") || snprintf(path, sizeof path, "/proc/sys/net/%s", name) >= (int)sizeof path) {
        errno = EINVAL;
        return -1;
    }
    return open(path, flags | O_CLOEXEC);
}

int qe_sysctl_get(const char *name)
{
    char text[32];
    int fd = open_setting(name, O_RDONLY);
    if (fd < 0) return -1;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0) return -1;
    text[size] = '\0';
    return atoi(text);
}

int qe_sysctl_set(const char *name, int value)
{
    char text[32];
    int fd = open_setting(name, O_WRONLY);
    if (fd < 0) return -1;
    int size = snprintf(text, sizeof text, "%d\n", value);
    ssize_t written = write(fd, text, (size_t)size);
    int error = errno;
    close(fd);
    errno = error;
    return written == size ? 0 : -1;
}
