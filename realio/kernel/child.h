// Work of the helper in a process of its own: a library that may hang, or hold memory for good, does so there and not
// for long.
#ifndef QE_REALIO_KERNEL_CHILD_H
#define QE_REALIO_KERNEL_CHILD_H

#include <stddef.h>

// Runs `work` in a child and waits for it, at most `seconds`: then the child is ended. What it writes into `text` comes
// back. What `work` returns (0 to 100), or -1 where the child did not come to its end; then `text` says so.
int qe_child_run(int (*work)(const void *argument, char *text, size_t room), const void *argument, unsigned seconds,
    char *text, size_t room);

#endif
