// The file of results of a sweep or of some of its shards (docs/scenarios.md), read again. Nothing in it is believed:
// a file that was cut short, changed, or is of something else is refused with one line.
#ifndef QE_SIM_SWEEP_SHARD_FILE_H
#define QE_SIM_SWEEP_SHARD_FILE_H

#include "sweep/results.h"

#define SIM_SHARD_FILE_ERROR_SIZE 512

struct sim_shard_run {
    uint64_t number;  // in the plan
    const void *json; // json_t of the run; belongs to the file
    struct sim_run_record record;
};

struct sim_shard_file {
    char *path;
    struct sim_sweep sweep;     // its texts and arrays belong to the file
    struct sim_shard_run *runs; // by number
    size_t run_count;
    void *root; // json_t
};

// Reads text; `path` is its name in messages. NULL after filling `error`.
struct sim_shard_file *sim_shard_file_parse(
    const char *path, const char *text, size_t size, char error[SIM_SHARD_FILE_ERROR_SIZE]);
struct sim_shard_file *sim_shard_file_load(const char *path, char error[SIM_SHARD_FILE_ERROR_SIZE]);
void sim_shard_file_free(struct sim_shard_file *file);

// Whether `other` is of the same sweep as `first` and has no shard that `first` has; else what is wrong with it.
bool sim_shard_files_fit(
    const struct sim_shard_file *first, const struct sim_shard_file *other, char error[SIM_SHARD_FILE_ERROR_SIZE]);

// The run as it stood in the file, allocated (free).
char *sim_shard_run_json(const struct sim_shard_run *run);

#endif
