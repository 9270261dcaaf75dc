// Rates and sizes as people write them: "20Mbit/s", "10GB".
#ifndef QE_CONFIG_QUANTITY_H
#define QE_CONFIG_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#define QE_QUANTITY_TEXT_SIZE 32

// A whole number of bit/s, kbit/s, Mbit/s or Gbit/s, above 0; "unlimited" is 0. NULL, or what was expected instead.
const char *qe_check_rate(const char *text, uint64_t *bits_per_s);
// The same of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB.
const char *qe_check_volume(const char *text, uint64_t *bytes);

// In the largest unit that leaves a whole number. Returns `out`.
const char *qe_rate_format(uint64_t bits_per_s, char out[QE_QUANTITY_TEXT_SIZE]);
const char *qe_volume_format(uint64_t bytes, char out[QE_QUANTITY_TEXT_SIZE]);

#endif
