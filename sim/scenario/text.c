#include "scenario/text.h"

#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIZE_MAX_BYTES (1 << 20)

static bool read_whole(FILE *in, const char *file, char *text, size_t *size, char error[SIM_ERROR_SIZE])
{
    *size = fread(text, 1, SIZE_MAX_BYTES + 1, in);
    if (ferror(in))
        snprintf(error, SIM_ERROR_SIZE, "%s: cannot be read", file);
    else if (*size > SIZE_MAX_BYTES)
        snprintf(error, SIM_ERROR_SIZE, "%s: larger than %d bytes", file, SIZE_MAX_BYTES);
    else
        return true;
    return false;
}

char *sim_scenario_text(const char *file, size_t *size, char error[SIM_ERROR_SIZE])
{
    FILE *in = fopen(file, "rb");
    if (!in) {
        snprintf(error, SIM_ERROR_SIZE, "%s: %s", file, strerror(errno));
        return NULL;
    }
    char *text = sim_obtain(1, SIZE_MAX_BYTES + 1);
    bool whole = read_whole(in, file, text, size, error);
    fclose(in);
    if (whole) return text;
    sim_release(text);
    return NULL;
}
