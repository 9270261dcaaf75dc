// The answer of NETCHECK as text for people; as in show.h.
#ifndef QE_CLI_SHOW_NETCHECK_H
#define QE_CLI_SHOW_NETCHECK_H

#include <jansson.h>
#include <stdio.h>

int qe_show_netcheck(const json_t *netcheck, FILE *out);

#endif
