// After start the process keeps what it needs and nothing else: no capabilities, no new privileges, and of the kernel's
// system calls only those on a list (seccomp). Whatever a bug lets in finds little to work with.
#ifndef QE_REALIO_PRIVILEGE_H
#define QE_REALIO_PRIVILEGE_H

#include "log.h"

// Drops the capabilities of the calling thread and of those that it starts later, and the way back to them. What the
// system does not allow is logged as a warning. `state_dir` stays writable.
void qe_privilege_drop(const char *state_dir, struct qe_log *log);

// Installs the system call filter for the whole process, threads included; they must exist already. Call it when
// sockets and TUN are open. Where the kernel cannot, that is logged as a warning.
void qe_privilege_sandbox(struct qe_log *log);

// For the helper of the daemon (kernel/kernel.h): the rights to configure the network and to bind ports below 1024, no
// others, and no way to run a program, trace a process, mount, or load a module.
void qe_privilege_keep_network(void);

// For a process that reads what comes from the network and only talks to its parent: no rights at all.
void qe_privilege_drop_all(void);

#endif
