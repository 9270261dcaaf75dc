#include "cli/progress.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_MS 250

void sim_progress_init(struct sim_progress *progress, uint64_t planned, uint64_t limit_ms)
{
    const char *terminal = getenv("TERM");
    *progress = (struct sim_progress){.shown = isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0),
        .began_ms = sim_wall_clock_ms(),
        .planned = planned,
        .limit_ms = limit_ms};
}

void sim_progress_update(struct sim_progress *progress, uint64_t done, uint64_t failed)
{
    uint64_t now = sim_wall_clock_ms(), took = now - progress->began_ms;
    if (!progress->shown || now - progress->said_ms < PERIOD_MS) return;
    progress->said_ms = now;
    progress->there = true;
    fprintf(stderr, "\r%" PRIu64 "/%" PRIu64 " runs, %" PRIu64 " a minute, ", done, progress->planned,
        took ? done * 60000 / took : 0);
    if (done) {
        uint64_t left = (progress->planned - done) * took / done;
        uint64_t most = progress->limit_ms > took ? progress->limit_ms - took : 0;
        if (progress->limit_ms && left > most) left = most;
        fprintf(stderr, "%" PRIu64 ":%02" PRIu64 " left, ", left / 60000, left / 1000 % 60);
    }
    fprintf(stderr, "%" PRIu64 " failed\033[K", failed);
    fflush(stderr);
}

void sim_progress_clear(struct sim_progress *progress)
{
    if (!progress->there) return;
    progress->there = false;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
