// The daemon: one node, with real sockets, a real TUN and the machine's clocks around it.
#ifndef QE_REALIO_DAEMON_H
#define QE_REALIO_DAEMON_H

#include "config/config.h"
#include "fault.h"
#include "record.h"

struct qe_daemon_options {
    const struct qe_config *config;
    const char *state_dir;                        // made if missing; NULL: the user's default (dirs.h)
    const char *control_path;                     // as qe_control_open; NULL: the user's default
    const struct qe_recording_options *recording; // NULL: nothing is recorded
    bool detach;                                  // return once the node is up, and go on in the background
};

// Runs the node until it is told to stop by SIGTERM, SIGINT or the control socket. Returns an exit status (enum
// qe_exit); a failure is said in one line on stderr. With `detach` it returns in the calling process as soon as the
// node is up (TUN, sockets and control socket) or has failed to come up; the background process logs to a file
// state_dir/quicether.log, unless stderr is a regular file already.
//
// Environment: NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM (systemd); QUICETHER_SANDBOX=off leaves the system call
// filter out.
int qe_daemon_run(const struct qe_daemon_options *options);

#endif
