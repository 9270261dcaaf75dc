// Encoding and decoding of control messages. A decoder fills a local and hands it over only when all of it is well
// formed.
#include "wire/wire.h"

#include "base/cursor.h"
#include "base/mutants.h"

size_t qe_hello_encode(const struct qe_hello *hello, uint8_t *out, size_t size)
{
    struct qe_writer w = qe_writer(out, size);
    size_t name_size = strlen(hello->name);
    qe_write16(&w, 0);
    qe_write8(&w, QE_MESSAGE_HELLO);
    qe_write8(&w, hello->version);
    qe_write32(&w, hello->features);
    qe_write64(&w, hello->session);
    qe_write64(&w, hello->boot_epoch);
    qe_write8(&w, (uint8_t)hello->address_count);
    for (size_t i = 0; i < hello->address_count; i++) {
        qe_write8(&w, hello->addresses[i].family);
        qe_write_bytes(&w, hello->addresses[i].bytes, qe_ip_size(&hello->addresses[i]));
    }
    qe_write8(&w, (uint8_t)name_size);
    qe_write_bytes(&w, hello->name, name_size);
    if (w.failed) return 0;
    qe_store16(out, (uint16_t)(qe_writer_size(&w) - 2));
    return qe_writer_size(&w);
}

bool qe_hello_decode(struct qe_span body, struct qe_hello *hello)
{
    struct qe_hello h = {0};
    struct qe_reader r = qe_reader(body);
    h.version = qe_read8(&r);
    h.features = qe_read32(&r);
    h.session = qe_read64(&r);
    h.boot_epoch = qe_read64(&r);
    h.address_count = qe_read8(&r);
    size_t said = h.address_count;
    if (r.failed || h.version < 1 || h.address_count > QE_HELLO_ADDRESSES_MAX) return false;
    for (size_t i = 0; i < h.address_count; i++) {
        h.addresses[i].family = qe_read8(&r);
        if (h.addresses[i].family != 4 && h.addresses[i].family != 6) return false;
        qe_read_copy(&r, h.addresses[i].bytes, qe_ip_size(&h.addresses[i]));
    }
    size_t name_size = qe_read8(&r);
    if (name_size >= sizeof h.name) return false;
    qe_read_copy(&r, h.name, name_size);
    if (r.failed || (name_size > 0 && !qe_name_valid(h.name))) return false;
    // A name with a NUL inside is shorter than it says.
    if (strlen(h.name) != name_size) return false;
    if (QE_MUTANT(hello_addresses) && said > 0) h.address_count--;
    *hello = h;
    return true;
}
