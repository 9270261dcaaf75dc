// A session ticket as it is stored: everything that a later dial needs to resume the session and to send 0-RTT.
#ifndef QE_QUIC_TICKET_H
#define QE_QUIC_TICKET_H

#include "base/bytes.h"
#include "identity/identity.h"

#define QE_TICKET_SIZE_MAX 4096

struct qe_ticket {
    struct qe_key key;         // whose session it is
    struct qe_span parameters; // the peer's transport parameters that 0-RTT relies on (RFC 9000 §7.4.1)
    struct qe_span session;    // the TLS session in DER
};

// Writes the stored form into `out`. Its size, or 0 where it would not fit.
size_t qe_ticket_encode(const struct qe_ticket *ticket, uint8_t *out, size_t room);
// Reads it back; the spans borrow. It comes from a disk, so nothing in it is believed beyond its lengths. False where
// it is not well-formed.
bool qe_ticket_decode(struct qe_span in, struct qe_ticket *ticket);

#endif
