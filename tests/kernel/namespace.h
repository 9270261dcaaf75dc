// A network namespace for a test program.
#ifndef QE_TESTS_NAMESPACE_H
#define QE_TESTS_NAMESPACE_H

#include <stdbool.h>

// Instrumented daemons run without the system call filter (realio/privilege.c).
#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

// Moves this process into a fresh network namespace with its loopback up. Ends it with 77 (skipped), saying why, where
// it may not.
void namespace_enter(void);
// And into a mount namespace of its own, where what it mounts is nobody else's.
void namespace_mounts(void);
// Runs a command of iproute2's; true where it went well.
__attribute__((format(printf, 1, 2))) bool namespace_run(const char *format, ...);

#endif
