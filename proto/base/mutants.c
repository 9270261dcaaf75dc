#include "base/mutants.h"

#ifdef QE_MUTANTS

#include <string.h>

// The core's only other writable variable, in builds that nobody uses but to prove the simulator's checkers.
enum qe_mutant qe_mutant_active;

static const struct {
    const char *name, *help;
} mutants[] = {{"none", "nothing is wrong"},
#define ROW(name, what) {#name, what},
    QE_MUTANTS_LIST(ROW)
#undef ROW
};

enum qe_mutant qe_mutant_find(const char *name)
{
    for (unsigned i = 1; i < QE_MUTANT_COUNT; i++)
        if (strcmp(mutants[i].name, name) == 0) return (enum qe_mutant)i;
    return QE_MUTANT_none;
}

const char *qe_mutant_name(enum qe_mutant mutant)
{
    return mutants[mutant].name;
}

const char *qe_mutant_help(enum qe_mutant mutant)
{
    return mutants[mutant].help;
}

#endif
