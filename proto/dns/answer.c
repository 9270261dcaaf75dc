#include "dns/answer.h"

#include "dns/message.h"

#include <string.h>

// Labels under in-addr.arpa and ip6.arpa that make a whole address.
#define LABELS4 4
#define LABELS6 32

static bool label_is(const struct qe_dns_query *q, size_t index, const char *text)
{
    const uint8_t *label = &q->name[q->labels[index]];
    return label[0] == strlen(text) && memcmp(label + 1, text, label[0]) == 0;
}

// A label as text; false where it could be no name.
static bool label_text(const struct qe_dns_query *q, size_t index, char out[QE_NAME_SIZE])
{
    const uint8_t *label = &q->name[q->labels[index]];
    if (memchr(label + 1, 0, label[0])) return false;
    memcpy(out, label + 1, label[0]);
    out[label[0]] = '\0';
    return true;
}

// The wire form of the question's last `count` labels, or of the root.
static struct qe_dns_soa soa_of(const struct qe_dns_query *q, size_t count)
{
    size_t at = count > 0 ? q->labels[q->label_count - count] : q->name_size - 1;
    return (struct qe_dns_soa){&q->name[at], q->name_size - at, QE_DNS_NEGATIVE_S};
}

static size_t finish(struct qe_dns_writer *d, const struct qe_dns_query *q, enum qe_dns_rcode rcode)
{
    return qe_dns_answer_end(d, q, rcode, rcode == QE_DNS_NOERROR || rcode == QE_DNS_NXDOMAIN);
}

// The number that a label of a reverse name stands for; -1: none.
static int octet(const struct qe_dns_query *q, size_t index)
{
    const uint8_t *label = &q->name[q->labels[index]];
    int value = 0;
    if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && label[1] == '0')) return -1;
    for (size_t i = 1; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9') return -1;
        value = value * 10 + (label[i] - '0');
    }
    return value <= 255 ? value : -1;
}

static int nibble(const struct qe_dns_query *q, size_t index)
{
    const uint8_t *label = &q->name[q->labels[index]];
    if (label[0] != 1) return -1;
    if (label[1] >= '0' && label[1] <= '9') return label[1] - '0';
    return label[1] >= 'a' && label[1] <= 'f' ? label[1] - 'a' + 10 : -1;
}

// The address, or its first bits, that a name under in-addr.arpa or ip6.arpa stands for. False: for none.
static bool reverse(const struct qe_dns_query *q, struct qe_cidr *out)
{
    memset(out, 0, sizeof *out);
    if (q->label_count < 2 || !label_is(q, q->label_count - 1, "arpa")) return false;
    size_t count = q->label_count - 2;
    if (label_is(q, count, "in-addr") && count <= LABELS4) {
        out->ip.family = 4;
        out->bits = (uint8_t)(count * 8);
        for (size_t i = 0; i < count; i++) {
            int value = octet(q, count - 1 - i);
            if (value < 0) return false;
            out->ip.bytes[i] = (uint8_t)value;
        }
        return true;
    }
    if (!label_is(q, count, "ip6") || count > LABELS6) return false;
    out->ip.family = 6;
    out->bits = (uint8_t)(count * 4);
    for (size_t i = 0; i < count; i++) {
        int value = nibble(q, count - 1 - i);
        if (value < 0) return false;
        out->ip.bytes[i / 2] |= (uint8_t)(i % 2 ? value : value << 4);
    }
    return true;
}

// Of which zone such a name is: how many labels that has, or 0. A network whose bits end within a label is of the zone
// of those before it.
static size_t reverse_zone(const struct qe_dns_zone *zone, const struct qe_cidr *asked)
{
    unsigned step = asked->ip.family == 4 ? 8 : 4;
    for (size_t i = 0; i < zone->network_count; i++) {
        const struct qe_cidr *net = &zone->networks[i];
        if (net->ip.family != asked->ip.family || net->bits < step) continue;
        uint8_t whole = (uint8_t)(net->bits / step * step);
        struct qe_cidr cut = qe_cidr_network((struct qe_cidr){net->ip, whole});
        if (asked->bits >= whole && qe_cidr_contains(&cut, &asked->ip)) return 2 + whole / step;
    }
    return 0;
}

