// The configuration file: read whole, replaced whole.
#ifndef QE_CLI_CONFIG_FILE_H
#define QE_CLI_CONFIG_FILE_H

#include "config/config.h"
#include "fault.h"

// Reads it into *text, malloc'ed and ended by a NUL that *size does not count; NULL where there is none and there may
// be none. 0, or -1 after a line to the sink. A text that is longer than the parser takes is cut one byte above that.
int qe_config_file_read(
    const char *file, bool must_exist, const struct qe_config_sink *sink, char **text, size_t *size);

// Keeps others that change it away until the descriptor is closed; its folder is made where it is missing. -1 with
// `fault`.
int qe_config_file_lock(const char *file, struct qe_fault *fault);
// Replaces it, or makes it: temp, fsync, rename. Mode and owner stay; a symbolic link is followed. 0, or -1 with
// `fault`, the old file is untouched then.
int qe_config_file_write(const char *file, const char *text, struct qe_fault *fault);

#endif
