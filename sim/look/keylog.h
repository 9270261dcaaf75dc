// The TLS secrets of all nodes as an NSS key log, which Wireshark reads.
#ifndef QE_SIM_KEYLOG_H
#define QE_SIM_KEYLOG_H

#include "look/out.h"
#include "look/secrets.h"
#include "world/trace.h"

struct sim_keylog {
    struct sim_sink sink;
    struct sim_secrets secrets;
    struct sim_out out;
};

// The file stays the caller's.
void sim_keylog_init(struct sim_keylog *keylog, FILE *file);
// Writes what is buffered. 0, or -1 with errno.
int sim_keylog_fini(struct sim_keylog *keylog);

#endif
