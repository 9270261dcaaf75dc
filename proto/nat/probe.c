#include "nat/probe.h"

#include "base/cursor.h"

void qe_probe_encode(const struct qe_probe *probe, uint8_t out[QE_PROBE_SIZE])
{
    struct qe_writer w = qe_writer(out, QE_PROBE_SIZE);
    qe_write8(&w, QE_PROBE_FIRST_BYTE);
    qe_write64(&w, probe->attempt);
    qe_write_bytes(&w, probe->to, sizeof probe->to);
    qe_write_bytes(&w, probe->from, sizeof probe->from);
    qe_write64(&w, probe->ask);
    qe_write64(&w, probe->echo);
    qe_write8(&w, probe->seen.ip.family);
    qe_write_bytes(&w, probe->seen.ip.bytes, sizeof probe->seen.ip.bytes);
    qe_write16(&w, probe->seen.port);
}

bool qe_probe_decode(struct qe_span bytes, struct qe_probe *out)
{
    struct qe_probe read = {.attempt = 0};
    struct qe_reader r = qe_reader(bytes);
    if (!qe_probe_is(bytes.data, bytes.size)) return false;
    qe_read8(&r);
    read.attempt = qe_read64(&r);
    qe_read_copy(&r, read.to, sizeof read.to);
    qe_read_copy(&r, read.from, sizeof read.from);
    read.ask = qe_read64(&r);
    read.echo = qe_read64(&r);
    read.seen.ip.family = qe_read8(&r);
    qe_read_copy(&r, read.seen.ip.bytes, sizeof read.seen.ip.bytes);
    read.seen.port = qe_read16(&r);
    uint8_t family = read.seen.ip.family;
    if (family != 0 && family != 4 && family != 6) return false;
    for (size_t i = family == 4 ? 4 : family == 0 ? 0 : 16; i < sizeof read.seen.ip.bytes; i++)
        if (read.seen.ip.bytes[i] != 0) return false;
    if (read.attempt == 0 || (read.ask == 0 && read.echo == 0)) return false;
    *out = read;
    return true;
}

bool qe_probe_for(const struct qe_probe *probe, const struct qe_node_id *id)
{
    return memcmp(probe->to, id->bytes, sizeof probe->to) == 0;
}
