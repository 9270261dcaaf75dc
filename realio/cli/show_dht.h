// Answers about the DHT as text for people; as in show.h.
#ifndef QE_CLI_SHOW_DHT_H
#define QE_CLI_SHOW_DHT_H

#include <jansson.h>
#include <stdio.h>

int qe_show_dht_status(const json_t *status, FILE *out);
int qe_show_dht_nodes(const json_t *nodes, FILE *out);
int qe_show_dht_lookup(const json_t *lookup, FILE *out);
int qe_show_dht_item(const json_t *item, FILE *out);
int qe_show_dht_put(const json_t *put, FILE *out);

#endif
