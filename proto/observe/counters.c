#include "observe/counters.h"

static const struct {
    const char *name;
    const char *help;
} texts[QE_COUNT_MAX] = {
#define QE_COUNTER_TEXT(id, name, help) {name, help},
    QE_COUNTERS(QE_COUNTER_TEXT)
#undef QE_COUNTER_TEXT
};

void qe_counters_add(struct qe_counters *to, const struct qe_counters *from)
{
    for (size_t i = 0; i < QE_COUNT_MAX; i++)
        to->values[i] += from->values[i];
}

const char *qe_counter_name(enum qe_counter which)
{
    return texts[which].name;
}

const char *qe_counter_help(enum qe_counter which)
{
    return texts[which].help;
}
