// A question's name is the first of its packet, so a compression pointer in it leads nowhere good: there is none in
// what clients send, and here it is an error. In what follows names only have to be passed over, and there a pointer
// ends one. So no pointer is ever followed.
#include "dns/message.h"

#define HEADER_SIZE   12
#define POINTER       0xc0
#define QUESTION_NAME 0xc00c // a pointer to the name behind the header

#define FLAG_RESPONSE          0x8000
#define FLAG_AUTHORITATIVE     0x0400
#define FLAG_TRUNCATED         0x0200
#define FLAG_RECURSION_DESIRED 0x0100
#define FLAG_CHECKING_DISABLED 0x0010
#define FLAGS_OPCODE_SHIFT     11
#define FLAGS_OPCODE_MASK      0xf
#define OPT_SIZE               11
#define RECORDS_MAX            64 // that are passed over in a query

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

// The question's name. False where it is malformed.
static bool read_name(struct qe_reader *r, struct qe_dns_query *q)
{
    q->name_size = q->label_count = 0;
    for (;;) {
        uint8_t size = qe_read8(r);
        struct qe_span label = qe_read_bytes(r, size);
        if (r->failed || size > QE_DNS_LABEL_MAX) return false;
        if (q->name_size + 1 + size > QE_DNS_NAME_MAX) return false;
        if (size > 0) q->labels[q->label_count++] = (uint8_t)q->name_size;
        q->name[q->name_size++] = size;
        for (size_t i = 0; i < size; i++)
            q->name[q->name_size++] = lower(label.data[i]);
        if (size == 0) return true;
    }
}

static void skip_name(struct qe_reader *r)
{
    size_t size = 0;
    while (!r->failed) {
        uint8_t label = qe_read8(r);
        if (label == 0) return;
        if ((label & POINTER) == POINTER) {
            qe_read8(r);
            return;
        }
        size += 1u + label;
        if (label > QE_DNS_LABEL_MAX || size > QE_DNS_NAME_MAX) r->failed = true;
        qe_read_bytes(r, label);
    }
}

// One additional record, of which only OPT says anything. False where there must be none such.
static bool read_record(struct qe_reader *r, struct qe_dns_query *q)
{
    bool root = qe_reader_left(r) > 0 && *r->at == 0;
    skip_name(r);
    uint16_t type = qe_read16(r), size_max = qe_read16(r);
    uint32_t ttl = qe_read32(r);
    qe_read_bytes(r, qe_read16(r));
    if (r->failed) return false;
    if (type != QE_DNS_OPT) return true;
    if (!root || q->has_opt) return false;
    q->has_opt = true;
    q->opt_version = (uint8_t)(ttl >> 16);
    if (size_max > q->size_max) q->size_max = size_max;
    if (q->size_max > QE_DNS_ANSWER_SIZE) q->size_max = QE_DNS_ANSWER_SIZE;
    return true;
}

int qe_dns_query_parse(struct qe_span packet, struct qe_dns_query *out)
{
    struct qe_reader r = qe_reader(packet);
    memset(out, 0, sizeof *out);
    out->size_max = QE_DNS_UDP_MIN;
    out->id = qe_read16(&r);
    uint16_t flags = qe_read16(&r);
    uint16_t questions = qe_read16(&r), answers = qe_read16(&r), authorities = qe_read16(&r);
    uint16_t additionals = qe_read16(&r);
    if (r.failed || flags & FLAG_RESPONSE) return -1;
    out->opcode = flags >> FLAGS_OPCODE_SHIFT & FLAGS_OPCODE_MASK;
    out->recursion_desired = flags & FLAG_RECURSION_DESIRED;
    out->checking_disabled = flags & FLAG_CHECKING_DISABLED;
    if (out->opcode != 0) return QE_DNS_NOTIMP;
    if (questions != 1 || answers != 0 || authorities != 0 || additionals > RECORDS_MAX) return QE_DNS_FORMERR;
    const uint8_t *start = r.at;
    if (!read_name(&r, out)) return QE_DNS_FORMERR;
    out->type = qe_read16(&r);
    out->class = qe_read16(&r);
    if (r.failed) return QE_DNS_FORMERR;
    struct qe_span question = qe_span(start, (size_t)(r.at - start));
    for (uint16_t i = 0; i < additionals; i++)
        if (!read_record(&r, out)) return QE_DNS_FORMERR;
    if (qe_reader_left(&r) > 0) return QE_DNS_FORMERR;
    out->question = question;
    return out->has_opt && out->opt_version != 0 ? QE_DNS_BADVERS : QE_DNS_NOERROR;
}

