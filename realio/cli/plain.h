// Pieces of a daemon's JSON, and text from it that may be shown on a terminal.
#ifndef QE_CLI_PLAIN_H
#define QE_CLI_PLAIN_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

// The string under `key`, or NULL where there is none or it is empty.
const char *qe_plain_text(const json_t *object, const char *key);
int64_t qe_plain_number(const json_t *object, const char *key);
// Text from the daemon, with control characters made harmless.
void qe_plain_put(const char *text, FILE *out);
// The strings of a list, with `between` between them; how many.
size_t qe_plain_list(const json_t *list, const char *between, FILE *out);
// "12s", "4m 3s", "2h 1m", "3d 4h".
#define QE_PLAIN_AGE_SIZE 32
const char *qe_plain_age(int64_t seconds, char out[QE_PLAIN_AGE_SIZE]);

#endif
