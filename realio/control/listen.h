// Listening sockets for the control server.
#ifndef QE_CONTROL_LISTEN_H
#define QE_CONTROL_LISTEN_H

#include "base/addr.h"

#include <sys/types.h>

// A listening Unix socket and the file that names it.
struct qe_unix_listener {
    int fd;
    dev_t device; // of the socket file that we made, so that only our own is removed
    ino_t inode;
};

// Binds and listens at `path`, non-blocking and close-on-exec; mode 0660 for root, else 0600. The parent folder is
// created where it is missing. A socket file that refuses connections is a dead daemon's and replaced; one that
// answers, or a file that is no socket, is an error. 0, or -1 with one line in `error`.
int qe_listen_unix(const char *path, struct qe_unix_listener *out, char *error, size_t error_size);
// Removes the socket file if it is still the one that `listener` made.
void qe_listen_unix_remove(const char *path, const struct qe_unix_listener *listener);

// A listening TCP socket, non-blocking and close-on-exec, or -1 with one line in `error`. `purpose`: "metrics", …
int qe_listen_tcp(const struct qe_addr *addr, const char *purpose, char *error, size_t error_size);

#endif
