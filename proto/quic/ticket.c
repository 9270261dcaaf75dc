// version (1) | peer's key (32) | size (2) transport parameters | size (2) session
#include "quic/ticket.h"

#include "base/cursor.h"

#define VERSION 1

size_t qe_ticket_encode(const struct qe_ticket *ticket, uint8_t *out, size_t room)
{
    if (ticket->parameters.size > UINT16_MAX || ticket->session.size > UINT16_MAX) return 0;
    struct qe_writer w = qe_writer(out, room);
    qe_write8(&w, VERSION);
    qe_write_bytes(&w, ticket->key.bytes, sizeof ticket->key.bytes);
    qe_write16(&w, (uint16_t)ticket->parameters.size);
    qe_write_bytes(&w, ticket->parameters.data, ticket->parameters.size);
    qe_write16(&w, (uint16_t)ticket->session.size);
    qe_write_bytes(&w, ticket->session.data, ticket->session.size);
    return w.failed ? 0 : qe_writer_size(&w);
}

bool qe_ticket_decode(struct qe_span in, struct qe_ticket *ticket)
{
    struct qe_ticket read;
    if (in.size > QE_TICKET_SIZE_MAX) return false;
    struct qe_reader r = qe_reader(in);
    if (qe_read8(&r) != VERSION) return false;
    qe_read_copy(&r, read.key.bytes, sizeof read.key.bytes);
    read.parameters = qe_read_bytes(&r, qe_read16(&r));
    read.session = qe_read_bytes(&r, qe_read16(&r));
    if (r.failed || qe_reader_left(&r) != 0 || read.session.size == 0) return false;
    *ticket = read;
    return true;
}
