#include "engine/failure.h"

const char *sim_failure_name(enum sim_failure kind)
{
    static const char *const names[] = {
#define NAME(id, name, help) name,
        SIM_FAILURES(NAME)
#undef NAME
    };
    return names[kind];
}

const char *sim_failure_help(enum sim_failure kind)
{
    static const char *const helps[] = {
#define HELP(id, name, help) help,
        SIM_FAILURES(HELP)
#undef HELP
    };
    return helps[kind];
}
