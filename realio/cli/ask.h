// The commands that are clients of a running daemon. Each returns an exit status (enum qe_exit), prints what it found
// to `out` and one line to `err` where it failed.
#ifndef QE_CLI_ASK_H
#define QE_CLI_ASK_H

#include "cli/options.h"
#include "fault.h"

#include <stdio.h>

// How long `stop` waits for the daemon to be gone after it said that it stops.
#define QE_CLI_STOP_MS 15000

struct qe_cli_world {
    const struct qe_cli_options *options;
    const char *control; // socket
    FILE *out;
    FILE *err;
};

// status, peers, routes, gateways and relay; also `id` and `version` where they name a socket.
int qe_cli_ask(const struct qe_cli_world *world);
int qe_cli_ping(const struct qe_cli_world *world);
int qe_cli_stop(const struct qe_cli_world *world);

#endif
