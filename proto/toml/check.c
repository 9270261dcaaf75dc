// Checks a text before it is parsed. The scanner knows just enough of TOML 1.0 (strings, comments, brackets, keys) to
// tell how deep each value lies. Up to the parser's first syntax error both see the same tokens; behind it the parser
// does not go, so a scanner that is led astray there does no harm.
#include "toml/check.h"

#include "base/utf8.h"
#include "toml/toml.h"

#include <string.h>

// Sum over all lines of the squared length in bytes. The parser's time grows with it: this much takes about a second.
// It allows one line of 32 KiB, or a hundred of 3 KiB.
#define LINE_COST_MAX (UINT64_C(1) << 30)

struct scanner {
    const char *at;
    const char *end;
    // What one open bracket encloses; [0] is the document.
    struct level {
        unsigned depth; // of the values in it
        bool array;     // its items are values; otherwise keys come first
    } levels[QE_TOML_DEPTH_MAX + 1];
    unsigned level;
    unsigned dots; // in the key at hand
    bool value;    // behind the '=' of the key at hand
    bool too_deep;
};

static bool looking_at(const struct scanner *s, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(s->end - s->at) >= size && memcmp(s->at, text, size) == 0;
}

static void skip_line(struct scanner *s)
{
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

// A string on one line. Without an end it ends with the line, where the parser stops.
static void skip_string(struct scanner *s, char quote)
{
    for (s->at++; s->at < s->end && *s->at != '\n'; s->at++) {
        if (*s->at == quote) {
            s->at++;
            return;
        }
        if (*s->at == '\\' && quote == '"' && s->at + 1 < s->end && s->at[1] != '\n') s->at++;
    }
}

// A string between triple quotes; up to two more quotes before the closing three belong to it.
static void skip_long_string(struct scanner *s, const char *quotes)
{
    for (s->at += 3; s->at < s->end; s->at++) {
        if (looking_at(s, quotes)) {
            s->at += 3;
            for (unsigned extra = 0; extra < 2 && s->at < s->end && *s->at == quotes[0]; extra++)
                s->at++;
            return;
        }
        if (*s->at == '\\' && quotes[0] == '"' && s->at + 1 < s->end) s->at++;
    }
}

// The depth at which a value with the key at hand lies.
static unsigned depth(const struct scanner *s)
{
    const struct level *level = &s->levels[s->level];
    return level->depth + (level->array ? 0 : s->dots);
}

static void check_depth(struct scanner *s)
{
    if (depth(s) > QE_TOML_DEPTH_MAX) s->too_deep = true;
}

static void open_bracket(struct scanner *s, bool array)
{
    unsigned inner = depth(s) + 1;
    if (inner > QE_TOML_DEPTH_MAX) {
        s->too_deep = true;
        return;
    }
    s->levels[++s->level] = (struct level){inner, array};
    s->dots = 0;
    s->value = array;
    s->at++;
}

static void close_bracket(struct scanner *s)
{
    if (s->level > 0) s->level--;
    s->value = true; // what was closed is a value, complete
    s->dots = 0;
    s->at++;
}

// "[a.b]" or "[[a.b]]": what follows lies as deep as the header says.
static void scan_header(struct scanner *s)
{
    unsigned levels = looking_at(s, "[[") ? 2 : 1;
    for (s->at += levels; s->at < s->end && *s->at != '\n' && *s->at != '#';) {
        if (*s->at == '"' || *s->at == '\'') {
            skip_string(s, *s->at);
            continue;
        }
        if (*s->at == '.') levels++;
        s->at++;
    }
    s->levels[0].depth = levels;
    s->dots = 0;
    check_depth(s);
}

static void end_line(struct scanner *s)
{
    if (s->level == 0) {
        s->dots = 0;
        s->value = false;
    }
    s->at++;
}

static void scan_token(struct scanner *s)
{
    switch (*s->at) {
    case '#':
        skip_line(s);
        return;
    case '\n':
        end_line(s);
        return;
    case '"':
    case '\'': {
        const char *quotes = *s->at == '"' ? "\"\"\"" : "'''";
        if (looking_at(s, quotes))
            skip_long_string(s, quotes);
        else
            skip_string(s, quotes[0]);
        return;
    }
    case '[':
        if (s->level == 0 && !s->value)
            scan_header(s);
        else
            open_bracket(s, true);
        return;
    case '{':
        open_bracket(s, false);
        return;
    case ']':
    case '}':
        close_bracket(s);
        return;
    case '=':
        s->value = true;
        break;
    case ',':
        s->dots = 0;
        s->value = s->levels[s->level].array;
        break;
    case '.':
        if (!s->value) s->dots++;
        check_depth(s);
        break;
    default:
        break;
    }
    s->at++;
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static const char *check_nesting(const char *text, size_t size, unsigned *line)
{
    struct scanner s = {.at = text, .end = text + size};
    while (s.at < s.end && !s.too_deep)
        scan_token(&s);
    if (!s.too_deep) return NULL;
    *line = line_of(text, s.at);
    return "nested too deep, expected at most 64 levels";
}

static const char *check_bytes(const char *text, size_t size, unsigned *line)
{
    uint64_t cost = 0;
    size_t line_size = 0;
    *line = 1;
    for (size_t i = 0, taken; i < size; i += taken) {
        if (text[i] == '\0') return "a NUL character, expected text";
        if (!qe_utf8_next((const uint8_t *)text + i, size - i, &taken))
            return "bytes that are not UTF-8, expected UTF-8";
        line_size += taken;
        if (cost + line_size * line_size > LINE_COST_MAX)
            return "the line is too long, expected lines of at most a few kilobytes";
        if (text[i] == '\n') {
            cost += line_size * line_size;
            line_size = 0;
            (*line)++;
        }
    }
    return NULL;
}

const char *qe_toml_check(const char *text, size_t size, unsigned *line)
{
    *line = 0;
    if (size > QE_TOML_SIZE_MAX) return "the text is too long, expected at most 1 MiB";
    const char *wrong = check_bytes(text, size, line);
    if (!wrong) wrong = check_nesting(text, size, line);
    return wrong;
}
