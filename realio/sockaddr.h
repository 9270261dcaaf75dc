// Addresses of the core to and from the system's.
#ifndef QE_REALIO_SOCKADDR_H
#define QE_REALIO_SOCKADDR_H

#include "base/addr.h"

#include <netinet/in.h>
#include <sys/socket.h>

union qe_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Returns the size of what it wrote; 0 for no address.
socklen_t qe_sockaddr_from(const struct qe_addr *addr, union qe_sockaddr *out);
// Family 0 where the family is neither of the two.
struct qe_addr qe_sockaddr_to(const union qe_sockaddr *from);

#endif
