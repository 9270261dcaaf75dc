// An invitation to a private network: one line of text, "qe1:" and base64url (RFC 4648 §5, without padding). Whoever
// has it may join, once or as often as the inviter said; so it is passed on as a password is. It holds a token, never
// the network's secret. docs/protocol.md has the bytes.
#ifndef QE_IDENTITY_INVITATION_H
#define QE_IDENTITY_INVITATION_H

#include "base/addr.h"
#include "base/bytes.h"
#include "identity/identity.h"
#include "identity/secret.h"

#include <stdbool.h>

#define QE_INVITATION_TOKEN_SIZE 16
#define QE_INVITATION_PLACES_MAX 8
#define QE_INVITATION_HOST_SIZE  128 // a host name, with its NUL
// The longest line, with its NUL.
#define QE_INVITATION_TEXT_SIZE 1024

enum qe_place_kind {
    QE_PLACE_INVITER = 1,   // where the inviter was when it invited
    QE_PLACE_BOOTSTRAP = 2, // a node of the DHT to begin with
};

struct qe_place {
    enum qe_place_kind kind;
    struct qe_addr addr;                // family 0: `host` and the port
    char host[QE_INVITATION_HOST_SIZE]; // a name; "" where there is an address
};

struct qe_invitation {
    struct qe_key inviter;
    uint8_t token[QE_INVITATION_TOKEN_SIZE];
    struct qe_place places[QE_INVITATION_PLACES_MAX];
    size_t place_count;
};

// Writes the line. False where it would not fit (places with long names).
bool qe_invitation_format(const struct qe_invitation *invitation, char out[QE_INVITATION_TEXT_SIZE]);
// False for anything but a whole line as qe_invitation_format writes it; then `out` is as it was.
bool qe_invitation_parse(const char *text, struct qe_invitation *out);

// Where inviter and invited find each other in the DHT, and how they seal what they say there: a secret that follows
// from the token (discovery/rendezvous.h).
void qe_invitation_rendezvous(const uint8_t token[QE_INVITATION_TOKEN_SIZE], uint8_t seed[QE_SECRET_SIZE]);

#endif
