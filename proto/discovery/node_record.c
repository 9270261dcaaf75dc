#include "discovery/node_record.h"

#include "base/cursor.h"

#include <sodium/crypto_sign.h>
#include <string.h>

#define VERSION        1
#define SIGNATURE_SIZE 64
#define LABEL          "quicether node record"

_Static_assert(QE_NODE_RECORD_INNER_MAX + QE_SECRET_NONCE_SIZE + QE_SECRET_TAG_SIZE + 1 + 4 <= QE_NODE_RECORD_SIZE_MAX,
    "a sealed record fits");

enum form { FORM_OPEN = 0, FORM_SEALED = 1 };
enum field { FIELD_ENDPOINT = 1, FIELD_ADDRESS, FIELD_GATEWAY, FIELD_SUBNET };

// What the owner signs: a label, so that it is a signature of nothing else, the owner's key and the contents.
struct signed_text {
    uint8_t bytes[sizeof LABEL + 32 + QE_NODE_RECORD_INNER_MAX];
    size_t size;
};

static void compose(struct signed_text *text, const struct qe_key *owner, struct qe_span contents)
{
    memcpy(text->bytes, LABEL, sizeof LABEL);
    memcpy(text->bytes + sizeof LABEL, owner->bytes, sizeof owner->bytes);
    memcpy(text->bytes + sizeof LABEL + sizeof owner->bytes, contents.data, contents.size);
    text->size = sizeof LABEL + sizeof owner->bytes + contents.size;
}

// Whether a field of that size has room; then its head is written.
static bool field(struct qe_writer *w, enum field type, size_t size)
{
    if ((size_t)(w->end - w->at) < 2 + size) return false;
    qe_write8(w, (uint8_t)type);
    qe_write8(w, (uint8_t)size);
    return true;
}

static void write_fields(struct qe_writer *w, const struct qe_node_record *record)
{
    for (size_t i = 0; i < record->address_count; i++) {
        size_t size = qe_ip_size(&record->addresses[i]);
        if (field(w, FIELD_ADDRESS, size)) qe_write_bytes(w, record->addresses[i].bytes, size);
    }
    for (size_t i = 0; i < record->endpoint_count; i++) {
        const struct qe_endpoint *e = &record->endpoints[i];
        size_t size = qe_ip_size(&e->addr.ip);
        if (!field(w, FIELD_ENDPOINT, 1 + size + 2)) continue;
        qe_write8(w, (uint8_t)e->kind);
        qe_write_bytes(w, e->addr.ip.bytes, size);
        qe_write16(w, e->addr.port);
    }
    for (size_t i = 0; i < record->subnet_count; i++) {
        size_t size = (record->subnets[i].bits + 7u) / 8;
        if (!field(w, FIELD_SUBNET, 2 + size)) continue;
        qe_write8(w, record->subnets[i].ip.family);
        qe_write8(w, record->subnets[i].bits);
        qe_write_bytes(w, record->subnets[i].ip.bytes, size);
    }
    for (size_t i = 0; i < record->gateway_count; i++)
        if (field(w, FIELD_GATEWAY, sizeof record->gateways[i].bytes))
            qe_write_bytes(w, record->gateways[i].bytes, sizeof record->gateways[i].bytes);
}

size_t qe_node_record_write(const struct qe_node_record *record, const struct qe_host *host, uint8_t *out)
{
    struct signed_text text;
    struct qe_writer w = qe_writer(out, QE_NODE_RECORD_INNER_MAX - SIGNATURE_SIZE);
    qe_write8(&w, VERSION);
    qe_write64(&w, record->issued_ms);
    qe_write32(&w, record->lifetime_s);
    qe_write8(&w, record->role);
    qe_write32(&w, record->capabilities);
    write_fields(&w, record);
    compose(&text, &host->identity, qe_span(out, qe_writer_size(&w)));
    if (host->secret(
            host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(text.bytes, text.size), w.at, SIGNATURE_SIZE) != 0)
        return 0;
    return qe_writer_size(&w) + SIGNATURE_SIZE;
}

// An address of 4 or 16 bytes.
static bool read_ip(struct qe_reader *r, size_t size, struct qe_ip *ip)
{
    *ip = (struct qe_ip){.family = size == 4 ? 4 : 6};
    qe_read_copy(r, ip->bytes, size == 4 ? 4 : 16);
    return (size == 4 || size == 16) && !r->failed;
}

