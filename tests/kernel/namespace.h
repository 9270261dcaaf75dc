// A network namespace for a test program.
#ifndef QE_TESTS_NAMESPACE_H
#define QE_TESTS_NAMESPACE_H

#include <stdbool.h>

// Moves this process into a fresh network namespace with its loopback up. Ends it with 77 (skipped), saying why, where
// it may not.
void namespace_enter(void);
// Runs a command of iproute2's; true where it went well.
__attribute__((format(printf, 1, 2))) bool namespace_run(const char *format, ...);

#endif
