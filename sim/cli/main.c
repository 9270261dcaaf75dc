// quicether-sim: the command line of the simulator.
#include "cli/command.h"

#include "base/mutants.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int say_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("quicether-sim " QE_VERSION);
    return SIM_EXIT_PASS;
}

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "runs a scenario once for each seed, and judges what it expects", sim_command_run},
    {"show", "prints the literal scenario that a seed makes of a file", sim_command_show},
    {"sweep", "runs scenarios with many seeds each, and sums up", sim_command_sweep},
    {"shrink", "makes a failing scenario as small as it gets", sim_command_shrink},
    {"merge", "puts the results of a sweep's shards together", sim_command_merge},
    {"check", "says whether scenario files are right", sim_command_check},
    {"plot", "draws a run or a sweep through gnuplot", sim_command_plot},
    {"dht", "runs thousands of nodes of the DHT, and nothing else of a node", sim_command_dht},
    {"replay", "runs a recording of a node through the same core", sim_command_replay},
    {"redact", "makes a recording that can be shown to others", sim_command_redact},
    {"keygen", "makes a key that recordings can be sealed to", sim_command_keygen},
    {"version", "says which version this is", say_version},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void say_usage(FILE *out)
{
    fputs("Usage: quicether-sim COMMAND [ARGUMENT...]\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-9s%s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "quicether-sim COMMAND --help says what a command takes. Scenarios are described in docs/scenarios.md.\n"
          "Exit status: 0 all runs pass, 1 some fail, 2 the command line or a file is wrong.\n",
        out);
}

#ifdef QE_MUTANTS
// Takes --mutant NAME out of the arguments of any command; --mutants lists them.
static int take_mutant(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--mutants") == 0) {
            for (unsigned m = 1; m < QE_MUTANT_COUNT; m++)
                printf("%s\t%s\n", qe_mutant_name((enum qe_mutant)m), qe_mutant_help((enum qe_mutant)m));
            exit(SIM_EXIT_PASS);
        }
        if (strcmp(argv[i], "--mutant") != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        if (++i == *argc || (qe_mutant_active = qe_mutant_find(argv[i])) == QE_MUTANT_none)
            return sim_complain("--mutant wants the name of one, as --mutants lists them", NULL);
    }
    argv[ *argc = kept] = NULL;
    return 0;
}
#endif

int main(int argc, char **argv)
{
#ifdef QE_MUTANTS
    if (take_mutant(&argc, argv)) return SIM_EXIT_USAGE;
#endif
    if (sodium_init() < 0) {
        fputs("quicether-sim: libsodium cannot be set up\n", stderr);
        return SIM_EXIT_FAIL;
    }
    if (argc < 2) {
        say_usage(stderr);
        return SIM_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        say_usage(stdout);
        return SIM_EXIT_PASS;
    }
    if (strcmp(name, "--version") == 0) name = "version";
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    return sim_complain("unknown command", name);
}
