// The compact forms inside a message: addresses (BEP 5), nodes (BEP 5, BEP 32), and records of the index.
#include "dht/krpc.h"

#define ADDR4_SIZE 6
#define ADDR6_SIZE 18
#define CERTIFIED  0x01
#define ID_SIZE    sizeof(struct qe_node_id)
#define SIGN_SIZE  64

bool qe_krpc_addr_read(struct qe_span bytes, struct qe_addr *out)
{
    struct qe_addr addr = {0};
    if (bytes.size != ADDR4_SIZE && bytes.size != ADDR6_SIZE) return false;
    addr.ip.family = bytes.size == ADDR4_SIZE ? 4 : 6;
    memcpy(addr.ip.bytes, bytes.data, bytes.size - 2);
    addr.port = qe_load16(bytes.data + bytes.size - 2);
    *out = addr;
    return true;
}

size_t qe_krpc_addr_write(const struct qe_addr *addr, uint8_t out[QE_KRPC_ADDR_MAX])
{
    size_t size = qe_ip_size(&addr->ip);
    memcpy(out, addr->ip.bytes, size);
    qe_store16(out + size, addr->port);
    return size + 2;
}

bool qe_krpc_node(struct qe_span nodes, uint8_t family, size_t index, struct qe_dht_contact *out)
{
    size_t size = family == 4 ? QE_KRPC_NODE4_SIZE : QE_KRPC_NODE6_SIZE;
    if (nodes.size % size != 0 || index >= nodes.size / size) return false;
    const uint8_t *at = nodes.data + index * size;
    memcpy(out->id.bytes, at, ID_SIZE);
    return qe_krpc_addr_read(qe_span(at + ID_SIZE, size - ID_SIZE), &out->addr);
}

size_t qe_krpc_nodes_write(
    const struct qe_dht_contact *contacts, size_t count, uint8_t family, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    uint8_t addr[QE_KRPC_ADDR_MAX];
    size_t node_size = family == 4 ? QE_KRPC_NODE4_SIZE : QE_KRPC_NODE6_SIZE;
    for (size_t i = 0; i < count && qe_writer_size(&w) + node_size <= size; i++) {
        if (contacts[i].addr.ip.family != family) continue;
        qe_write_bytes(&w, contacts[i].id.bytes, ID_SIZE);
        qe_write_bytes(&w, addr, qe_krpc_addr_write(&contacts[i].addr, addr));
    }
    return qe_writer_size(&w);
}

bool qe_krpc_each_peer(struct qe_reader *r, struct qe_addr *out)
{
    struct qe_bencode item;
    while (qe_bencode_each(r, &item))
        if (item.type == QE_BENCODE_STRING && qe_krpc_addr_read(item.string, out)) return true;
    return false;
}

bool qe_krpc_each_record(struct qe_reader *r, const struct qe_krpc *message, struct qe_dht_record *out)
{
    struct qe_bencode item;
    while (qe_bencode_each(r, &item))
        if (item.type == QE_BENCODE_STRING && qe_krpc_record_read(item.string, message->authority, out)) return true;
    return false;
}

size_t qe_krpc_record_write(const struct qe_dht_record *record, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    qe_write8(&w, record->certified ? CERTIFIED : 0);
    qe_write32(&w, record->age_s < UINT32_MAX ? (uint32_t)record->age_s : UINT32_MAX);
    qe_write64(&w, record->seq);
    qe_write_bytes(&w, record->owner.bytes, sizeof record->owner.bytes);
    qe_write_bytes(&w, record->signature, SIGN_SIZE);
    if (record->certified) qe_write_bytes(&w, record->certificate, SIGN_SIZE);
    qe_write_bytes(&w, record->value.data, record->value.size);
    return w.failed ? 0 : qe_writer_size(&w);
}

bool qe_krpc_record_read(struct qe_span bytes, struct qe_span authority, struct qe_dht_record *out)
{
    struct qe_dht_record record = {0};
    struct qe_reader r = qe_reader(bytes);
    uint8_t flags = qe_read8(&r);
    record.age_s = qe_read32(&r);
    record.seq = qe_read64(&r);
    qe_read_copy(&r, record.owner.bytes, sizeof record.owner.bytes);
    qe_read_copy(&r, record.signature, SIGN_SIZE);
    record.certified = flags & CERTIFIED;
    if (record.certified) {
        qe_read_copy(&r, record.certificate, SIGN_SIZE);
        if (authority.size != sizeof record.authority.bytes) return false;
        memcpy(record.authority.bytes, authority.data, authority.size);
    }
    record.value = qe_read_bytes(&r, qe_reader_left(&r));
    if (r.failed || (flags & ~CERTIFIED) || record.value.size > QE_DHT_RECORD_MAX) return false;
    *out = record;
    return true;
}
