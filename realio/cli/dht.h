// `quicether dht …`: how the node stands in the DHT, and lookups by hand.
#ifndef QE_CLI_DHT_H
#define QE_CLI_DHT_H

#include "cli/ask.h"

int qe_cli_dht(const struct qe_cli_world *world);

#endif
