#include "config/setter.h"

#include "config/check.h"

#include <stdio.h>

void qe_setter_report(const struct qe_config_source *source, enum qe_log_level level, const char *what)
{
    char line[QE_CONFIG_LINE_SIZE];
    snprintf(line, sizeof(line), "%s %s", source->where, what);
    source->sink->report(source->sink->user, level, line);
}

int qe_setter_refuse(const struct qe_config_source *source, const char *what)
{
    qe_setter_report(source, QE_LOG_ERROR, what);
    return -1;
}

int qe_setter_refuse_value(const struct qe_config_source *source, const char *value, const char *expected)
{
    char what[256], quote[QE_CHECK_QUOTE_SIZE];
    snprintf(what, sizeof(what), "is %s, expected %s", qe_check_quote(value, quote), expected);
    return qe_setter_refuse(source, what);
}

void *qe_setter_grow(struct qe_config *config, const struct qe_config_source *source, void *items, size_t count,
    size_t size, size_t max, const char *what)
{
    char line[96];
    if (count >= max) {
        snprintf(line, sizeof(line), "is one of too many %s, expected at most %zu", what, max);
        qe_setter_refuse(source, line);
        return NULL;
    }
    void *more = qe_realloc(config->mem, items, count + 1, size);
    if (!more) qe_setter_refuse(source, "does not fit into memory");
    return more;
}
