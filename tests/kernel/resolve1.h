// A stand-in for systemd-resolved on a bus of its own: it notes what it is asked to do with links.
#ifndef QE_TESTS_KERNEL_RESOLVE1_H
#define QE_TESTS_KERNEL_RESOLVE1_H

#include <stdbool.h>
#include <sys/types.h>

// Starts dbus-daemon with its files in the scratch directory and makes it the system's bus for this process and its
// children. 0, or -1.
pid_t resolve1_bus(void);
// The stand-in, in a process of its own, ready when this returns. Each call becomes a line in the scratch file
// "calls". `refuse`: it answers every call with org.freedesktop.DBus.Error.InteractiveAuthorizationRequired.
// `silent`: it never answers.
pid_t resolve1_start(bool refuse, bool silent);

#endif
