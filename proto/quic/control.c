// The control stream's sending half: a queue of chunks with a cursor. Bytes before `start` are acknowledged and gone,
// those before `sent` are in ngtcp2's hands.
#include "quic/internal.h"

#include <assert.h>

#define CHUNK_SIZE 1000

void qe_control_init(struct qe_control *control)
{
    *control = (struct qe_control){.stream = -1};
}

void qe_control_fini(struct qe_control *control, const struct qe_mem *mem)
{
    while (control->head) {
        struct qe_control_chunk *chunk = control->head;
        control->head = chunk->next;
        qe_free(mem, chunk);
    }
    control->tail = control->next = NULL;
}

int qe_control_queue(struct qe_control *control, const struct qe_mem *mem, struct qe_span bytes)
{
    if (bytes.size == 0) return 0;
    if (bytes.size > QE_CONTROL_MAX || control->end - control->start + bytes.size > QE_CONTROL_MAX) return -1;
    struct qe_control_chunk *chunk = control->tail;
    if (!chunk || chunk->capacity - chunk->size < bytes.size) {
        size_t capacity = bytes.size > CHUNK_SIZE ? bytes.size : CHUNK_SIZE;
        chunk = qe_alloc(mem, sizeof *chunk + capacity);
        if (!chunk) return -1;
        *chunk = (struct qe_control_chunk){.capacity = (uint32_t)capacity};
        if (control->tail)
            control->tail->next = chunk;
        else
            control->head = chunk;
        control->tail = chunk;
    }
    if (!control->next) {
        control->next = chunk;
        control->next_at = chunk->size;
    }
    memcpy(chunk->bytes + chunk->size, bytes.data, bytes.size);
    chunk->size += (uint32_t)bytes.size;
    control->end += bytes.size;
    return 0;
}

void qe_control_on_acked(struct qe_control *control, const struct qe_mem *mem, uint64_t offset)
{
    // The chunk that takes the next bytes stays, acknowledged or not.
    while (control->head && control->head != control->tail && control->start + control->head->size <= offset) {
        struct qe_control_chunk *chunk = control->head;
        assert(chunk != control->next);
        control->start += chunk->size;
        control->head = chunk->next;
        qe_free(mem, chunk);
    }
    if (control->head && control->head == control->tail && offset == control->end && control->sent == control->end) {
        control->start = control->end;
        qe_free(mem, control->head);
        control->head = control->tail = control->next = NULL;
    }
}

void qe_control_rewind(struct qe_control *control)
{
    assert(control->start == 0);
    control->sent = 0;
    control->next = control->head;
    control->next_at = 0;
    control->stream = -1;
    control->blocked = control->greet = false;
}

struct qe_span qe_control_next(const struct qe_control *control, bool complete)
{
    uint64_t limit = complete ? control->end : control->early;
    if (!control->next || control->sent >= limit) return qe_span(NULL, 0);
    size_t size = control->next->size - control->next_at;
    if (size > limit - control->sent) size = (size_t)(limit - control->sent);
    return qe_span(control->next->bytes + control->next_at, size);
}

void qe_control_on_sent(struct qe_control *control, size_t size)
{
    control->greet = false;
    control->sent += size;
    control->next_at += (uint32_t)size;
    if (!control->next || control->next_at < control->next->size) return;
    control->next = control->next->next;
    control->next_at = 0;
}

void qe_conn_open_control(struct qe_conn *conn)
{
    if (!conn->client || conn->control.stream != -1) return;
    if (ngtcp2_conn_open_bidi_stream(conn->ng, &conn->control.stream, NULL) != 0) {
        conn->control.stream = -1;
        return;
    }
    // The server cannot write before it knows the stream, so the stream's first frame goes out even if empty.
    conn->control.greet = true;
}

int qe_conn_control_send(struct qe_conn *conn, struct qe_span bytes)
{
    if (conn->over || qe_control_queue(&conn->control, conn->quic->mem, bytes) != 0) return -1;
    if (conn->quic->carried) qe_carried_on_said(conn, bytes);
    qe_conn_ready(conn);
    return 0;
}
