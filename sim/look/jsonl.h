// The trace as JSON lines: an object for each event, with the fields that docs/traces.md lists.
#ifndef QE_SIM_JSONL_H
#define QE_SIM_JSONL_H

#include "look/filter.h"
#include "look/out.h"

// Goes up where a reader of the old lines would misread the new ones.
#define SIM_JSONL_FORMAT 1

struct sim_jsonl {
    struct sim_sink sink;
    const struct sim_filter *filter;
    struct sim_out out;
};

struct sim_jsonl_run {
    const char *scenario, *version, *commit; // commit: or NULL
    uint64_t seed, duration_ns;
};

// Writes the first line, which says what run this is. `filter` is borrowed; the file stays the caller's.
// sim_out_flush(&jsonl->out) at the end.
void sim_jsonl_init(
    struct sim_jsonl *jsonl, FILE *file, const struct sim_filter *filter, const struct sim_jsonl_run *run);
// Writes the last line.
void sim_jsonl_end(struct sim_jsonl *jsonl, uint64_t now_ns, const char *verdict, const char *trace_hash);

#endif
