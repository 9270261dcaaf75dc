#include "replay/spares.h"

#include "engine/memory.h"

struct qe_buf *sim_spares_take(struct qe_buf **spares)
{
    struct qe_buf *buf = *spares;
    if (buf) {
        *spares = buf->next;
    } else {
        buf = sim_obtain(1, sizeof *buf);
        buf->data = sim_obtain(1, QE_BUF_SIZE);
        buf->capacity = QE_BUF_SIZE;
    }
    buf->offset = QE_BUF_HEADROOM;
    buf->size = 0;
    buf->next = NULL;
    return buf;
}

void sim_spares_give(struct qe_buf **spares, struct qe_buf *buf)
{
    buf->next = *spares;
    *spares = buf;
}

void sim_spares_free(struct qe_buf **spares)
{
    while (*spares) {
        struct qe_buf *buf = *spares;
        *spares = buf->next;
        sim_release(buf->data);
        sim_release(buf);
    }
}
