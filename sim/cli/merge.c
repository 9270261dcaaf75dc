#include "cli/command.h"
int sim_command_merge(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
