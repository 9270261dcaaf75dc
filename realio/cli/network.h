// `quicether network …`, `invite` and `join`: private networks.
#ifndef QE_CLI_NETWORK_H
#define QE_CLI_NETWORK_H

#include "cli/ask.h"

// These work on the state directory, while no daemon has it.
int qe_cli_network_new(const struct qe_cli_options *options, FILE *out, FILE *err);
int qe_cli_network_leave(const struct qe_cli_options *options, FILE *out, FILE *err);
// Asks the daemon; where none runs, the state directory.
int qe_cli_network_show(const struct qe_cli_world *world);

// Prints exactly one line.
int qe_cli_invite(const struct qe_cli_world *world);
// Through the daemon; where none runs, the invitation is kept for its next start.
int qe_cli_join(const struct qe_cli_world *world);

#endif
