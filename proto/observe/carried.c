#include "observe/carried.h"

#include <string.h>

static const char *const names[QE_CARRIED_COUNT] = {
#define QE_CARRIED_NAME(id, name, meaning) name,
    QE_CARRIED_CLASSES(QE_CARRIED_NAME)
#undef QE_CARRIED_NAME
};

const char *qe_carried_name(enum qe_carried which)
{
    return names[which];
}

bool qe_carried_find(const char *name, enum qe_carried *which)
{
    for (int i = 0; i < QE_CARRIED_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *which = (enum qe_carried)i;
        return true;
    }
    return false;
}
