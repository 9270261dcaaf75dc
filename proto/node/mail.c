#include "node/mail.h"

#include "node/snapshot.h"

struct qe_mail *qe_mail_prepare(const struct qe_mem *mem, enum qe_mail_kind kind, size_t size)
{
    struct qe_mail *mail = qe_zalloc(mem, 1, sizeof *mail + size);
    if (!mail) return NULL;
    qe_list_init(&mail->link);
    mail->kind = kind;
    mail->peer = QE_PEER_NONE;
    mail->size = size;
    return mail;
}

void qe_mail_send(struct qe_list *outbox, struct qe_mail *mail, uint8_t to, enum qe_mail_kind kind)
{
    mail->to = to;
    mail->kind = kind;
    qe_list_append(outbox, &mail->link);
}

struct qe_mail *qe_mail_post(const struct qe_mem *mem, struct qe_list *outbox, uint8_t to, enum qe_mail_kind kind,
    const void *bytes, size_t size)
{
    struct qe_mail *mail = qe_mail_prepare(mem, kind, size);
    if (!mail) return NULL;
    if (bytes && size) memcpy(mail->bytes, bytes, size);
    qe_mail_send(outbox, mail, to, kind);
    return mail;
}

void qe_mail_free(const struct qe_host *host, struct qe_mail *mail)
{
    qe_list_remove(&mail->link);
    if (mail->kind == QE_MAIL_PACKET && mail->packet.item.buf) host->buf_free(host->user, mail->packet.item.buf);
    if (mail->kind == QE_MAIL_SNAPSHOT) qe_snapshot_release(mail->snapshot);
    qe_free(&host->mem, mail);
}
