// Ctrl-C and a polite kill as a descriptor, so that a command that goes on until interrupted ends where it can end
// well.
#ifndef QE_CLI_INTERRUPT_H
#define QE_CLI_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

// From now on SIGINT and SIGTERM make a descriptor readable instead of ending the process. -1 where the system has
// none: then signals end it as ever.
int qe_interrupt_open(void);
// Back to what was; a signal that came meanwhile is forgotten.
void qe_interrupt_close(int fd);
// Sleeps; true where it was interrupted.
bool qe_interrupt_sleep(int fd, int64_t ms);

#endif
