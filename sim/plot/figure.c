#include "plot/figure.h"

#include "engine/memory.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void sim_figures_init(struct sim_figures *figures, const char *folder, enum sim_figure_format format)
{
    *figures = (struct sim_figures){.folder = folder, .format = format};
}

void sim_figures_fini(struct sim_figures *figures)
{
    for (size_t i = 0; i < figures->count; i++)
        sim_release(figures->names[i]);
    sim_release(figures->names);
}

static const char *ending(const struct sim_figures *figures)
{
    return figures->format == SIM_FIGURE_PNG ? "png" : "svg";
}

static void note_error(struct sim_figures *figures)
{
    if (!figures->error) figures->error = errno ? errno : EIO;
}

static FILE *open_file(struct sim_figures *figures, const char *name, const char *end)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s.%s", figures->folder, name, end) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        note_error(figures);
        return NULL;
    }
    FILE *file = fopen(path, "w");
    if (!file) note_error(figures);
    return file;
}

static void close_file(struct sim_figures *figures, FILE *file)
{
    if (ferror(file)) note_error(figures);
    if (fclose(file) != 0) note_error(figures);
}

void sim_figure_quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (const char *c = text; *c; c++) {
        if (*c == '\'') fputc('\'', out);
        fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, out);
    }
    fputc('\'', out);
}

#define NEXT_LINE ".\"\\n\"."

// Each line of the text as a string, joined by line feeds.
static void quote_lines(FILE *out, const char *text)
{
    char line[1024];
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
        sim_figure_quote(out, line);
        fputs(NEXT_LINE, out);
    }
    sim_figure_quote(out, text);
}

// Letters, digits and what is harmless in a name; the same texts give the same names.
static void make_name(char out[200], const char *text)
{
    size_t size = 0;
    for (const char *c = text; *c && size < 180; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-' ||
                    *c == '_' || (*c == '.' && size > 0);
        out[size++] = fine ? *c : '_';
    }
    out[size] = '\0';
}

static bool taken(const struct sim_figures *figures, const char *name)
{
    for (size_t i = 0; i < figures->count; i++)
        if (strcmp(figures->names[i], name) == 0) return true;
    return false;
}

bool sim_figure_begin(
    struct sim_figures *figures, struct sim_figure *figure, const char *name, const char *title, const char *subtitle)
{
    if (figures->count == SIM_FIGURES_MAX) {
        figures->left_out++;
        return false;
    }
    make_name(figure->name, name);
    size_t size = strlen(figure->name);
    for (unsigned i = 2; taken(figures, figure->name); i++)
        snprintf(figure->name + size, sizeof(figure->name) - size, "-%u", i);
    figure->script = open_file(figures, figure->name, "gp");
    if (!figure->script) return false;
    figure->data = open_file(figures, figure->name, "dat");
    if (!figure->data) {
        close_file(figures, figure->script);
        return false;
    }
    SIM_ROOM(figures->names, figures->count, figures->capacity);
    figures->names[figures->count++] = sim_copy_text(figure->name);
    if (figures->format == SIM_FIGURE_PNG)
        fputs("set terminal pngcairo size 1200,720 noenhanced font 'sans,14'\n", figure->script);
    else
        fputs("set terminal svg size 900,540 noenhanced background 'white' font 'sans,12'\n", figure->script);
    fprintf(figure->script, "set output '%s.%s'\nset title ", figure->name, ending(figures));
    quote_lines(figure->script, title);
    if (*subtitle) {
        fputs(NEXT_LINE, figure->script);
        quote_lines(figure->script, subtitle);
    }
    fprintf(figure->script,
        "\ndata = '%s.dat'\nset grid back lc rgb '#dddddd'\nset border 3\nset tics nomirror out\nset key below "
        "samplen 2\n"
        "set style fill solid 0.25 noborder\n",
        figure->name);
    return true;
}

void sim_figure_end(struct sim_figures *figures, struct sim_figure *figure)
{
    close_file(figures, figure->script);
    close_file(figures, figure->data);
}

static void write_page(struct sim_figures *figures)
{
    FILE *out = open_file(figures, "index", "html");
    if (!out) return;
    fputs("<!doctype html>\n<meta charset=\"utf-8\">\n<title>quicether-sim plot</title>\n", out);
    for (size_t i = 0; i < figures->count; i++) {
        const char *name = figures->names[i];
        fprintf(out, "<p><a href=\"%s.gp\">%s</a> (<a href=\"%s.dat\">data</a>)<br><img src=\"%s.%s\" alt=\"%s\">\n",
            name, name, name, name, ending(figures), name);
    }
    close_file(figures, out);
}

static int run_gnuplot(const struct sim_figures *figures, const char *name)
{
    char script[256];
    char *arguments[] = {"gnuplot", script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    snprintf(script, sizeof(script), "%s.gp", name);
    if ((errno = posix_spawn_file_actions_init(&actions)) != 0) return -1;
    errno = posix_spawn_file_actions_addchdir_np(&actions, figures->folder);
    if (errno == 0) errno = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    int error = errno;
    posix_spawn_file_actions_destroy(&actions);
    if (error == ENOENT) {
        fprintf(stderr, "quicether-sim: gnuplot is not installed; scripts and data are in %s\n", figures->folder);
        return 1;
    }
    if (error || waitpid(child, &status, 0) != child) return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    fprintf(stderr, "quicether-sim: gnuplot cannot draw %s/%s\n", figures->folder, script);
    return 1;
}

int sim_figures_draw(struct sim_figures *figures)
{
    write_page(figures);
    for (size_t i = 0; i < figures->count && !figures->error; i++) {
        int result = run_gnuplot(figures, figures->names[i]);
        if (result) return result;
    }
    errno = figures->error;
    return figures->error ? -1 : 0;
}
