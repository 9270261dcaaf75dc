// What a command line of `quicether config set` asks to change: keys, and their values as TOML.
#ifndef QE_CLI_CONFIG_CHANGES_H
#define QE_CLI_CONFIG_CHANGES_H

#include "cli/options.h"

#include <jansson.h>

#define QE_CONFIG_CHANGES_MAX 64
#define QE_CONFIG_WORD_SIZE   64

struct qe_config_change {
    char section[QE_CONFIG_WORD_SIZE], key[QE_CONFIG_WORD_SIZE];
    json_t *value;
};

struct qe_config_changes {
    struct qe_config_change list[QE_CONFIG_CHANGES_MAX];
    size_t count;
};

// "section.key" into its two words. False where it is something else.
bool qe_config_split_key(
    const char *text, size_t size, char section[QE_CONFIG_WORD_SIZE], char key[QE_CONFIG_WORD_SIZE]);
// The changes of the options, and of "KEY=VALUE". 0, or -1 with one line in `error`. Give them to fini in either case.
int qe_config_changes_read(
    const struct qe_cli_options *options, struct qe_config_changes *changes, char error[QE_CLI_ERROR_SIZE]);
void qe_config_changes_fini(struct qe_config_changes *changes);

#endif
