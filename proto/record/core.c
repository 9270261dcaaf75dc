#include "record/core.h"

#include <ngtcp2/version.h>
#include <openssl/opensslv.h>

const char qe_core_version[] = QUICETHER_VERSION;
const char qe_core_openssl[] = OPENSSL_FULL_VERSION_STR;
const char qe_core_ngtcp2[] = NGTCP2_VERSION;

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other"
#endif
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ORDER "big-endian"
#else
#define ORDER "little-endian"
#endif
const char qe_core_platform[] = MACHINE " " ORDER " " __VERSION__;
