// Which core this is: what must be the same for a recording to replay.
#ifndef QE_RECORD_CORE_H
#define QE_RECORD_CORE_H

#include <stdint.h>

// SHA-256 over the sources of proto/ (names and contents): the build writes it, and the commit ("unknown" where there
// is no repository), into core_version.c.
extern const uint8_t qe_core_digest[32];
extern const char qe_core_commit[];

extern const char qe_core_version[];
extern const char qe_core_openssl[];
extern const char qe_core_ngtcp2[];
extern const char qe_core_platform[];

#endif
