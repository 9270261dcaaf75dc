// `quicether id`: the ID of the key in a state directory, so that two hosts can name each other before they start.
#ifndef QE_CLI_ID_H
#define QE_CLI_ID_H

#include "cli/ask.h"

// Makes the state directory and the key where there are none. Returns an exit status.
int qe_cli_id(const struct qe_cli_options *options, FILE *out, FILE *err);

#endif
