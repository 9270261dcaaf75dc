#include "config/quantity.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t size;
};

// The larger first, and decimal ones before binary ones of a like size, as they are printed.
static const struct unit rates[] = {
    {"Gbit/s", 1000000000}, {"Mbit/s", 1000000}, {"kbit/s", 1000}, {"bit/s", 1}, {NULL, 0}};
static const struct unit volumes[] = {{"TB", UINT64_C(1000000000000)}, {"TiB", UINT64_C(1) << 40}, {"GB", 1000000000},
    {"GiB", 1 << 30}, {"MB", 1000000}, {"MiB", 1 << 20}, {"kB", 1000}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0}};

static const char unlimited[] = "unlimited";

// Both are far above what any host moves, so that sums of a few cannot overflow.
#define QUANTITY_MAX (UINT64_C(1) << 60)

static bool parse(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;
    if (strcmp(text, unlimited) == 0) {
        *out = 0;
        return true;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > QUANTITY_MAX / 10) return false;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    for (; n && units->name; units++) {
        if (strcmp(p, units->name) != 0) continue;
        if (n > QUANTITY_MAX / units->size) return false;
        *out = n * units->size;
        return true;
    }
    return false;
}

static const char *format(uint64_t n, const struct unit *units, char out[QE_QUANTITY_TEXT_SIZE])
{
    while (n % units->size != 0)
        units++;
    if (n)
        snprintf(out, QE_QUANTITY_TEXT_SIZE, "%" PRIu64 "%s", n / units->size, units->name);
    else
        snprintf(out, QE_QUANTITY_TEXT_SIZE, "%s", unlimited);
    return out;
}

const char *qe_check_rate(const char *text, uint64_t *bits_per_s)
{
    return parse(text, rates, bits_per_s) ? NULL : "a rate such as \"20Mbit/s\", or \"unlimited\"";
}

const char *qe_check_volume(const char *text, uint64_t *bytes)
{
    return parse(text, volumes, bytes) ? NULL : "a size such as \"10GB\", or \"unlimited\"";
}

const char *qe_rate_format(uint64_t bits_per_s, char out[QE_QUANTITY_TEXT_SIZE])
{
    return format(bits_per_s, rates, out);
}

const char *qe_volume_format(uint64_t bytes, char out[QE_QUANTITY_TEXT_SIZE])
{
    return format(bytes, volumes, out);
}
