#include "scenario/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct sim_unit_of {
    const char *name;
    uint64_t size; // in the smallest unit
};

static const struct sim_unit_of durations[] = {{"h", UINT64_C(3600000000000)}, {"min", UINT64_C(60000000000)},
    {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {NULL, 0}};
static const struct sim_unit_of rates[] = {
    {"Gbit/s", 1000000000}, {"Mbit/s", 1000000}, {"kbit/s", 1000}, {"bit/s", 1}, {NULL, 0}};
static const struct sim_unit_of sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1000000000},
    {"MB", 1000000}, {"kB", 1000}, {"B", 1}, {NULL, 0}};
static const struct sim_unit_of chances[] = {{"%", 10000000}, {NULL, 0}};
static const struct sim_unit_of packets_unit[] = {{"packets", 1}, {NULL, 0}};

// Digits with an optional fraction, then a unit. What it stands for must be a whole number of the smallest unit.
static bool parse(const char *text, const struct sim_unit_of *units, uint64_t *out)
{
    uint64_t digits = 0, scale = 1;
    bool fraction = false;
    const char *p = text;
    if (*p < '0' || *p > '9') return false;
    for (; (*p >= '0' && *p <= '9') || (*p == '.' && !fraction); p++) {
        if (*p == '.') {
            fraction = true;
            if (p[1] < '0' || p[1] > '9') return false;
            continue;
        }
        if (digits > (UINT64_MAX - 9) / 10 || (fraction && scale > UINT64_MAX / 10)) return false;
        digits = digits * 10 + (uint64_t)(*p - '0');
        if (fraction) scale *= 10;
    }
    if (*p == ' ') p++;
    for (; units->name; units++)
        if (strcmp(p, units->name) == 0) break;
    if (!units->name) return false;
    unsigned __int128 product = (unsigned __int128)digits * units->size;
    if (product % scale != 0 || product / scale > UINT64_MAX) return false;
    *out = (uint64_t)(product / scale);
    return true;
}

bool sim_duration_parse(const char *text, uint64_t *ns)
{
    // Half of the range is plenty (292 years), and sums of two never overflow.
    return parse(text, durations, ns) && *ns <= UINT64_MAX / 4;
}

bool sim_rate_parse(const char *text, uint64_t *bits)
{
    return parse(text, rates, bits);
}

bool sim_size_parse(const char *text, uint64_t *bytes)
{
    return parse(text, sizes, bytes);
}

bool sim_chance_parse(const char *text, uint32_t *ppb)
{
    uint64_t value;
    if (!parse(text, chances, &value) || value > 1000000000) return false;
    *ppb = (uint32_t)value;
    return true;
}

bool sim_packets_parse(const char *text, uint64_t *packets)
{
    return parse(text, packets_unit, packets);
}

bool sim_ppm_parse(const char *text, int64_t *ppm)
{
    static const struct sim_unit_of unit[] = {{"ppm", 1}, {NULL, 0}};
    bool negative = text[0] == '-';
    uint64_t value;
    if (!parse(text + negative, unit, &value) || value > 100000) return false;
    *ppm = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

static const char *format(uint64_t value, const struct sim_unit_of *units, char out[SIM_UNITS_TEXT_SIZE])
{
    const struct sim_unit_of *unit = units;
    // A unit whose thousandths say the value exactly; the last one always does.
    while (unit[1].name && (value < unit->size || (unit->size >= 1000 && value % (unit->size / 1000) != 0)))
        unit++;
    uint64_t whole = value / unit->size;
    uint64_t rest = unit->size >= 1000 ? value % unit->size / (unit->size / 1000) : 0;
    int length = snprintf(out, SIM_UNITS_TEXT_SIZE, "%llu", (unsigned long long)whole);
    if (rest) {
        length += snprintf(out + length, SIM_UNITS_TEXT_SIZE - (size_t)length, ".%03u", (unsigned)rest);
        while (out[length - 1] == '0')
            length--;
    }
    snprintf(out + length, SIM_UNITS_TEXT_SIZE - (size_t)length, "%s", unit->name);
    return out;
}

const char *sim_duration_format(uint64_t ns, char out[SIM_UNITS_TEXT_SIZE])
{
    // Hours and minutes read badly as decimals.
    return ns == 0 ? strcpy(out, "0s") : format(ns, durations + 2, out);
}

const char *sim_rate_format(uint64_t bits, char out[SIM_UNITS_TEXT_SIZE])
{
    return format(bits, rates, out);
}

const char *sim_chance_format(uint32_t ppb, char out[SIM_UNITS_TEXT_SIZE])
{
    int length = snprintf(out, SIM_UNITS_TEXT_SIZE, "%u.%07u", ppb / 10000000, ppb % 10000000);
    while (out[length - 1] == '0')
        length--;
    if (out[length - 1] == '.') length--;
    assert(length + 2 <= SIM_UNITS_TEXT_SIZE);
    memcpy(out + length, "%", 2);
    return out;
}

bool sim_quantity_parse(const char *text, struct sim_quantity *out)
{
    static const struct sim_unit_of *const kinds[] = {durations, rates, sizes, chances, packets_unit};
    bool negative = text[0] == '-';
    uint64_t value;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!parse(text + negative, kinds[i], &value)) continue;
        if (value > INT64_MAX / 4) return false;
        const char *name = text + negative + strspn(text + negative, "0123456789. ");
        const struct sim_unit_of *unit = kinds[i];
        while (strcmp(unit->name, name) != 0)
            unit++;
        *out = (struct sim_quantity){negative ? -(int64_t)value : (int64_t)value, kinds[i], unit};
        return true;
    }
    return false;
}

#define DECIMALS_MAX 12

// The digits of rest / size, where it has an end within DECIMALS_MAX.
static bool fraction_digits(uint64_t rest, uint64_t size, char digits[DECIMALS_MAX + 1])
{
    size_t count = 0;
    for (; rest && count < DECIMALS_MAX; count++) {
        unsigned __int128 next = (unsigned __int128)rest * 10;
        digits[count] = (char)('0' + (char)(next / size));
        rest = (uint64_t)(next % size);
    }
    digits[count] = '\0';
    return rest == 0;
}

const char *sim_quantity_format(const struct sim_quantity *quantity, char out[SIM_UNITS_TEXT_SIZE])
{
    const char *sign = quantity->value < 0 ? "-" : "";
    uint64_t value = quantity->value < 0 ? -(uint64_t)quantity->value : (uint64_t)quantity->value;
    char digits[DECIMALS_MAX + 1];
    const struct sim_unit_of *unit = quantity->unit;
    if (!unit) {
        snprintf(out, SIM_UNITS_TEXT_SIZE, "%s%llu", sign, (unsigned long long)value);
        return out;
    }
    while (!fraction_digits(value % unit->size, unit->size, digits))
        unit++;
    snprintf(out, SIM_UNITS_TEXT_SIZE, "%s%llu%s%s%s", sign, (unsigned long long)(value / unit->size),
        digits[0] ? "." : "", digits, unit->name);
    return out;
}
