// Figures: for each a gnuplot script and its data, kept beside the picture so that anybody can restyle it, and a page
// that shows all of them.
#ifndef QE_SIM_FIGURE_H
#define QE_SIM_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SIM_FIGURES_MAX 500

enum sim_figure_format {
    SIM_FIGURE_SVG,
    SIM_FIGURE_PNG,
};

struct sim_figures {
    const char *folder;
    enum sim_figure_format format;
    char **names;
    size_t count, capacity;
    size_t left_out; // beyond SIM_FIGURES_MAX
    int error;       // errno of the first file that could not be written, or 0
};

struct sim_figure {
    char name[200]; // of its files, without an ending
    FILE *script, *data;
};

void sim_figures_init(struct sim_figures *figures, const char *folder, enum sim_figure_format format);
void sim_figures_fini(struct sim_figures *figures);

// Begins a figure: `name` is made fit for a file's name; title and subtitle (its lines parted
// by line feeds) stand above it. The caller writes the rest
// of the script ("plot …", with sim_figure_quote) and the data. False where it cannot be: too many, or no file.
bool sim_figure_begin(
    struct sim_figures *figures, struct sim_figure *figure, const char *name, const char *title, const char *subtitle);
void sim_figure_end(struct sim_figures *figures, struct sim_figure *figure);
// Writes a text as gnuplot's string, with quotes, whatever is in it.
void sim_figure_quote(FILE *out, const char *text);

// Writes the page and runs gnuplot over all scripts. 0; 1 where gnuplot is not installed or failed (said on standard
// error; scripts and data are there); -1 with errno where something could not be written.
int sim_figures_draw(struct sim_figures *figures);

#endif
