// What TLS did (quic/seam.h), as a redacted recording keeps it.
#ifndef QE_RECORD_TLS_H
#define QE_RECORD_TLS_H

#include "quic/seam.h"
#include "record/body.h"

void qe_record_put_tls(struct qe_record_body *body, const struct qe_tls_act *act);
// Borrows the act's bytes; the cursor fails where there is none.
void qe_record_get_tls(struct qe_reader *r, struct qe_tls_act *act);

#endif
