// `quicether config get`, `set` and `show`: the configuration file from the command line. What `set` writes has passed
// the checks of a start, and a daemon that runs takes over what it can.
#ifndef QE_CLI_CONFIG_H
#define QE_CLI_CONFIG_H

#include "cli/ask.h"

// Each returns an exit status.
int qe_cli_config_get(const struct qe_cli_world *world);
int qe_cli_config_set(const struct qe_cli_world *world);
int qe_cli_config_show(const struct qe_cli_world *world);

#endif
