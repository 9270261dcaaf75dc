// Any frame, and any body of a message about relaying: what is read is well formed, and written again reads the same.
#include "wire/relay.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(enum qe_message_type type, struct qe_span body)
{
    struct qe_relay_message message, back;
    uint8_t bytes[64];
    if (!qe_relay_decode(type, body, &message)) return;
    assert(message.type == type && message.circuit <= QE_CIRCUIT_MAX);
    assert(qe_relay_end_text(message.why)[0] != '?');
    size_t used = qe_relay_encode(&message, bytes, sizeof bytes);
    assert(used >= 6 && used - 3 <= body.size);
    assert(qe_relay_decode((enum qe_message_type)bytes[2], qe_span(bytes + 3, used - 3), &back));
    assert(back.circuit == message.circuit && back.why == message.why && back.quiet == message.quiet);
    assert(qe_node_id_equal(&back.node, &message.node));
}

static void read_frame(struct qe_span frame)
{
    uint32_t circuit;
    bool whole;
    struct qe_span packet;
    uint8_t header[QE_RELAYED_HEADER_SIZE];
    if (!qe_relayed_read(frame, &circuit, &whole, &packet)) return;
    assert(circuit <= QE_CIRCUIT_MAX && packet.size > 0 && packet.size <= QE_RELAYED_PACKET_MAX);
    qe_relayed_header(circuit, whole, header);
    assert(memcmp(header, frame.data, sizeof header) == 0);
    assert(packet.data == frame.data + sizeof header && packet.size + sizeof header == frame.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    read_frame(qe_span(copy, size));
    for (int type = 0; type < 256; type++)
        read_message((enum qe_message_type)type, qe_span(copy, size));
    free(copy);
    return 0;
}