static bool read_endpoint(struct qe_reader *r, size_t size, struct qe_node_record *record)
{
    struct qe_endpoint e = {.kind = (enum qe_endpoint_kind)qe_read8(r)};
    if (size < 3 || !read_ip(r, size - 3, &e.addr.ip)) return false;
    e.addr.port = qe_read16(r);
    if (e.addr.port == 0 || qe_ip_is_unspecified(&e.addr.ip) || qe_ip_is_multicast(&e.addr.ip)) return false;
    // Kinds of a later version are places to dial like any other.
    if (record->endpoint_count < QE_NODE_RECORD_ENDPOINTS_MAX) record->endpoints[record->endpoint_count++] = e;
    return true;
}

static bool read_address(struct qe_reader *r, size_t size, struct qe_node_record *record)
{
    struct qe_ip ip;
    if (!read_ip(r, size, &ip)) return false;
    if (record->address_count < QE_NODE_RECORD_ADDRESSES_MAX) record->addresses[record->address_count++] = ip;
    return true;
}

static bool read_gateway(struct qe_reader *r, size_t size, struct qe_node_record *record)
{
    struct qe_node_id id;
    if (size != sizeof id.bytes) return false;
    qe_read_copy(r, id.bytes, sizeof id.bytes);
    if (record->gateway_count < QE_NODE_RECORD_GATEWAYS_MAX) record->gateways[record->gateway_count++] = id;
    return true;
}

static bool read_subnet(struct qe_reader *r, size_t size, struct qe_node_record *record)
{
    struct qe_cidr cidr = {.ip.family = qe_read8(r)};
    cidr.bits = qe_read8(r);
    if (cidr.ip.family != 4 && cidr.ip.family != 6) return false;
    if (cidr.bits > 8 * qe_ip_size(&cidr.ip) || size != 2 + (cidr.bits + 7u) / 8) return false;
    if (size > 2) qe_read_copy(r, cidr.ip.bytes, size - 2);
    if (record->subnet_count < QE_NODE_RECORD_SUBNETS_MAX)
        record->subnets[record->subnet_count++] = qe_cidr_network(cidr);
    return true;
}

static bool read_field(enum field type, struct qe_span value, struct qe_node_record *record)
{
    struct qe_reader r = qe_reader(value);
    switch (type) {
    case FIELD_ENDPOINT:
        return read_endpoint(&r, value.size, record);
    case FIELD_ADDRESS:
        return read_address(&r, value.size, record);
    case FIELD_GATEWAY:
        return read_gateway(&r, value.size, record);
    case FIELD_SUBNET:
        return read_subnet(&r, value.size, record);
    }
    return true; // of a later version
}

static bool read_contents(struct qe_span contents, struct qe_node_record *record)
{
    struct qe_reader r = qe_reader(contents);
    if (qe_read8(&r) != VERSION) return false;
    record->issued_ms = qe_read64(&r);
    record->lifetime_s = qe_read32(&r);
    record->role = qe_read8(&r);
    record->capabilities = qe_read32(&r);
    while (!r.failed && qe_reader_left(&r) > 0) {
        enum field type = (enum field)qe_read8(&r);
        size_t size = qe_read8(&r);
        struct qe_span value = qe_read_bytes(&r, size);
        if (!r.failed && !read_field(type, value, record)) return false;
    }
    return !r.failed;
}

enum qe_node_record_fault qe_node_record_read(
    struct qe_span inner, const struct qe_key *owner, struct qe_node_record *record)
{
    struct signed_text text;
    *record = (struct qe_node_record){.issued_ms = 0};
    if (inner.size < SIGNATURE_SIZE || inner.size > QE_NODE_RECORD_INNER_MAX) return QE_NODE_RECORD_MALFORMED;
    struct qe_span contents = {inner.data, inner.size - SIGNATURE_SIZE};
    if (!read_contents(contents, record)) return QE_NODE_RECORD_MALFORMED;
    compose(&text, owner, contents);
    if (crypto_sign_verify_detached(inner.data + contents.size, text.bytes, text.size, owner->bytes) != 0)
        return QE_NODE_RECORD_FORGED;
    return QE_NODE_RECORD_FINE;
}

// "123:" before a string of that many bytes; its size.
static size_t write_length(size_t size, uint8_t out[4])
{
    size_t digits = size >= 100 ? 3 : size >= 10 ? 2 : 1;
    for (size_t i = digits, left = size; i-- > 0; left /= 10)
        out[i] = (uint8_t)('0' + left % 10);
    out[digits] = ':';
    return digits + 1;
}

