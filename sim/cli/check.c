// quicether-sim check: says whether scenario files are right.
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] = "Usage: quicether-sim check FILE...\n"
                            "\n"
                            "Says whether scenario files are right; what is wrong with one is said as file:line.\n"
                            "Exit status: 0 all are, 2 one is not.\n";

int sim_command_check(int argc, char **argv)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int letter, status = SIM_EXIT_PASS;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (letter != 'h') return sim_complain("unknown or incomplete option", NULL);
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    if (optind >= argc) return sim_complain("check wants scenario files", NULL);
    for (int i = optind; i < argc; i++) {
        unsigned lanes = 0;
        char error[SIM_ERROR_SIZE];
        struct sim_template *template = sim_template_load(argv[i], error);
        if (template && sim_template_check(template, sim_command_accept, &lanes, error)) {
            printf("%s: right\n", argv[i]);
        } else {
            fprintf(stderr, "%s\n", error);
            status = SIM_EXIT_USAGE;
        }
        sim_template_free(template);
    }
    return status;
}