struct qe_dns_writer qe_dns_answer_begin(const struct qe_dns_query *query, uint8_t *out, size_t size)
{
    if (size > query->size_max) size = query->size_max;
    size_t kept = query->has_opt && size >= OPT_SIZE ? OPT_SIZE : 0;
    struct qe_dns_writer d = {.w = qe_writer(out, size - kept)};
    uint8_t *header = qe_write_room(&d.w, HEADER_SIZE);
    if (header) memset(header, 0, HEADER_SIZE);
    qe_write_bytes(&d.w, query->question.data, query->question.size);
    return d;
}

static void record(struct qe_dns_writer *d, uint16_t type, uint32_t ttl_s, uint16_t size)
{
    qe_write16(&d->w, type);
    qe_write16(&d->w, QE_DNS_CLASS_IN);
    qe_write32(&d->w, ttl_s);
    qe_write16(&d->w, size);
}

void qe_dns_answer_address(struct qe_dns_writer *d, const struct qe_ip *ip, uint32_t ttl_s)
{
    qe_write16(&d->w, QUESTION_NAME);
    record(d, ip->family == 4 ? QE_DNS_A : QE_DNS_AAAA, ttl_s, (uint16_t)qe_ip_size(ip));
    qe_write_bytes(&d->w, ip->bytes, qe_ip_size(ip));
    d->answers++;
}

void qe_dns_answer_name(struct qe_dns_writer *d, const uint8_t *name, size_t size, uint32_t ttl_s)
{
    qe_write16(&d->w, QUESTION_NAME);
    record(d, QE_DNS_PTR, ttl_s, (uint16_t)size);
    qe_write_bytes(&d->w, name, size);
    d->answers++;
}

void qe_dns_answer_soa(struct qe_dns_writer *d, const struct qe_dns_soa *soa, bool authority)
{
    // The zone is its own primary server, and nobody's mailbox: no secondary ever asks, so only the last field counts.
    qe_write_bytes(&d->w, soa->zone, soa->zone_size);
    record(d, QE_DNS_SOA, soa->negative_ttl_s, (uint16_t)(soa->zone_size + 1 + 5 * 4));
    qe_write_bytes(&d->w, soa->zone, soa->zone_size);
    qe_write8(&d->w, 0);
    qe_write32(&d->w, 1);     // serial
    qe_write32(&d->w, 3600);  // refresh
    qe_write32(&d->w, 600);   // retry
    qe_write32(&d->w, 86400); // expire
    qe_write32(&d->w, soa->negative_ttl_s);
    if (authority)
        d->authorities++;
    else
        d->answers++;
}

static void write_opt(struct qe_writer *w, enum qe_dns_rcode rcode)
{
    qe_write8(w, 0);
    qe_write16(w, QE_DNS_OPT);
    qe_write16(w, QE_DNS_ANSWER_SIZE);
    qe_write32(w, (uint32_t)rcode >> 4 << 24); // version 0, no flags
    qe_write16(w, 0);
}

size_t qe_dns_answer_end(
    struct qe_dns_writer *d, const struct qe_dns_query *query, enum qe_dns_rcode rcode, bool authoritative)
{
    uint8_t *out = d->w.start;
    size_t whole = HEADER_SIZE + query->question.size;
    bool cut = d->w.failed;
    if (cut) {
        // Back to header and question, where at least those fit.
        if ((size_t)(d->w.end - d->w.start) < whole) return 0;
        d->w.at = out + whole;
        d->w.failed = false;
        d->answers = d->authorities = 0;
    }
    uint16_t flags = FLAG_RESPONSE | (uint16_t)(query->opcode << FLAGS_OPCODE_SHIFT) | (rcode & 0xf);
    if (authoritative) flags |= FLAG_AUTHORITATIVE;
    if (cut) flags |= FLAG_TRUNCATED;
    if (query->recursion_desired) flags |= FLAG_RECURSION_DESIRED;
    if (query->checking_disabled) flags |= FLAG_CHECKING_DISABLED;
    qe_store16(out, query->id);
    qe_store16(out + 2, flags);
    qe_store16(out + 4, query->question.size > 0);
    qe_store16(out + 6, d->answers);
    qe_store16(out + 8, d->authorities);
    qe_store16(out + 10, query->has_opt);
    if (query->has_opt) {
        d->w.end += OPT_SIZE; // the room kept for it
        write_opt(&d->w, rcode);
        if (d->w.failed) return 0;
    }
    return qe_writer_size(&d->w);
}
