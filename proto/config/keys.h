// The keys that a configuration file may have, and what the readers of their values share.
#ifndef QE_CONFIG_KEYS_H
#define QE_CONFIG_KEYS_H

#include "config/load.h"

// Longest "FILE:LINE: table.key[index]" that a line starts with; what is longer is cut.
#define QE_LOADER_WHERE_SIZE 256

struct qe_loader {
    struct qe_config *config;
    const char *file;
    const struct qe_config_sink *sink;
    struct qe_config_sink counted; // forwards to `sink` what the bounds allow
    size_t mistakes;
    size_t warnings;
    const struct qe_toml_value *allowed; // [peers] allowed, for the end: names may be given later in the file
    const struct qe_toml_value *listen;
    const struct qe_toml_value *dht_port;
    char where[QE_LOADER_WHERE_SIZE];
};

// One key of a table. `path` is its full name ("network.mtu").
struct qe_setting {
    const char *name;
    void (*read)(
        struct qe_loader *l, const struct qe_setting *key, const char *path, const struct qe_toml_value *value);
    const char *const *choices; // of a string, ended by NULL
    const char *current;        // the choice that a node makes today, so that asking for it is no news
};

struct qe_section {
    const char *name;
    const struct qe_setting *keys; // sorted by name, ended by a NULL name
};

// All tables at the top of a file, sorted, ended by a NULL name. [[peer]] is an array of such tables.
extern const struct qe_section qe_sections[];

// Who sets the value of `path` at `value`. Valid until the next call.
struct qe_config_source qe_loader_source(struct qe_loader *l, const char *path, const struct qe_toml_value *value);
// "FILE:LINE: PATH WHAT"
void qe_loader_report(struct qe_loader *l, enum qe_log_level level, const char *path, const struct qe_toml_value *value,
    const char *what);
// Whether the value has this kind; says what was expected otherwise.
bool qe_loader_expect(struct qe_loader *l, const char *path, const struct qe_toml_value *value, enum qe_toml_kind kind,
    const char *expected);

// Readers of values that others are made of. The text of a string, given to a setter.
typedef int qe_setter(struct qe_config *config, const struct qe_config_source *source, const char *text);
void qe_loader_set(struct qe_loader *l, const char *path, const struct qe_toml_value *value, qe_setter *setter);
// Each string of an array, given to a setter, after `none` has emptied the list (NULL: it stays). `expected` says what
// array it is.
void qe_loader_list(struct qe_loader *l, const char *path, const struct qe_toml_value *value, const char *expected,
    int (*none)(struct qe_config *config, const struct qe_config_source *source), qe_setter *add);
void qe_loader_bool(struct qe_loader *l, const char *path, const struct qe_toml_value *value, bool *out);

// Keys about gateways, exits and NATs (keys_traversal.c).
extern const struct qe_setting qe_gateway_keys[], qe_nat_keys[], qe_relay_keys[];
#define QE_READER(name)                                                                                                \
    void name(struct qe_loader *l, const struct qe_setting *key, const char *path, const struct qe_toml_value *value)
QE_READER(qe_read_role);
QE_READER(qe_read_exit_node);
QE_READER(qe_read_exit_leak);
QE_READER(qe_read_notify_command);

// Reads each entry of a table by the key of that name. What has none is a mistake.
void qe_loader_table(struct qe_loader *l, const struct qe_section *section, const struct qe_toml_value *table);
// One [[peer]], whose entries qe_loader_table has seen.
void qe_loader_peer(struct qe_loader *l, const char *path, const struct qe_toml_value *peer);
// What is left when all tables are read.
void qe_loader_finish(struct qe_loader *l);

#endif
