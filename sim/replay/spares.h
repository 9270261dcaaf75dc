// Buffers for a node that is replayed: made as they are needed, and kept for the next.
#ifndef QE_SIM_REPLAY_SPARES_H
#define QE_SIM_REPLAY_SPARES_H

#include "base/buf.h"

// An empty buffer of QE_BUF_SIZE, out of the list *spares or new.
struct qe_buf *sim_spares_take(struct qe_buf **spares);
void sim_spares_give(struct qe_buf **spares, struct qe_buf *buf);
// Frees all that are in the list.
void sim_spares_free(struct qe_buf **spares);

#endif
