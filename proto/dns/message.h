// Messages of the DNS (RFC 1035) as far as a server of a few names needs them: a query is read into a question, an
// answer is written for it. Pure functions over bytes of anybody's making.
#ifndef QE_DNS_MESSAGE_H
#define QE_DNS_MESSAGE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/cursor.h"

#define QE_DNS_NAME_MAX    255 // bytes of a name on the wire
#define QE_DNS_LABEL_MAX   63
#define QE_DNS_LABELS_MAX  127
#define QE_DNS_UDP_MIN     512  // what every client takes (RFC 1035 §4.2.1)
#define QE_DNS_ANSWER_SIZE 1232 // no answer is larger, whatever the client would take

enum qe_dns_type {
    QE_DNS_A = 1,
    QE_DNS_SOA = 6,
    QE_DNS_PTR = 12,
    QE_DNS_AAAA = 28,
    QE_DNS_OPT = 41,
    QE_DNS_IXFR = 251,
    QE_DNS_AXFR = 252,
    QE_DNS_ANY = 255,
};

#define QE_DNS_CLASS_IN 1

enum qe_dns_rcode {
    QE_DNS_NOERROR = 0,
    QE_DNS_FORMERR = 1,
    QE_DNS_SERVFAIL = 2,
    QE_DNS_NXDOMAIN = 3,
    QE_DNS_NOTIMP = 4,
    QE_DNS_REFUSED = 5,
    QE_DNS_BADVERS = 16, // RFC 6891 §6.1.3: its upper bits travel in OPT
};

// A query. What it points at is the packet's.
struct qe_dns_query {
    uint16_t id;
    uint8_t opcode;
    bool recursion_desired, checking_disabled;
    struct qe_span question;       // as it came; empty where it could not be read
    uint8_t name[QE_DNS_NAME_MAX]; // of the question, in lower case, on the wire's form, with its root
    size_t name_size;
    uint8_t labels[QE_DNS_LABELS_MAX]; // where in `name` each begins: its size, then its bytes
    size_t label_count;                // without the root
    uint16_t type, class;
    bool has_opt; // RFC 6891
    uint8_t opt_version;
    uint16_t size_max; // of an answer
};

// Reads a query: the code that it is to be answered with so far (NOERROR: as its question says), or -1 where it is to
// be met with silence: what is no query at all, as an answer is none.
int qe_dns_query_parse(struct qe_span packet, struct qe_dns_query *out);

// Writing an answer, section by section. The header's counts are filled in at the end.
struct qe_dns_writer {
    struct qe_writer w;
    uint16_t answers, authorities;
};

// Begins the answer to `query` in `out`.
struct qe_dns_writer qe_dns_answer_begin(const struct qe_dns_query *query, uint8_t *out, size_t size);
// An address (A or AAAA) or a name (PTR; one in wire form) under the name of the question.
void qe_dns_answer_address(struct qe_dns_writer *d, const struct qe_ip *ip, uint32_t ttl_s);
void qe_dns_answer_name(struct qe_dns_writer *d, const uint8_t *name, size_t size, uint32_t ttl_s);
// The zone's SOA, for the answer section or, where nothing was found, the authority section (RFC 2308 §5: its TTL is
// for how long that holds). zone: in wire form.
struct qe_dns_soa {
    const uint8_t *zone;
    size_t zone_size;
    uint32_t negative_ttl_s;
};
void qe_dns_answer_soa(struct qe_dns_writer *d, const struct qe_dns_soa *soa, bool authority);
// Ends it: its size. An answer that does not fit goes without its records and says that it is cut (TC).
size_t qe_dns_answer_end(
    struct qe_dns_writer *d, const struct qe_dns_query *query, enum qe_dns_rcode rcode, bool authoritative);

#endif
