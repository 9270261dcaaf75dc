// A temporary directory for tests that touch files, and what they do there.
#ifndef QE_TESTS_SCRATCH_H
#define QE_TESTS_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

// Makes an empty directory of its own and returns its path; scratch_end removes it with all that is in it.
const char *scratch_begin(void);
void scratch_end(void);
// "<scratch>/<name>", valid until the next call but three.
const char *scratch_path(const char *name);
void scratch_write(const char *name, const void *bytes, size_t size, unsigned mode);
// Bytes read into `out`, or (size_t)-1 where there is no such file.
size_t scratch_read(const char *name, void *out, size_t size);
// Entries of the directory, but for . and ..
size_t scratch_count(const char *name);

#endif