size_t qe_node_record_encode(const struct qe_node_record *record, bool sealed, const struct qe_host *host, uint8_t *out)
{
    uint8_t plain[QE_SECRET_NONCE_SIZE + QE_NODE_RECORD_INNER_MAX];
    uint8_t value[1 + QE_SECRET_NONCE_SIZE + QE_NODE_RECORD_INNER_MAX + QE_SECRET_TAG_SIZE];
    size_t size = qe_node_record_write(record, host, plain + QE_SECRET_NONCE_SIZE);
    if (size == 0) return 0;
    if (sealed) {
        value[0] = FORM_SEALED;
        host->random(host->user, QE_RANDOM_DHT, plain, QE_SECRET_NONCE_SIZE);
        size += QE_SECRET_NONCE_SIZE;
        if (host->secret(host->user, QE_SECRET_NETWORK, QE_SECRET_SEAL, qe_span(plain, size), value + 1,
                size + QE_SECRET_TAG_SIZE) != 0)
            return 0;
        size += QE_SECRET_TAG_SIZE;
    } else {
        value[0] = FORM_OPEN;
        memcpy(value + 1, plain + QE_SECRET_NONCE_SIZE, size);
    }
    size_t head = write_length(1 + size, out);
    memcpy(out + head, value, 1 + size);
    return head + 1 + size;
}

// The bytes of a bencoded string that is all there is; an empty span otherwise.
static struct qe_span read_string(struct qe_span in)
{
    size_t at = 0, size = 0;
    while (at < in.size && at < 3 && in.data[at] >= '0' && in.data[at] <= '9')
        size = size * 10 + (size_t)(in.data[at++] - '0');
    if (at == 0 || at == in.size || in.data[at] != ':' || in.size - at - 1 != size) return qe_span(in.data, 0);
    return qe_span(in.data + at + 1, size);
}

enum qe_node_record_fault qe_node_record_decode(
    struct qe_span value, const struct qe_key *owner, const struct qe_host *host, struct qe_node_record *record)
{
    uint8_t plain[QE_NODE_RECORD_INNER_MAX];
    struct qe_span in = value.size <= QE_NODE_RECORD_SIZE_MAX ? read_string(value) : qe_span(value.data, 0);
    if (in.size < 1 || in.data[0] > FORM_SEALED) return QE_NODE_RECORD_MALFORMED;
    enum form form = in.data[0];
    in = qe_span(in.data + 1, in.size - 1);
    if (form == FORM_OPEN) return qe_node_record_read(in, owner, record);
    size_t extra = QE_SECRET_NONCE_SIZE + QE_SECRET_TAG_SIZE;
    if (in.size < extra || in.size - extra > sizeof plain) return QE_NODE_RECORD_MALFORMED;
    if (host->secret(host->user, QE_SECRET_NETWORK, QE_SECRET_OPEN, in, plain, in.size - extra) != 0)
        return QE_NODE_RECORD_SEALED;
    return qe_node_record_read(qe_span(plain, in.size - extra), owner, record);
}

bool qe_node_record_expired(const struct qe_node_record *record, uint64_t wall_ms)
{
    uint64_t lasts_ms = record->lifetime_s * UINT64_C(1000) + QE_NODE_RECORD_SKEW_MS;
    return wall_ms > record->issued_ms && wall_ms - record->issued_ms > lasts_ms;
}

bool qe_node_record_same(const struct qe_node_record *a, const struct qe_node_record *b)
{
    if (a->lifetime_s != b->lifetime_s || a->role != b->role || a->capabilities != b->capabilities ||
        a->endpoint_count != b->endpoint_count || a->address_count != b->address_count ||
        a->gateway_count != b->gateway_count || a->subnet_count != b->subnet_count)
        return false;
    for (size_t i = 0; i < a->endpoint_count; i++)
        if (a->endpoints[i].kind != b->endpoints[i].kind ||
            !qe_addr_equal(&a->endpoints[i].addr, &b->endpoints[i].addr))
            return false;
    for (size_t i = 0; i < a->address_count; i++)
        if (!qe_ip_equal(&a->addresses[i], &b->addresses[i])) return false;
    for (size_t i = 0; i < a->gateway_count; i++)
        if (!qe_node_id_equal(&a->gateways[i], &b->gateways[i])) return false;
    for (size_t i = 0; i < a->subnet_count; i++)
        if (a->subnets[i].bits != b->subnets[i].bits || !qe_ip_equal(&a->subnets[i].ip, &b->subnets[i].ip))
            return false;
    return true;
}
