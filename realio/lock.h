// One daemon a state directory: an flock on state_dir/lock, which also holds the owner's process ID.
#ifndef QE_REALIO_LOCK_H
#define QE_REALIO_LOCK_H

#include "fault.h"

// A descriptor that holds the lock until it is closed, or -1 with `fault`, which names the process that has it.
int qe_lock_take(const char *state_dir, struct qe_fault *fault);

#endif
