// Recordings as arguments of commands.
#ifndef QE_SIM_CLI_RECORDED_H
#define QE_SIM_CLI_RECORDED_H

#include "cli/command.h"
#include "replay/recording.h"

struct sim_recorded {
    const char *file;
    const char *key; // file with the secret key of a sealed one, or NULL
    bool force;      // although it is of another core
};

// Opens it, as far as its first record. 0, or an exit status after saying what is wrong.
int sim_recorded_open(const struct sim_recorded *recorded, struct sim_recording *recording);
// Says what is wrong with a file; SIM_EXIT_USAGE.
int sim_refuse(const char *file, const char *why);
// Reads 32 bytes as 64 hexadecimal digits; false, and said, where the file holds anything else.
bool sim_read_key(const char *path, uint8_t key[QE_RECORD_KEY_SIZE]);

#endif
