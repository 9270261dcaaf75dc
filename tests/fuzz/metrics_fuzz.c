// Metrics as JSON to Prometheus' text: whatever is rendered is lines of the format, whatever is not is refused.
#include "control/prometheus.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A line is a comment, or a name that a letter starts, perhaps labels, and a number at its end.
static int line_valid(const char *line, size_t size)
{
    if (size == 0) return 0;
    if (line[0] == '#') return size > 2 && line[1] == ' ';
    if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:", line[0])) return 0;
    size_t digits = 0;
    while (digits < size && strchr("0123456789.-", line[size - 1 - digits]))
        digits++;
    return digits > 0 && digits < size && line[size - 1 - digits] == ' ';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    char *text = NULL;
    size_t text_size = 0;
    if (qe_prometheus_render(json, &text, &text_size) == 0) {
        for (const char *at = text; at < text + text_size;) {
            const char *end = memchr(at, '\n', (size_t)(text + text_size - at));
            if (!end || !line_valid(at, (size_t)(end - at))) abort();
            at = end + 1;
        }
    }
    free(text);
    json_decref(json);
    return 0;
}
