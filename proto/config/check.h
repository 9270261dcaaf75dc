// What single values must look like. Each check takes a text and returns NULL where it is fine, else what was expected
// instead, as a constant text that ends a sentence ("… is "x", expected …").
#ifndef QE_CONFIG_CHECK_H
#define QE_CONFIG_CHECK_H

#include "base/addr.h"
#include "node/action.h"

#define QE_CHECK_QUOTE_SIZE 64

const char *qe_check_name(const char *text);
// An interface name that the kernel takes as it is (dev_valid_name in net/core/dev.c, and no '%', which it expands).
const char *qe_check_interface(const char *text);
const char *qe_check_path(const char *text);
const char *qe_check_log_level(const char *text, enum qe_log_level *out);

// An address with its prefix that a TUN can carry.
const char *qe_check_tun_addr(const char *text, struct qe_cidr *out);
// A prefix without host bits.
const char *qe_check_subnet(const char *text, struct qe_cidr *out);
// An address to bind to: any port, any address of this host.
const char *qe_check_listen(const char *text, struct qe_addr *out);
// An address to serve TCP on: a port that others can know.
const char *qe_check_serve(const char *text, struct qe_addr *out);
// An address to dial.
const char *qe_check_remote(const char *text, struct qe_addr *out);
// An address that a node can be reached at.
const char *qe_check_public_ip(const char *text, struct qe_ip *out);
// 1..65535 in decimal.
const char *qe_check_port(const char *text, uint16_t *out);
// "HOST:PORT": a host name (RFC 1123 §2.1) or an address.
const char *qe_check_host_port(const char *text);

// `text` in quotes, without control characters, cut where it is too long. Returns `out`.
const char *qe_check_quote(const char *text, char out[QE_CHECK_QUOTE_SIZE]);

#endif
