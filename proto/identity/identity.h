// Who a node is: an Ed25519 public key, and the 160-bit ID that names it. The private key never enters proto; the host
// signs with it (qe_host.secret).
#ifndef QE_IDENTITY_IDENTITY_H
#define QE_IDENTITY_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

// An Ed25519 public key (RFC 8032).
struct qe_key {
    uint8_t bytes[32];
};

// SHA-1 of the public key: exactly the target of a BEP 44 mutable item without salt.
struct qe_node_id {
    uint8_t bytes[20];
};

// "qe" + 32 base32 characters + NUL.
#define QE_NODE_ID_TEXT_SIZE 35
// Longest name, [a-z0-9_-]{1,63}, with its NUL.
#define QE_NAME_SIZE 64

struct qe_node_id qe_node_id_from_key(const struct qe_key *key);
bool qe_key_equal(const struct qe_key *a, const struct qe_key *b);
bool qe_node_id_equal(const struct qe_node_id *a, const struct qe_node_id *b);
// <0, 0, >0, as unsigned big-endian numbers.
int qe_node_id_compare(const struct qe_node_id *a, const struct qe_node_id *b);

// Lower-case RFC 4648 base32 without padding, after "qe". Returns `out`.
const char *qe_node_id_format(const struct qe_node_id *id, char out[QE_NODE_ID_TEXT_SIZE]);
// A whole ID, upper or lower case; false otherwise. A prefix never parses.
bool qe_node_id_parse(const char *text, struct qe_node_id *out);
// Whether `text` is a well-formed name. What looks like a whole ID is none.
bool qe_name_valid(const char *text);

#endif
