// Where the daemon keeps its things unless told otherwise: /var/lib, /run and /etc for root, else the XDG base
// directories of the user.
#ifndef QE_REALIO_DIRS_H
#define QE_REALIO_DIRS_H

#include "fault.h"

#include <sys/types.h>

#define QE_PATH_SIZE 1024

struct qe_dirs {
    char state[QE_PATH_SIZE];   // directory
    char control[QE_PATH_SIZE]; // Unix socket
    char config[QE_PATH_SIZE];  // file
};

// The defaults of whoever runs this. 0, or -1 where the user has no home directory.
int qe_dirs_default(struct qe_dirs *dirs, struct qe_fault *fault);

// Makes the directory and whatever is missing above it, each with `mode`; what exists already stays as it is. 0, or -1
// with `fault`.
int qe_dirs_make(const char *path, mode_t mode, struct qe_fault *fault);

// `path` from the root, so that it survives a change of directory. 0, or -1 where it grows too long.
int qe_dirs_absolute(const char *path, char out[QE_PATH_SIZE], struct qe_fault *fault);

#endif
