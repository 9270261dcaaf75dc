// Why the daemon cannot go on, in one line that says what to do, with the exit status that goes with it.
#ifndef QE_REALIO_FAULT_H
#define QE_REALIO_FAULT_H

#include <stddef.h>

// Exit statuses of `quicether`, as its help lists them.
enum qe_exit {
    QE_EXIT_OK = 0,
    QE_EXIT_FAILED = 1,      // the node could not be made, or anything not listed below
    QE_EXIT_USAGE = 2,       // command line or configuration
    QE_EXIT_UNREACHABLE = 3, // a command found no daemon to ask
    QE_EXIT_STATE = 4,       // state directory, identity
    QE_EXIT_TUN = 5,         // no TUN device, or no right to make one
    QE_EXIT_SOCKET = 6,      // a UDP address that cannot be bound
    QE_EXIT_RUNNING = 7,     // another daemon has this state directory
    QE_EXIT_CONTROL = 8,     // the control socket, metrics or health address
    QE_EXIT_SANDBOX = 9,     // a system call that the sandbox forbids: a bug
};

#define QE_FAULT_TEXT_SIZE 512

struct qe_fault {
    enum qe_exit exit;
    char text[QE_FAULT_TEXT_SIZE]; // one line, without a newline
};

// Fills `fault` and returns -1, so that a caller can return the call.
__attribute__((format(printf, 3, 4))) int qe_fault_set(
    struct qe_fault *fault, enum qe_exit exit, const char *format, ...);

#endif
