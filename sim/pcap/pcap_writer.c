#include "pcap/pcap_writer.h"

#define BLOCK_SECTION   0x0A0D0D0Au
#define BLOCK_INTERFACE 1u
#define BLOCK_SECRETS   10u
#define BLOCK_PACKET    6u

#define OPTION_END             0
#define OPTION_COMMENT         1
#define OPTION_APPLICATION     4
#define OPTION_NAME            2
#define OPTION_DESCRIPTION     3
#define OPTION_TIME_RESOLUTION 9
#define OPTION_PACKET_FLAGS    2
#define SECRETS_TLS_KEY_LOG    0x544c534bu
#define TIME_NANOSECONDS       9

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static void pad(struct sim_out *out, size_t size)
{
    sim_out_bytes(out, "\0\0\0", padded(size) - size);
}

static size_t text_option_size(const char *text)
{
    return text ? 4 + padded(strlen(text)) : 0;
}

static void write_option(struct sim_out *out, uint16_t code, const void *value, size_t size)
{
    sim_out_le16(out, code);
    sim_out_le16(out, (uint16_t)size);
    sim_out_bytes(out, value, size);
    pad(out, size);
}

static void write_text_option(struct sim_out *out, uint16_t code, const char *text)
{
    if (text) write_option(out, code, text, strlen(text));
}

// A block begins with its type and its size, and ends with its size.
static void begin_block(struct sim_out *out, uint32_t type, size_t size)
{
    sim_out_le32(out, type);
    sim_out_le32(out, (uint32_t)size);
}

void sim_pcap_begin(struct sim_pcap_writer *writer, FILE *file, const char *application, const char *comment)
{
    struct sim_out *out = &writer->out;
    size_t size = 28 + text_option_size(application) + text_option_size(comment) + 4;
    sim_out_init(out, file);
    writer->interface_count = 0;
    begin_block(out, BLOCK_SECTION, size);
    sim_out_le32(out, 0x1A2B3C4D);
    sim_out_le16(out, 1);
    sim_out_le16(out, 0);
    sim_out_le32(out, UINT32_MAX); // the section's size: until the file ends
    sim_out_le32(out, UINT32_MAX);
    write_text_option(out, OPTION_COMMENT, comment);
    write_text_option(out, OPTION_APPLICATION, application);
    write_option(out, OPTION_END, NULL, 0);
    sim_out_le32(out, (uint32_t)size);
}

uint32_t sim_pcap_add_interface(struct sim_pcap_writer *writer, const char *name, const char *description)
{
    static const uint8_t resolution = TIME_NANOSECONDS;
    struct sim_out *out = &writer->out;
    size_t size = 20 + text_option_size(name) + text_option_size(description) + 8 + 4;
    begin_block(out, BLOCK_INTERFACE, size);
    sim_out_le16(out, SIM_LINKTYPE_RAW);
    sim_out_le16(out, 0);
    sim_out_le32(out, 0); // no limit to what is captured of a packet
    write_text_option(out, OPTION_NAME, name);
    write_text_option(out, OPTION_DESCRIPTION, description);
    write_option(out, OPTION_TIME_RESOLUTION, &resolution, 1);
    write_option(out, OPTION_END, NULL, 0);
    sim_out_le32(out, (uint32_t)size);
    return writer->interface_count++;
}

void sim_pcap_write(struct sim_pcap_writer *writer, const struct sim_pcap_record *packet)
{
    struct sim_out *out = &writer->out;
    const uint8_t flags[4] = {(uint8_t)packet->direction, 0, 0, 0};
    size_t bytes = 0;
    for (size_t i = 0; i < packet->piece_count; i++)
        bytes += packet->pieces[i].size;
    size_t size = 32 + padded(bytes) + text_option_size(packet->comment) + 8 + 4;
    begin_block(out, BLOCK_PACKET, size);
    sim_out_le32(out, packet->interface);
    sim_out_le32(out, (uint32_t)(packet->time_ns >> 32));
    sim_out_le32(out, (uint32_t)packet->time_ns);
    sim_out_le32(out, (uint32_t)bytes);
    sim_out_le32(out, (uint32_t)bytes);
    for (size_t i = 0; i < packet->piece_count; i++)
        sim_out_bytes(out, packet->pieces[i].data, packet->pieces[i].size);
    pad(out, bytes);
    write_text_option(out, OPTION_COMMENT, packet->comment);
    write_option(out, OPTION_PACKET_FLAGS, flags, sizeof(flags));
    write_option(out, OPTION_END, NULL, 0);
    sim_out_le32(out, (uint32_t)size);
}

void sim_pcap_write_secrets(struct sim_pcap_writer *writer, struct qe_span lines)
{
    struct sim_out *out = &writer->out;
    size_t size = 20 + padded(lines.size);
    begin_block(out, BLOCK_SECRETS, size);
    sim_out_le32(out, SECRETS_TLS_KEY_LOG);
    sim_out_le32(out, (uint32_t)lines.size);
    sim_out_bytes(out, lines.data, lines.size);
    pad(out, lines.size);
    sim_out_le32(out, (uint32_t)size);
}
