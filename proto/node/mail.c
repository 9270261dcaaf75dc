#include "node/mail.h"

#include "node/snapshot.h"

struct qe_mail *qe_mail_post(const struct qe_mem *mem, struct qe_list *outbox, uint8_t to, enum qe_mail_kind kind,
    const void *bytes, size_t size)
{
    struct qe_mail *mail = qe_zalloc(mem, 1, sizeof *mail + size);
    if (!mail) return NULL;
    mail->to = to;
    mail->kind = kind;
    mail->peer = QE_PEER_NONE;
    mail->size = size;
    if (bytes && size) memcpy(mail->bytes, bytes, size);
    qe_list_append(outbox, &mail->link);
    return mail;
}

void qe_mail_free(const struct qe_host *host, struct qe_mail *mail)
{
    qe_list_remove(&mail->link);
    if (mail->kind == QE_MAIL_PACKET && mail->packet.item.buf) host->buf_free(host->user, mail->packet.item.buf);
    if (mail->kind == QE_MAIL_SNAPSHOT) qe_snapshot_release(mail->snapshot);
    qe_free(&host->mem, mail);
}
