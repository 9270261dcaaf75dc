// Any bytes as a datagram: what shows of it on the wire is read without going beyond them, and a datagram in front of
// another one keeps its classes.
#include "net/outer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t shown = QE_CARRIED_BIT(INITIAL) | QE_CARRIED_BIT(ZERO_RTT) | QE_CARRIED_BIT(HANDSHAKE) |
                           QE_CARRIED_BIT(RETRY) | QE_CARRIED_BIT(VERSION_NEGOTIATION) | QE_CARRIED_BIT(ONE_RTT) |
                           QE_CARRIED_BIT(KRPC);
    uint8_t *copy = malloc(size + 1); // exactly as large, so that one byte too far is seen
    if (size) memcpy(copy, data, size);
    uint64_t classes = sim_outer_classes(copy, size);
    assert((classes & ~shown) == 0);
    // Zeros behind are padding, or belong to the last packet; a message of the DHT has none.
    copy[size] = 0;
    if (!(classes & QE_CARRIED_BIT(KRPC))) assert((sim_outer_classes(copy, size + 1) & classes) == classes);
    free(copy);
    return 0;
}
