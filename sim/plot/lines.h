// A file as lines of bounded length.
#ifndef QE_SIM_LINES_H
#define QE_SIM_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_LINE_MAX ((size_t)1 << 20)

struct sim_lines {
    FILE *file;
    char *text; // the current line, NUL-terminated, without its end
    size_t size, capacity;
    uint64_t number; // of it, from 1
    bool too_long;   // the current line is longer than SIM_LINE_MAX; there is no next one
};

void sim_lines_init(struct sim_lines *lines, FILE *file);
void sim_lines_fini(struct sim_lines *lines);
// The next line; false at the end, or where the file cannot be read, or the line is too long.
bool sim_lines_next(struct sim_lines *lines);

#endif
