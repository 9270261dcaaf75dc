// What the node keeps across restarts: one file an item in state_dir/store, each replaced whole or not at all. A worker
// thread writes and waits for the disk, so that the packets do not.
//
// A file is the magic "qestore1", 16 bytes BLAKE2b over key, NUL and value, and the value. Its name is the key with
// '+' for '/'; names with '~' are unfinished and thrown away at start.
#ifndef QE_REALIO_STORE_H
#define QE_REALIO_STORE_H

#include "base/bytes.h"
#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

#define QE_STORE_KEY_MAX   127
#define QE_STORE_VALUE_MAX 65536
// Files that are loaded or kept; what goes beyond is refused.
#define QE_STORE_FILES_MAX 4096
// Changes that wait for the disk; a later one for the same key replaces the earlier. What goes beyond is refused.
#define QE_STORE_QUEUE_MAX       256
#define QE_STORE_QUEUE_BYTES_MAX (4u << 20)

struct qe_store;

// Makes the folder if it is missing and throws unfinished files away. 0, or -1 with `fault`.
int qe_store_open(struct qe_store **store, const char *state_dir, struct qe_fault *fault);
// Starts the worker, with the rights of the thread that calls this. Changes queued before wait for it. 0, or -1.
int qe_store_start(struct qe_store *store);
// Writes what still waits, if the worker was started, then frees. NULL is fine.
void qe_store_close(struct qe_store *store);

// Calls `item` for each good file, in the order of their keys, and `complain` with one line for each that is skipped.
// Returns how many were good.
size_t qe_store_load(struct qe_store *store, void (*item)(void *user, const char *key, struct qe_span value),
    void (*complain)(void *user, const char *line), void *user);

// [a-z0-9._/-]{1,127}, but for "." and "..".
bool qe_store_key_valid(const char *key);
// Queues a change; the value is copied. 0, or -1 where the key, the value's size or the queue's bounds forbid it.
int qe_store_put(struct qe_store *store, const char *key, struct qe_span value);
int qe_store_erase(struct qe_store *store, const char *key);
// After start: waits until everything queued so far is on the disk, or has failed.
void qe_store_flush(struct qe_store *store);

// Readable when there is news for qe_store_report.
int qe_store_fd(const struct qe_store *store);
// The worker's news since the last call: true and one line in `out` when writing began to fail (`failed` true) or works
// again. What fails in between is only counted.
bool qe_store_report(struct qe_store *store, bool *failed, char *out, size_t size);
// Changes that did not reach the disk, so far.
uint64_t qe_store_lost(struct qe_store *store);
// What is stored from here on must be there before something else is done; until qe_store_settle says that it is.
void qe_store_mark(struct qe_store *store);
// Flushes. False where something was lost since the mark: then it is to be stored, behind a mark, once more.
bool qe_store_settle(struct qe_store *store);

#endif
