#include "node/fault.h"

#include <string.h>

static const char *const names[QE_FAULT_COUNT] = {
#define QE_FAULT_NAME(id, name, what) name,
    QE_FAULT_POINTS(QE_FAULT_NAME)
#undef QE_FAULT_NAME
};

const char *qe_fault_point_name(enum qe_fault_point which)
{
    return names[which];
}

bool qe_fault_point_find(const char *name, enum qe_fault_point *which)
{
    for (int i = 0; i < QE_FAULT_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *which = (enum qe_fault_point)i;
        return true;
    }
    return false;
}
