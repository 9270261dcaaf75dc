// qlog files of every connection at every host, as qvis opens them: JSON text sequences (RFC 7464) of qlog 0.3. A file
// is named GROUP-HOST-client.sqlog or …-server.sqlog, where GROUP is the first destination connection ID, which both
// ends share. ngtcp2 writes the events; the header gets the host's name and, as its reference time, when the connection
// began.
//
// Files are opened only to be added to, so a run may have more connections than a process may have files.
#ifndef QE_SIM_QLOG_H
#define QE_SIM_QLOG_H

#include "world/trace.h"

struct sim_qlog_file {
    uint32_t host;
    uint64_t connection;
    uint64_t begin_ns;
    char *path; // NULL until the header is complete
    char *waiting;
    size_t size, capacity;
};

struct sim_qlog {
    struct sim_sink sink;
    char *folder;
    struct sim_qlog_file *files; // of connections that are not over
    size_t count, capacity;
    uint64_t written; // files
    int error;        // the first one, or 0
};

// The folder exists.
void sim_qlog_init(struct sim_qlog *qlog, const char *folder);
// Writes what is buffered. 0, or -1 with errno.
int sim_qlog_fini(struct sim_qlog *qlog);

#endif
