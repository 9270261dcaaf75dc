// Socket addresses are built and read by hand: byte order is spelled out, and nothing of the C library is needed.
#include "quic/path.h"

#include "base/bytes.h"

void qe_path_address(ngtcp2_sockaddr_union *storage, ngtcp2_addr *out, const struct qe_addr *addr, uint8_t family)
{
    memset(storage, 0, sizeof *storage);
    if (addr->ip.family != 0) family = addr->ip.family;
    if (family == 4) {
        storage->in.sin_family = NGTCP2_AF_INET;
        qe_store16((uint8_t *)&storage->in.sin_port, addr->port);
        memcpy(&storage->in.sin_addr, addr->ip.bytes, 4);
        *out = (ngtcp2_addr){&storage->sa, sizeof storage->in};
        return;
    }
    storage->in6.sin6_family = NGTCP2_AF_INET6;
    qe_store16((uint8_t *)&storage->in6.sin6_port, addr->port);
    memcpy(&storage->in6.sin6_addr, addr->ip.bytes, 16);
    storage->in6.sin6_scope_id = addr->scope;
    *out = (ngtcp2_addr){&storage->sa, sizeof storage->in6};
}

struct qe_addr qe_path_from(const ngtcp2_addr *addr)
{
    struct qe_addr out = {0};
    ngtcp2_sockaddr_union storage;
    memcpy(&storage, addr->addr, addr->addrlen);
    if (storage.sa.sa_family == NGTCP2_AF_INET) {
        out.ip.family = 4;
        memcpy(out.ip.bytes, &storage.in.sin_addr, 4);
        out.port = qe_load16((const uint8_t *)&storage.in.sin_port);
    } else {
        out.ip.family = 6;
        memcpy(out.ip.bytes, &storage.in6.sin6_addr, 16);
        out.port = qe_load16((const uint8_t *)&storage.in6.sin6_port);
        out.scope = storage.in6.sin6_scope_id;
    }
    return out;
}
