// quicether-sim show: the literal scenario of a seed.
#include "cli/command.h"

#include "engine/memory.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char usage[] =
    "Usage: quicether-sim show FILE [--seed N]\n"
    "\n"
    "Prints the scenario that a seed makes of a file: what is swept or drawn is written out, so that it runs in the "
    "same\n"
    "way without it. For a file with neither, that is the file in canonical form.\n"
    "\n"
    "  --seed N      the seed (default: the scenario's, or 1); it is the printed scenario's own\n"
    "  --help        this text\n"
    "\n"
    "Exit status: 0, or 2 where the command line or the scenario is wrong.\n";

static int show(const char *file, const uint64_t *wanted)
{
    char error[SIM_ERROR_SIZE];
    struct sim_template *template = sim_command_load(file, 0);
    if (!template) return SIM_EXIT_USAGE;
    uint64_t seed = wanted ? *wanted : sim_template_face(template)->seed;
    struct sim_scenario *scenario = sim_template_expand(template, seed, error);
    struct sim_tree *tree = scenario ? sim_template_tree(template, seed, error) : NULL;
    const struct sim_tree *refused;
    bool moved = tree && sim_command_move(tree, file, NULL);
    char *text = moved ? sim_tree_print(tree, &refused) : NULL;
    if (tree && !moved)
        snprintf(error, sizeof(error), "%s: its folder is not found", file);
    else if (tree && !text)
        snprintf(error, sizeof(error), "%s:%u: a date or time; a scenario has none", file, refused->line);
    if (text) {
        for (size_t i = 0; i < scenario->parameter_count; i++)
            printf("# %s = %s\n", scenario->parameters[i].name, scenario->parameters[i].value);
        fputs(text, stdout);
    } else {
        fprintf(stderr, "%s\n", error);
    }
    int status = text ? SIM_EXIT_PASS : SIM_EXIT_USAGE;
    sim_release(text);
    sim_tree_free(tree);
    sim_scenario_free(scenario);
    sim_template_free(template);
    return status;
}

int sim_command_show(int argc, char **argv)
{
    static const struct option longs[] = {
        {"seed", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {0}};
    uint64_t seed = 0;
    bool has_seed = false;
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 's':
            if (!sim_parse_number(optarg, 0, INT64_MAX, &seed))
                return sim_complain("--seed wants a number, not", optarg);
            has_seed = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return SIM_EXIT_PASS;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (optind + 1 != argc) return sim_complain("show wants one scenario file", NULL);
    return show(argv[optind], has_seed ? &seed : NULL);
}
