// Arbitrary bytes as a probe: what is read is what is written again.
#include "dht/dht.h"
#include "nat/probe.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[QE_PROBE_SIZE] = {0}, again[QE_PROBE_SIZE];
    struct qe_probe probe;
    if (qe_probe_decode(qe_span(data, size), &probe)) {
        assert(size == QE_PROBE_SIZE && !qe_dht_is_krpc(data, size));
        qe_probe_encode(&probe, again);
        assert(memcmp(again, data, size) == 0);
    }
    // Most inputs are of another size: here they are not.
    if (size) memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    bytes[0] = QE_PROBE_FIRST_BYTE;
    if (!qe_probe_decode(qe_span(bytes, sizeof bytes), &probe)) return 0;
    qe_probe_encode(&probe, again);
    assert(memcmp(again, bytes, sizeof bytes) == 0);
    return 0;
}
