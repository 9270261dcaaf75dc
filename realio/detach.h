// Going into the background, without losing the word on whether the node came up.
#ifndef QE_REALIO_DETACH_H
#define QE_REALIO_DETACH_H

#include "fault.h"

#include <stdbool.h>

struct qe_detach {
    int pipe; // to the waiting parent; -1: none
};

// Forks. In the child: true; it must call qe_detach_tell sooner or later. In the parent: waits for that, says the
// child's failure on stderr, and returns false with the exit status to end with.
bool qe_detach_fork(struct qe_detach *detach, int *status);
// In the child: the node is up (fault NULL), or not. Standard input and output go to /dev/null with success. Does
// nothing where nobody waits.
void qe_detach_tell(struct qe_detach *detach, const struct qe_fault *fault);

#endif
