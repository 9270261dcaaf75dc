// Whatever a packet or datagram holds, redacting it writes within it, and twice is as good as once.
#include "replay/redact_input.h"
#include "replay/redact_packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void twice(struct qe_span in, int what)
{
    uint8_t *first = malloc(in.size + 1), *second = malloc(in.size + 1);
    if (in.size) memcpy(first, in.data, in.size);
    for (int round = 0; round < 2; round++) {
        if (what == 0)
            sim_redact_ip(first, in.size, NULL);
        else
            sim_redact_frames(first, in.size, what == 1 ? SIM_REDACT_INPUT : SIM_REDACT_COMPARE, NULL);
        if (round == 0 && in.size) memcpy(second, first, in.size);
    }
    // Of a wrong checksum it is only kept that it is wrong; and a first piece's is not known.
    if (what == 2) assert(in.size == 0 || memcmp(first, second, in.size) == 0);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_redact_input input;
    if (size < 2 || size > 65536) return 0;
    const struct qe_span rest = {data + 1, size - 1};
    if (data[0] % 4 < 3) {
        twice(rest, data[0] % 4);
        return 0;
    }
    uint8_t *out = malloc(rest.size);
    sim_redact_input_init(&input);
    sim_redact_datagram(&input, rest, out);
    sim_redact_input_fini(&input);
    free(out);
    return 0;
}
