#include "namespace.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

void namespace_enter(void)
{
    if (unshare(CLONE_NEWNET)) {
        printf("skipped: no right to make a network namespace (%s); run as root\n", strerror(errno));
        exit(77);
    }
    if (!namespace_run("ip link set lo up")) {
        puts("skipped: no ip command; install iproute2");
        exit(77);
    }
}

void namespace_mounts(void)
{
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) return;
    printf("skipped: no right to make a mount namespace (%s); run as root\n", strerror(errno));
    exit(77);
}

bool namespace_run(const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    // Debian keeps it where the path of a plain user does not lead.
    char line[640];
    snprintf(line, sizeof line, "PATH=$PATH:/usr/sbin:/sbin; %s", command);
    return system(line) == 0;
}
