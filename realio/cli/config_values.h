// What a configuration file says, and the defaults of what it does not, as JSON: tables of keys.
#ifndef QE_CLI_CONFIG_VALUES_H
#define QE_CLI_CONFIG_VALUES_H

#include "toml/toml.h"

#include <jansson.h>
#include <stdio.h>

// Tables and values of a file, as JSON; NULL without memory.
json_t *qe_config_values(const struct qe_toml_value *root);
// The defaults that can be said in the file, likewise.
json_t *qe_config_default_values(void);

// A value as TOML, on one line.
void qe_config_put_value(const json_t *value, FILE *out);

#endif
