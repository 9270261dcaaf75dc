// `quicether start`: defaults, then the configuration file, then the command line; then the daemon.
#ifndef QE_CLI_START_H
#define QE_CLI_START_H

#include "cli/options.h"
#include "config/config.h"
#include "fault.h"

// The C library's memory.
extern const struct qe_mem qe_cli_heap;

// Fills `config` (uninitialised) for a node; `default_file` is read where --config names none and it exists. Mistakes
// and warnings go to `sink`. 0, or -1. Either way qe_config_fini is due.
int qe_cli_configure(const struct qe_cli_options *options, const char *default_file, const struct qe_config_sink *sink,
    struct qe_config *config);

// Runs the node; returns an exit status.
int qe_cli_start(const struct qe_cli_options *options);

#endif
