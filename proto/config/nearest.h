// "Did you mean …?" for keys that do not exist.
#ifndef QE_CONFIG_NEAREST_H
#define QE_CONFIG_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

// How many letters must be put, dropped, changed or swapped with the next to make one from the other (optimal string
// alignment). SIZE_MAX where one of them is longer than any key.
size_t qe_nearest_distance(const char *a, const char *b);
// Whether so few changes that one was probably meant for the other.
bool qe_nearest_plausible(const char *word, size_t distance);

#endif
