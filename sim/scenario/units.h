// Quantities of a scenario as text: "15ms", "10Mbit/s", "64KiB", "0.5%". Read exactly, in integers: a text that is not
// a whole number of the smallest unit is refused, not rounded.
#ifndef QE_SIM_UNITS_H
#define QE_SIM_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_UNITS_TEXT_SIZE 40

// ns, us, ms, s, min, h → nanoseconds.
bool sim_duration_parse(const char *text, uint64_t *ns);
// bit/s, kbit/s, Mbit/s, Gbit/s (powers of 1000) → bits a second.
bool sim_rate_parse(const char *text, uint64_t *bits);
// B, kB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024) → bytes.
bool sim_size_parse(const char *text, uint64_t *bytes);
// "0.5%" → parts per billion; at most 100%.
bool sim_chance_parse(const char *text, uint32_t *ppb);
// "25packets".
bool sim_packets_parse(const char *text, uint64_t *packets);

// "50ppm", "-50ppm": how much faster a clock runs; at most 100000 either way.
bool sim_ppm_parse(const char *text, int64_t *ppm);

// The largest unit that says the value without a fraction of more than three digits, or the smallest unit. They return
// `out`.
const char *sim_duration_format(uint64_t ns, char out[SIM_UNITS_TEXT_SIZE]);
const char *sim_rate_format(uint64_t bits, char out[SIM_UNITS_TEXT_SIZE]);
const char *sim_chance_format(uint32_t ppb, char out[SIM_UNITS_TEXT_SIZE]);

// A quantity of any of these kinds, with the unit it was written in, so that what is computed from it reads the same.
struct sim_quantity {
    int64_t value;                  // in the smallest unit of its kind; negative with a leading '-'
    const void *kind;               // the same for quantities that can be compared
    const struct sim_unit_of *unit; // NULL: a plain number
};

bool sim_quantity_parse(const char *text, struct sim_quantity *out);
// The exact decimal in the quantity's unit; in a smaller one where there is none of at most 12 digits. Returns `out`.
const char *sim_quantity_format(const struct sim_quantity *quantity, char out[SIM_UNITS_TEXT_SIZE]);

#endif
