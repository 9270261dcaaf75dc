// Runs a recording through the core of this program: the same events, draws and answers go in, and the same actions
// must come out.
#ifndef QE_SIM_PLAYER_H
#define QE_SIM_PLAYER_H

#include "record/reader.h"

#include "node/node.h"
#include "quic/seam.h"

#include <stdio.h>

#define SIM_REPLAY_LINE_SIZE 640

enum sim_replay_verdict {
    SIM_REPLAY_SAME,
    SIM_REPLAY_DIFFERS,
    SIM_REPLAY_REFUSED, // the recording is at fault
};

// Who looks on while a recording is replayed; for redaction.
struct sim_replay_watch {
    void *user;
    const struct qe_seam *seam;
    // Each after the node did it. What it drew and answered was told before.
    void (*made)(
        void *user, const struct qe_config *config, const struct qe_key *identity, uint64_t now_ns, uint64_t wall_ms);
    void (*stepping)(void *user, const struct qe_event *event); // before
    void (*stepped)(void *user, const struct qe_event *event);
    void (*acted)(void *user, const struct qe_action *action); // NULL: nothing to do
    void (*drew)(void *user, enum qe_random purpose, struct qe_span bytes);
    void (*answered)(
        void *user, enum qe_secret_operation operation, struct qe_span input, int result, struct qe_span bytes);
    void (*faulted)(void *user, enum qe_fault_point point, bool fired);
    bool (*failed)(void *user); // stop
};

struct sim_replay_options {
    struct qe_record_reader *reader; // header read, unsealed
    struct qe_tls_library *tls;
    uint64_t events_max; // stop after so many; UINT64_MAX for all
    FILE *trace;         // a line for each event and action; or NULL
    bool cut;            // a recording without an end is fine
    // Now and then; may be NULL.
    void (*progress)(void *user, const struct qe_record_reader *reader);
    void *user;
    const struct sim_replay_watch *watch; // or NULL
};

struct sim_replay_result {
    enum sim_replay_verdict verdict;
    uint64_t events, actions, draws, nodes;
    uint64_t first_ns, last_ns; // of the events
    char error[SIM_REPLAY_LINE_SIZE];
    // Where it differs: the event it was at, and two lines.
    char event[SIM_REPLAY_LINE_SIZE], recorded[SIM_REPLAY_LINE_SIZE], replayed[SIM_REPLAY_LINE_SIZE];
};

void sim_replay(const struct sim_replay_options *options, struct sim_replay_result *result);

#endif
