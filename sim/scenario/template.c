#include "scenario/template.h"

#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_SIZE_MAX (1 << 20)

struct sim_template {
    char *file;
    struct sim_tree *tree;
    struct sim_scenario *face;
    bool literal; // nothing to expand
};

struct sim_scenario *sim_template_expand(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE])
{
    (void)seed;
    (void)error;
    return sim_scenario_share(template->face);
}

const struct sim_scenario *sim_template_face(const struct sim_template *template)
{
    return template->face;
}

struct sim_tree *sim_template_tree(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE])
{
    struct sim_tree *tree = sim_tree_copy(template->tree);
    struct sim_tree *scenario = sim_tree_get(tree, "scenario");
    (void)error;
    sim_tree_put(scenario, "seed", sim_tree_integer((int64_t)seed, scenario->line));
    return tree;
}

struct sim_template *sim_template_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE])
{
    struct sim_scenario *face = sim_scenario_parse(file, text, size, error);
    if (!face) return NULL;
    struct sim_template *template = sim_obtain(1, sizeof(*template));
    template->file = sim_copy_text(file);
    template->tree = sim_tree_from_toml(qe_toml_root(face->toml));
    template->face = face;
    template->literal = true;
    return template;
}

struct sim_template *sim_template_load(const char *file, char error[SIM_ERROR_SIZE])
{
    struct sim_template *template = NULL;
    FILE *in = fopen(file, "rb");
    if (!in) {
        snprintf(error, SIM_ERROR_SIZE, "%s: %s", file, strerror(errno));
        return NULL;
    }
    char *text = sim_obtain(1, FILE_SIZE_MAX + 1);
    size_t size = fread(text, 1, FILE_SIZE_MAX + 1, in);
    if (ferror(in))
        snprintf(error, SIM_ERROR_SIZE, "%s: cannot be read", file);
    else if (size > FILE_SIZE_MAX)
        snprintf(error, SIM_ERROR_SIZE, "%s: larger than %d bytes", file, FILE_SIZE_MAX);
    else
        template = sim_template_parse(file, text, size, error);
    sim_release(text);
    fclose(in);
    return template;
}

void sim_template_free(struct sim_template *template)
{
    if (!template) return;
    sim_release(template->file);
    sim_tree_free(template->tree);
    sim_scenario_free(template->face);
    sim_release(template);
}
