// Recordings as files: reading one, and writing one of a simulated node.
#ifndef QE_SIM_RECORDING_H
#define QE_SIM_RECORDING_H

#include "host/host.h"
#include "record/reader.h"

#include <stdio.h>

// An open recording.
struct sim_recording {
    FILE *in;
    uint64_t size; // of the file; 0 where it has none, such as a pipe
    struct qe_record_reader reader;
};

// Opens a recording and reads its header. 0, or -1 with a line in `error` that does not name the file.
int sim_recording_open(struct sim_recording *recording, const char *path, char error[QE_RECORD_ERROR_SIZE]);
void sim_recording_close(struct sim_recording *recording);

// Writes down the nodes of one host of a run: put `sim_core_recorder` in the place of sim_core_node, and this into
// sim_hosts.recording.
struct sim_record_writer {
    const char *host; // its name
    const char *path; // of the first recording; the second start of the node writes PATH.2, and so on
    unsigned starts;
    char error[4352]; // the first thing that went wrong; "" for nothing
};

extern const struct sim_core sim_core_recorder;

#endif
