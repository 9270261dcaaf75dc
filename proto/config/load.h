// A configuration file: TOML text into struct qe_config.
#ifndef QE_CONFIG_LOAD_H
#define QE_CONFIG_LOAD_H

#include "config/config.h"
#include "toml/toml.h"

// So many mistakes, and so many warnings, are told; a last line says that there are more.
#define QE_CONFIG_MISTAKES_MAX 20

// Sets what the tables say. `file` names the file in messages. All mistakes go to the sink, not only the first: 0, or
// -1 where there was one; then the configuration is half filled and good for nothing but qe_config_fini.
int qe_config_load(
    struct qe_config *config, const struct qe_toml_value *root, const char *file, const struct qe_config_sink *sink);

// The same from text that is not parsed yet.
int qe_config_load_text(
    struct qe_config *config, const char *text, size_t size, const char *file, const struct qe_config_sink *sink);

#endif
