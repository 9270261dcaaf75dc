// Edit distance by the usual table, three rows of which are needed at a time.
#include "config/nearest.h"

#include <stdint.h>
#include <string.h>

#define WORD_SIZE_MAX 32

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t qe_nearest_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > WORD_SIZE_MAX || b_size > WORD_SIZE_MAX) return SIZE_MAX;
    // rows[i % 3][j]: the distance between the first i letters of a and the first j of b
    size_t rows[3][WORD_SIZE_MAX + 1];
    for (size_t i = 0; i <= a_size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        for (size_t j = 0; j <= b_size; j++) {
            if (i == 0 || j == 0) {
                row[j] = i + j;
                continue;
            }
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

bool qe_nearest_plausible(const char *word, size_t distance)
{
    size_t size = strlen(word);
    return distance <= (size < 6 ? 1 : size < 12 ? 2 : 3);
}
