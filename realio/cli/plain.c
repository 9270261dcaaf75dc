#include "cli/plain.h"

#include <inttypes.h>

const char *qe_plain_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

int64_t qe_plain_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

void qe_plain_put(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

size_t qe_plain_list(const json_t *list, const char *between, FILE *out)
{
    size_t i, shown = 0;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item)) continue;
        if (shown++) fputs(between, out);
        qe_plain_put(json_string_value(item), out);
    }
    return shown;
}

const char *qe_plain_age(int64_t seconds, char out[QE_PLAIN_AGE_SIZE])
{
    if (seconds < 0) seconds = 0;
    if (seconds < 60)
        snprintf(out, QE_PLAIN_AGE_SIZE, "%" PRId64 "s", seconds);
    else if (seconds < 3600)
        snprintf(out, QE_PLAIN_AGE_SIZE, "%" PRId64 "m %" PRId64 "s", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        snprintf(out, QE_PLAIN_AGE_SIZE, "%" PRId64 "h %" PRId64 "m", seconds / 3600, seconds % 3600 / 60);
    else
        snprintf(out, QE_PLAIN_AGE_SIZE, "%" PRId64 "d %" PRId64 "h", seconds / 86400, seconds % 86400 / 3600);
    return out;
}
