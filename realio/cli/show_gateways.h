// Answers about gateways, and about relaying for others, as text for people; as in show.h.
#ifndef QE_CLI_SHOW_GATEWAYS_H
#define QE_CLI_SHOW_GATEWAYS_H

#include <jansson.h>
#include <stdio.h>

int qe_show_gateways(const json_t *gateways, FILE *out);
int qe_show_relay(const json_t *relay, FILE *out);

#endif
