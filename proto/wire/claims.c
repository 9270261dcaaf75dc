#include "wire/claims.h"

#include "base/cursor.h"

static size_t prefix_size(uint8_t bits)
{
    return (bits + 7u) / 8;
}

size_t qe_claims_encode(const struct qe_claims *claims, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    size_t name_size = strlen(claims->name);
    qe_write16(&w, 0);
    qe_write8(&w, QE_MESSAGE_CLAIMS);
    qe_write64(&w, claims->number);
    qe_write8(&w, (uint8_t)claims->address_count);
    for (size_t i = 0; i < claims->address_count; i++) {
        qe_write8(&w, claims->addresses[i].family);
        qe_write_bytes(&w, claims->addresses[i].bytes, qe_ip_size(&claims->addresses[i]));
    }
    qe_write8(&w, (uint8_t)name_size);
    qe_write_bytes(&w, claims->name, name_size);
    qe_write8(&w, (uint8_t)claims->subnet_count);
    for (size_t i = 0; i < claims->subnet_count; i++) {
        const struct qe_cidr *subnet = &claims->subnets[i];
        qe_write8(&w, subnet->ip.family);
        qe_write8(&w, subnet->bits);
        qe_write_bytes(&w, subnet->ip.bytes, prefix_size(subnet->bits));
    }
    if (w.failed || qe_writer_size(&w) - 2 > QE_MESSAGE_SIZE_MAX) return 0;
    qe_store16(out, (uint16_t)(qe_writer_size(&w) - 2));
    return qe_writer_size(&w);
}

static bool read_subnet(struct qe_reader *r, struct qe_cidr *out)
{
    struct qe_cidr subnet = {.bits = 0};
    subnet.ip.family = qe_read8(r);
    subnet.bits = qe_read8(r);
    if (subnet.ip.family != 4 && subnet.ip.family != 6) return false;
    if (subnet.bits > qe_ip_size(&subnet.ip) * 8) return false;
    qe_read_copy(r, subnet.ip.bytes, prefix_size(subnet.bits));
    *out = qe_cidr_network(subnet);
    return !r->failed && qe_ip_equal(&out->ip, &subnet.ip);
}

bool qe_claims_decode(struct qe_span body, struct qe_claims *claims)
{
    struct qe_claims c = {0};
    struct qe_reader r = qe_reader(body);
    c.number = qe_read64(&r);
    c.address_count = qe_read8(&r);
    if (r.failed || c.address_count > QE_HELLO_ADDRESSES_MAX) return false;
    for (size_t i = 0; i < c.address_count; i++) {
        c.addresses[i].family = qe_read8(&r);
        if (c.addresses[i].family != 4 && c.addresses[i].family != 6) return false;
        qe_read_copy(&r, c.addresses[i].bytes, qe_ip_size(&c.addresses[i]));
    }
    size_t name_size = qe_read8(&r);
    if (name_size >= sizeof c.name) return false;
    qe_read_copy(&r, c.name, name_size);
    if (r.failed || strlen(c.name) != name_size || (name_size > 0 && !qe_name_valid(c.name))) return false;
    c.subnet_count = qe_read8(&r);
    if (r.failed || c.subnet_count > QE_CLAIMS_SUBNETS_MAX) return false;
    for (size_t i = 0; i < c.subnet_count; i++)
        if (!read_subnet(&r, &c.subnets[i])) return false;
    *claims = c;
    return true;
}
