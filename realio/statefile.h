// One item of stored state as a file: named by its key, checked by a hash, replaced whole or not at all.
#ifndef QE_REALIO_STATEFILE_H
#define QE_REALIO_STATEFILE_H

#include "store.h"

#define QE_STATEFILE_HEADER_SIZE 24 // magic and hash
#define QE_STATEFILE_SIZE_MAX    (QE_STATEFILE_HEADER_SIZE + QE_STORE_VALUE_MAX)
#define QE_STATEFILE_NAME_SIZE   (QE_STORE_KEY_MAX + 2) // with the mark of an unfinished file, and NUL

// The file name of a key, and back. False where the name is none that we give.
void qe_statefile_name(const char *key, char name[QE_STATEFILE_NAME_SIZE]);
bool qe_statefile_key(const char *name, char key[QE_STORE_KEY_MAX + 1]);
// Whether the name is one of an unfinished file.
bool qe_statefile_is_unfinished(const char *name);

// Writes temp, fsync, rename; the caller syncs the directory `dir`. 0, or -1 with errno, the old file is untouched
// then.
int qe_statefile_write(int dir, const char *key, struct qe_span value);
// Reads into `room` (QE_STATEFILE_SIZE_MAX + 1 bytes); *value points there. NULL on success, else why not.
const char *qe_statefile_read(int dir, const char *key, uint8_t *room, struct qe_span *value);

#endif
