// Telling systemd how the service does (sd_notify(3)), without its library: datagrams to a Unix socket.
#ifndef QE_REALIO_NOTIFY_H
#define QE_REALIO_NOTIFY_H

#include <stdint.h>

struct qe_notify {
    int fd;               // -1: nobody wants to know
    uint64_t watchdog_ns; // how often "WATCHDOG=1" must come; QE_TIME_NEVER: not at all
};

// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
void qe_notify_init(struct qe_notify *notify);
void qe_notify_fini(struct qe_notify *notify);
// "READY=1", "STOPPING=1", …
void qe_notify_send(const struct qe_notify *notify, const char *state);

#endif
