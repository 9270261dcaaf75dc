// What a host and its node agree on about the private network that the node is in.
#ifndef QE_IDENTITY_NETWORK_H
#define QE_IDENTITY_NETWORK_H

// What tells networks apart and tells nobody their secret: the first 8 bytes of QE_SECRET_MAC (with QE_SECRET_NETWORK)
// over this text, as hexadecimal digits.
#define QE_NETWORK_ID_LABEL "quicether network id"
#define QE_NETWORK_ID_SIZE  17 // with the NUL

// The item of stored state with an invitation, as it was printed, that is to be redeemed when the node starts. The node
// erases it when it has been, or cannot be.
#define QE_NETWORK_INVITATION_KEY "network/invitation"

#endif
