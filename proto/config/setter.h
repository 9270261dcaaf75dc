// What the setters of a configuration share.
#ifndef QE_CONFIG_SETTER_H
#define QE_CONFIG_SETTER_H

#include "config/config.h"

// "WHERE WHAT"
void qe_setter_report(const struct qe_config_source *source, enum qe_log_level level, const char *what);
// "WHERE WHAT": a mistake. -1.
int qe_setter_refuse(const struct qe_config_source *source, const char *what);
// "WHERE is VALUE, expected EXPECTED". -1.
int qe_setter_refuse_value(const struct qe_config_source *source, const char *value, const char *expected);
// Makes room for one more item of `size` bytes, at most `max`. NULL after a line about "too many WHAT".
void *qe_setter_grow(struct qe_config *config, const struct qe_config_source *source, void *items, size_t count,
    size_t size, size_t max, const char *what);

// The part of qe_config_finish that is about discovery: the default bootstrap node, and what contradicts itself.
int qe_config_finish_discovery(struct qe_config *config, const struct qe_config_sink *sink);
// The part that is about gateways and exits.
int qe_config_finish_traversal(struct qe_config *config, const struct qe_config_sink *sink);

#endif
