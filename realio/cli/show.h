// The daemon's answers as text for people, with the columns of the specification's section 5.3. Pure but for writing to
// `out`. A field that is missing or of another kind shows as "-", never as nonsense.
#ifndef QE_CLI_SHOW_H
#define QE_CLI_SHOW_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

// Each 0, or -1 without memory.
int qe_show_status(const json_t *status, FILE *out);
int qe_show_peers(const json_t *peers, FILE *out);
int qe_show_routes(const json_t *routes, FILE *out);

// Long enough for any of the below.
#define QE_SHOW_TIME_SIZE 32
// Microseconds as milliseconds with about three digits: "0.42", "3.1", "120". Returns `out`.
const char *qe_show_ms(int64_t us, char out[QE_SHOW_TIME_SIZE]);

#endif
