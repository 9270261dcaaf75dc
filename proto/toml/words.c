// toml11 explains an error over several lines, with a drawing, in words that differ between its versions 3 and 4. The
// table knows a fragment of each message of both, so that a mistake reads the same everywhere; what it does not know is
// passed on in the parser's words. Fragments are tried in order: special ones before general ones.
#include "toml/words.h"

#include <stdio.h>
#include <string.h>

static const char twice[] = "defined a second time, expected once";
static const char closed_table[] = "a key added to an inline table, expected all its keys within { and }";
static const char no_equals[] = "no '=' after the key, expected key = value";
static const char no_value[] =
    "no value after '=' or ',', expected a string in quotes, a number, true, false, an array or a table";
static const char bad_codepoint[] =
    "an escape for no Unicode character, expected \\u0001..\\ud7ff or \\ue000..\\U0010ffff";
static const char bad_string[] =
    "the string has no end or a bad escape, expected a closing quote and only TOML's escapes";
static const char more[] = "more text than belongs here, expected the end of the line";
static const char bad_inline[] = "the inline table is not well-formed, expected { key = value, ... } on one line";
static const char bad_array[] = "the array is not well-formed, expected ',' between its values and ']' at its end";
static const char bad_key[] = "not a key, expected letters, digits, '_' and '-', or any text in quotes";
static const char bad_date[] = "not a date or time, expected one like 1979-05-27, 07:32:00 or 1979-05-27T07:32:00Z";
static const char too_large[] = "the number is too large, expected at most 9223372036854775807";
static const char bad_number[] = "not a number, expected one like 42, -1, 0x1f, 1_000 or 1.5";

static const struct {
    const char *fragment;
    const char *ours;
} table[] = {
    {"already exists", twice},
    {"already defined", twice},
    {"collides with existing", twice},
    {"cannot be defined", twice},
    {"immutable", closed_table},
    {"missing key-value separator", no_equals},
    {"invalid format for key", no_equals},
    {"invalid key value separator", no_equals},
    {"missing value after", no_value},
    {"unknown value appeared", no_value},
    {"value having invalid format", no_value},
    {"codepoint", bad_codepoint},
    {"not a valid string", bad_string},
    {"not a valid multiline", bad_string},
    {"not a valid literal string", bad_string},
    {"invalid string format", bad_string},
    {"invalid line format", more},
    {"newline required after", more},
    {"is expected\n", more},
    {"newline (", more},
    {"parse_inline_table", bad_inline},
    {"parse_array:", bad_array},
    {"too large integer", too_large},
    {"invalid key", bad_key},
    {"empty key", bad_key},
    {"invalid table key", bad_key},
    {"invalid date", bad_date},
    {"invalid time", bad_date},
    {"date", bad_date},
    {"time", bad_date},
    {"integer", bad_number},
    {"float", bad_number},
};

// Where the parser's own words start: behind "[error] " and the name of its function.
static const char *skip_prefix(const char *words)
{
    static const char error[] = "[error] ";
    if (strncmp(words, error, sizeof(error) - 1) == 0) words += sizeof(error) - 1;
    const char *colon = strstr(words, ": ");
    if (strncmp(words, "toml::", 6) == 0 && colon && !memchr(words, '\n', (size_t)(colon - words))) words = colon + 2;
    return words;
}

void qe_toml_words(const char *words, char *out, size_t size)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strstr(words, table[i].fragment)) {
            snprintf(out, size, "%s", table[i].ours);
            return;
        }
    words = skip_prefix(words);
    snprintf(out, size, "not TOML (%.*s), expected TOML 1.0", (int)strcspn(words, "\n"), words);
    for (; *out; out++)
        if ((unsigned char)*out < 0x20 || *out == 0x7f) *out = '?';
}
