// Any bytes are packets within what was read and then an end, or one line that says what is wrong.
#include "pcap/pcap_reader.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *error)
{
    assert(strncmp(error, "fuzz.pcap: ", 11) == 0 && strlen(error) < SIM_PCAP_ERROR_SIZE);
    for (const char *c = error; *c; c++)
        assert((unsigned char)*c >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SIM_PCAP_ERROR_SIZE];
    struct sim_pcap_packet packet;
    enum sim_pcap_result result;
    if (size == 0) return 0; // fmemopen knows no empty files
    FILE *in = fmemopen((void *)(uintptr_t)data, size, "rb");
    assert(in);
    struct sim_pcap_reader *reader = sim_pcap_read(in, "fuzz.pcap", error);
    if (!reader) {
        check_line(error);
        return 0;
    }
    uint64_t record = 0;
    volatile uint8_t sum = 0;
    while ((result = sim_pcap_next(reader, &packet)) == SIM_PCAP_PACKET) {
        assert(packet.record > record && packet.ip.size >= 20 && packet.ip.size <= packet.total_size);
        record = packet.record;
        for (size_t i = 0; i < packet.ip.size; i++)
            sum = (uint8_t)(sum + packet.ip.data[i]);
    }
    if (result == SIM_PCAP_DAMAGED)
        check_line(sim_pcap_error(reader));
    else
        assert(!sim_pcap_error(reader)[0]);
    sim_pcap_close(reader);
    return 0;
}
