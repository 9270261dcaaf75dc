// Any bytes are either a tree whose every value has a line within the text, or one line that says what is wrong.
#include "toml/toml.h"

#include <assert.h>
#include <string.h>

static void walk(const struct qe_toml_value *value, unsigned lines, unsigned depth)
{
    assert(depth <= QE_TOML_DEPTH_MAX + 1); // the root does not count
    assert(qe_toml_line(value) >= 1 && qe_toml_line(value) <= lines);
    size_t size;
    switch (qe_toml_kind(value)) {
    case QE_TOML_TABLE:
        for (size_t i = 0; i < qe_toml_size(value); i++) {
            assert(qe_toml_get(value, qe_toml_key(value, i)) == qe_toml_at(value, i));
            walk(qe_toml_at(value, i), lines, depth + 1);
        }
        break;
    case QE_TOML_ARRAY:
        for (size_t i = 0; i < qe_toml_size(value); i++)
            walk(qe_toml_at(value, i), lines, depth + 1);
        break;
    case QE_TOML_STRING:
        assert(strlen(qe_toml_string(value, &size)) == size);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[256];
    unsigned line, lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    struct qe_toml *toml = qe_toml_parse((const char *)data, size, error, sizeof(error), &line);
    if (toml) {
        walk(qe_toml_root(toml), lines, 0);
        qe_toml_free(toml);
        return 0;
    }
    assert(line <= lines + 1); // what is missing at the end is missed behind the last line
    assert(strlen(error) > 0 && strlen(qe_toml_error_text(error, line)) > 0);
    for (const char *c = error; *c; c++)
        assert((unsigned char)*c >= ' ');
    return 0;
}
