// The part of TLS that a whole process shares: algorithms, and the two things that OpenSSL must borrow from whichever
// node is at work, randomness and the identity key. It costs some 240 KiB, so simulated nodes share one; no state of a
// node is in it.
#ifndef QE_QUIC_LIBRARY_H
#define QE_QUIC_LIBRARY_H

struct qe_tls_library;

// Made once by the program, lent to every node in its host (qe_host.tls). NULL where OpenSSL would not have it. It
// allocates by malloc, as all of OpenSSL does.
struct qe_tls_library *qe_tls_library_new(void);
// After the last node is gone.
void qe_tls_library_free(struct qe_tls_library *library);

#endif
