#include "cli/gather.h"

#include "cli/command.h"
#include "engine/memory.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// BLAKE2b-128 of the file's bytes: by it shards of different files are told apart.
static bool digest(const char *path, char out[SIM_DIGEST_TEXT_SIZE])
{
    uint8_t bytes[4096], hash[(SIM_DIGEST_TEXT_SIZE - 1) / 2];
    crypto_generichash_state state;
    FILE *in = fopen(path, "r");
    if (!in) return false;
    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    for (size_t n; (n = fread(bytes, 1, sizeof(bytes), in)) > 0;)
        crypto_generichash_update(&state, bytes, n);
    bool whole = !ferror(in);
    fclose(in);
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(out, SIM_DIGEST_TEXT_SIZE, hash, sizeof(hash));
    return whole;
}

static bool add(struct sim_gathered *g, const char *path, unsigned lanes)
{
    struct sim_template *template = sim_command_load(path, lanes);
    if (!template) return false;
    const char *name = sim_template_face(template)->name;
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->files[i].name, name) != 0) continue;
        fprintf(stderr, "quicether-sim: %s and %s have the same name '%s'\n", g->files[i].path, path, name);
        sim_template_free(template);
        return false;
    }
    size_t capacity = g->capacity;
    SIM_ROOM(g->files, g->count, capacity);
    SIM_ROOM(g->templates, g->count, g->capacity);
    struct sim_sweep_file *file = &g->files[g->count];
    *file = (struct sim_sweep_file){.path = sim_copy_text(path), .name = sim_copy_text(name)};
    g->templates[g->count++] = template;
    if (!digest(path, file->digest)) return sim_complain_file(path), false;
    if (g->count <= SIM_SWEEP_FILES_MAX) return true;
    fprintf(stderr, "quicether-sim: a sweep is of at most %d scenarios\n", SIM_SWEEP_FILES_MAX);
    return false;
}

static int is_scenario(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".toml") == 0;
}

// Not alphasort: the order must not depend on the locale.
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_directory(struct sim_gathered *g, const char *path, unsigned lanes)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_scenario, by_name);
    if (count < 0) return sim_complain_file(path), false;
    bool good = count > 0;
    if (!good) fprintf(stderr, "quicether-sim: %s: no scenario (*.toml) in it\n", path);
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%.*s/%s", (int)size, path, entries[i]->d_name);
        good = good && add(g, file, lanes);
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool sim_gather(struct sim_gathered *gathered, char *const *paths, int path_count, unsigned lanes)
{
    *gathered = (struct sim_gathered){0};
    for (int i = 0; i < path_count; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0) return sim_complain_file(paths[i]), false;
        bool directory = S_ISDIR(st.st_mode);
        if (!(directory ? add_directory : add)(gathered, paths[i], lanes)) return false;
    }
    return true;
}

void sim_gathered_fini(struct sim_gathered *gathered)
{
    for (size_t i = 0; i < gathered->count; i++) {
        sim_template_free(gathered->templates[i]);
        sim_release(gathered->files[i].path);
        sim_release(gathered->files[i].name);
    }
    sim_release(gathered->templates);
    sim_release(gathered->files);
}
