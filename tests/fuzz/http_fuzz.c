// The client's parser of HTTP responses, and what the command line makes of their JSON. The first byte says in what
// pieces the rest arrives; the answer must not depend on it.
#include "cli/http.h"
#include "cli/show.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct qe_http *http, const char *bytes, size_t size, size_t step)
{
    qe_http_init(http);
    for (size_t i = 0; i < size; i += step)
        qe_http_feed(http, bytes + i, size - i < step ? size - i : step);
    qe_http_end(http);
}

static void require(int condition)
{
    if (!condition) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct qe_http whole, pieces;
    if (size < 1) return 0;
    feed(&whole, (const char *)data + 1, size - 1, size);
    feed(&pieces, (const char *)data + 1, size - 1, 1u + data[0]);
    require(whole.progress == pieces.progress && whole.progress != QE_HTTP_MORE);
    if (whole.progress == QE_HTTP_DONE) {
        require(whole.status == pieces.status && whole.body_size == pieces.body_size);
        require(memcmp(whole.body, pieces.body, whole.body_size) == 0 && whole.body[whole.body_size] == 0);
        json_t *json = json_loadb(whole.body, whole.body_size, JSON_REJECT_DUPLICATES, NULL);
        char *text = NULL;
        size_t text_size = 0;
        FILE *out = open_memstream(&text, &text_size);
        require(
            out && qe_show_status(json, out) == 0 && qe_show_peers(json, out) == 0 && qe_show_routes(json, out) == 0);
        fclose(out);
        // Nothing that a terminal would take for a command.
        for (size_t i = 0; i < text_size; i++)
            require((unsigned char)text[i] >= ' ' || text[i] == '\n');
        free(text);
        json_decref(json);
    }
    qe_http_fini(&whole);
    qe_http_fini(&pieces);
    return 0;
}
