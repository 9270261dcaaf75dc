// A file of a scenario, read whole.
#ifndef QE_SIM_SCENARIO_TEXT_H
#define QE_SIM_SCENARIO_TEXT_H

#include "scenario/scenario.h"

// Reads the file into *size bytes that the caller releases; NULL where it cannot be read or is too large, which `error`
// then says.
char *sim_scenario_text(const char *file, size_t *size, char error[SIM_ERROR_SIZE]);

#endif
