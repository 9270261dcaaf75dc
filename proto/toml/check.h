// What a text must be before the parser sees it: the parser recurses once a level and does not limit itself, takes
// bytes that are not UTF-8 in some places, and looks at a whole line again for each value in it.
#ifndef QE_TOML_CHECK_H
#define QE_TOML_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Why `text` must not be parsed, as a constant text, and the line in *line (0: the whole text); NULL where it may be.
const char *qe_toml_check(const char *text, size_t size, unsigned *line);

#ifdef __cplusplus
}
#endif

#endif
