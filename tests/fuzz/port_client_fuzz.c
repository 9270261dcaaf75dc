// Arbitrary bytes as a NAT's answers to a client that asks for a port, with time between them: it comes to an end, asks
// in its protocols' form, and grants only what could be used.
#include "nat/port_client.h"

#include "base/time.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void send_all(struct qe_port_client *client, uint64_t now_ns)
{
    uint8_t out[QE_PORT_DATAGRAM_SIZE];
    size_t size;
    for (unsigned count = 0; (size = qe_port_client_next(client, now_ns, out)) > 0; count++) {
        assert(size == 60 || size == 12 || size == 2);
        assert(count < 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qe_port_client client;
    struct qe_port_request request = {.client = {4, {192, 168, 1, 2}}, .port = 9000, .lifetime_s = 1200};
    uint64_t now_ns = 0;
    if (size == 0) return 0;
    request.spoken[QE_PORT_PCP] = data[0] & 1;
    request.spoken[QE_PORT_NAT_PMP] = data[0] & 2;
    if (data[0] & 4) request.lifetime_s = 0;
    data++, size--;
    qe_port_client_begin(&client, &request, now_ns);
    send_all(&client, now_ns);
    while (size >= 2) {
        size_t take = data[0] < size - 2 ? data[0] : size - 2;
        now_ns += data[1] * QE_NS_PER_MS;
        data += 2, size -= 2;
        // Exactly as long as it is, so that a look beyond is seen.
        uint8_t *answer = malloc(take ? take : 1);
        if (!answer) abort();
        if (take) memcpy(answer, data, take);
        qe_port_client_take(&client, qe_span(answer, take), now_ns);
        free(answer);
        send_all(&client, now_ns);
        data += take, size -= take;
    }
    for (unsigned i = 0; i < 16 && client.state == QE_PORT_ASKING; i++)
        send_all(&client, qe_port_client_deadline(&client));
    assert(client.state != QE_PORT_ASKING && qe_port_client_deadline(&client) == QE_TIME_NEVER);
    assert(strlen(client.text) < sizeof client.text);
    if (client.state == QE_PORT_GRANTED && request.lifetime_s)
        assert(client.outside.port && client.outside.ip.family == 4 && client.lifetime_s);
    if (client.state == QE_PORT_REFUSED) assert(client.text[0]);
    return 0;
}
