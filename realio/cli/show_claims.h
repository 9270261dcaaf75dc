// What a status says of discovery, the private network and what the node claims there, a line each; as in show.h.
#ifndef QE_CLI_SHOW_CLAIMS_H
#define QE_CLI_SHOW_CLAIMS_H

#include <jansson.h>
#include <stdio.h>

void qe_show_claims(const json_t *status, FILE *out);

#endif
