#include "plot/lines.h"

#include "engine/memory.h"

void sim_lines_init(struct sim_lines *lines, FILE *file)
{
    *lines = (struct sim_lines){.file = file, .capacity = 256};
    lines->text = sim_obtain(lines->capacity, 1);
}

void sim_lines_fini(struct sim_lines *lines)
{
    sim_release(lines->text);
}

bool sim_lines_next(struct sim_lines *lines)
{
    int c;
    lines->size = 0;
    while ((c = getc(lines->file)) != EOF && c != '\n') {
        if (lines->size == SIM_LINE_MAX) {
            lines->number++;
            lines->too_long = true;
            return false;
        }
        lines->text[lines->size++] = (char)c;
        if (lines->size == lines->capacity) {
            lines->capacity *= 2;
            lines->text = sim_resize(lines->text, lines->capacity, 1);
        }
    }
    if (c == EOF && lines->size == 0) return false;
    lines->text[lines->size] = '\0';
    lines->number++;
    return true;
}
