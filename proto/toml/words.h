// The parser's words for a syntax error, made into one line of ours that also says what is expected.
#ifndef QE_TOML_WORDS_H
#define QE_TOML_WORDS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// `words`: what the parser said, several lines or one. Writes one line without control characters to `out` (`size` ≥
// 1), cut where it is too long.
void qe_toml_words(const char *words, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif
