#include "record/tls.h"

// More handshake bytes in one go than any handshake has.
#define SUBMITTED_MAX 65536

void qe_record_put_tls(struct qe_record_body *body, const struct qe_tls_act *act)
{
    qe_record_put8(body, act->kind);
    qe_record_put8(body, act->level);
    qe_record_put_signed(body, (int64_t)act->a);
    qe_record_put(body, act->b);
    qe_record_put(body, act->encryptions_max);
    qe_record_put(body, act->failures_max);
    qe_record_put_span(body, act->bytes);
}

void qe_record_get_tls(struct qe_reader *r, struct qe_tls_act *act)
{
    act->kind = (uint8_t)qe_record_get_max(r, QE_TLS_ACT_COUNT - 1);
    act->level = (uint8_t)qe_record_get_max(r, 3);
    act->a = (uint64_t)qe_record_get_signed(r);
    act->b = qe_record_get(r);
    act->encryptions_max = qe_record_get(r);
    act->failures_max = qe_record_get(r);
    act->bytes = qe_record_get_span(r);
    if (act->bytes.size > QE_TLS_BYTES_MAX || qe_reader_left(r) > 0) r->failed = true;
    if (act->kind != QE_TLS_TURN && act->a > SUBMITTED_MAX) r->failed = true;
}
