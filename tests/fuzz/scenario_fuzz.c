// Any bytes are a template or one line that says what is wrong with them. A template's seeds expand to literal
// scenarios, or are refused with a line, and a literal survives being printed: the text parses, to an equal tree, and
// is a scenario as the tree was.
#include "engine/memory.h"
#include "scenario/template.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static void check_error(const char *error)
{
    assert(strncmp(error, "f.toml:", 7) == 0);
    for (const char *c = error; *c; c++)
        assert((unsigned char)*c >= ' ');
}

// A text that the parser takes: its limits are about size and the length of lines.
static bool within_limits(const char *text)
{
    size_t size = strlen(text);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > 4096) return false;
        line += length + (line[length] == '\n');
    }
    return size < 100000;
}

static void round_trip(const struct sim_tree *tree)
{
    char error[SIM_ERROR_SIZE];
    const struct sim_tree *refused;
    char *text = sim_tree_print(tree, &refused);
    if (!text) {
        assert(refused->kind == QE_TOML_DATETIME);
        return;
    }
    if (within_limits(text)) {
        struct qe_toml *toml = sim_scenario_syntax("f.toml", text, strlen(text), error);
        assert(toml);
        struct sim_tree *again = sim_tree_from_toml(qe_toml_root(toml));
        assert(sim_tree_equal(tree, again));
        char *twice = sim_tree_print(again, &refused);
        assert(strcmp(text, twice) == 0);
        sim_release(twice);
        sim_tree_free(again);
        qe_toml_free(toml);
    }
    sim_release(text);
}

static void expand(struct sim_template *template, uint64_t seed)
{
    char error[SIM_ERROR_SIZE] = "";
    struct sim_scenario *scenario = sim_template_expand(template, seed, error);
    if (!scenario) {
        check_error(error);
        return;
    }
    struct sim_tree *tree = sim_template_tree(template, seed, error);
    const struct sim_tree *refused;
    char *text = sim_tree_print(tree, &refused);
    if (text && within_limits(text)) {
        struct sim_scenario *literal = sim_scenario_parse("f.toml", text, strlen(text), error);
        assert(literal && literal->seed == seed && literal->at_count == scenario->at_count &&
               literal->link_count == scenario->link_count && literal->duration_ns == scenario->duration_ns);
        struct sim_tree *again = sim_tree_from_toml(qe_toml_root(literal->toml));
        assert(sim_tree_equal(tree, again));
        sim_tree_free(again);
        sim_scenario_free(literal);
    }
    sim_release(text);
    sim_tree_free(tree);
    sim_scenario_free(scenario);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return sodium_init() < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SIM_ERROR_SIZE] = "";
    struct qe_toml *toml = sim_scenario_syntax("f.toml", (const char *)data, size, error);
    if (!toml) {
        check_error(error);
        return 0;
    }
    struct sim_tree *tree = sim_tree_from_toml(qe_toml_root(toml));
    qe_toml_free(toml);
    struct sim_template *template = sim_template_parse("f.toml", (const char *)data, size, error);
    if (template) {
        // Each parse of a text takes its time; two seeds are enough.
        expand(template, 1);
        expand(template, size);
    } else {
        check_error(error);
        round_trip(tree);
    }
    sim_template_free(template);
    sim_tree_free(tree);
    return 0;
}