static size_t answer_addresses(
    const struct qe_dns_zone *zone, const struct qe_dns_query *q, bool last, struct qe_dns_writer *d, bool *later)
{
    struct qe_dns_soa soa = soa_of(q, 1);
    if (q->label_count == 1) {
        bool is_soa = q->type == QE_DNS_SOA || q->type == QE_DNS_ANY;
        qe_dns_answer_soa(d, &soa, !is_soa);
        return finish(d, q, QE_DNS_NOERROR);
    }
    struct qe_ip addresses[QE_DNS_ADDRESSES_MAX];
    struct qe_node_id id;
    char name[QE_NAME_SIZE];
    size_t count = 0, answered = 0;
    enum qe_dns_found found = QE_DNS_ABSENT;
    if (q->label_count == 2 && label_text(q, 0, name) && (qe_name_valid(name) || qe_node_id_parse(name, &id)))
        found = zone->addresses(zone->user, name, addresses, &count);
    if (found == QE_DNS_LATER && !last) {
        *later = true;
        return 0;
    }
    if (found == QE_DNS_LATER) return finish(d, q, QE_DNS_SERVFAIL);
    for (size_t i = 0; found == QE_DNS_FOUND && i < count; i++) {
        uint16_t type = addresses[i].family == 4 ? QE_DNS_A : QE_DNS_AAAA;
        if (q->type != type && q->type != QE_DNS_ANY) continue;
        qe_dns_answer_address(d, &addresses[i], QE_DNS_TTL_S);
        answered++;
    }
    if (answered == 0) qe_dns_answer_soa(d, &soa, true);
    return finish(d, q, found == QE_DNS_FOUND ? QE_DNS_NOERROR : QE_DNS_NXDOMAIN);
}

// NAME.DOMAIN in wire form; its size.
static size_t name_wire(const char *name, const char *domain, uint8_t out[QE_DNS_NAME_MAX])
{
    struct qe_writer w = qe_writer(out, QE_DNS_NAME_MAX);
    const char *labels[] = {name, domain};
    for (size_t i = 0; i < 2; i++) {
        qe_write8(&w, (uint8_t)strlen(labels[i]));
        qe_write_bytes(&w, labels[i], strlen(labels[i]));
    }
    qe_write8(&w, 0);
    return qe_writer_size(&w);
}

static size_t answer_reverse(const struct qe_dns_zone *zone, const struct qe_dns_query *q, const struct qe_cidr *asked,
    size_t zone_labels, bool last, struct qe_dns_writer *d, bool *later)
{
    struct qe_dns_soa soa = soa_of(q, zone_labels);
    bool whole = asked->bits == qe_ip_size(&asked->ip) * 8;
    enum qe_dns_found found = whole ? QE_DNS_ABSENT : QE_DNS_FOUND; // names on the way to an address exist, empty
    char name[QE_NAME_SIZE] = "";
    bool inside = false;
    for (size_t i = 0; i < zone->network_count; i++)
        inside = inside || qe_cidr_contains(&zone->networks[i], &asked->ip);
    if (whole && inside) found = zone->name(zone->user, &asked->ip, name);
    if (found == QE_DNS_LATER && !last) {
        *later = true;
        return 0;
    }
    if (found == QE_DNS_LATER) return finish(d, q, QE_DNS_SERVFAIL);
    bool is_soa = q->label_count == zone_labels && (q->type == QE_DNS_SOA || q->type == QE_DNS_ANY);
    if (found == QE_DNS_FOUND && name[0] && (q->type == QE_DNS_PTR || q->type == QE_DNS_ANY)) {
        uint8_t wire[QE_DNS_NAME_MAX];
        qe_dns_answer_name(d, wire, name_wire(name, zone->domain, wire), QE_DNS_TTL_S);
    } else {
        qe_dns_answer_soa(d, &soa, !is_soa);
    }
    return finish(d, q, found == QE_DNS_FOUND ? QE_DNS_NOERROR : QE_DNS_NXDOMAIN);
}

size_t qe_dns_answer(
    const struct qe_dns_zone *zone, struct qe_span packet, bool last, uint8_t *out, size_t size, bool *later)
{
    struct qe_dns_query q;
    struct qe_cidr asked;
    *later = false;
    int rcode = qe_dns_query_parse(packet, &q);
    if (rcode < 0) return 0;
    struct qe_dns_writer d = qe_dns_answer_begin(&q, out, size);
    if (rcode != QE_DNS_NOERROR) return qe_dns_answer_end(&d, &q, (enum qe_dns_rcode)rcode, false);
    bool transfer = q.type == QE_DNS_AXFR || q.type == QE_DNS_IXFR;
    if (q.class != QE_DNS_CLASS_IN || transfer) return qe_dns_answer_end(&d, &q, QE_DNS_REFUSED, false);
    if (q.label_count > 0 && label_is(&q, q.label_count - 1, zone->domain))
        return answer_addresses(zone, &q, last, &d, later);
    size_t zone_labels = reverse(&q, &asked) ? reverse_zone(zone, &asked) : 0;
    if (zone_labels > 0) return answer_reverse(zone, &q, &asked, zone_labels, last, &d, later);
    return qe_dns_answer_end(&d, &q, QE_DNS_REFUSED, false);
}
