#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(int (*work)(const void *, char *, size_t), const void *argument, unsigned seconds, int out, size_t room)
{
    // SIGALRM is nobody's: it ends the process.
    alarm(seconds);
    char *text = calloc(1, room);
    if (!text) _exit(127);
    int result = work(argument, text, room);
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        ssize_t written = write(out, text + at, size - at);
        if (written <= 0) break;
        at += (size_t)written;
    }
    _exit(result);
}

int qe_child_run(int (*work)(const void *argument, char *text, size_t room), const void *argument, unsigned seconds,
    char *text, size_t room)
{
    int ends[2], status = 0;
    text[0] = '\0';
    pid_t pid = pipe2(ends, 0) ? -1 : fork();
    if (pid < 0) {
        snprintf(text, room, "no process: %s", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        close(ends[0]);
        run(work, argument, seconds, ends[1], room);
    }
    close(ends[1]);
    size_t size = 0;
    ssize_t got;
    while (size + 1 < room && ((got = read(ends[0], text + size, room - 1 - size)) > 0 || (got < 0 && errno == EINTR)))
        size += got > 0 ? (size_t)got : 0;
    text[size] = '\0';
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) <= 100) return WEXITSTATUS(status);
    snprintf(text, room,
        WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "no end of it after %u s" : "it ended badly", seconds);
    return -1;
}
