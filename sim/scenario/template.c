#include "scenario/template.h"

#include "engine/memory.h"
#include "scenario/axes.h"
#include "scenario/swarm.h"
#include "scenario/text.h"

#include <stdio.h>
#include <string.h>

// So many seeds of a swarm are looked at by a check.
#define SWARM_SEEDS 32

struct sim_template {
    char *file;
    struct qe_toml *toml;  // NULL where there is nothing to expand
    struct sim_tree *tree; // the file without what is expanded
    struct sim_axes axes;
    struct sim_swarm swarm;
    struct sim_scenario *face;
};

// What is chosen for one expansion.
struct choice {
    uint64_t seed;
    bool ended; // axis `axis` is at its end `place`
    size_t axis, place;
};

struct expansion {
    struct sim_tree *tree;
    struct sim_parameter *parameters;
    size_t parameter_count;
};

static void free_expansion(struct expansion *e)
{
    sim_tree_free(e->tree);
    for (size_t i = 0; i < e->parameter_count; i++) {
        sim_release(e->parameters[i].name);
        sim_release(e->parameters[i].value);
    }
    sim_release(e->parameters);
}

static bool expand(const struct sim_template *t, const struct choice *choice, struct expansion *out, char *error)
{
    struct sim_reader r = {.file = t->file};
    *out = (struct expansion){.tree = sim_tree_copy(t->tree)};
    if (choice->ended)
        sim_axes_apply_end(&t->axes, &r, choice->seed, out->tree, choice->axis, choice->place);
    else
        sim_axes_apply(&t->axes, &r, choice->seed, out->tree, &out->parameters, &out->parameter_count);
    if (r.failed) {
        memcpy(error, r.error, SIM_ERROR_SIZE);
        free_expansion(out);
        return false;
    }
    if (t->swarm.present) {
        out->parameters = sim_resize(out->parameters, out->parameter_count + 1, sizeof(*out->parameters));
        out->parameters[out->parameter_count++] =
            (struct sim_parameter){sim_copy_text("swarm"), sim_swarm_apply(&t->swarm, choice->seed, out->tree)};
    }
    return true;
}

static struct sim_scenario *expand_scenario(const struct sim_template *t, const struct choice *choice, char *error)
{
    struct expansion e;
    if (!expand(t, choice, &e, error)) return NULL;
    struct qe_toml *toml = sim_tree_to_toml(e.tree);
    struct sim_scenario *scenario = NULL;
    if (toml)
        scenario = sim_scenario_read(t->file, toml, error);
    else
        snprintf(error, SIM_ERROR_SIZE, "%s: not enough memory", t->file);
    if (scenario) {
        scenario->parameters = e.parameters;
        scenario->parameter_count = e.parameter_count;
        e.parameters = NULL;
        e.parameter_count = 0;
    }
    free_expansion(&e);
    return scenario;
}

struct sim_scenario *sim_template_expand(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE])
{
    if (!template->toml) return sim_scenario_share(template->face);
    return expand_scenario(template, &(struct choice){.seed = seed}, error);
}

const struct sim_scenario *sim_template_face(const struct sim_template *template)
{
    return template->face;
}

struct sim_tree *sim_template_tree(struct sim_template *template, uint64_t seed, char error[SIM_ERROR_SIZE])
{
    struct expansion e;
    if (!expand(template, &(struct choice){.seed = seed}, &e, error)) return NULL;
    struct sim_tree *tree = e.tree, *scenario = sim_tree_get(tree, "scenario");
    sim_tree_put(scenario, "seed", sim_tree_integer((int64_t)seed, scenario->line));
    e.tree = NULL;
    free_expansion(&e);
    return tree;
}

static bool check_one(struct sim_template *template, const struct choice *choice,
    bool (*accept)(void *user, const struct sim_scenario *scenario, char error[SIM_ERROR_SIZE]), void *user,
    char error[SIM_ERROR_SIZE])
{
    struct sim_scenario *scenario = expand_scenario(template, choice, error);
    bool right = scenario && accept(user, scenario, error);
    sim_scenario_free(scenario);
    return right;
}

bool sim_template_check(struct sim_template *template,
    bool (*accept)(void *user, const struct sim_scenario *scenario, char error[SIM_ERROR_SIZE]), void *user,
    char error[SIM_ERROR_SIZE])
{
    uint64_t seed = template->face->seed;
    bool right = accept(user, template->face, error);
    for (size_t axis = 0; axis < template->axes.count; axis++)
        for (size_t place = 0; right && place < sim_axis_ends(&template->axes.items[axis]); place++) {
            struct choice choice = {.seed = seed, .ended = true, .axis = axis, .place = place};
            right = check_one(template, &choice, accept, user, error);
        }
    for (uint64_t i = 1; template->swarm.present && right && i <= SWARM_SEEDS; i++)
        right = check_one(template, &(struct choice){.seed = seed + i}, accept, user, error);
    return right;
}

// The seed that the file names; what is wrong with it is found when the scenario is read.
static uint64_t own_seed(const struct sim_tree *tree)
{
    const struct sim_tree *seed = sim_tree_get(sim_tree_get(tree, "scenario"), "seed");
    return seed && seed->kind == QE_TOML_INTEGER && seed->integer >= 0 ? (uint64_t)seed->integer : 1;
}

static bool read_template(struct sim_template *t, struct qe_toml *toml, char error[SIM_ERROR_SIZE])
{
    const struct qe_toml_value *root = qe_toml_root(toml);
    struct sim_reader r = {.file = t->file};
    t->tree = sim_tree_from_toml(root);
    if (!sim_axes_read(&r, root, &t->axes) || !sim_swarm_read(&r, root, t->tree, &t->swarm)) {
        memcpy(error, r.error, SIM_ERROR_SIZE);
        qe_toml_free(toml);
        return false;
    }
    if (t->axes.count == 0 && !t->swarm.present) {
        t->face = sim_scenario_read(t->file, toml, error);
        return t->face != NULL;
    }
    struct sim_tree *scenario = sim_tree_get(t->tree, "scenario");
    t->toml = toml;
    sim_tree_drop(t->tree, "sweep");
    sim_tree_drop(t->tree, "swarm");
    if (scenario && scenario->kind == QE_TOML_TABLE) sim_tree_drop(scenario, "samples");
    t->face = expand_scenario(t, &(struct choice){.seed = own_seed(t->tree)}, error);
    return t->face != NULL;
}

struct sim_template *sim_template_parse(const char *file, const char *text, size_t size, char error[SIM_ERROR_SIZE])
{
    struct qe_toml *toml = sim_scenario_syntax(file, text, size, error);
    if (!toml) return NULL;
    struct sim_template *template = sim_obtain(1, sizeof(*template));
    template->file = sim_copy_text(file);
    if (read_template(template, toml, error)) return template;
    sim_template_free(template);
    return NULL;
}

struct sim_template *sim_template_load(const char *file, char error[SIM_ERROR_SIZE])
{
    size_t size;
    char *text = sim_scenario_text(file, &size, error);
    if (!text) return NULL;
    struct sim_template *template = sim_template_parse(file, text, size, error);
    sim_release(text);
    return template;
}

void sim_template_free(struct sim_template *template)
{
    if (!template) return;
    sim_release(template->file);
    sim_axes_fini(&template->axes);
    sim_swarm_fini(&template->swarm);
    sim_tree_free(template->tree);
    sim_scenario_free(template->face);
    qe_toml_free(template->toml);
    sim_release(template);
}
