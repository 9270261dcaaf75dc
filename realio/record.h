// A recording as a file: the recorder of the node (record/recorder.h) fills blocks, a thread writes them, so that the
// packets do not wait for the disk. Where the disk cannot keep up, or is full, the recording ends; the node goes on.
#ifndef QE_REALIO_RECORD_H
#define QE_REALIO_RECORD_H

#include "dirs.h"
#include "fault.h"
#include "record/recorder.h"

// Blocks that wait for the disk; beyond it the disk is too slow.
#define QE_RECORDING_QUEUE_MAX 256
// Free ones that are kept.
#define QE_RECORDING_KEPT 8
// The least that --record-limit takes.
#define QE_RECORDING_LIMIT_MIN (UINT64_C(1) << 20)
// What is recorded reaches the file after this long at the latest.
#define QE_RECORDING_FLUSH_NS UINT64_C(1000000000)

struct qe_recording;

struct qe_recording_options {
    const char *path;                      // made with 0600; it must not exist yet
    uint64_t limit_bytes;                  // the file grows no larger; 0: any size
    bool sealed;                           // to `recipient`
    uint8_t recipient[QE_RECORD_KEY_SIZE]; // an X25519 public key
};

// Makes the file. 0, or -1 with `fault`.
int qe_recording_open(
    struct qe_recording **recording, const struct qe_recording_options *options, struct qe_fault *fault);
// Starts the thread, with the rights of the caller's. Blocks that were queued before wait for it. 0, or -1.
int qe_recording_start(struct qe_recording *recording);
// Before qe_recording_close: removes the file, of a daemon that did not come up. NULL is fine.
void qe_recording_discard(struct qe_recording *recording);
// After the recorder is gone: writes what still waits, then frees. NULL is fine.
void qe_recording_close(struct qe_recording *recording);

// A recorder for a node of `host`, which ends before this recording does. NULL without memory.
struct qe_recorder *qe_recording_recorder(struct qe_recording *recording, const struct qe_host *host);

const char *qe_recording_path(const struct qe_recording *recording);
// Readable when the recording has ended before the node; qe_recording_report then says why, once: true and one line.
int qe_recording_fd(const struct qe_recording *recording);
bool qe_recording_report(struct qe_recording *recording, char *out, size_t size);

#endif
