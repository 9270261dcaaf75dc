#include "sockaddr.h"

#include <string.h>

socklen_t qe_sockaddr_from(const struct qe_addr *addr, union qe_sockaddr *out)
{
    memset(out, 0, sizeof *out);
    if (addr->ip.family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(addr->port);
        memcpy(&out->v4.sin_addr, addr->ip.bytes, 4);
        return sizeof out->v4;
    }
    if (addr->ip.family == 6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(addr->port);
        out->v6.sin6_scope_id = addr->scope;
        memcpy(&out->v6.sin6_addr, addr->ip.bytes, 16);
        return sizeof out->v6;
    }
    return 0;
}

struct qe_addr qe_sockaddr_to(const union qe_sockaddr *from)
{
    struct qe_addr out = {0};
    if (from->any.sa_family == AF_INET) {
        out.ip.family = 4;
        memcpy(out.ip.bytes, &from->v4.sin_addr, 4);
        out.port = ntohs(from->v4.sin_port);
    } else if (from->any.sa_family == AF_INET6) {
        out.ip.family = 6;
        memcpy(out.ip.bytes, &from->v6.sin6_addr, 16);
        out.port = ntohs(from->v6.sin6_port);
        if (IN6_IS_ADDR_LINKLOCAL(&from->v6.sin6_addr)) out.scope = from->v6.sin6_scope_id;
    }
    return out;
}
