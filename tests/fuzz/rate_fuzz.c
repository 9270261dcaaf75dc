// Any bytes are a trace by which packets leave in order, or one line with the number of the line that is wrong.
#include "net/rate.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SIM_RATE_ERROR_SIZE];
    if (size == 0) return 0; // fmemopen knows no empty files
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "rb");
    assert(in);
    struct sim_rate_plan *plan = sim_rate_trace_read(in, "fuzz.trace", error);
    fclose(in);
    if (!plan) {
        assert(strncmp(error, "fuzz.trace:", 11) == 0 && error[11] >= '1' && error[11] <= '9');
        for (const char *c = error; *c; c++)
            assert(*c >= ' ' && *c <= '~');
        return 0;
    }
    struct sim_rate_cursor cursor = {0};
    uint64_t ready = 0;
    for (uint64_t i = 0; i < 50; i++) {
        uint64_t start = sim_rate_plan_start(plan, &cursor, ready);
        uint64_t end = sim_rate_plan_send(plan, &cursor, start, 100 + 97 * i);
        assert(start >= ready && end >= start);
        ready = end + (i % 10 == 9 ? i * 1000000007 : 0);
    }
    sim_rate_plan_free(plan);
    return 0;
}
